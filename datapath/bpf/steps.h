/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Steps 3 and 4 of the judgement (section 1.9): who may be at either end of a
 * packet, before it is asked whether it is exempt (exempt.h). */
#pragma once

#include "answer.h"
#include "exempt.h"
#include "flows.h"
#include "source.h"

/* Addresses that an interface should not have, and packets to them are judged as
 * what they are. */
static __always_inline int special(const struct interface *me, const struct address *a,
				   __u32 family)
{
	return broadcast(me, a, family) || multicast(a, family) || router(me, a, family) ||
	       serves(me, a, family) || (family == IPV6 && (link_local6(a) || mapped(a)));
}

/* Steps 3 and 4 for a packet from the instance. Returns the reason to end with
 * (TURN_AROUND added if there is an answer), or REASON_UNSET and the gate with both
 * ends. */
__noinline int before_egress(struct __sk_buff *skb, const struct interface *me, __u32 slot,
			     const struct packet *p, struct gate *gate)
{
	int reason, none, link, icmp6;
	__u8 mac[6];

	if (!me || !p || !gate)
		return REASON_NO_POLICY;
	if (bpf_skb_load_bytes(skb, ETH_ALEN, mac, sizeof(mac)) || !same_mac(mac, me->mac))
		return REASON_SPOOF_MAC;
	reason = bad_source(p);
	if (reason)
		return reason;
	if (!p->fragment) {
		reason = link_scope(skb, me, p, slot);
		if (reason)
			return reason;
	}
	local_end(gate, own(me, slot, p->family, &p->src));
	if (dhcp_request(me, p, gate->local != 0))
		return REASON_ANSWERED; /* absorbed */
	if (!gate->local) {
		none = unspecified(&p->src);
		link = p->family == IPV6 && link_local6(&p->src);
		icmp6 = p->proto == PROTO_ICMPV6 && router(me, &p->dst, p->family);
		if (none)
			return REASON_MARTIAN;
		if (link && !icmp6)
			return REASON_SPOOF_IP;
		if (!link && (me->flags & INTERFACE_CHECK || service(&p->src, p->family) ||
			      router(me, &p->src, p->family) || reserved(me, &p->src, p->family)))
			return REASON_SPOOF_IP;
		gate->local = me->self;
		gate->transit = FORWARDED;
	}
	belongs(gate, find_owner(me->vpc, p->family, &p->dst));
	if (broadcast(me, &p->dst, p->family) || gate->slot == RESERVED_BROADCAST)
		return REASON_BROADCAST;
	return multicast(&p->dst, p->family) ? REASON_MULTICAST : REASON_UNSET;
}

/* Steps 3 and 4 for a packet to the instance: the reason to end with, REASON_EXEMPT
 * among them, or REASON_UNSET and the gate with both ends. */
static __always_inline int before_ingress(const struct interface *me, __u32 slot,
					  const struct packet *p, struct gate *gate)
{
	__u32 icmp = p->proto == PROTO_ICMPV6 && !p->fragment ? p->port >> 8 : 0;
	int reason = bad_source(p), host;
	struct owner *owner;

	if (reason)
		return reason;
	/* The host is the router: what belongs to the link is its own. */
	if (icmp == ND_ROUTER_ADVERTISEMENT && !router(me, &p->src, IPV6))
		return REASON_ROGUE_RA;
	local_end(gate, own(me, slot, p->family, &p->dst));
	if (dhcp_answer(me, p, gate->local != 0))
		return REASON_EXEMPT;
	if (unspecified(&p->src))
		return REASON_MARTIAN;
	host = router_icmp(me, p, INGRESS);
	if (host && p->family == IPV6 && (link_local6(&p->dst) || multicast6(&p->dst)))
		return me->policy || of_link(icmp) ? REASON_EXEMPT : REASON_NO_POLICY;
	owner = find_owner(me->vpc, p->family, &p->src);
	belongs(gate, owner);
	if (!host && (!serves(me, &p->src, p->family) || !service_of(me, p, INGRESS))) {
		if (service(&p->src, p->family))
			return REASON_LINKLOCAL;
		if (p->family == IPV6 && link_local6(&p->src))
			return REASON_MARTIAN;
		if (!(me->flags & INTERFACE_ATTACHED) &&
		    (router(me, &p->src, p->family) || gate->slot >= RESERVED_FIRST))
			return REASON_SPOOF_IP;
	}
	if (broadcast(me, &p->dst, p->family) ||
	    (!gate->local && reserved(me, &p->dst, p->family) == RESERVED_BROADCAST))
		return REASON_BROADCAST;
	if (multicast(&p->dst, p->family))
		return REASON_MULTICAST;
	if (!gate->local) {
		if (me->flags & INTERFACE_CHECK)
			return REASON_NOT_MINE;
		gate->local = me->self;
		gate->transit = FORWARDED;
	}
	return REASON_UNSET;
}
