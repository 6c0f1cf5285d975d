/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Steps 3 to 5 of the judgement (section 1.9): what is decided about a packet
 * before flows and rules are asked. */
#pragma once

#include "answer.h"
#include "flows.h"
#include "source.h"

static __always_inline int dhcp(const struct packet *p, __u16 from4, __u16 to4, __u16 from6,
				__u16 to6)
{
	if (p->proto != PROTO_UDP || p->fragment)
		return 0;
	if (p->family == IPV4)
		return p->reverse == from4 && p->port == to4;
	return p->reverse == from6 && p->port == to6;
}

/* Addresses that an interface should not have, and packets to them are judged as
 * what they are. */
static __always_inline int special(const struct interface *me, const struct address *a,
				   __u32 family)
{
	return broadcast(me, a, family) || multicast(a, family) || router(me, a, family) ||
	       service(a, family) || (family == IPV6 && link_local6(a));
}

/* Steps 3 to 5 for a packet from the instance. Returns the reason to end with
 * (TURN_AROUND added if there is an answer), or REASON_UNSET and the gate. */
__noinline int before_egress(struct __sk_buff *skb, const struct interface *me, __u32 slot,
			     const struct packet *p, struct gate *gate)
{
	int reason;
	__u8 mac[6];

	if (!me || !p || !gate)
		return REASON_NO_POLICY;
	if (bpf_skb_load_bytes(skb, ETH_ALEN, mac, sizeof(mac)) || !same_mac(mac, me->mac))
		return REASON_SPOOF_MAC;
	gate->transit = 0;
	reason = bad_source(p, EGRESS);
	if (reason)
		return reason;
	if (!p->fragment) {
		reason = link_scope(skb, me, p, slot);
		if (reason)
			return reason;
	}
	local_end(gate, own(me, slot, p->family, &p->src));
	if (!gate->local) {
		int none = unspecified(&p->src), link = p->family == IPV6 && link_local6(&p->src);

		if (dhcp(p, 68, 67, 546, 547) && (p->family == IPV4 ? none : link))
			return REASON_ANSWERED; /* absorbed */
		if (none)
			return REASON_MARTIAN;
		if (link)
			return router(me, &p->dst, p->family) && p->proto == PROTO_ICMPV6 && !p->fragment
				       ? router_echo(skb, me, p)
				       : REASON_SPOOF_IP;
		if (me->flags & INTERFACE_CHECK || router(me, &p->src, p->family))
			return REASON_SPOOF_IP;
		gate->local = me->self;
		gate->transit = FORWARDED;
	}
	if (broadcast(me, &p->dst, p->family))
		return dhcp(p, 68, 67, 0, 0) ? REASON_ANSWERED : REASON_BROADCAST;
	if (multicast(&p->dst, p->family))
		return REASON_MULTICAST;
	if (router(me, &p->dst, p->family) && !p->fragment) {
		if (p->proto == PROTO_ICMP || p->proto == PROTO_ICMPV6)
			return me->policy ? router_echo(skb, me, p) : REASON_NO_POLICY;
		if (dhcp(p, 68, 67, 546, 547))
			return REASON_ANSWERED;
	}
	if (service(&p->dst, p->family) || (p->family == IPV6 && link_local6(&p->dst)))
		return REASON_LINKLOCAL;
	return p->fragment ? REASON_FRAGMENT : REASON_UNSET;
}

/* Steps 3 to 5 for a packet to the instance. */
static __always_inline int before_ingress(const struct interface *me, __u32 slot,
					  const struct packet *p, struct gate *gate)
{
	__u32 icmp = p->port >> 8;
	int reason;

	reason = bad_source(p, INGRESS);
	if (reason)
		return reason;
	/* The host is the router: what belongs to the link is its own. */
	if (p->proto == PROTO_ICMPV6 && !p->fragment && of_link(icmp) &&
	    (link_local6(&p->src) || unspecified(&p->src)))
		return icmp == ND_ROUTER_ADVERTISEMENT && !router(me, &p->src, IPV6)
			       ? REASON_ROGUE_RA
			       : REASON_EXEMPT;
	if (p->proto == PROTO_ICMPV6 && !p->fragment && icmp == ND_ROUTER_ADVERTISEMENT &&
	    !router(me, &p->src, IPV6))
		return REASON_ROGUE_RA;
	if (dhcp(p, 67, 68, 547, 546) &&
	    (router(me, &p->src, p->family) || (p->family == IPV6 && link_local6(&p->src))))
		return REASON_EXEMPT;
	if (unspecified(&p->src) || (p->family == IPV6 && link_local6(&p->src)))
		return REASON_MARTIAN;
	if (broadcast(me, &p->dst, p->family))
		return REASON_BROADCAST;
	if (multicast(&p->dst, p->family))
		return REASON_MULTICAST;
	local_end(gate, own(me, slot, p->family, &p->dst));
	if (!gate->local) {
		if (me->flags & INTERFACE_CHECK)
			return REASON_NOT_MINE;
		gate->local = me->self;
		gate->transit = FORWARDED;
	}
	if (service(&p->dst, p->family))
		return REASON_LINKLOCAL;
	if (router(me, &p->src, p->family) && !p->fragment &&
	    (p->proto == PROTO_ICMP || p->proto == PROTO_ICMPV6))
		return me->policy ? REASON_EXEMPT : REASON_NO_POLICY;
	return p->fragment ? REASON_FRAGMENT : REASON_UNSET;
}
