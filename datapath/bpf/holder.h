/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* The way to who holds fragments that come too early, and back (section 4.5). */
#pragma once

#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "outcome.h"
#include "settings.h"

/* Hands the frame to user space: where it came from, or was going to, stands in
 * its destination address. */
static __always_inline int hold(struct __sk_buff *skb, __u32 slot, __u32 dir)
{
	struct settings *s = host_settings();
	__u8 mac[6] = { 0x02, dir, slot >> 24, slot >> 16, slot >> 8, slot };

	if (!s || !s->holder || bpf_skb_store_bytes(skb, 0, mac, sizeof(mac), 0))
		return TC_ACT_SHOT;
	if (testing)
		skb->cb[2] = s->holder;
	return bpf_redirect(s->holder, 0);
}

/* On the device of who holds fragments: what comes back from there goes on where it
 * was held, and is judged again. Its destination address says where that is (see
 * hold), and with HELD_TOO_LONG that it is not to go on. */
#define HELD_TOO_LONG 2

SEC("tc")
int from_holder(struct __sk_buff *skb)
{
	const __u8 router_mac[6] = ROUTER_MAC;
	struct interface *me;
	__u32 slot, dir;
	__u8 mac[6], macs[12];

	if (bpf_skb_load_bytes(skb, 0, mac, sizeof(mac)) || mac[0] != 0x02)
		return TC_ACT_SHOT;
	slot = mac[2] << 24 | mac[3] << 16 | mac[4] << 8 | mac[5];
	dir = mac[1] & 1;
	me = bpf_map_lookup_elem(&interfaces, &slot);
	if (!me || !me->ifindex)
		return TC_ACT_SHOT;
	if (mac[1] & HELD_TOO_LONG) {
		count(slot, dir, REASON_FRAG_NO_CONTEXT, 1);
		return TC_ACT_SHOT;
	}
	/* Its source is still the sender's, and is checked again. */
	__builtin_memcpy(macs, dir == INGRESS ? me->mac : router_mac, 6);
	__builtin_memcpy(macs + 6, router_mac, 6);
	if (bpf_skb_store_bytes(skb, 0, macs, dir == INGRESS ? 12 : 6, 0))
		return TC_ACT_SHOT;
	return bpf_redirect(me->ifindex, dir == EGRESS ? BPF_F_INGRESS : 0);
}
