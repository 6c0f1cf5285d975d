/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* ICMP errors about flows that pass (section 3.4). */
#pragma once

#include "flows.h"
#include "match.h"
#include "parse.h"
#include "settings.h"
#include "source.h"

/* The gate that the quoted packet would have passed, and a key to look it up by: not
 * on the stack, of which this is the far end. */
struct passed {
	struct gate gate;
	struct transit_key key;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct passed);
} passed SEC(".maps");

/* Whether the packet that the error quotes went the other way in a live flow. */
__noinline int related(const struct interface *me, const struct packet *p, const struct gate *gate)
{
	struct packet *q = quoted();
	__u32 only = 0;
	struct passed *by = bpf_map_lookup_elem(&passed, &only);
	struct gate *back;
	struct owner *owner;
	struct flow *flow;

	if (!me || !p || !gate || !q || !by || !me->policy || switched(SWITCH_NO_RELATED))
		return 0;
	back = &by->gate;
	back->dir = !gate->dir;
	back->transit = gate->transit;
	back->local = gate->local;
	back->remote = 0;
	if (back->dir == INGRESS && !same(&q->dst, &p->src)) {
		/* Who answers need not be whom the packet was for. */
		local_end(back, own(me, me->place, q->family, &q->dst));
		if (!back->local) {
			back->local = me->self;
			back->transit = FORWARDED;
		}
	}
	if (!gate->transit) {
		owner = find_owner(me->vpc, q->family, back->dir == EGRESS ? &q->dst : &q->src);
		back->remote = remote_end(owner);
	}
	if (back->remote) {
		flow = end_in(find_pair(q, back), back);
	} else if (back->transit) {
		transit_key(&by->key, q, back);
		flow = bpf_map_lookup_elem(&flows_transit, &by->key);
	} else {
		flow_key(&by->key.flow, q, back);
		flow = bpf_map_lookup_elem(&flows, &by->key.flow);
	}
	return flow && live(me, flow);
}

/* Whether the error, which no rule admits, is one that path-MTU discovery of an
 * untracked flow lives on. */
__noinline int path_mtu(const struct interface *me, const struct packet *p, const struct gate *gate)
{
	struct packet *q = quoted();
	struct policy *policy;
	struct limits *r;
	__u32 id;

	if (!me || !p || !gate || !q || gate->dir != INGRESS || gate->transit ||
	    gate->forced || p->port != (p->family == IPV4 ? 0x304 : 0x200) ||
	    switched(SWITCH_NO_PATH_MTU))
		return 0;
	id = gate->policy;
	policy = bpf_map_lookup_elem(&policies, &id);
	if (!policy || untracked(policy, q, EGRESS) == NO_RULE)
		return 0;
	r = rates_of(me);
	return r && within(&r->path_mtu, PATH_MTU_PER_SECOND, me);
}
