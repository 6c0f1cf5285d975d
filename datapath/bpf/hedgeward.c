// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/* Entry points: a packet's way through its gates. README.md walks along. */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "layout.h"
#include "maps.h"
#include "clock.h"
#include "packet.h"
#include "parse.h"
#include "source.h"
#include "answer.h"
#include "steps.h"
#include "match.h"
#include "track.h"
#include "judge.h"
#include "outcome.h"
#include "internet.h"
#include "services.h"
#include "overlay.h"
#include "pieces.h"
#include "sweep.h"
#include "walk.h"
#include "attached.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Types that only user space uses, so that Go gets them too. */
const enum reason *unused_reason __attribute__((unused));
const enum state *unused_state __attribute__((unused));
const enum stray *unused_stray __attribute__((unused));
const struct fragment_event *unused_event __attribute__((unused));

/* From the instance. A plain packet of a flow that both ends know is judged here,
 * by both: steps 3 to 5 depend on nothing that is not in the key of a flow, so what
 * has passed them once need not pass them again. Other ordinary ones go on at the
 * gates; the rest walks all the way. */
SEC("tc")
int from_instance(struct __sk_buff *skb)
{
	struct gate out = { .dir = EGRESS };
	struct flow *mine, *theirs;
	__u32 type, slot, there, forth, back;
	struct interface *me, *peer;
	struct pair *pair;
	struct packet p;
	int reason;

	me = identify(skb, EGRESS, &slot, &type);
	if (!me)
		return TC_ACT_SHOT;
	if (type == ETH_P_ARP) {
		reason = arp(skb, me, slot);
		end(skb, slot, EGRESS, reason & (MAX_REASONS - 1));
		return reason & TURN_AROUND ? turn_around(skb) : TC_ACT_SHOT;
	}
	out.groups = !injected(skb, INJECT_NO_EGRESS_REFERENCE);
	out.forced = injected(skb, INJECT_FORCED);
	if (plain(skb, type, &p) && straight(skb, me, &p, &out)) {
		there = out.slot - 1u;
		pair = between(&out) ? pair_of(&p, &out) : NULL;
		if (between(&out) && !pair)
			out.known = KNOWN_NEW;
		peer = bpf_map_lookup_elem(&interfaces, &there);
		if (pair && peer && peer->ifindex && peer->vpc == me->vpc &&
		    !(peer->flags & INTERFACE_ATTACHED)) {
			mine = end_in(pair, &out);
			theirs = &pair->end[!end_of(&out)];
			forth = hit(me, mine, &p, EGRESS);
			back = hit(peer, theirs, &p, INGRESS);
			if (forth && back) {
				proceed(mine, &p, EGRESS, forth);
				proceed(theirs, &p, INGRESS, back);
				count(slot, EGRESS, REASON_TRACKED, p.segments);
				count(there, INGRESS, REASON_TRACKED, p.segments);
				report(skb, EGRESS, REASON_TRACKED, NULL);
				report(skb, INGRESS, REASON_TRACKED, NULL);
				return hand_over(skb, peer);
			}
		}
		if (ordinary(me, &p, &out))
			return walk_out(skb, slot, &p, &out);
	}
	reason = parse(skb, type, &p);
	if (!reason)
		reason = before_egress(skb, me, slot, &p, &out);
	if (!reason && p.fragment)
		return place(&p, &out) ? fragment_out(skb, slot) : TC_ACT_SHOT;
	if (!reason && exemptible(me, &p, &p.dst))
		reason = exempt_egress(skb, me, &p);
	if (reason) {
		end(skb, slot, EGRESS, reason & (MAX_REASONS - 1));
		if (reason & TURN_AROUND)
			return turn_around(skb);
		return reason & FOR_HOST ? to_services(skb, me, &p, slot) : TC_ACT_SHOT;
	}
	return walk_out(skb, slot, &p, &out);
}

/* To the instance, from the host's own stack: its ingress rules. Packets of
 * other instances do not come here: from_instance has judged them. */
