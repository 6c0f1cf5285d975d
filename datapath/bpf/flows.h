/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* The flow table: where what an interface remembers is found, how it begins and
 * ends, and what it costs its instance (sections 1.3, 3.1, 3.8, 3.9). */
#pragma once

#include "clock.h"
#include "maps.h"
#include "packet.h"

/* What one judgement is about. */
struct gate {
	__u32 local;  /* id of the local address in flow keys; self for transit */
	__u32 remote; /* id of the remote address; 0: it is not on this host */
	__u32 class;  /* of the remote address's owner; CLASS_UNKNOWN: not looked up yet */
	__u32 allowance; /* of the local interface's instance */
	__u32 policy; /* read once: a packet is judged by one snapshot */
	__u32 handle; /* answer: of the rule that decided */
	__u16 rule;   /* answer: the rule that decided, NO_RULE if none did */
	__u8 begin;   /* answer: the state that a flow is to begin in, END_FLOW, or 0 */
	__u8 dir;
	__u8 transit; /* the key needs the whole local address: enum transit */
	__u8 groups;  /* the remote address speaks for its owner */
	__u8 known;   /* what need not be looked up or done again: KNOWN_... */
	__u8 forced;  /* the path forces tracking (2.4) */
	__u32 slot;   /* of who has the remote address, plus one, 0: nobody here */
};

#define KNOWN_PARSED  1 /* the packet is parsed */
#define KNOWN_NEW     2 /* there is no entry where it was looked for */
#define KNOWN_OUTSIDE 4 /* the packet's route leads to the internet */
#define KNOWN_THROUGH 8 /* it leads through an interface */

#define CLASS_UNKNOWN 0xffffffffu

enum transit {
	OWN_ADDRESS = 0,
	FORWARDED,         /* it is not the interface's own */
	DELEGATED_ADDRESS, /* it is one of a prefix that is */
};

/* Sets the local end. id is as in struct owner. */
static __always_inline void local_end(struct gate *gate, __u32 id)
{
	gate->local = id & ~DELEGATED;
	gate->transit = id & DELEGATED ? DELEGATED_ADDRESS : OWN_ADDRESS;
}

/* The id of a remote address, 0 if none stands for it alone. */
static __always_inline __u32 remote_end(const struct owner *owner)
{
	return owner && !(owner->local & DELEGATED) ? owner->local : 0;
}

/* What the gate needs to know of who has the remote address. */
static __always_inline void belongs(struct gate *gate, const struct owner *owner)
{
	gate->class = owner ? owner->class : 0;
	gate->remote = remote_end(owner);
	gate->slot = owner ? owner->slot : 0;
}

/* Instead of a state: the flow gives way to packets that need none. */
#define END_FLOW MARK_STATE

/* Whether the remote end began the ICMP query that the packet belongs to: a reply
 * from here has a remote initiator, as has a query to here. */
static __always_inline int remote_asks(const struct packet *p, const struct gate *gate)
{
	return (gate->dir == EGRESS) == (p->class == CLASS_REPLY);
}

static __always_inline int of_query(const struct packet *p)
{
	return p->class == CLASS_QUERY || p->class == CLASS_REPLY;
}

/* In the ports of ICMP stand the identifier, and the kind of query with the side
 * that asks. */
static __always_inline void flow_key(struct flow_key *key, const struct packet *p,
				     const struct gate *gate)
{
	int out = gate->dir == EGRESS;

	key->remote = out ? p->dst : p->src;
	key->local = gate->local << 8 | p->proto;
	if (of_query(p)) {
		key->local_port = p->id;
		key->remote_port = p->query << 1 | remote_asks(p, gate);
	} else {
		key->local_port = out ? p->src_port : p->dst_port;
		key->remote_port = out ? p->dst_port : p->src_port;
	}
}

static __always_inline void transit_key(struct transit_key *key, const struct packet *p,
					const struct gate *gate)
{
	flow_key(&key->flow, p, gate);
	key->local = gate->dir == EGRESS ? p->src : p->dst;
}

/* Which end of a pair is the local one. */
static __always_inline __u32 end_of(const struct gate *gate)
{
	return gate->local > gate->remote;
}

