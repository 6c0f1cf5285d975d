/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Fragments (section 4.5). What a datagram's first fragment is told holds for the
 * others. One that comes before it is handed to user space, which gives it back
 * once it can be judged; where nobody holds it, it is dropped. */
#pragma once

#include "exempt.h"
#include "flows.h"
#include "judge.h"
#include "match.h"
#include "settings.h"

/* What judging a fragment takes, in the making: too large for the stack. */
struct work {
	struct packet p;
	struct gate gate;
	struct fragment_key key;
	__u32 waited; /* others came before this first fragment */
	__u32 known;  /* so did another first fragment, of a datagram that is whole */
	__u32 pad;
	struct fragment context;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct work);
} works SEC(".maps");

static __always_inline struct work *workplace(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&works, &only);
}

static __always_inline void fragment_key(struct fragment_key *key, const struct interface *me,
					 const struct packet *p, __u32 dir)
{
	key->src = p->src;
	key->dst = p->dst;
	key->id = p->datagram;
	key->self = me->self;
	key->proto = p->family == IPV4 ? p->proto : 0;
	key->dir = dir;
	key->family = p->family;
	key->pad = 0;
}

#define MAP_WORDS (FRAGMENT_UNITS / 64)

/* The word of a map; the compiler must not turn the loops over them into pointers
 * that the verifier cannot follow. */
static __always_inline __u64 *word_of(struct fragment *f, __u32 word)
{
	asm volatile("" : "+r"(word));
	return &f->map[word & (MAP_WORDS - 1)];
}

/* Notes the units of a fragment. Returns whether some of them had come before; where
 * that is minded, the fragment does not count towards the whole then. Global
 * functions like this one are verified once. */
__noinline int note(struct fragment *f, const struct packet *p, int minded)
{
	__u32 base, fresh = 0;
	__u64 old, mask;
	int twice = 0;

	if (!f || !p)
		return 1;
	for (__u32 i = 0; i < MAP_WORDS; i++) {
		base = (p->from / 64 + i) * 64;
		if (base >= p->to || base >= FRAGMENT_UNITS)
			break;
		mask = ~0ull;
		if (base < p->from)
			mask &= ~0ull << (p->from - base);
		if (base + 64 > p->to)
			mask &= ~0ull >> (base + 64 - p->to);
		old = __sync_fetch_and_or(word_of(f, base / 64), mask);
		if (old & mask)
			twice = 1;
		fresh += __builtin_popcountll(mask & ~old);
	}
	if (twice && minded)
		return 1;
	__sync_fetch_and_add(&f->seen, fresh);
	if (!p->more)
		f->units = p->to;
	return twice;
}

/* Makes the map of a value in the making empty again. */
__noinline int unnote(struct fragment *f, const struct packet *p)
{
	__u32 base;

	if (!f || !p)
		return 0;
	for (__u32 i = 0; i < MAP_WORDS; i++) {
		base = (p->from / 64 + i) * 64;
		if (base >= p->to || base >= FRAGMENT_UNITS)
			break;
		*(volatile __u64 *)word_of(f, base / 64) = 0;
	}
	return 0;
}

/* Overlaps matter in IPv6, and wherever fragments are put in order. */
static __always_inline int minded(const struct packet *p)
{
	return p->family == IPV6 || !switched(SWITCH_FRAGMENT_CONTEXT);
}

static __always_inline int whole(const struct fragment *f)
{
	return f->units && f->seen == f->units;
}

/* The context of a datagram, if it is not too old. */
static __always_inline struct fragment *context(const struct interface *me, struct fragment_key *key)
{
	struct fragment *f = bpf_map_lookup_elem(&fragments, key);

	if (f && now() - f->made < me->timeout[FRAGMENT_TIMEOUT])
		return f;
	return NULL;
}