SEC("tc")
int to_instance(struct __sk_buff *skb)
{
	struct gate in = { .dir = INGRESS };
	struct flow *flow;
	struct interface *me;
	__u32 type, slot, next;
	struct packet p;
	int action;

	me = identify(skb, INGRESS, &slot, &type);
	if (!me)
		return TC_ACT_SHOT;
	if (type == ETH_P_ARP) {
		action = arp_in(skb);
		count(slot, INGRESS, action, 1);
		report(skb, INGRESS, action, NULL);
		return accepted(action) ? TC_ACT_OK : TC_ACT_SHOT;
	}
	if (plain(skb, type, &p)) {
		struct flow_key key;

		in.known = KNOWN_PARSED;
		in.local = first_address(me, &p, &p.dst);
		if (in.local) {
			flow_key(&key, &p, &in);
			flow = bpf_map_lookup_elem(&flows, &key);
			next = flow ? hit(me, flow, &p, INGRESS) : 0;
			if (next) { /* as in from_instance */
				proceed(flow, &p, INGRESS, next);
				count(slot, INGRESS, REASON_TRACKED, p.segments);
				report(skb, INGRESS, REASON_TRACKED, NULL);
				return TC_ACT_OK;
			}
			if (!flow)
				in.known |= KNOWN_NEW;
		}
	}
	action = walk_in(skb, slot, &p, &in);
	return action == FRAGMENT_AHEAD ? fragment_in(skb, slot) : action;
}

/* What is left for a packet that comes from outside this host, after steps 3 to 5,
 * which may have found a reason to end: the ingress gate, and the way in. */
static __always_inline int enter(struct __sk_buff *skb, const struct interface *me, __u32 slot,
				 const struct packet *p, struct gate *in, int reason)
{
	struct flow *flow = NULL;

	if (!reason && p->fragment)
		return place(p, in) ? fragment_lands(skb, slot) : TC_ACT_SHOT;
	if (!reason) {
		if (p->class != CLASS_MESSAGE)
			flow = find_flow(p, in);
		reason = settle(me, p, in, flow);
	}
	count(slot, INGRESS, reason, p->segments);
	report(skb, INGRESS, reason, in);
	return accepted(reason) ? hand_over(skb, me) : TC_ACT_SHOT;
}

/* From the internet, or from an instance of this host that speaks to a public
 * address of another: the ingress rules of whom the address stands for (1.11). */
SEC("tc")
int from_internet(struct __sk_buff *skb)
{
	struct gate in = { .dir = INGRESS };
	struct interface *me;
	struct public *public;
	struct packet p;
	__u32 type, slot;

	type = ethertype(skb);
	if (!type || type == ETH_P_ARP || parse(skb, type, &p))
		return TC_ACT_SHOT;
	public = public_of(p.family, &p.dst);
	if (!public)
		return TC_ACT_SHOT;
	slot = public->slot - 1;
	me = bpf_map_lookup_elem(&interfaces, &slot);
	if (!me || !me->ifindex)
		return TC_ACT_SHOT;
	local_end(&in, public->local);
	in.allowance = me->allowance;
	return enter(skb, me, slot, &p, &in, arrive(skb, me, &p, public));
}

/* From another host: the ingress rules of the interface that has the destination. */
SEC("tc")
int from_overlay(struct __sk_buff *skb)
{
	struct tunnel_end *o = host_overlay();
	struct gate in = { .dir = INGRESS };
	struct address from = {};
	struct interface *me;
	struct owner *owner;
	struct packet p;
	__u32 type, slot, vni = 0, *network;

	if (!o || !unwrap(skb, o, &from, &vni))
		return stray(STRAY_MALFORMED);
	network = bpf_map_lookup_elem(&vnis, &vni);
	if (!network)
		return stray(STRAY_VNI);
	type = ethertype(skb);
	if (!type || type == ETH_P_ARP || parse(skb, type, &p))
		return stray(STRAY_MALFORMED);
	owner = find_owner(*network | DELEGATES, p.family, &p.dst);
	if (!owner)
		return stray(STRAY_DESTINATION);
	slot = owner->slot - 1u;
	me = bpf_map_lookup_elem(&interfaces, &slot);
	if (!me || !me->ifindex || me->flags & INTERFACE_ATTACHED)
		return stray(STRAY_DESTINATION);
	local_end(&in, owner->local);
	return enter(skb, me, slot, &p, &in, lands(me, &p, &in, &from));
}

/* From an interface at a device that somebody else made. */
SEC("tc")
int attached_from(struct __sk_buff *skb)
{
	return leaves_attached(skb);
}

/* To one. */
SEC("tc")
int attached_to(struct __sk_buff *skb)
{
	return reaches_attached(skb);
}

/* Not attached: user space runs it to learn the time that flows are kept in. */
SEC("tc")
int clock(struct __sk_buff *skb)
{
	return now();
}
