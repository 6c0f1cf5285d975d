/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* What the VPC's router answers itself: ARP, neighbour discovery and echo
 * (sections 4.1 and 4.2). An answer is the request turned around in place and
 * handed back to the interface it came from. */
#pragma once

#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "parse.h"
#include "source.h"

/* What an entry point returns for an answer, beside a reason: hand the frame
 * back. Larger than any reason. */
#define TURN_AROUND 0x100

enum arp_words { ARP_ETHERNET = 1, ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp {
	struct ethhdr eth;
	__u16 hardware, protocol;
	__u8 hardware_size, protocol_size;
	__u16 operation;
	__u8 sender_mac[6];
	__u8 sender[4];
	__u8 target_mac[6];
	__u8 target[4];
} __attribute__((packed));

static __always_inline int same_mac(const __u8 *a, const __u8 *b)
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		 (a[5] ^ b[5]));
}

/* Whether it is ARP between Ethernet and IPv4 addresses. */
static __always_inline int plain_arp(const struct arp *f)
{
	return f->hardware == bpf_htons(ARP_ETHERNET) && f->protocol == bpf_htons(ETH_P_IP) &&
	       f->hardware_size == 6 && f->protocol_size == 4;
}

/* ARP to the instance, which only the host itself sends. */
static __noinline int arp_in(struct __sk_buff *skb)
{
	struct arp f;

	if (bpf_skb_load_bytes(skb, 0, &f, sizeof(f)) || !plain_arp(&f))
		return REASON_MALFORMED;
	return REASON_EXEMPT;
}

static __noinline int arp(struct __sk_buff *skb, const struct interface *me, __u32 slot)
{
	const __u8 router_mac[6] = ROUTER_MAC;
	struct address sender = {}, target = {};
	struct arp f;

	if (bpf_skb_load_bytes(skb, 0, &f, sizeof(f)) || !plain_arp(&f))
		return REASON_MALFORMED;
	__builtin_memcpy(sender.word, f.sender, 4);
	__builtin_memcpy(target.word, f.target, 4);
	if (!same_mac(f.eth.h_source, me->mac) || !same_mac(f.sender_mac, me->mac))
		return REASON_SPOOF_ARP;
	/* 0.0.0.0 is a probe for address conflicts. */
	if (sender.word[0] && !own(me, slot, IPV4, &sender))
		return REASON_SPOOF_ARP;
	if (f.operation != bpf_htons(ARP_REQUEST) || own(me, slot, IPV4, &target) ||
	    !routed(me, &target, IPV4))
		return REASON_ANSWERED; /* absorbed */

	__builtin_memcpy(f.eth.h_dest, me->mac, 6);
	__builtin_memcpy(f.eth.h_source, router_mac, 6);
	f.operation = bpf_htons(ARP_REPLY);
	__builtin_memcpy(f.target_mac, me->mac, 6);
	__builtin_memcpy(f.target, sender.word, 4);
	__builtin_memcpy(f.sender_mac, router_mac, 6);
	__builtin_memcpy(f.sender, target.word, 4);
	if (bpf_skb_store_bytes(skb, 0, &f, sizeof(f), 0))
		return REASON_MALFORMED;
	return REASON_ANSWERED | TURN_AROUND;
}

enum nd_type {
	ND_ROUTER_SOLICITATION = 133,
	ND_ROUTER_ADVERTISEMENT = 134,
	ND_NEIGHBOUR_SOLICITATION = 135,
	ND_NEIGHBOUR_ADVERTISEMENT = 136,
	ND_REDIRECT = 137,
};

/* Neighbour discovery and multicast listeners (4.2). */
static __always_inline int of_link(__u32 type)
{
	return (type >= 130 && type <= ND_REDIRECT) || type == 143;
}

struct neighbour {
	__u16 pad; /* so that the addresses, which are summed, are aligned */
	struct ethhdr eth;
	struct ipv6hdr ip;
	__u8 type, code;
	__u16 checksum;
	__u32 flags; /* advertisement: router, solicited, override */
	struct address target;
	__u8 option, option_size;
	__u8 mac[6];
} __attribute__((packed, aligned(8)));

#define NEIGHBOUR_FRAME 86u
#define NEIGHBOUR_PAYLOAD (NEIGHBOUR_FRAME - ETH_HLEN - sizeof(struct ipv6hdr))
#define NEIGHBOUR_SOURCE 24 /* offset of the IPv6 source in struct neighbour */
#define NEIGHBOUR_TARGET 64 /* and of the target */

_Static_assert(sizeof(struct neighbour) == NEIGHBOUR_FRAME + 2, "advertisement");
_Static_assert(__builtin_offsetof(struct neighbour, target) == NEIGHBOUR_TARGET, "advertisement");

