/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Steps 7 to 13 of the judgement (section 1.9): one packet, one interface, one
 * direction. */
#pragma once

#include "clock.h"
#include "maps.h"
#include "match.h"
#include "packet.h"
#include "track.h"

/* What one judgement is about. */
struct gate {
	__u32 dir;
	__u32 local;  /* id of the local address in flow keys; self for transit */
	__u32 transit; /* the local address is not the interface's own */
	__u32 groups;  /* the remote address speaks for its owner */
	__u32 policy;  /* read once: a packet is judged by one snapshot */
	__u32 rule;    /* answer: the rule that decided, NO_RULE if none did */
};

static __always_inline void flow_key(struct transit_key *key, const struct packet *p,
				     const struct gate *gate)
{
	int out = gate->dir == EGRESS;

	key->flow.remote = out ? p->dst : p->src;
	key->local = out ? p->src : p->dst;
	key->flow.local = gate->local << 8 | p->proto;
	if (p->class == CLASS_QUERY || p->class == CLASS_REPLY) {
		/* Who asks is part of the key: a reply from here has a remote
		 * initiator, as has a query to here (1.3). */
		int remote_asks = out == (p->class == CLASS_REPLY);

		key->flow.local_port = p->id;
		key->flow.remote_port = p->query << 1 | remote_asks;
	} else {
		key->flow.local_port = out ? p->src_port : p->dst_port;
		key->flow.remote_port = out ? p->dst_port : p->src_port;
	}
}

static __always_inline struct flow *lookup(struct transit_key *key, const struct gate *gate)
{
	if (gate->transit)
		return bpf_map_lookup_elem(&flows_transit, key);
	return bpf_map_lookup_elem(&flows, key);
}

static __always_inline void begin(struct flow *flow, const struct packet *p,
				  const struct gate *gate, __u32 state)
{
	int out = gate->dir == EGRESS;

	/* The state first: until seen is new too, the flow is as dead as before. */
	flow->state = state;
	flow->flags = out ? 0 : FLOW_REMOTE_INITIATED;
	flow->rule = gate->rule;
	flow->packets[INGRESS] = out ? 0 : p->segments;
	flow->packets[EGRESS] = out ? p->segments : 0;
	flow->bytes[INGRESS] = out ? 0 : p->bytes;
	flow->bytes[EGRESS] = out ? p->bytes : 0;
	flow->seen = now();
}

/* No live flow admits the packet, or it is a SYN that needs a fresh verdict:
 * steps 9 to 13. flow is the entry of the key, if there is one; next is what
 * the state table says of it, 0 if it is dead. A global function, like find. */
__noinline int admit(const struct interface *me, const struct packet *p, struct gate *gate,
		     struct flow *flow, __u32 next)
{
	struct transit_key key;
	struct flow fresh = {};
	struct policy *policy;
	int free, error;
	__u32 id;

	if (!me || !p || !gate)
		return REASON_NO_POLICY;
	id = gate->policy;
	policy = bpf_map_lookup_elem(&policies, &id);
	if (!policy)
		return REASON_NO_POLICY;
	free = untracked(policy, p, gate->dir);
	if (!free) {
		gate->rule = allowed(id, policy, me->vpc, p, gate->dir, gate->groups);
		if (gate->rule == NO_RULE)
			return REASON_NO_RULE;
	}
	if (next & FRESH) {
		/* A new connection on an old tuple (3.2). While the old one may
		 * be alive it is left alone. */
		if ((next & NEXT_STATE) != SYN_SENT)
			return REASON_RULE;
		if (!free) {
			if (flow)
				begin(flow, p, gate, SYN_SENT);
			return REASON_RULE;
		}
		flow_key(&key, p, gate);
		if (gate->transit)
			bpf_map_delete_elem(&flows_transit, &key);
		else
			bpf_map_delete_elem(&flows, &key);
	}
	if (free)
		return REASON_UNTRACKED;

	next = transition(STATE_NONE, 0, p->class);
	if (next & STATELESS)
		return REASON_RULE;
	if (!(next & NEXT_STATE))
		return REASON_NO_STATE;
	if (flow) {
		begin(flow, p, gate, next & NEXT_STATE);
		return REASON_RULE;
	}
	begin(&fresh, p, gate, next & NEXT_STATE);
	flow_key(&key, p, gate);
	if (gate->transit)
		error = bpf_map_update_elem(&flows_transit, &key, &fresh, BPF_NOEXIST);
	else
		error = bpf_map_update_elem(&flows, &key, &fresh, BPF_NOEXIST);
	/* Another CPU may have been first with the same tuple: one flow, then. */
	return error && error != -17 /* EEXIST */ ? REASON_ALLOWANCE : REASON_RULE;
}

static __always_inline int judge(const struct interface *me, const struct packet *p,
				 struct gate *gate)
{
	struct transit_key key;
	struct flow *flow = NULL;
	__u32 next = 0, time = now();

	gate->rule = NO_RULE;
	gate->policy = *(volatile const __u32 *)&me->policy;
	if (!gate->policy)
		return REASON_NO_POLICY;
	if (p->class != CLASS_MESSAGE) {
		flow_key(&key, p, gate);
		flow = lookup(&key, gate);
	}
	if (flow && time - flow->seen < me->timeout[flow->state & (MAX_STATES - 1)]) {
		__u32 side = flow->flags ^ (gate->dir == INGRESS ? FLOW_REMOTE_INITIATED : 0);

		next = transition(flow->state, side, p->class);
		if (!next)
			return REASON_BAD_FLAGS;
		if (!(next & FRESH)) {
			if (next & REFRESH)
				flow->seen = time;
			if (flow->state != (next & NEXT_STATE))
				flow->state = next & NEXT_STATE;
			flow->packets[gate->dir & 1] += p->segments;
			flow->bytes[gate->dir & 1] += p->bytes;
			gate->rule = flow->rule;
			return REASON_TRACKED;
		}
	}
	return admit(me, p, gate, flow, next);
}
