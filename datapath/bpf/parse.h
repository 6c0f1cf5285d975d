/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* From frame to packet: sections 4.4 and 4.6. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "clock.h"
#include "packet.h"

#define MAX_EXTENSIONS 8
#define MAX_EXTENSION_BYTES 512
#define MAX_HEADERS (ETH_HLEN + sizeof(struct ipv6hdr) + MAX_EXTENSION_BYTES)

/* Returns the frame's first bytes if at least want of them can be read, pulling
 * them out of fragments of the buffer if need be; otherwise NULL. */
static __always_inline void *head(struct __sk_buff *skb, __u32 want)
{
	void *data = (void *)(long)skb->data;

	if (data + want <= (void *)(long)skb->data_end)
		return data;
	if (skb->len < want || bpf_skb_pull_data(skb, want))
		return NULL;
	return (void *)(long)skb->data;
}

/* What kind of fragment it is (4.5). offset is in bytes, its lowest bits do not
 * count. */
static __always_inline void fragment(struct packet *p, __u32 offset, int more)
{
	p->from = (offset & 0xfff8) >> 3;
	p->more = !!more;
	p->fragment = p->from ? LATER_FRAGMENT : more ? FIRST_FRAGMENT : WHOLE;
}

/* The unit behind the last of a fragment of so many bytes; 0 if no datagram can be
 * made of it. */
static __always_inline __u32 fragment_end(const struct packet *p, __u32 length)
{
	if (!length || (p->more && length & 7) || p->from * 8 + length > 0xffff)
		return 0;
	return p->from + (length + 7) / 8;
}

/* IPv4 options: source routing is refused, others are skipped (4.4). */
static __noinline int ipv4_options(struct __sk_buff *skb, __u32 length)
{
	__u32 start = ETH_HLEN + sizeof(struct iphdr), at = 0;

	for (int i = 0; i < 40; i++) {
		__u8 option[2] = {};

		if (at >= length)
			break;
		if (bpf_skb_load_bytes(skb, start + at, option, 1) || !option[0])
			break; /* end of options */
		if (option[0] == 131 || option[0] == 137)
			return REASON_SOURCE_ROUTE;
		option[1] = 1;
		if (option[0] != 1) {
			if (at + 2 > length || bpf_skb_load_bytes(skb, start + at, option, 2) ||
			    option[1] < 2 || at + option[1] > length)
				return REASON_MALFORMED;
		}
		at = (at + option[1]) & 127; /* below 80; the mask is for the verifier */
	}
	return REASON_UNSET;
}

/* Sets l4 and, on success, leaves the bytes from there to the end of the packet
 * in *rest. */
static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *p, __u32 *rest)
{
	__u8 *data = head(skb, ETH_HLEN + sizeof(struct iphdr));
	struct iphdr *ip = (void *)data + ETH_HLEN;
	__u32 frame = skb->len - ETH_HLEN, total, header;

	if (!data || (void *)(ip + 1) > (void *)(long)skb->data_end)
		return REASON_MALFORMED;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (!total && skb->gso_size)
		total = frame;
	if (ip->version != 4 || header < sizeof(*ip) || total < header || total > frame)
		return REASON_MALFORMED;

	p->src = (struct address){ { ip->saddr } };
	p->dst = (struct address){ { ip->daddr } };
	p->proto = ip->protocol;
	p->hops = ip->ttl;
	fragment(p, bpf_ntohs(ip->frag_off) << 3, ip->frag_off & bpf_htons(0x2000));
	p->datagram = bpf_htonl(bpf_ntohs(ip->id));
	p->l4 = ETH_HLEN + header;
	p->bytes = total;
	*rest = total - header;
	p->to = fragment_end(p, *rest);
	if (p->proto == PROTO_ICMPV6)
		return REASON_FAMILY_MISMATCH;
	if (header > sizeof(*ip))
		return ipv4_options(skb, header - sizeof(*ip));
	return REASON_UNSET;
}

enum extension {
	EXT_HOP_BY_HOP = 0,
	EXT_ROUTING = 43,
	EXT_FRAGMENT = 44,
	EXT_DESTINATION = 60,
	EXT_MOBILITY = 135,
	EXT_HIP = 139,
	EXT_SHIM6 = 140,
};

