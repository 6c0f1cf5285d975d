/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* A fragment's walk through its gates (section 4.5). It is in the workplace, with
 * its gate: the stack is short. */
#pragma once

#include "fragment.h"
#include "holder.h"
#include "walk.h"

/* Puts a fragment and its gate into the workplace. */
static __always_inline int place(const struct packet *p, const struct gate *gate)
{
	struct work *work = workplace();

	if (!work)
		return 0;
	work->p = *p;
	work->gate = *gate;
	return 1;
}

/* The interface at a place, and the workplace; NULL without either. */
static __always_inline struct interface *at_work(__u32 slot, struct work **work)
{
	struct interface *me = bpf_map_lookup_elem(&interfaces, &slot);

	*work = workplace();
	return *work ? me : NULL;
}

/* The ingress gate: what is left when steps 3 and 4 are done. */
static __always_inline int fragment_arrives(struct __sk_buff *skb, const struct interface *me,
					    __u32 slot, struct work *work, int reason)
{
	if (!reason)
		reason = judge_fragment(skb, me, work);
	count(slot, INGRESS, reason, 1);
	report(skb, INGRESS, reason & (MAX_REASONS - 1), &work->gate);
	return reason & (MAX_REASONS - 1);
}

/* A fragment from the instance that has passed steps 3 and 4. */
static __noinline int fragment_out(struct __sk_buff *skb, __u32 slot)
{
	struct interface *me, *peer;
	__u32 there, sender;
	struct work *work;
	struct owner *owner;
	struct gate *gate;
	struct packet *p;
	int reason;

	me = at_work(slot, &work);
	if (!me)
		return TC_ACT_SHOT;
	p = &work->p;
	gate = &work->gate;
	gate->allowance = me->allowance;
	owner = find_owner(me->vpc, p->family, &p->dst);
	look_out(me, p, gate);
	reason = judge_fragment(skb, me, work);
	there = gate->slot - 1u;
	peer = bpf_map_lookup_elem(&interfaces, &there);
	report(skb, EGRESS, reason & (MAX_REASONS - 1), gate);
	if (accepted(reason) && reason != REASON_EXEMPT &&
	    (!peer || !peer->ifindex || peer->flags & INTERFACE_ATTACHED))
		return depart(skb, me, slot, p, gate, reason);
	count(slot, EGRESS, reason, 1);
	if (reason == REASON_FRAG_HELD)
		return hold(skb, slot, EGRESS);
	if (reason & FOR_HOST) /* services take whole packets only */
		return TC_ACT_SHOT;
	if (!accepted(reason) || reason == REASON_EXEMPT || !peer || !owner)
		return TC_ACT_SHOT;

	/* As in walk_out. */
	sender = gate->transit ? 0 : gate->local;
	gate->groups = gate->transit != FORWARDED && !injected(skb, INJECT_NO_INGRESS_REFERENCE);
	local_end(gate, owner->local);
	gate->dir = INGRESS;
	gate->allowance = peer->allowance;
	belongs(gate, find_owner(peer->vpc, p->family, &p->src));
	if (sender && peer->vpc == me->vpc)
		gate->remote = sender;
	reason = fragment_arrives(skb, peer, there, work, REASON_UNSET);
	if (reason == REASON_FRAG_HELD)
		return hold(skb, there, INGRESS);
	return accepted(reason) ? hand_over(skb, peer) : TC_ACT_SHOT;
}

/* A fragment to the instance, from the host's own stack. */
static __noinline int fragment_in(struct __sk_buff *skb, __u32 slot)
{
	struct interface *me;
	struct work *work;
	struct gate *gate;
	struct packet *p;
	int reason;

	me = at_work(slot, &work);
	if (!me)
		return TC_ACT_SHOT;
	p = &work->p;
	gate = &work->gate;
	__builtin_memset(gate, 0, sizeof(*gate));
	gate->dir = INGRESS;
	gate->allowance = me->allowance;
	gate->forced = injected(skb, INJECT_FORCED);
	reason = parse(skb, ethertype(skb), p);
	if (!reason)
		reason = before_ingress(me, slot, p, gate);
	gate->groups = !gate->slot && !(gate->class && elsewhere(me, p->family, &p->src)) &&
		       !injected(skb, INJECT_NO_INGRESS_REFERENCE);
	reason = fragment_arrives(skb, me, slot, work, reason);
	if (reason == REASON_FRAG_HELD)
		return hold(skb, slot, INGRESS);
	return accepted(reason) ? TC_ACT_OK : TC_ACT_SHOT;
}

/* A fragment from the internet, whose destination is the private address by now, or
 * from another host. One that is held comes back by way of fragment_in, where its
 * source is in no group; by then what its first fragment was told holds for it. */
static __noinline int fragment_lands(struct __sk_buff *skb, __u32 slot)
{
	struct interface *me;
	struct work *work;
	int reason;

	me = at_work(slot, &work);
	if (!me)
		return TC_ACT_SHOT;
	reason = fragment_arrives(skb, me, slot, work, REASON_UNSET);
	if (reason == REASON_FRAG_HELD)
		return hold(skb, slot, INGRESS);
	return accepted(reason) ? hand_over(skb, me) : TC_ACT_SHOT;
}
