/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* What becomes of a frame, and who is told. */
#pragma once

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "flows.h"
#include "maps.h"
#include "source.h"

static __always_inline void count(__u32 slot, __u32 dir, __u32 reason, __u32 packets)
{
	struct tally *c = bpf_map_lookup_elem(&counters, &slot);

	/* What the compiler knows of the reason, the verifier does not: bound it anew. */
	asm volatile("" : "+r"(reason));
	if (c)
		c->packets[dir & 1][reason & (MAX_REASONS - 1)] += packets;
}

/* For tests: what the fabric says of the packet's path (1.6), in skb->cb. What the
 * host has does none of it yet. */
#define INJECT_NO_EGRESS_REFERENCE  1u
#define INJECT_NO_INGRESS_REFERENCE 2u
#define INJECT_FORCED               4u

static __always_inline int injected(const struct __sk_buff *skb, __u32 what)
{
	return testing && skb->cb[3] & what;
}

/* For tests: what a run decided, in skb->cb. */
static __always_inline void report(struct __sk_buff *skb, __u32 dir, __u32 reason,
				   const struct gate *gate)
{
	if (!testing)
		return;
	skb->cb[dir & 1] = reason | (__u32)(gate ? gate->rule : NO_RULE) << 16;
	skb->cb[4] |= 1u << (dir & 1);
}

static __always_inline int end(struct __sk_buff *skb, __u32 slot, __u32 dir, __u32 reason)
{
	count(slot, dir, reason, 1);
	report(skb, dir, reason, NULL);
	return TC_ACT_SHOT;
}

/* The frame goes back to where it came from. Broadcast requests become unicast
 * answers, which the kernel must know. */
static __always_inline int turn_around(struct __sk_buff *skb)
{
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	if (testing)
		skb->cb[2] = skb->ifindex;
	return bpf_redirect_peer(skb->ifindex, 0);
}

/* The frame goes to the instance behind another interface of this host. */
static __always_inline int hand_over(struct __sk_buff *skb, const struct interface *to)
{
	const __u8 router_mac[6] = ROUTER_MAC;
	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	__builtin_memcpy(eth->h_dest, to->mac, 6);
	__builtin_memcpy(eth->h_source, router_mac, 6);
	if (testing)
		skb->cb[2] = to->ifindex;
	return bpf_redirect_peer(to->ifindex, 0);
}