static __always_inline int is_extension(__u32 header)
{
	return header == EXT_HOP_BY_HOP || header == EXT_ROUTING || header == EXT_FRAGMENT ||
	       header == EXT_DESTINATION || header == EXT_MOBILITY || header == EXT_HIP ||
	       header == EXT_SHIM6;
}

/* Walks the chain of extension headers (4.4) from start and moves l4 behind it. AH and ESP
 * are no extensions here: they are what rules and flows speak of. */
static __noinline int extensions(struct __sk_buff *skb, struct packet *p, __u32 start, __u32 end)
{
	__u32 at = start;
	__u32 next = p->proto;

	for (int i = 0; i <= MAX_EXTENSIONS; i++) {
		__u8 ext[8];
		__u32 size;

		if (!is_extension(next)) {
			p->proto = next;
			p->l4 = at;
			return REASON_UNSET;
		}
		if (i == MAX_EXTENSIONS)
			break;
		if (at + sizeof(ext) > end || bpf_skb_load_bytes(skb, at, ext, sizeof(ext)))
			goto truncated;
		size = next == EXT_FRAGMENT ? 8 : (ext[1] + 1) * 8;
		if ((next == EXT_HOP_BY_HOP && i > 0) || (next == EXT_ROUTING && ext[2] == 0))
			break;
		if (at + size > end)
			goto truncated;
		if (at + size - start > MAX_EXTENSION_BYTES)
			break;
		if (next == EXT_FRAGMENT && (ext[2] || ext[3] & 0xf9)) {
			fragment(p, ext[2] << 8 | ext[3], ext[3] & 1);
			p->to = fragment_end(p, end - at - size);
			__builtin_memcpy(&p->datagram, ext + 4, 4);
			if (p->fragment == LATER_FRAGMENT) {
				p->proto = ext[0];
				p->l4 = at + size;
				return REASON_UNSET;
			}
		}
		next = ext[0];
		at += size;
	}
	return REASON_EXT_CHAIN;
truncated:
	/* A first fragment must hold the whole chain (4.5). */
	return p->fragment ? REASON_TINY_FRAGMENT : REASON_EXT_CHAIN;
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *p, __u32 *rest)
{
	__u8 *data = head(skb, ETH_HLEN + sizeof(struct ipv6hdr));
	struct ipv6hdr *ip = (void *)data + ETH_HLEN;
	__u32 frame = skb->len - ETH_HLEN, total, end;
	int reason;

	if (!data || (void *)(ip + 1) > (void *)(long)skb->data_end)
		return REASON_MALFORMED;
	total = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (total == sizeof(*ip) && skb->gso_size)
		total = frame;
	if (ip->version != 6 || total > frame)
		return REASON_MALFORMED;

	__builtin_memcpy(&p->src, &ip->saddr, sizeof(p->src));
	__builtin_memcpy(&p->dst, &ip->daddr, sizeof(p->dst));
	p->proto = ip->nexthdr;
	p->hops = ip->hop_limit;
	p->l4 = ETH_HLEN + sizeof(*ip);
	p->bytes = total;
	end = ETH_HLEN + total;
	if (is_extension(p->proto)) {
		reason = extensions(skb, p, p->l4, end);
		if (reason)
			return reason;
	}
	if (p->proto == PROTO_ICMP)
		return REASON_FAMILY_MISMATCH;
	*rest = end > p->l4 ? end - p->l4 : 0;
	return REASON_UNSET;
}

/* By the flags FIN, SYN, RST, PSH, ACK and URG, in this order from the lowest bit. */
#define TCP_CLASS(flags)                                                                        \
	((flags) & 2 ? (flags) & 5 ? CLASS_BAD : (flags) & 16 ? CLASS_SYNACK : CLASS_SYN        \
	 : (flags) & 4 ? CLASS_RST                                                              \
	 : (flags) & 1 ? CLASS_FIN                                                              \
	 : (flags) & 16 ? CLASS_ACK                                                             \
			: CLASS_BAD)
#define TCP_CLASSES(flags) TCP_CLASS(flags), TCP_CLASS((flags) + 1), TCP_CLASS((flags) + 2), TCP_CLASS((flags) + 3)

