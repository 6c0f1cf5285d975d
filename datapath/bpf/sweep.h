/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Taking dead flows out of the table, and their units back; ending flows that are
 * alive. User space says which flows, a few at a time, and runs these programs;
 * packets go on meanwhile, and no verdict depends on it. */
#pragma once

#include "flows.h"

/* How long a flow stays after its end, so that no packet that has found it live
 * is still at work with it. Set when the programs are loaded: a quarter second. */
const volatile __u32 margin = 0;

/* What user space means: an entry of one of the flow tables. */
enum flow_table { NO_TABLE, IN_FLOWS, IN_TRANSIT, IN_PAIRS };

struct victim {
	__u32 table;
	__u32 end; /* of the pair: for cut */
	struct transit_key key; /* in flows, its first part */
	struct pair_key pair;
};

/* So many at once: a run lasts some tens of microseconds, in which its processor
 * takes no packets. The first of no table ends the list. */
#define MAX_VICTIMS 256

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_VICTIMS);
	__type(key, __u32);
	__type(value, struct victim);
} victims SEC(".maps");

/* What a run of sweep has found, for user space. */
struct {
	__u32 live;
	__u32 embryonic;
	__u32 freed;
} swept SEC(".data.swept");

/* Takes the flow out of what is remembered. Returns whether nobody was faster. */
static __always_inline int finish(__u32 id, struct flow *flow, __u32 mark)
{
	struct local *local;

	if (__sync_val_compare_and_swap(&flow->mark, mark, 0) != mark)
		return 0;
	local = bpf_map_lookup_elem(&locals, &id);
	if (local)
		give(local->allowance);
	ended(flow, mark);
	return 1;
}

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
	return finish(id, flow, mark); /* if not, a new one began here */
}

/* Claims an end without a flow, so that none begins in it. Sweeps do not overlap:
 * a buried one is of a sweep that was cut short. */
static __always_inline int bury(struct flow *flow)
{
	return flow->mark == BURIED || __sync_val_compare_and_swap(&flow->mark, 0, BURIED) == 0;
}

static __always_inline int bury_pair(struct pair *pair, const struct pair_key *key)
{
	/* Not one expression: both ends are to be looked at. */
	int low = reap(key->low >> 8, &pair->end[0]);
	int high = reap(key->high, &pair->end[1]);

	if (!low || !high || !bury(&pair->end[0]))
		return 0;
	if (bury(&pair->end[1]))
		return 1;
	pair->end[0].mark = 0; /* nobody else touches it meanwhile */
	return 0;
}

static long sweep_entry(void *map, __u32 *place, struct victim *v, void *unused)
{
	struct flow *flow;
	struct pair *pair;

	switch (v->table) {
	case IN_FLOWS:
		flow = bpf_map_lookup_elem(&flows, &v->key.flow);
		if (flow && reap(v->key.flow.local >> 8, flow) && bury(flow)) {
			bpf_map_delete_elem(&flows, &v->key.flow);
			swept.freed++;
		}
		return 0;
	case IN_TRANSIT:
		flow = bpf_map_lookup_elem(&flows_transit, &v->key);
		if (flow && reap(v->key.flow.local >> 8, flow) && bury(flow)) {
			bpf_map_delete_elem(&flows_transit, &v->key);
			swept.freed++;
		}
		return 0;
	case IN_PAIRS:
		pair = bpf_map_lookup_elem(&pairs, &v->pair);
		if (pair && bury_pair(pair, &v->pair)) {
			bpf_map_delete_elem(&pairs, &v->pair);
			swept.freed++;
		}
		return 0;
	}
	return 1;
}

/* Not attached: user space runs it with what it takes for dead. What is alive after
 * all is counted and stays. */
SEC("tc")
int sweep(struct __sk_buff *skb)
{
	swept.live = swept.embryonic = swept.freed = 0;
	bpf_for_each_map_elem(&victims, sweep_entry, NULL, 0);
	return 0;
}

static long cut_entry(void *map, __u32 *place, struct victim *v, __u32 *ends)
{
	struct flow *flow = NULL;
	struct pair *pair;
	__u32 id = v->key.flow.local >> 8, mark;

	switch (v->table) {
	case IN_FLOWS:
		flow = bpf_map_lookup_elem(&flows, &v->key.flow);
		break;
	case IN_TRANSIT:
		flow = bpf_map_lookup_elem(&flows_transit, &v->key);
		break;
	case IN_PAIRS:
		id = v->end ? v->pair.high : v->pair.low >> 8;
		pair = bpf_map_lookup_elem(&pairs, &v->pair);
		if (pair)
			flow = v->end ? &pair->end[1] : &pair->end[0];
		break;
	default:
		return 1;
	}
	if (!flow)
		return 0;
	mark = *(volatile __u32 *)&flow->mark;
	if (mark & MARK_STATE && mark != BURIED)
		*ends += finish(id, flow, mark);
	return 0;
}

/* Not attached: user space runs it to end flows, live or not. Returns how many there
 * were. What they leave, a sweep takes away. */
SEC("tc")
int cut(struct __sk_buff *skb)
{
	__u32 ends = 0;

	bpf_for_each_map_elem(&victims, cut_entry, &ends, 0);
	return ends;
}