static __always_inline void pair_key(struct pair_key *key, const struct packet *p,
				     const struct gate *gate)
{
	__u32 end = end_of(gate), swapped = end ^ (gate->dir == EGRESS ? 0 : 1);

	if (end) {
		key->low = gate->remote << 8 | p->proto;
		key->high = gate->local;
	} else {
		key->low = gate->local << 8 | p->proto;
		key->high = gate->remote;
	}
	if (of_query(p)) {
		key->port[0] = p->id;
		key->port[1] = p->query << 1 | (end ^ remote_asks(p, gate));
	} else {
		key->port[0] = swapped ? p->dst_port : p->src_port;
		key->port[1] = swapped ? p->src_port : p->dst_port;
	}
}

static __always_inline struct pair *pair_of(const struct packet *p, const struct gate *gate)
{
	struct pair_key key;

	pair_key(&key, p, gate);
	return bpf_map_lookup_elem(&pairs, &key);
}

/* The same with a stack of its own, for callers who have little. */
static __noinline struct pair *find_pair(const struct packet *p, const struct gate *gate)
{
	return pair_of(p, gate);
}

static __always_inline struct flow *end_in(struct pair *pair, const struct gate *gate)
{
	if (!pair)
		return NULL;
	return end_of(gate) ? &pair->end[1] : &pair->end[0];
}

/* The entry of the packet's flow, live or not, if it is no pair's. */
static __noinline struct flow *find_flow(const struct packet *p, const struct gate *gate)
{
	struct transit_key key;

	if (gate->transit) {
		transit_key(&key, p, gate);
		return bpf_map_lookup_elem(&flows_transit, &key);
	}
	flow_key(&key.flow, p, gate);
	return bpf_map_lookup_elem(&flows, &key.flow);
}

static __always_inline struct flow *entry_of(const struct packet *p, const struct gate *gate)
{
	if (gate->remote && !gate->transit)
		return end_in(find_pair(p, gate), gate);
	return find_flow(p, gate);
}

static __always_inline struct allowance *allowance_of(__u32 place)
{
	return bpf_map_lookup_elem(&allowances, &place);
}

/* How long a flow lives in a state. */
static __always_inline __u32 timeout(const struct interface *me, __u32 state)
{
	if (state <= SYN_RECV && state) {
		struct allowance *a = allowance_of(me->allowance);

		if (a && a->used > a->high)
			state = SHORT_TIMEOUT(state);
	}
	return me->timeout[state & (MAX_STATES - 1)];
}

static __always_inline int live(const struct interface *me, const struct flow *flow)
{
	__u32 mark = *(volatile const __u32 *)&flow->mark;

	return now() - flow->seen < timeout(me, mark & MARK_STATE);
}

/* A unit of the instance's allowance, if there is one left. */
static __always_inline int take(__u32 place)
{
	struct allowance *a = allowance_of(place);

	if (!a)
		return 0;
	if (__sync_fetch_and_add(&a->used, 1) < a->limit)
		return 1;
	__sync_fetch_and_add(&a->used, -1);
	return 0;
}

static __always_inline void give(__u32 place)
{
	struct allowance *a = allowance_of(place);

	if (a)
		__sync_fetch_and_add(&a->used, -1);
}

/* Packets that a rule admitted, at a time, and flows. */
static __always_inline void used(__u32 handle, __u64 packets, __u64 bytes, __u32 ended, __u64 time)
{
	struct use *u = bpf_map_lookup_elem(&uses, &handle);

	if (!u)
		return;
	u->packets += packets;
	u->bytes += bytes;
	u->flows += ended;
	if (u->last < time)
		u->last = time;
}

/* What a flow that has ended was. */
static __always_inline void ended(const struct flow *flow, __u32 mark)
{
	__u64 time = now64();

	used(mark >> 8, (__u64)flow->packets[0] + flow->packets[1], flow->bytes[0] + flow->bytes[1], 1,
	     time - (__u32)((__u32)time - flow->seen));
}

static __always_inline void start(struct flow *flow, const struct packet *p, const struct gate *gate)
{
	int out = gate->dir == EGRESS;

	flow->packets[INGRESS] = out ? 0 : p->segments;
	flow->packets[EGRESS] = out ? p->segments : 0;
	flow->bytes[INGRESS] = out ? 0 : p->bytes;
	flow->bytes[EGRESS] = out ? p->bytes : 0;
	flow->seen = now();
}

static __always_inline __u32 first_mark(const struct gate *gate)
{
	return MARK(gate->handle, gate->dir == EGRESS ? 0 : REMOTE_INITIATED, gate->begin);
}

/* Begins a flow in an entry that has none, or a dead one, or one that a fresh
 * verdict replaces; or ends the one it has. Who loses a race finds a flow of the
 * same tuple that began just now, and is content with it. Returns 0 if there is no
 * unit of the allowance left. */