static const __u8 tcp_classes[64] = {
	TCP_CLASSES(0),  TCP_CLASSES(4),  TCP_CLASSES(8),  TCP_CLASSES(12),
	TCP_CLASSES(16), TCP_CLASSES(20), TCP_CLASSES(24), TCP_CLASSES(28),
	TCP_CLASSES(32), TCP_CLASSES(36), TCP_CLASSES(40), TCP_CLASSES(44),
	TCP_CLASSES(48), TCP_CLASSES(52), TCP_CLASSES(56), TCP_CLASSES(60),
};

/* Queries and replies come in kinds, and a reply answers its own kind only
 * (3.4). Both families are listed; their types do not collide. */
static __always_inline void icmp_class(struct packet *p, __u32 type)
{
	p->class = CLASS_QUERY;
	p->query = 1;
	if (p->family == IPV4) {
		switch (type) {
		case 0: p->class = CLASS_REPLY; /* fallthrough */
		case 8: p->query = 1; return;
		case 14: p->class = CLASS_REPLY; /* fallthrough */
		case 13: p->query = 2; return;
		case 16: p->class = CLASS_REPLY; /* fallthrough */
		case 15: p->query = 3; return;
		case 18: p->class = CLASS_REPLY; /* fallthrough */
		case 17: p->query = 4; return;
		case 43: p->class = CLASS_REPLY; /* fallthrough */
		case 42: p->query = 5; return;
		}
	} else {
		switch (type) {
		case 129: p->class = CLASS_REPLY; /* fallthrough */
		case 128: p->query = 1; return;
		case 140: p->class = CLASS_REPLY; /* fallthrough */
		case 139: p->query = 2; return;
		case 161: p->class = CLASS_REPLY; /* fallthrough */
		case 160: p->query = 5; return;
		}
	}
	p->class = CLASS_MESSAGE;
}

/* The ports of TCP and UDP, from the transport header h, of which rest bytes and
 * what follows are there. Each segment of an offloaded packet carries the headers
 * again (4.6). Returns 0 if the header contradicts itself. */
static __always_inline int parse_ports(struct __sk_buff *skb, struct packet *p, __u8 *h, __u32 rest)
{
	__u32 header = sizeof(struct udphdr);

	if ((void *)(h + sizeof(struct udphdr)) > (void *)(long)skb->data_end)
		return 0;
	p->src_port = *(__u16 *)h;
	p->dst_port = *(__u16 *)(h + 2);
	p->port = bpf_ntohs(p->dst_port);
	p->reverse = bpf_ntohs(p->src_port);
	if (p->proto == PROTO_UDP) {
		__u32 length = bpf_ntohs(*(__u16 *)(h + 4));

		/* A first fragment's length is that of the datagram. */
		if (length < sizeof(struct udphdr) || (length > rest && !p->fragment))
			return 0;
		p->class = CLASS_UDP;
	} else {
		if ((void *)(h + sizeof(struct tcphdr)) > (void *)(long)skb->data_end)
			return 0;
		header = (h[12] >> 4) * 4;
		if (header < sizeof(struct tcphdr) || (header > rest && !p->fragment))
			return 0;
		p->class = tcp_classes[h[13] & 63];
	}
	if (p->segments > 1)
		p->bytes += (p->segments - 1) * (p->l4 - ETH_HLEN + header);
	return 1;
}

/* Sets what parsers set only in some packets. */
static __always_inline void clear(struct packet *p, struct __sk_buff *skb)
{
	p->src = p->dst = (struct address){};
	p->family = 0;
	p->class = CLASS_OTHER;
	p->port = p->reverse = 0;
	p->src_port = p->dst_port = 0;
	p->id = p->query = 0;
	p->segments = skb->gso_segs ?: 1;
	p->fragment = 0;
	p->quotes = 0;
	p->l4 = p->bytes = p->hops = p->proto = 0;
}

#include "quote.h"