static __noinline int solicitation(struct __sk_buff *skb, const struct interface *me,
				   const struct packet *p, __u32 slot)
{
	const __u8 router_mac[6] = ROUTER_MAC;
	struct neighbour f = {};
	struct address *target = (void *)&f + NEIGHBOUR_TARGET;
	__s64 sum;

	if (p->bytes < sizeof(struct ipv6hdr) + 24 ||
	    bpf_skb_load_bytes(skb, p->l4 + 8, target, sizeof(*target)))
		return REASON_MALFORMED;
	/* Duplicate address detection, and anything not for the router. */
	if (unspecified(&p->src) || p->hops != 255 || own(me, slot, IPV6, target) ||
	    !routed(me, target, IPV6))
		return REASON_ANSWERED;

	__builtin_memcpy(f.eth.h_dest, me->mac, 6);
	__builtin_memcpy(f.eth.h_source, router_mac, 6);
	f.eth.h_proto = bpf_htons(ETH_P_IPV6);
	f.ip.version = 6;
	f.ip.payload_len = bpf_htons(NEIGHBOUR_PAYLOAD);
	f.ip.nexthdr = PROTO_ICMPV6;
	f.ip.hop_limit = 255;
	__builtin_memcpy(&f.ip.saddr, target, 16);
	__builtin_memcpy(&f.ip.daddr, &p->src, 16);
	f.type = ND_NEIGHBOUR_ADVERTISEMENT;
	f.flags = bpf_htonl(router(me, target, IPV6) ? 0xe0000000 : 0x60000000);
	f.option = 2; /* target link-layer address */
	f.option_size = 1;
	__builtin_memcpy(f.mac, router_mac, 6);

	sum = bpf_csum_diff(NULL, 0, (void *)&f + NEIGHBOUR_SOURCE, 32 + NEIGHBOUR_PAYLOAD,
			    bpf_htonl(PROTO_ICMPV6 + NEIGHBOUR_PAYLOAD));
	if (sum < 0)
		return REASON_MALFORMED;
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff);
	f.checksum = ~((sum & 0xffff) + (sum >> 16));

	if (skb->len != NEIGHBOUR_FRAME && bpf_skb_change_tail(skb, NEIGHBOUR_FRAME, 0))
		return REASON_MALFORMED;
	if (bpf_skb_store_bytes(skb, 0, &f.eth, NEIGHBOUR_FRAME, 0))
		return REASON_MALFORMED;
	return REASON_ANSWERED | TURN_AROUND;
}

static __noinline int advertisement(struct __sk_buff *skb, const struct interface *me,
				    const struct packet *p, __u32 slot)
{
	struct address target;

	if (p->bytes < sizeof(struct ipv6hdr) + 24 ||
	    bpf_skb_load_bytes(skb, p->l4 + 8, &target, sizeof(target)))
		return REASON_MALFORMED;
	if (own(me, slot, IPV6, &target) || (link_local6(&target) && same(&target, &p->src)))
		return REASON_ANSWERED;
	return REASON_SPOOF_ND;
}

/* ICMPv6 that belongs to the link and never goes further: the reason to end
 * with, or REASON_UNSET for ordinary traffic. */
static __always_inline int link_scope(struct __sk_buff *skb, const struct interface *me,
				      const struct packet *p, __u32 slot)
{
	__u32 type = p->port >> 8;

	if (p->proto != PROTO_ICMPV6 || !of_link(type))
		return REASON_UNSET;
	if (type == ND_ROUTER_ADVERTISEMENT || type == ND_REDIRECT)
		return REASON_ROGUE_RA;
	/* Who asks must be the interface, by an address of its own, its
	 * link-local one, or none yet. */
	if (!link_local6(&p->src) && !unspecified(&p->src) && !own(me, slot, IPV6, &p->src))
		return REASON_SPOOF_IP;
	switch (type) {
	case ND_NEIGHBOUR_SOLICITATION:
		return solicitation(skb, me, p, slot);
	case ND_NEIGHBOUR_ADVERTISEMENT:
		return advertisement(skb, me, p, slot);
	case ND_ROUTER_SOLICITATION:
		return REASON_ANSWERED;
	case 130: case 131: case 132: case 143: /* multicast listeners */
		return multicast6(&p->dst) ? REASON_ANSWERED : REASON_UNSET;
	}
	return REASON_UNSET;
}

/* Echo to the router: addresses and types are swapped, which the checksum
 * feels only through the type. Other ICMP to the router is absorbed. */
static __noinline int router_echo(struct __sk_buff *skb, const struct interface *me,
				  const struct packet *p)
{
	const __u8 router_mac[6] = ROUTER_MAC;
	__u32 request = p->family == IPV4 ? 8 : 128, reply = p->family == IPV4 ? 0 : 129;
	__u32 size = p->family == IPV4 ? 4 : 16;
	__u32 src = ETH_HLEN + (p->family == IPV4 ? 12 : 8);
	__u16 checksum;
	__u8 macs[12], type = reply;
	__u32 sum;

	if (p->port != request << 8)
		return REASON_EXEMPT;
	if (bpf_skb_load_bytes(skb, p->l4 + 2, &checksum, sizeof(checksum)))
		return REASON_MALFORMED;
	sum = (__u16)~checksum + (__u16)~bpf_htons(request << 8) + bpf_htons(reply << 8);
	sum = (sum & 0xffff) + (sum >> 16);
	checksum = ~((sum & 0xffff) + (sum >> 16));
	__builtin_memcpy(macs, me->mac, 6);
	__builtin_memcpy(macs + 6, router_mac, 6);
	if (bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0) ||
	    bpf_skb_store_bytes(skb, p->l4, &type, 1, 0) ||
	    bpf_skb_store_bytes(skb, p->l4 + 2, &checksum, 2, 0))
		return REASON_MALFORMED;
	if (size == 4) {
		struct { __u32 src, dst; } v4 = { p->dst.word[0], p->src.word[0] };

		if (bpf_skb_store_bytes(skb, src, &v4, sizeof(v4), 0))
			return REASON_MALFORMED;
	} else {
		struct { struct address src, dst; } v6 = { p->dst, p->src };

		if (bpf_skb_store_bytes(skb, src, &v6, sizeof(v6), 0))
			return REASON_MALFORMED;
	}
	return REASON_ANSWERED | TURN_AROUND;
}
