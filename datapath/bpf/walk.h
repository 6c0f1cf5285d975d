/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* A whole packet's walk through its gates, from one that is found to be to what
 * becomes of it. Fragments have a walk of their own (pieces.h). */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "internet.h"
#include "judge.h"
#include "outcome.h"
#include "overlay.h"
#include "parse.h"
#include "steps.h"

/* The place of an interface is its device's number, as far as that fits, so that
 * most devices are found without a search; the others are in slots. */
const volatile __u32 slot_mask = 0;

static __always_inline struct interface *interface_of(__u32 ifindex, __u32 *slot)
{
	struct interface *me;
	__u32 *found;

	*slot = ifindex & slot_mask;
	me = bpf_map_lookup_elem(&interfaces, slot);
	if (me && me->ifindex == ifindex && me->flags & INTERFACE_USED)
		return me;
	found = bpf_map_lookup_elem(&slots, &ifindex);
	if (!found)
		return NULL;
	*slot = *found;
	return bpf_map_lookup_elem(&interfaces, slot);
}

/* The ethertype of an IP packet or of ARP, 0 for what is neither. */
static __always_inline __u32 ethertype(struct __sk_buff *skb)
{
	__u32 type = bpf_ntohs(skb->protocol);

	if (skb->vlan_present || (type != ETH_P_IP && type != ETH_P_IPV6 && type != ETH_P_ARP))
		return 0;
	return type;
}

/* Steps 1 and 2: whose device it is, and the ethertype; NULL for a frame that ends
 * here, counted if the device is somebody's. */
static __always_inline struct interface *identify(struct __sk_buff *skb, __u32 dir, __u32 *slot,
						  __u32 *type)
{
	struct interface *me = interface_of(skb->ifindex, slot);

	if (!me)
		return NULL;
	*type = ethertype(skb);
	if (*type)
		return me;
	end(skb, *slot, dir, REASON_ETHERTYPE);
	return NULL;
}

/* The id of the interface's first address, if that is it, or 0. */
static __always_inline __u32 first_address(const struct interface *me, const struct packet *p,
					   const struct address *a)
{
	if (p->family == IPV4)
		return a->word[0] == me->addr4 ? me->local4 : 0;
	return same(a, &me->addr6) ? me->local6 : 0;
}

/* Whether a plain packet from the instance is from the interface's MAC and first
 * address. Sets the gate then, with who has the destination. */
static __always_inline int straight(struct __sk_buff *skb, const struct interface *me,
				    const struct packet *p, struct gate *gate)
{
	struct ethhdr *eth = (void *)(long)skb->data;

	if ((void *)(eth + 1) > (void *)(long)skb->data_end || !same_mac(eth->h_source, me->mac))
		return 0;
	gate->local = first_address(me, p, &p->src);
	if (!gate->local)
		return 0;
	belongs(gate, owner_of(me->vpc, p->family, &p->dst));
	return 1;
}

/* Whether another interface of this host has the destination, by itself. */
static __always_inline int between(const struct gate *gate)
{
	return gate->remote && gate->remote != gate->local;
}

/* Whether steps 3 to 5 have nothing to say of a packet that goes straight: to another
 * interface, or to nobody of this host, and not to an address with a meaning of its
 * own. */
static __noinline int ordinary(const struct interface *me, const struct packet *p,
			       const struct gate *gate)
{
	return (between(gate) || !gate->slot) && !special(me, &p->dst, p->family);
}

static __always_inline int begins(const struct gate *gate)
{
	return gate->begin && gate->begin != END_FLOW;
}

/* A packet from the instance that has passed steps 3 to 5: its egress rules, then,
 * as there is no wire in between, the ingress rules of the interface that has the
 * destination. Each judges by itself; what they have to remember is then written
 * at once. */