/* Reads the transport header, of which rest bytes and what follows are there. */
static __always_inline int parse_transport(struct __sk_buff *skb, struct packet *p, __u32 rest)
{
	__u32 want = p->proto == PROTO_TCP ? sizeof(struct tcphdr) : 8;
	__u64 l4 = p->l4;
	__u8 *data, *h;

	if (p->proto != PROTO_TCP && p->proto != PROTO_UDP && p->proto != PROTO_ICMP &&
	    p->proto != PROTO_ICMPV6)
		return REASON_UNSET;
	if (p->proto == PROTO_ICMPV6 && rest < want && !p->fragment)
		want = 4;
	if (rest < want)
		return p->fragment ? REASON_TINY_FRAGMENT : REASON_MALFORMED;
	if (l4 > MAX_HEADERS)
		return REASON_MALFORMED;
	data = head(skb, l4 + want);
	if (!data)
		return REASON_MALFORMED;
	h = data + l4;
	if ((void *)(h + 4) > (void *)(long)skb->data_end)
		return REASON_MALFORMED;

	if (p->proto == PROTO_ICMP || p->proto == PROTO_ICMPV6) {
		p->port = h[0] << 8 | h[1];
		icmp_class(p, h[0]);
		if ((void *)(h + 8) <= (void *)(long)skb->data_end && want == 8)
			p->id = *(__u16 *)(h + 4);
		else if (p->class != CLASS_MESSAGE)
			return REASON_MALFORMED; /* no identifier */
		if (rest > 8 && is_error(p))
			p->quotes = quote(skb, p, rest - 8);
		return REASON_UNSET;
	}
	return parse_ports(skb, p, h, rest) ? REASON_UNSET : REASON_MALFORMED;
}

/* The packets that there are most of: TCP and UDP, whole, without options and
 * extension headers, and with their headers where they can be read at once.
 * Returns 0 for all others, and leaves them to parse. */
static __always_inline int plain(struct __sk_buff *skb, __u32 ethertype, struct packet *p)
{
	void *end = (void *)(long)skb->data_end;
	__u8 *data = (void *)(long)skb->data;
	__u32 frame = skb->len - ETH_HLEN, total;

	if (!p)
		return 0;
	clear(p, skb);
	if (ethertype == ETH_P_IP) {
		struct iphdr *ip = (void *)data + ETH_HLEN;

		if ((void *)(ip + 1) > end)
			return 0;
		total = bpf_ntohs(ip->tot_len);
		if (*(__u8 *)ip != 0x45 || ip->frag_off & bpf_htons(0x3fff) || total > frame ||
		    total < sizeof(*ip))
			return 0;
		p->family = IPV4;
		p->src = (struct address){ { ip->saddr } };
		p->dst = (struct address){ { ip->daddr } };
		p->proto = ip->protocol;
		p->hops = ip->ttl;
		p->l4 = ETH_HLEN + sizeof(*ip);
	} else {
		struct ipv6hdr *ip = (void *)data + ETH_HLEN;

		if ((void *)(ip + 1) > end)
			return 0;
		total = bpf_ntohs(ip->payload_len) + sizeof(*ip);
		if (ip->version != 6 || total > frame)
			return 0;
		p->family = IPV6;
		__builtin_memcpy(&p->src, &ip->saddr, sizeof(p->src));
		__builtin_memcpy(&p->dst, &ip->daddr, sizeof(p->dst));
		p->proto = ip->nexthdr;
		p->hops = ip->hop_limit;
		p->l4 = ETH_HLEN + sizeof(*ip);
	}
	if (p->proto != PROTO_TCP && p->proto != PROTO_UDP)
		return 0;
	p->bytes = total;
	if (!parse_ports(skb, p, data + p->l4, total - (p->l4 - ETH_HLEN)))
		return 0;
	return 1;
}

/* Fills in *p. Returns REASON_UNSET, or the reason to discard the packet. A
 * global function, like find. */
__noinline int parse(struct __sk_buff *skb, __u32 ethertype, struct packet *p)
{
	__u32 rest = 0;
	int reason;

	if (!p)
		return REASON_MALFORMED;
	clear(p, skb);
	if (ethertype == ETH_P_IP) {
		p->family = IPV4;
		reason = parse_ipv4(skb, p, &rest);
	} else {
		p->family = IPV6;
		reason = parse_ipv6(skb, p, &rest);
	}
	if (reason)
		return reason;
	if (p->fragment != LATER_FRAGMENT) {
		reason = parse_transport(skb, p, rest);
		if (reason)
			return reason;
	} else if (p->proto == PROTO_TCP && p->from == 1) {
		return REASON_TINY_FRAGMENT; /* it would overwrite the flags (4.5) */
	}
	return p->fragment && !p->to ? REASON_MALFORMED : REASON_UNSET;
}
