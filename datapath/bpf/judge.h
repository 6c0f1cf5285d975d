/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Steps 7 to 13 of the judgement (section 1.9): one packet, one interface, one
 * direction. */
#pragma once

#include "clock.h"
#include "flows.h"
#include "maps.h"
#include "match.h"
#include "packet.h"
#include "track.h"

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
	gate->rule = untracked(policy, p, gate->dir);
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
		if ((next & NEXT_STATE) != SYN_SENT)
			return REASON_RULE;
		gate->begin = free ? END_FLOW : SYN_SENT;
		return free ? REASON_UNTRACKED : REASON_RULE;
	}
	if (free)
		return REASON_UNTRACKED;

	next = transition(STATE_NONE, 0, p->class);
	if (next & STATELESS)
		return REASON_RULE;
	gate->begin = next & NEXT_STATE;
	return gate->begin ? REASON_RULE : REASON_NO_STATE;
}

/* A global function, like find. flow is the entry of the packet's tuple, if there is one. What is to be recorded
 * if the packet is accepted is left in the gate. */
__noinline int judge(const struct interface *me, const struct packet *p, struct gate *gate,
		     struct flow *flow)
{
	__u32 next = 0, time = now(), mark, side;

	if (!me || !p || !gate)
		return REASON_NO_POLICY;
	gate->rule = NO_RULE;
	gate->begin = 0;
	gate->policy = *(volatile const __u32 *)&me->policy;
	if (!gate->policy)
		return REASON_NO_POLICY;
	if (flow) {
		mark = *(volatile __u32 *)&flow->mark;
		if (live(me, mark, flow->seen, time)) {
			side = !!(mark & REMOTE_INITIATED) ^ (gate->dir == INGRESS);
			next = transition(mark & MARK_STATE, side, p->class);
			if (!next)
				return REASON_BAD_FLAGS;
			if (!(next & FRESH)) {
				if (next & REFRESH)
					flow->seen = time;
				if ((mark ^ next) & MARK_STATE)
					flow->mark = (mark & ~MARK_STATE) | (next & NEXT_STATE);
				flow->packets[gate->dir & 1] += p->segments;
				flow->bytes[gate->dir & 1] += p->bytes;
				gate->handle = mark >> 8;
				return REASON_TRACKED;
			}
		}
	}
	return admit(me, p, gate, next);
}
