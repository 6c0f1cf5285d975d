/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* One address of an IPv4 packet becomes another, with every checksum that covers
 * it (section 1.11). */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "packet.h"

enum end { SOURCE, DESTINATION };

#define IP_CHECKSUM  10
#define IP_ADDRESSES 12

/* Where a protocol keeps its checksum, in its header, if that covers the
 * addresses; 0 for none. */
static __always_inline __u32 checksum_at(__u32 proto)
{
	switch (proto) {
	case PROTO_TCP:
		return 16;
	case PROTO_UDP:
	case 33:  /* DCCP */
	case 136: /* UDP-Lite */
		return 6;
	}
	return 0;
}

static __always_inline __u16 adjusted(__u16 sum, __u32 from, __u32 to)
{
	__u32 s = (__u16)~sum;

	s += (__u16)~from + (__u16)~(from >> 16) + (__u16)to + (__u16)(to >> 16);
	s = (s & 0xffff) + (s >> 16);
	return ~((s & 0xffff) + (s >> 16));
}

/* An ICMP error quotes a packet that went the other way: the same address is at its
 * other end. Of the quoted checksums those that the quote is long enough for are
 * adjusted, and ICMP's own for them; the quoted IP header as a whole keeps its sum. */
static __always_inline int translate_quoted(struct __sk_buff *skb, const struct packet *p, __u32 end,
				  __u32 from, __u32 to)
{
	__u32 at = p->l4 + 8, sum_at, ip[5];
	__u16 old, sum;

	if (bpf_skb_load_bytes(skb, at, ip, sizeof(ip)) || (bpf_ntohl(ip[0]) >> 28) != 4 ||
	    ip[end == SOURCE ? 4 : 3] != from)
		return 0;
	if (bpf_l3_csum_replace(skb, at + IP_CHECKSUM, from, to, 4) ||
	    bpf_skb_store_bytes(skb, at + IP_ADDRESSES + (end == SOURCE ? 4 : 0), &to, 4, 0))
		return -1;
	sum_at = checksum_at(bpf_ntohl(ip[2]) >> 16 & 0xff);
	if (!sum_at || bpf_ntohl(ip[1]) & 0x1fff) /* the quoted packet is a later fragment */
		return 0;
	sum_at += at + (bpf_ntohl(ip[0]) >> 24 & 15) * 4;
	if (bpf_skb_load_bytes(skb, sum_at, &old, sizeof(old)) || !old)
		return 0;
	sum = adjusted(old, from, to);
	if (bpf_skb_store_bytes(skb, sum_at, &sum, sizeof(sum), 0))
		return -1;
	return bpf_l4_csum_replace(skb, p->l4 + 2, old, sum, 2) ? -1 : 0;
}

static __always_inline int quoting(const struct packet *p)
{
	__u32 type = p->port >> 8;

	return p->proto == PROTO_ICMP && p->class == CLASS_MESSAGE &&
	       (type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}

/* Returns non-zero if the packet cannot be changed. What p says of it stays. */
__noinline int translate(struct __sk_buff *skb, const struct packet *p, __u32 end, __u32 to)
{
	__u32 from, sum_at, flags = BPF_F_PSEUDO_HDR | 4;

	if (!p)
		return -1;
	from = end == SOURCE ? p->src.word[0] : p->dst.word[0];
	if (p->fragment != LATER_FRAGMENT) { /* behind the first there is no transport header */
		sum_at = checksum_at(p->proto);
		if (p->proto == PROTO_UDP)
			flags |= BPF_F_MARK_MANGLED_0;
		if (sum_at && bpf_l4_csum_replace(skb, p->l4 + sum_at, from, to, flags))
			return -1;
		if (quoting(p) && translate_quoted(skb, p, end, from, to))
			return -1;
	}
	if (bpf_l3_csum_replace(skb, ETH_HLEN + IP_CHECKSUM, from, to, 4))
		return -1;
	return bpf_skb_store_bytes(skb, ETH_HLEN + IP_ADDRESSES + (end == SOURCE ? 0 : 4), &to, 4, 0) ? -1 : 0;
}