/* Keeps what the first fragment was told: reason, with FOR_HOST. */
__noinline int remember(const struct interface *me, __u32 reason)
{
	struct work *work = workplace();
	struct fragment_event *event;
	struct fragment *f;
	struct packet *p;
	long error;

	if (!me || !work)
		return 0;
	p = &work->p;
	f = &work->context;
	f->made = now();
	f->seen = f->units = 0;
	f->reason = reason & (MAX_REASONS - 1);
	f->host = !!(reason & FOR_HOST);
	f->rule = work->gate.rule;
	f->proto = p->proto;
	f->class = p->class;
	f->src_port = p->src_port;
	f->dst_port = p->dst_port;
	f->icmp_id = p->id;
	f->query = p->query;
	f->port = p->port;
	note(f, p, 0);
	error = bpf_map_update_elem(&fragments, &work->key, f, BPF_NOEXIST);
	if (error == -EEXIST) {
		/* Who came before, or on another processor meanwhile, may be waiting. */
		work->waited |= !work->known;
		error = bpf_map_update_elem(&fragments, &work->key, f, BPF_ANY);
	}
	unnote(f, p);
	if (error || !work->waited)
		return 0;
	event = bpf_ringbuf_reserve(&fragment_events, sizeof(*event), 0);
	if (!event)
		return 0;
	event->key = work->key;
	event->place = me->place;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* Marks that the datagram's first fragment is waited for, unless it has come: another
 * processor may be judging it now. Returns whether there is a context then. */
static __always_inline int wait_for(const struct interface *me, struct fragment_key *key,
				    struct fragment *f)
{
	long error;

	f->made = now();
	f->reason = 0;
	error = bpf_map_update_elem(&fragments, key, f, BPF_NOEXIST);
	if (error == -EEXIST && !context(me, key)) /* it is too old */
		error = bpf_map_update_elem(&fragments, key, f, BPF_ANY);
	return !error || error == -EEXIST;
}

/* Whether the interface has sent too many fragments in a second (3.8). One that is
 * held does not count until it comes back. */
static __always_inline int too_many(const struct interface *me, __u32 dir)
{
	struct settings *s = host_settings();
	struct limits *r;

	if (!s || !s->fragment_limit || dir != EGRESS)
		return 0;
	r = rates_of(me);
	return !r || !within(&r->fragments, s->fragment_limit, me);
}

/* A later fragment whose first one has not come. */
static __always_inline int too_early(const struct interface *me, const struct packet *p,
				     struct gate *gate, struct work *work)
{
	struct settings *s = host_settings();
	__u32 id = *(volatile const __u32 *)&me->policy;
	struct policy *policy = bpf_map_lookup_elem(&policies, &id);

	if (!id || !policy)
		return REASON_NO_POLICY;
	if (!s)
		return REASON_FRAG_NO_CONTEXT;
	if (s->switches & SWITCH_FRAGMENT_CONTEXT) {
		if (service_of(me, p, gate->dir))
			return REASON_FRAG_NO_CONTEXT;
		if (too_many(me, gate->dir))
			return REASON_FRAG_ALLOWANCE;
		return allowed_all(id, policy, me->vpc, p, gate) ? REASON_RULE : REASON_FRAG_NO_CONTEXT;
	}
	return s->holder && wait_for(me, &work->key, &work->context) ? REASON_FRAG_HELD : REASON_FRAG_NO_CONTEXT;
}

/* A fragment behind the first has the verdict of the first, and counts for the
 * same flow. */
static __always_inline int later(const struct interface *me, struct packet *p, struct gate *gate,
				 struct fragment *f)
{
	struct flow *flow;

	if (too_many(me, gate->dir))
		return REASON_FRAG_ALLOWANCE;
	if (!minded(p)) {
		note(f, p, 0);
	} else if (f->overlaps || note(f, p, 1)) {
		f->overlaps = 1;
		return REASON_FRAG_OVERLAP;
	}
	gate->rule = f->rule;
	p->proto = f->proto;
	p->class = f->class;
	p->src_port = f->src_port;
	p->dst_port = f->dst_port;
	p->id = f->icmp_id;
	p->query = f->query;
	if (accepted(f->reason) && f->reason != REASON_EXEMPT && p->class != CLASS_MESSAGE) {
		flow = entry_of(p, gate);
		if (flow && live(me, flow)) {
			flow->packets[gate->dir & 1] += p->segments;
			flow->bytes[gate->dir & 1] += p->bytes;
		}
	}
	return f->reason | (f->host ? FOR_HOST : 0);
}

/* Steps 5 to 11 for the fragment in the workplace, at its gate. Returns its reason,
 * with FOR_HOST. */
__noinline int ask_fragment(struct __sk_buff *skb, const struct interface *me)
{
	struct work *work = workplace();
	struct flow *flow = NULL;
	struct packet *p;
	struct gate *gate;
	struct fragment *f;
	int reason;

	if (!me || !work)
		return REASON_NO_POLICY;
	p = &work->p;
	gate = &work->gate;
	gate->rule = NO_RULE;
	gate->begin = 0;
	fragment_key(&work->key, me, p, gate->dir);
	f = context(me, &work->key);
	if (p->fragment == LATER_FRAGMENT) {
		if (!f || !f->reason) {
			if (!service_of(me, p, gate->dir) &&
			    (service(&p->dst, p->family) || (p->family == IPV6 && link_local6(&p->dst))))
				return REASON_LINKLOCAL;
			reason = too_early(me, p, gate, work);
			if (reason != REASON_FRAG_HELD)
				return reason;
			f = context(me, &work->key); /* by now the first may have come */
			if (!f || !f->reason)
				return REASON_FRAG_HELD;
		}
		return later(me, p, gate, f);
	}

	if (too_many(me, gate->dir))
		return REASON_FRAG_ALLOWANCE;
	/* An identification may come again, but not before its datagram is whole. */
	if (f && f->reason && minded(p) && !whole(f) && f->map[0] & 1) {
		f->overlaps = 1;
		return REASON_FRAG_OVERLAP;
	}
	reason = gate->dir == EGRESS ? exempt_egress(skb, me, p) : exempt_ingress(me, p);
	if (!reason) {
		if (p->class != CLASS_MESSAGE)
			flow = entry_of(p, gate);
		reason = judge(me, p, gate, flow);
	}
	work->waited = f && !f->reason;
	work->known = f && f->reason;
	return reason;
}

/* Steps 5 to 13. What is not asked but written stands here, one call less deep: the
 * stack is short. */
static __always_inline int judge_fragment(struct __sk_buff *skb, const struct interface *me,
					  struct work *work)
{
	struct gate *gate = &work->gate;
	int reason = ask_fragment(skb, me);

	if (work->p.fragment != FIRST_FRAGMENT || (reason & (MAX_REASONS - 1)) >= REASON_NO_POLICY)
		return reason;
	if (accepted(reason) && gate->begin && !record(&work->p, gate, entry_of(&work->p, gate)))
		reason = REASON_ALLOWANCE;
	remember(me, reason);
	return reason;
}
