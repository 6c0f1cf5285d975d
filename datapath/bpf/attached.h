/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Interfaces at devices that somebody else made (section 4.8): packets are judged
 * where they cross the device, each gate by itself, and go on where its maker has
 * them go. */
#pragma once

#include "exempt.h"
#include "judge.h"
#include "outcome.h"
#include "overlay.h"
#include "pieces.h"
#include "steps.h"
#include "walk.h"

/* What has passed here is shown to other programs at the device. */
#define ONWARD TC_ACT_UNSPEC

static __always_inline int judged(struct __sk_buff *skb, __u32 slot, __u32 dir, __u32 reason,
				  __u32 segments, const struct gate *gate)
{
	reason &= MAX_REASONS - 1;
	count(slot, dir, reason, segments);
	if (dir == EGRESS) {
		report(skb, EGRESS, reason, gate);
	} else {
		asm volatile("" ::: "memory"); /* cb is indexed by constants only: keep the two apart */
		report(skb, INGRESS, reason, gate);
	}
	/* What a router would answer or absorb, the link is to see. */
	return accepted(reason) || reason == REASON_ANSWERED ? ONWARD : TC_ACT_SHOT;
}

/* Steps 7 to 13 at one gate. */
__noinline int attached_gate(struct __sk_buff *skb, __u32 slot, struct packet *p, struct gate *gate)
{
	struct flow *flow = NULL;
	struct interface *me;

	if (!p || !gate)
		return TC_ACT_SHOT;
	me = bpf_map_lookup_elem(&interfaces, &slot);
	if (!me)
		return TC_ACT_SHOT;
	gate->allowance = me->allowance;
	if (p->class != CLASS_MESSAGE && !(gate->known & KNOWN_NEW))
		flow = gate->remote && !gate->transit ? end_in(find_pair(p, gate), gate)
						      : find_flow(p, gate);
	return judged(skb, slot, gate->dir, settle(me, p, gate, flow), p->segments, gate);
}

/* A fragment that has passed steps 3 and 4. None is held: nobody could give it back
 * to whoever forwards here. */
static __noinline int attached_fragment(struct __sk_buff *skb, __u32 slot)
{
	struct interface *me;
	struct work *work;
	int reason;

	me = at_work(slot, &work);
	if (!me)
		return TC_ACT_SHOT;
	work->gate.allowance = me->allowance;
	reason = judge_fragment(skb, me, work);
	if (reason == REASON_FRAG_HELD)
		reason = REASON_FRAG_NO_CONTEXT;
	if (reason == REASON_EXEMPT && work->gate.dir == EGRESS) { /* nobody serves it */
		count(slot, EGRESS, reason, 1);
		report(skb, EGRESS, reason, NULL);
		return TC_ACT_SHOT;
	}
	return judged(skb, slot, work->gate.dir, reason, 1, &work->gate);
}

/* Whether the frame says of itself what the kernel is told that it is. Who writes raw
 * frames to a NIC of the host tells it beside the frame; other devices read it there. */
static __noinline int honest(struct __sk_buff *skb, __u32 type)
{
	__u16 own;

	return !bpf_skb_load_bytes(skb, 2 * ETH_ALEN, &own, sizeof(own)) && bpf_ntohs(own) == type;
}

static __always_inline int leaves_attached(struct __sk_buff *skb)
{
	struct gate out = { .dir = EGRESS, .groups = 1 };
	struct interface *me;
	struct flow *flow;
	struct packet p;
	__u32 type, slot, next;
	int reason;

	me = identify(skb, EGRESS, &slot, &type);
	if (!me)
		return TC_ACT_SHOT;
	if (me->flags & INTERFACE_OWN && !honest(skb, type))
		return end(skb, slot, EGRESS, REASON_ETHERTYPE);
	if (type == ETH_P_ARP)
		return judged(skb, slot, EGRESS, arp(skb, me, slot), 1, NULL);
	if (plain(skb, type, &p) && straight(skb, me, &p, &out)) { /* as in from_instance */
		struct flow_key key;

		if (between(&out)) {
			flow = end_in(pair_of(&p, &out), &out);
		} else {
			flow_key(&key, &p, &out);
			flow = out.slot ? NULL : bpf_map_lookup_elem(&flows, &key);
		}
		next = flow ? hit(me, flow, &p, EGRESS) : 0;
		if (next) {
			proceed(flow, &p, EGRESS, next);
			return judged(skb, slot, EGRESS, REASON_TRACKED, p.segments, NULL);
		}
		if (ordinary(me, &p, &out)) {
			out.known = flow ? 0 : KNOWN_NEW;
			return attached_gate(skb, slot, &p, &out);
		}
	}
	reason = parse(skb, type, &p);
	if (!reason)
		reason = before_egress(skb, me, slot, &p, &out);
	if (reason & TURN_AROUND) /* the router's part, which nobody plays here */
		return end(skb, slot, EGRESS, reason & (MAX_REASONS - 1));
	if (reason)
		return judged(skb, slot, EGRESS, reason, 1, NULL);
	if (p.fragment)
		return place(&p, &out) ? attached_fragment(skb, slot) : TC_ACT_SHOT;
	if (exemptible(me, &p, &p.dst))
		reason = exempt_egress(skb, me, &p);
	if (reason & FOR_HOST)
		return judged(skb, slot, EGRESS, reason, 1, NULL);
	if (reason)
		return end(skb, slot, EGRESS, reason & (MAX_REASONS - 1));
	return attached_gate(skb, slot, &p, &out);
}

