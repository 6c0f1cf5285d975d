/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Steps 7 to 13 of the judgement (section 1.9): one packet, one interface, one
 * direction. */
#pragma once

#include "clock.h"
#include "flows.h"
#include "maps.h"
#include "match.h"
#include "packet.h"
#include "related.h"
#include "settings.h"
#include "track.h"

/* After a declared loss of state, TCP data begins flows for a while (3.10). */
static __always_inline int in_grace(void)
{
	struct settings *s = host_settings();

	return s && s->grace_until && (__s32)(s->grace_until - now()) > 0;
}

/* No live flow admits the packet, or it is a SYN that needs a fresh verdict:
 * steps 9 to 11. next is what the state table says of the packet, 0 if there is no
 * live flow. */
static __always_inline int admit(const struct interface *me, const struct packet *p, struct gate *gate,
		     __u32 next)
{
	struct policy *policy;
	__u32 id;
	int free;

	id = gate->policy;
	policy = bpf_map_lookup_elem(&policies, &id);
	if (!policy)
		return REASON_NO_POLICY;
	gate->rule = gate->forced ? NO_RULE : untracked(policy, p, gate->dir);
	free = gate->rule != NO_RULE;
	if (!free) {
		gate->rule = allowed(id, policy, me->vpc, p, gate);
		if (gate->rule == NO_RULE)
			return REASON_NO_RULE;
	}
	gate->handle = handle_of(policy, gate->dir, gate->rule);
	if (free)
		used(gate->handle, p->segments, p->bytes, 0, now64());
	if (next & FRESH) {
		/* A new connection on an old tuple (3.2). While the old one may
		 * be alive it is left alone. */
		if ((next & NEXT_STATE) != SYN_SENT) {
			if (free) /* by which rule without being free, nobody asked */
				gate->rule = NO_RULE;
			return REASON_RULE;
		}
		gate->begin = free ? END_FLOW : SYN_SENT;
		return free ? REASON_UNTRACKED : REASON_RULE;
	}
	if (free)
		return REASON_UNTRACKED;

	next = transition(STATE_NONE, 0, p->class);
	if (next & STATELESS)
		return REASON_RULE;
	gate->begin = next & NEXT_STATE;
	if (!gate->begin && p->class == CLASS_ACK && in_grace())
		gate->begin = ESTABLISHED;
	return gate->begin ? REASON_RULE : REASON_NO_STATE;
}

/* What the state table says of a packet of a live flow. */
static __always_inline __u32 step_of(const struct flow *flow, const struct packet *p, __u32 dir)
{
	__u32 mark = *(volatile const __u32 *)&flow->mark;

	return transition(mark & MARK_STATE, !!(mark & REMOTE_INITIATED) ^ (dir == INGRESS), p->class);
}

/* A live flow admits a packet and goes on. */
static __always_inline void proceed(struct flow *flow, const struct packet *p, __u32 dir, __u32 next)
{
	__u32 mark = *(volatile const __u32 *)&flow->mark;

	if (next & REFRESH)
		flow->seen = now();
	if ((mark ^ next) & MARK_STATE)
		flow->mark = (mark & ~MARK_STATE) | (next & NEXT_STATE);
	flow->packets[dir & 1] += p->segments;
	flow->bytes[dir & 1] += p->bytes;
}

/* All steps but 8. A global function, like find. */
__noinline int ask(const struct interface *me, const struct packet *p, struct gate *gate,
		     struct flow *flow)
{
	__u32 next = 0;

	if (!me || !p || !gate)
		return REASON_NO_POLICY;
	gate->rule = NO_RULE;
	gate->begin = 0;
	gate->policy = *(volatile const __u32 *)&me->policy;
	if (!gate->policy)
		return REASON_NO_POLICY;
	if (flow && live(me, flow)) {
		next = step_of(flow, p, gate->dir);
		if (!next)
			return REASON_BAD_FLAGS;
		if (!(next & FRESH)) {
			proceed(flow, p, gate->dir, next);
			return REASON_TRACKED;
		}
	}
	return admit(me, p, gate, next);
}

/* The same for an ICMP error about some packet. It has no flow of its own, so that
 * step 8 can come first: the stack is short. */
__noinline int judge_error(const struct interface *me, const struct packet *p, struct gate *gate)
{
	int reason;

	if (!me || !p || !gate)
		return REASON_NO_POLICY;
	gate->rule = NO_RULE;
	gate->begin = 0;
	if (related(me, p, gate))
		return REASON_RELATED;
	reason = ask(me, p, gate, NULL);
	return reason == REASON_NO_RULE && path_mtu(me, p, gate) ? REASON_RELATED : reason;
}

/* flow is the entry of the packet's tuple, if there is one. What is to be recorded
 * if the packet is accepted is left in the gate. */
static __always_inline int judge(const struct interface *me, const struct packet *p,
				 struct gate *gate, struct flow *flow)
{
	return p->quotes ? judge_error(me, p, gate) : ask(me, p, gate, flow);
}

/* Judges, and remembers what is to be remembered. */
static __always_inline int settle(const struct interface *me, const struct packet *p,
				  struct gate *gate, struct flow *flow)
{
	int reason = forget(judge(me, p, gate, flow));

	if (gate->begin && accepted(reason) && !record(p, gate, flow))
		return REASON_ALLOWANCE;
	return reason;
}

/* The short way, for most packets: what a live flow says that needs nobody else's
 * word, 0 if it does. It judges as judge would, but changes nothing yet. */
static __always_inline __u32 hit(const struct interface *me, const struct flow *flow,
				 const struct packet *p, __u32 dir)
{
	__u32 next;

	if (!*(volatile const __u32 *)&me->policy || !live(me, flow))
		return 0;
	next = step_of(flow, p, dir);
	return next & FRESH ? 0 : next;
}
