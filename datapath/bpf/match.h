/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Rules: sections 1.4, 1.5 and 2.1, from the tables that package policy made. */
#pragma once

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flows.h"
#include "maps.h"
#include "packet.h"

/* Binary search in a row: the step that holds key, as flags << 16 | rule. A row
 * that is empty, or that points out of the map, admits nothing. It is a global
 * function because the verifier looks at those once, not at every call. */
__noinline __u32 find(__u32 offset, __u32 count, __u32 key)
{
	struct step *step;

	if (!count)
		return NO_RULE;
	for (int i = 0; i < 16; i++) {
		__u32 half = count / 2, middle = offset + half;

		if (count <= 1)
			break;
		step = bpf_map_lookup_elem(&steps, &middle);
		if (!step)
			return NO_RULE;
		if (step->start <= key) {
			offset = middle;
			count -= half;
		} else {
			count = half;
		}
	}
	step = bpf_map_lookup_elem(&steps, &offset);
	return step ? step->flags << 16 | step->rule : NO_RULE;
}

/* Makes the key of an address that of the prefix around it. */
static __always_inline void widen(struct address_key *key, __u32 family)
{
	key->network |= PREFIX;
	if (family == IPV4) {
		key->addr.word[0] &= bpf_htonl(0xfffffff0);
	} else {
		key->addr.word[2] &= bpf_htonl(0xffff0000);
		key->addr.word[3] = 0;
	}
}

/* The owner of an address, NULL if nobody is known to have it. */
static __always_inline struct owner *owner_of(__u32 vpc, __u32 family, const struct address *addr)
{
	struct address_key key = { .network = vpc << 1 | family, .addr = *addr };
	struct owner *owner = bpf_map_lookup_elem(&addresses, &key);

	if (owner || !(vpc & DELEGATES))
		return owner;
	widen(&key, family);
	return bpf_map_lookup_elem(&addresses, &key);
}

/* The same with a stack of its own, for callers who have little. */
static __noinline struct owner *find_owner(__u32 vpc, __u32 family, const struct address *addr)
{
	return owner_of(vpc, family, addr);
}

/* The class of an address's owner. */
static __always_inline __u32 class_of(__u32 vpc, __u32 family, const struct address *addr)
{
	struct owner *owner = find_owner(vpc, family, addr);

	return owner ? owner->class : 0;
}

/* The rule by which the packet passes without state (2.1), or NO_RULE if it does
 * not: one that admits it. */
static __always_inline __u32 untracked(const struct policy *policy, const struct packet *p,
				       __u32 dir)
{
	const struct row *row;
	__u32 forth, back;

	if (p->proto != PROTO_TCP && p->proto != PROTO_UDP)
		return NO_RULE;
	row = &policy->any[dir & 1][p->family & 1];
	forth = find(row->offset, row->count, p->proto << 16 | p->port);
	if ((forth & 0xffff) == NO_RULE)
		return NO_RULE;
	row = &policy->any[!dir][p->family & 1];
	back = find(row->offset, row->count, p->proto << 16 | p->reverse);
	if ((back & 0xffff) != NO_RULE && ((forth | back) >> 16 & STEP_ALL_PORTS))
		return forth & 0xffff;
	return NO_RULE;
}

/* The handle of a rule of the policy, 0 if it has none. */
static __always_inline __u32 handle_of(const struct policy *policy, __u32 dir, __u32 rule)
{
	const struct row *row = &policy->handles[dir & 1];
	__u32 place = row->offset + rule;
	struct step *step;

	if (rule >= row->count)
		return 0;
	step = bpf_map_lookup_elem(&steps, &place);
	return step ? step->start & MAX_HANDLE : 0;
}

/* The step that holds a key of the remote address's rules: the lowest numbered
 * rule, and in its flags whether one of them admits all of the protocol. */
static __always_inline __u32 admitted(__u32 id, const struct policy *policy, __u32 vpc,
				      const struct packet *p, const struct gate *gate, __u32 key)
{
	__u32 table = TABLE(id, gate->dir, p->family);
	const struct address *remote = gate->dir == EGRESS ? &p->dst : &p->src;
	__u32 step = NO_RULE, class = gate->class;
	struct row *row;

	if (policy->has & POLICY_ROUTES(gate->dir, p->family)) {
		struct route_key route = { .prefixlen = 160, .table = table, .addr = *remote };

		if (p->family == IPV4)
			route.prefixlen = 64;
		row = bpf_map_lookup_elem(&routes, &route);
		if (row)
			step = find(row->offset, row->count, key);
	}
	if (gate->groups && policy->has & POLICY_GROUPS(gate->dir, p->family)) {
		if (class == CLASS_UNKNOWN)
			class = class_of(vpc, p->family, remote);
		if (class) {
			struct class_key of = { .table = table, .class = class };

			row = bpf_map_lookup_elem(&class_rows, &of);
			if (row) {
				__u32 other = find(row->offset, row->count, key);

				if ((other & 0xffff) < (step & 0xffff))
					step = other | (step & ~0xffffu);
				else
					step |= other & ~0xffffu;
			}
		}
	}
	return step;
}

/* The lowest numbered rule that admits the packet, or NO_RULE. */
static __always_inline __u32 allowed(__u32 id, const struct policy *policy, __u32 vpc,
				     const struct packet *p, const struct gate *gate)
{
	return admitted(id, policy, vpc, p, gate, p->proto << 16 | p->port) & 0xffff;
}

/* Whether one rule admits all of the packet's protocol, so that no port is needed
 * to decide (4.5). */
static __always_inline int allowed_all(__u32 id, const struct policy *policy, __u32 vpc,
				       const struct packet *p, const struct gate *gate)
{
	return !!(admitted(id, policy, vpc, p, gate, p->proto << 16) >> 16 & STEP_ALL_PORTS);
}