/* Whether ICMPv6 is the link's own (4.2). */
static __always_inline int neighbourly(const struct packet *p)
{
	__u32 type = p->port >> 8;

	if (p->family != IPV6 || p->proto != PROTO_ICMPV6 || p->fragment || !of_link(type))
		return 0;
	if (type >= ND_ROUTER_SOLICITATION && type <= ND_REDIRECT)
		return p->hops == 255;
	return link_local6(&p->src) || unspecified(&p->src);
}

/* What the link brings that no rule is asked about: neighbour discovery, and answers
 * of a DHCP service that is no interface of the network. */
static __always_inline int by_link(const struct interface *me, __u32 slot, const struct packet *p)
{
	if (neighbourly(p))
		return 1;
	if (!dhcp(p, 67, 68, 547, 546) || find_owner(me->vpc, p->family, &p->src))
		return 0;
	return own(me, slot, p->family, &p->dst) ||
	       (p->family == IPV4 ? p->dst.word[0] == 0xffffffff : link_local6(&p->dst));
}

/* Whether an address speaks for the groups of who has it: nobody brings proof of who
 * sent a packet, but every enforced device has only its own addresses pass (1.5). An
 * instance of another host comes by the network between hosts and never by a link. */
static __always_inline int speaks(const struct interface *me, const struct packet *p,
				  const struct gate *gate)
{
	__u32 there = gate->slot - 1u;
	struct interface *peer;

	if (!gate->slot)
		return !(gate->class && elsewhere(me, p->family, &p->src));
	peer = bpf_map_lookup_elem(&interfaces, &there);
	return peer && peer->flags & INTERFACE_ATTACHED;
}

/* The whole walk of a packet to the interface. */
__noinline int attached_in(struct __sk_buff *skb, __u32 slot, struct packet *p, struct gate *in)
{
	struct interface *me;
	int reason = 0;

	if (!p || !in)
		return TC_ACT_SHOT;
	me = bpf_map_lookup_elem(&interfaces, &slot);
	if (!me)
		return TC_ACT_SHOT;
	if (!(in->known & KNOWN_PARSED))
		reason = parse(skb, ethertype(skb), p);
	if (!reason)
		reason = bad_source(p);
	if (!reason)
		reason = by_link(me, slot, p) ? REASON_EXEMPT : before_ingress(me, slot, p, in);
	if (reason)
		return judged(skb, slot, INGRESS, reason, 1, NULL);
	in->groups = speaks(me, p, in);
	if (p->fragment)
		return FRAGMENT_AHEAD;
	if (exemptible(me, p, &p->src))
		reason = exempt_ingress(me, p);
	if (reason)
		return judged(skb, slot, INGRESS, reason, 1, NULL);
	return attached_gate(skb, slot, p, in);
}

/* The entry of a packet to the interface's first address, if it is where it is looked
 * for. What came in by a device like this one, from the first address of who is there,
 * is between the two; which device it came in by decides nothing else. */
static __always_inline struct flow *likely(struct __sk_buff *skb, const struct interface *me,
					   const struct packet *p, struct gate *in)
{
	__u32 ifindex = skb->ingress_ifindex, there = ifindex & slot_mask;
	struct interface *from = bpf_map_lookup_elem(&interfaces, &there);
	struct flow_key key;

	if (from && from->ifindex == ifindex && from->flags & INTERFACE_ATTACHED &&
	    from->vpc == me->vpc) {
		in->remote = first_address(from, p, &p->src);
		if (between(in))
			return end_in(pair_of(p, in), in);
	}
	flow_key(&key, p, in);
	return bpf_map_lookup_elem(&flows, &key);
}

static __always_inline int reaches_attached(struct __sk_buff *skb)
{
	struct gate in = { .dir = INGRESS };
	struct interface *me;
	struct flow *flow;
	struct packet p;
	__u32 type, slot, next;
	int action;

	me = identify(skb, INGRESS, &slot, &type);
	if (!me)
		return TC_ACT_SHOT;
	if (type == ETH_P_ARP)
		return judged(skb, slot, INGRESS, REASON_EXEMPT, 1, NULL);
	if (plain(skb, type, &p)) {
		in.known = KNOWN_PARSED;
		in.local = first_address(me, &p, &p.dst);
		if (in.local) { /* as in to_instance */
			flow = likely(skb, me, &p, &in);
			next = flow ? hit(me, flow, &p, INGRESS) : 0;
			if (next) {
				proceed(flow, &p, INGRESS, next);
				return judged(skb, slot, INGRESS, REASON_TRACKED, p.segments, NULL);
			}
		}
	}
	action = attached_in(skb, slot, &p, &in);
	if (action != FRAGMENT_AHEAD)
		return action;
	return place(&p, &in) ? attached_fragment(skb, slot) : TC_ACT_SHOT;
}
