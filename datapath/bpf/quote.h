/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* The packet that an ICMP error quotes (section 3.4). Included by parse.h, whose
 * terms it uses. */
#pragma once

static __always_inline int is_error(const struct packet *p)
{
	__u32 type = p->port >> 8;

	if (p->family == IPV4)
		return type == 3 || type == 4 || type == 11 || type == 12;
	return type >= 1 && type <= 4;
}

/* The quoted packet: one is in hand at a time, and it is too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet);
} quotes SEC(".maps");

static __always_inline struct packet *quoted(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&quotes, &only);
}

/* Leaves the quoted packet in quoted(), and returns true, if it names a flow: with
 * at least eight bytes behind its IP header, no later fragment, no error itself,
 * and from where the error goes. rest bytes are there. */
static __noinline int quote(struct __sk_buff *skb, const struct packet *p, __u32 rest)
{
	__u32 at = p->l4 + 8, end = at + rest;
	struct packet *q = quoted();
	__u8 ip[sizeof(struct ipv6hdr)];
	__u8 l4[8];

	if (!q)
		return 0;
	clear(q, skb);
	q->family = p->family;
	if (p->family == IPV4) {
		struct iphdr *h = (void *)ip;

		if (rest < sizeof(*h) || bpf_skb_load_bytes(skb, at, h, sizeof(*h)))
			return 0;
		if (h->version != 4 || h->ihl < 5 || h->frag_off & bpf_htons(0x1fff))
			return 0;
		q->proto = h->protocol;
		q->src.word[0] = h->saddr;
		q->dst.word[0] = h->daddr;
		q->l4 = at + h->ihl * 4;
	} else {
		struct ipv6hdr *h = (void *)ip;

		if (rest < sizeof(*h) || bpf_skb_load_bytes(skb, at, h, sizeof(*h)) || h->version != 6)
			return 0;
		q->proto = h->nexthdr;
		__builtin_memcpy(&q->src, &h->saddr, sizeof(q->src));
		__builtin_memcpy(&q->dst, &h->daddr, sizeof(q->dst));
		q->l4 = at + sizeof(*h);
		if (is_extension(q->proto) && extensions(skb, q, q->l4, end))
			return 0;
	}
	if (q->fragment == LATER_FRAGMENT || !same(&q->src, &p->dst) || q->l4 + sizeof(l4) > end ||
	    bpf_skb_load_bytes(skb, q->l4, l4, sizeof(l4)))
		return 0;
	if (q->proto == PROTO_ICMP || q->proto == PROTO_ICMPV6) {
		icmp_class(q, l4[0]);
		__builtin_memcpy(&q->id, l4 + 4, 2);
		return q->class != CLASS_MESSAGE && (q->proto == PROTO_ICMP) == (p->family == IPV4);
	}
	if (q->proto == PROTO_TCP || q->proto == PROTO_UDP) {
		__builtin_memcpy(&q->src_port, l4, 2);
		__builtin_memcpy(&q->dst_port, l4 + 2, 2);
		q->port = bpf_ntohs(q->dst_port);
		q->reverse = bpf_ntohs(q->src_port);
	}
	return 1;
}