__noinline int walk_out(struct __sk_buff *skb, __u32 slot, struct packet *p, struct gate *out)
{
	struct flow *mine = NULL, *theirs = NULL;
	struct gate in = { .dir = INGRESS };
	struct interface *me, *peer;
	__u32 there, done = 3;
	struct pair *pair = NULL;
	int reason, answer = 0, shared;

	if (!p || !out)
		return TC_ACT_SHOT;
	me = bpf_map_lookup_elem(&interfaces, &slot);
	if (!me)
		return TC_ACT_SHOT;
	if (p->class != CLASS_MESSAGE && !(out->known & KNOWN_NEW)) {
		if (out->remote && !out->transit) {
			pair = find_pair(p, out);
			mine = end_in(pair, out);
		} else {
			mine = find_flow(p, out);
		}
	}
	out->allowance = me->allowance;
	look_out(me, p, out);
	reason = forget(judge(me, p, out, mine));

	there = out->slot - 1u;
	peer = bpf_map_lookup_elem(&interfaces, &there);
	if (!accepted(reason) || !peer || !peer->ifindex || peer->flags & INTERFACE_ATTACHED) {
		if (accepted(reason) && out->begin && !record(p, out, mine))
			reason = REASON_ALLOWANCE;
		report(skb, EGRESS, reason, out);
		if (accepted(reason))
			return depart(skb, me, slot, p, out, reason);
		count(slot, EGRESS, reason, p->segments);
		return TC_ACT_SHOT;
	}

	/* A foreign address does not speak for its owner: who sent it is not
	 * whose it is (1.5). Seen from another network, the sender may be nobody. */
	in.local = out->remote;
	if (!in.local) {
		struct owner *owner = owner_of(me->vpc, p->family, &p->dst);

		local_end(&in, owner ? owner->local : 0);
	}
	in.groups = out->transit != FORWARDED && !injected(skb, INJECT_NO_INGRESS_REFERENCE);
	in.forced = out->forced;
	in.allowance = peer->allowance;
	in.class = CLASS_UNKNOWN;
	in.remote = out->local;
	if (out->transit || peer->vpc != me->vpc)
		belongs(&in, find_owner(peer->vpc, p->family, &p->src));
	shared = !out->transit && !in.transit && in.remote == out->local;
	if (shared)
		theirs = end_in(pair, &in);
	else if (p->class != CLASS_MESSAGE)
		theirs = entry_of(p, &in);
	answer = forget(judge(peer, p, &in, theirs));
	if (!accepted(answer))
		in.begin = 0;

	if (shared && !pair && begins(out) && begins(&in)) {
		done = record_both(p, out, &in);
		if (done == ONE_ALONE)
			done = record(p, out, NULL);
	} else if (out->begin | in.begin) {
		done = 2 | (!out->begin || record(p, out, mine));
		if (done & 1 && in.begin) {
			if (shared) /* by now the pair may have an entry */
				theirs = end_in(find_pair(p, &in), &in);
			if (!record(p, &in, theirs))
				done &= ~2;
		}
	}
	if (!(done & 1))
		reason = REASON_ALLOWANCE;
	if (!(done & 2))
		answer = REASON_ALLOWANCE;
	count(slot, EGRESS, reason, p->segments);
	report(skb, EGRESS, reason, out);
	if (!accepted(reason))
		return TC_ACT_SHOT;
	count(there, INGRESS, answer, p->segments);
	report(skb, INGRESS, answer, &in);
	return accepted(answer) ? hand_over(skb, peer) : TC_ACT_SHOT;
}

/* Instead of a verdict: the packet is a fragment, which has more to go. */
#define FRAGMENT_AHEAD 0x400

/* The whole walk of a packet to the instance, from the host's own stack. */
__noinline int walk_in(struct __sk_buff *skb, __u32 slot, struct packet *p, struct gate *in)
{
	struct flow *flow = NULL;
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
		reason = before_ingress(me, slot, p, in);
	if (!reason && p->fragment)
		return FRAGMENT_AHEAD;
	if (!reason && exemptible(me, p, &p->src))
		reason = exempt_ingress(me, p);
	if (!reason) {
		/* What comes by way of the host's own stack did not enter the fabric
		 * at an interface of this host, or of one that sends by the network
		 * between hosts, so it does not speak for one (1.5). */
		in->groups = !in->slot && !(in->class && elsewhere(me, p->family, &p->src)) &&
			     !injected(skb, INJECT_NO_INGRESS_REFERENCE);
		in->forced = injected(skb, INJECT_FORCED);
		in->allowance = me->allowance;
		if (p->class != CLASS_MESSAGE && !(in->known & KNOWN_NEW))
			flow = find_flow(p, in);
		if (in->remote && !in->transit && p->class != CLASS_MESSAGE && (!flow || !live(me, flow)))
			flow = end_in(find_pair(p, in), in);
		reason = settle(me, p, in, flow);
	}
	count(slot, INGRESS, reason, p->segments);
	report(skb, INGRESS, reason, in);
	return accepted(reason) ? TC_ACT_OK : TC_ACT_SHOT;
}