static __always_inline int renew(struct flow *flow, const struct packet *p, const struct gate *gate)
{
	__u32 old = flow->mark;
	int held = !!(old & MARK_STATE); /* dead, but not swept yet: its unit goes on */

	if (gate->begin == END_FLOW) {
		if (held && __sync_val_compare_and_swap(&flow->mark, old, 0) == old) {
			ended(flow, old);
			give(gate->allowance);
		}
		return 1;
	}
	if (!held && !take(gate->allowance))
		return 0;
	/* The mark first: until seen is new too, the flow is as dead as before. */
	if (__sync_val_compare_and_swap(&flow->mark, old, first_mark(gate)) != old) {
		if (!held)
			give(gate->allowance);
		return 1;
	}
	if (held)
		ended(flow, old);
	start(flow, p, gate);
	return 1;
}

#define EEXIST 17

/* What a map says of a new entry: another CPU may have been first with the same
 * tuple, or be just burying an old one. One flow, then; or none, until the next
 * packet. */
static __always_inline int inserted(int error, __u32 place)
{
	if (!error)
		return 1;
	give(place);
	return error == -EEXIST;
}

/* What a new entry is made in. */
struct new_pair {
	struct pair pair;
	struct pair_key key;
};

struct new_flow {
	struct flow flow;
	struct transit_key key;
};

/* A new entry of which one end begins. */
static __always_inline int record_end(const struct packet *p, const struct gate *gate,
				      struct new_pair *new)
{
	struct flow *mine = end_in(&new->pair, gate);

	new->pair = (struct pair){};
	if (!take(gate->allowance))
		return 0;
	mine->mark = first_mark(gate);
	start(mine, p, gate);
	pair_key(&new->key, p, gate);
	return inserted(bpf_map_update_elem(&pairs, &new->key, &new->pair, BPF_NOEXIST),
			gate->allowance);
}

/* A new entry whose remote address nobody on this host has, or of transit traffic. */
static __always_inline int record_alone(const struct packet *p, const struct gate *gate,
					struct new_flow *new)
{
	int error;

	if (!take(gate->allowance))
		return 0;
	new->flow.mark = first_mark(gate);
	start(&new->flow, p, gate);
	if (gate->transit) {
		transit_key(&new->key, p, gate);
		error = bpf_map_update_elem(&flows_transit, &new->key, &new->flow, BPF_NOEXIST);
	} else {
		flow_key(&new->key.flow, p, gate);
		error = bpf_map_update_elem(&flows, &new->key.flow, &new->flow, BPF_NOEXIST);
	}
	return inserted(error, gate->allowance);
}

/* Does as gate->begin says. flow is the entry of the tuple, if there is one.
 * Returns 0 if the allowance or the table is exhausted. Global functions like this
 * one are verified once, not at every call. */
__noinline int record(const struct packet *p, const struct gate *gate, struct flow *flow)
{
	union {
		struct new_pair pair;
		struct new_flow flow;
	} new;

	if (!p || !gate)
		return 0;
	if (flow && flow->mark != BURIED)
		return renew(flow, p, gate);
	if (gate->begin == END_FLOW)
		return 1;
	if (gate->remote && !gate->transit)
		return record_end(p, gate, &new.pair);
	return record_alone(p, gate, &new.flow);
}

/* The same for both ends of a pair that has no entry yet, by one. Both begin.
 * Returns a bit for each that has what it needs: 1 for out, 2 for in; or
 * ONE_ALONE, if only out may begin. */
#define ONE_ALONE 4

__noinline int record_both(const struct packet *p, const struct gate *out, const struct gate *in)
{
	struct pair fresh;
	struct pair_key key;
	int error;

	if (!p || !out || !in || !take(out->allowance))
		return 0;
	if (!take(in->allowance)) {
		give(out->allowance);
		return ONE_ALONE;
	}
	if (end_of(out)) {
		fresh.end[1].mark = first_mark(out);
		start(&fresh.end[1], p, out);
		fresh.end[0].mark = first_mark(in);
		start(&fresh.end[0], p, in);
	} else {
		fresh.end[0].mark = first_mark(out);
		start(&fresh.end[0], p, out);
		fresh.end[1].mark = first_mark(in);
		start(&fresh.end[1], p, in);
	}
	pair_key(&key, p, out);
	error = bpf_map_update_elem(&pairs, &key, &fresh, BPF_NOEXIST);
	return inserted(error, in->allowance) & inserted(error, out->allowance) ? 3 : 0;
}
