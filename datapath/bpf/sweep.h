/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Taking dead flows out of the table, and their units back. User space runs these
 * programs; packets go on meanwhile, and no verdict depends on it. */
#pragma once

#include "flows.h"

/* How long a flow stays after its end, so that no packet that has found it live
 * is still at work with it. Set when the programs are loaded: a quarter second. */
const volatile __u32 margin = 0;

/* What a sweep has found, for user space. */
struct {
	__u32 live;
	__u32 embryonic;
	__u32 freed;
} swept SEC(".data.swept");

/* Ends the flow if it is dead. Returns whether there is none now. */
static __always_inline int reap(__u32 id, struct flow *flow)
{
	struct local *local = bpf_map_lookup_elem(&locals, &id);
	struct interface *me = NULL;
	__u32 mark = *(volatile __u32 *)&flow->mark, state = mark & MARK_STATE, slot, age;
	struct allowance *a;

	if (!state || mark == BURIED)
		return 1;
	if (local && local->slot) {
		slot = local->slot - 1;
		me = bpf_map_lookup_elem(&interfaces, &slot);
	}
	age = now() - flow->seen;
	if (me && ((__s32)age < 0 || age < timeout(me, state) + margin)) {
		a = allowance_of(local->allowance);
		if (a)
			a->counted++;
		swept.live++;
		if (state <= SYN_RECV)
			swept.embryonic++;
		return 0;
	}
	if (__sync_val_compare_and_swap(&flow->mark, mark, 0) != mark)
		return 0; /* a new one began here */
	if (local)
		give(local->allowance);
	ended(flow, mark);
	return 1;
}

/* Claims an end without a flow, so that none begins in it. Sweeps do not overlap:
 * a buried one is of a sweep that was cut short. */
static __always_inline int bury(struct flow *flow)
{
	return flow->mark == BURIED || __sync_val_compare_and_swap(&flow->mark, 0, BURIED) == 0;
}

static long sweep_flow(void *map, struct flow_key *key, struct flow *flow, void *unused)
{
	if (reap(key->local >> 8, flow) && bury(flow)) {
		bpf_map_delete_elem(&flows, key);
		swept.freed++;
	}
	return 0;
}

static long sweep_transit(void *map, struct transit_key *key, struct flow *flow, void *unused)
{
	if (reap(key->flow.local >> 8, flow) && bury(flow)) {
		bpf_map_delete_elem(&flows_transit, key);
		swept.freed++;
	}
	return 0;
}

static long sweep_pair(void *map, struct pair_key *key, struct pair *pair, void *unused)
{
	/* Not one expression: both ends are to be looked at. */
	int low = reap(key->low >> 8, &pair->end[0]);
	int high = reap(key->high, &pair->end[1]);

	if (!low || !high || !bury(&pair->end[0]))
		return 0;
	if (!bury(&pair->end[1])) {
		pair->end[0].mark = 0; /* nobody else touches it meanwhile */
		return 0;
	}
	bpf_map_delete_elem(&pairs, key);
	swept.freed++;
	return 0;
}

static __always_inline int sweep_all(void)
{
	swept.live = swept.embryonic = swept.freed = 0;
	bpf_for_each_map_elem(&flows, sweep_flow, NULL, 0);
	bpf_for_each_map_elem(&flows_transit, sweep_transit, NULL, 0);
	bpf_for_each_map_elem(&pairs, sweep_pair, NULL, 0);
	return 0;
}

/* Not attached: user space runs it. While a program of this type runs, its processor
 * takes no packets. */
SEC("tc")
int sweep(struct __sk_buff *skb)
{
	return sweep_all();
}

/* The same without that, for kernels that let such a program use these maps. */
SEC("syscall")
int sweep_aside(void *none)
{
	return sweep_all();
}

enum victim_kind { VICTIM_FLOW, VICTIM_TRANSIT, VICTIM_PAIR };

/* The flow that cut ends; user space says which. */
struct victim {
	__u32 kind;
	__u32 end; /* of the pair */
	struct transit_key key; /* for a flow, its first part */
	struct pair_key pair;
} chosen SEC(".data.chosen");

/* Not attached: user space runs it to end one flow, live or not. Returns whether
 * there was one. What it leaves, a sweep takes away. */
SEC("tc")
int cut(struct __sk_buff *skb)
{
	struct transit_key key = chosen.key;
	struct flow *flow = NULL;
	struct local *local;
	__u32 mark, id;

	if (chosen.kind == VICTIM_PAIR) {
		struct pair_key of = chosen.pair;
		struct pair *pair = bpf_map_lookup_elem(&pairs, &of);

		id = chosen.end ? of.high : of.low >> 8;
		if (pair)
			flow = chosen.end ? &pair->end[1] : &pair->end[0];
	} else {
		id = key.flow.local >> 8;
		if (chosen.kind == VICTIM_TRANSIT)
			flow = bpf_map_lookup_elem(&flows_transit, &key);
		else
			flow = bpf_map_lookup_elem(&flows, &key.flow);
	}
	if (!flow)
		return 0;
	mark = *(volatile __u32 *)&flow->mark;
	if (!(mark & MARK_STATE) || mark == BURIED ||
	    __sync_val_compare_and_swap(&flow->mark, mark, 0) != mark)
		return 0;
	local = bpf_map_lookup_elem(&locals, &id);
	if (local)
		give(local->allowance);
	ended(flow, mark);
	return 1;
}
