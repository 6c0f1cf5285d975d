/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* What is longer than the network between hosts takes: the router says so to its
 * sender, as routers do (RFC 1191, RFC 8201). */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "outcome.h"
#include "packet.h"
#include "source.h"

/* How much of the packet is quoted: enough for every sender to know its flow. */
#define QUOTED 128

struct icmp_error {
	__u8 type, code;
	__u16 checksum;
	__u32 mtu;
	__u8 quote[QUOTED];
};

/* Headers stand so that what is summed is aligned. */
struct error4 {
	__u16 pad;
	struct ethhdr eth;
	struct iphdr ip;
	struct icmp_error icmp;
} __attribute__((packed, aligned(8)));

struct error6 {
	__u16 pad;
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct icmp_error icmp;
} __attribute__((packed, aligned(8)));

union error {
	struct error4 v4;
	struct error6 v6;
};

#define ERROR4_FRAME (14 + 20 + 8 + QUOTED)
#define ERROR6_FRAME (14 + 40 + 8 + QUOTED)

_Static_assert(__builtin_offsetof(struct error4, icmp.quote) + QUOTED == ERROR4_FRAME + 2, "error");
_Static_assert(__builtin_offsetof(struct error6, icmp.quote) + QUOTED == ERROR6_FRAME + 2, "error");

/* The answer in the making: too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, sizeof(union error)); /* Go knows no such union, and needs none */
} errors SEC(".maps");

static __always_inline __u16 folded(__s64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff);
	return ~((sum & 0xffff) + (sum >> 16));
}

/* Whether the hosts may take the packet apart on the way. */
static __always_inline int divisible(struct __sk_buff *skb, const struct packet *p)
{
	__u16 flags;

	return p->family == IPV4 && !bpf_skb_load_bytes(skb, ETH_HLEN + 6, &flags, sizeof(flags)) &&
	       !(flags & bpf_htons(0x4000));
}

static __noinline int error4(const struct interface *me, const struct packet *p, struct error4 *e, __u32 mtu)
{
	e->eth.h_proto = bpf_htons(ETH_P_IP);
	__builtin_memset(&e->ip, 0, sizeof(e->ip));
	e->ip.version = 4;
	e->ip.ihl = 5;
	e->ip.tot_len = bpf_htons(ERROR4_FRAME - ETH_HLEN);
	e->ip.ttl = 64;
	e->ip.protocol = PROTO_ICMP;
	e->ip.saddr = me->router4 ? me->router4 : p->dst.word[0];
	e->ip.daddr = p->src.word[0];
	e->ip.check = folded(bpf_csum_diff(NULL, 0, (void *)&e->ip, sizeof(e->ip), 0));
	e->icmp.type = 3; /* destination unreachable: fragmentation needed */
	e->icmp.code = 4;
	e->icmp.checksum = 0;
	e->icmp.mtu = bpf_htonl(mtu);
	e->icmp.checksum = folded(bpf_csum_diff(NULL, 0, (void *)&e->icmp, sizeof(e->icmp), 0));
	return 0;
}

static __noinline int error6(const struct interface *me, const struct packet *p, struct error6 *e, __u32 mtu)
{
	e->eth.h_proto = bpf_htons(ETH_P_IPV6);
	__builtin_memset(&e->ip, 0, sizeof(e->ip));
	e->ip.version = 6;
	e->ip.payload_len = bpf_htons(sizeof(e->icmp));
	e->ip.nexthdr = PROTO_ICMPV6;
	e->ip.hop_limit = 64;
	__builtin_memcpy(&e->ip.saddr, unspecified(&me->router6) ? &p->dst : &me->router6, 16);
	__builtin_memcpy(&e->ip.daddr, &p->src, 16);
	e->icmp.type = 2; /* packet too big */
	e->icmp.code = 0;
	e->icmp.checksum = 0;
	e->icmp.mtu = bpf_htonl(mtu);
	e->icmp.checksum = folded(bpf_csum_diff(NULL, 0, (void *)&e->ip.saddr, 32 + sizeof(e->icmp),
						bpf_htonl(PROTO_ICMPV6 + sizeof(e->icmp))));
	return 0;
}

/* Tells the sender how long packets may be: REASON_TOO_BIG, with TURN_AROUND if the
 * frame is the answer now. */
static __noinline int too_big(struct __sk_buff *skb, const struct interface *me,
			      const struct packet *p, __u32 mtu)
{
	const __u8 router_mac[6] = ROUTER_MAC;
	__u32 only = 0, size = p->family == IPV4 ? ERROR4_FRAME : ERROR6_FRAME;
	union error *e = bpf_map_lookup_elem(&errors, &only);
	struct ethhdr *eth;
	__u8 *quote;

	if (!e)
		return REASON_TOO_BIG;
	quote = p->family == IPV4 ? e->v4.icmp.quote : e->v6.icmp.quote;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, quote, QUOTED))
		return REASON_TOO_BIG;
	eth = &e->v4.eth; /* in both at the same place */
	__builtin_memcpy(eth->h_dest, me->mac, 6);
	__builtin_memcpy(eth->h_source, router_mac, 6);
	if (p->family == IPV4)
		error4(me, p, &e->v4, mtu);
	else
		error6(me, p, &e->v6, mtu);
	if (bpf_skb_change_tail(skb, size, 0))
		return REASON_TOO_BIG;
	if (p->family == IPV4 ? bpf_skb_store_bytes(skb, 0, eth, ERROR4_FRAME, 0)
			      : bpf_skb_store_bytes(skb, 0, eth, ERROR6_FRAME, 0))
		return REASON_TOO_BIG;
	return REASON_TOO_BIG | TURN_AROUND;
}
