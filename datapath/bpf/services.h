/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* The way between instances and the local services that the host has (section
 * 4.1). Networks overlap, so an instance's address says nothing there: on the
 * device of the services, whoever is at a place among interfaces has an address
 * that says the place. Nothing is remembered. */
#pragma once

#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "exempt.h"
#include "outcome.h"
#include "parse.h"
#include "settings.h"
#include "translate.h"

#define PLACES_NET  0x64400000u /* 100.64.0.0/10 */
#define PLACES_MASK 0x003fffffu

/* The resolver where it was asked at the VPC's address, not at its own. */
#define RESOLVER_THERE 0xa9fea9fcu /* 169.254.169.252 */

/* The other end of the services' device. */
#define SERVICES_MAC { 0x02, 0x48, 0x47, 0x00, 0x00, 0x03 }

/* An exempt packet that the host answers is on its way to whom. Only a whole one of
 * IPv4 from the interface's first address is. */
static __noinline int to_services(struct __sk_buff *skb, const struct interface *me,
				  const struct packet *p, __u32 slot)
{
	const __u8 there[6] = SERVICES_MAC, router_mac[6] = ROUTER_MAC;
	struct settings *s = host_settings();

	if (!s || !s->services || !me || !p || p->family != IPV4 || p->fragment ||
	    p->src.word[0] != me->addr4 || slot > PLACES_MASK)
		return TC_ACT_SHOT;
	if (p->dst.word[0] == me->resolver4 &&
	    translate(skb, p, DESTINATION, bpf_htonl(RESOLVER_THERE)))
		return TC_ACT_SHOT;
	if (translate(skb, p, SOURCE, bpf_htonl(PLACES_NET | slot)) ||
	    bpf_skb_store_bytes(skb, 0, there, 6, 0) ||
	    bpf_skb_store_bytes(skb, 6, router_mac, 6, 0))
		return TC_ACT_SHOT;
	if (testing)
		skb->cb[2] = s->services;
	return bpf_redirect(s->services, 0);
}

/* What the services answer: to the interface at the place that its destination
 * says, from the address that was asked. */
SEC("tc")
int from_services(struct __sk_buff *skb)
{
	__u32 slot, type = bpf_ntohs(skb->protocol);
	struct address asked = {}, inside = {};
	struct interface *me;
	struct packet p;
	int reason;

	if (skb->vlan_present || type != ETH_P_IP || parse(skb, type, &p) || p.fragment)
		return TC_ACT_SHOT;
	slot = bpf_ntohl(p.dst.word[0]);
	if ((slot & ~PLACES_MASK) != PLACES_NET)
		return TC_ACT_SHOT;
	slot &= PLACES_MASK;
	me = bpf_map_lookup_elem(&interfaces, &slot);
	if (!me || !me->ifindex || !me->addr4)
		return TC_ACT_SHOT;
	asked.word[0] = p.src.word[0];
	if (p.src.word[0] == bpf_htonl(RESOLVER_THERE)) {
		asked.word[0] = me->resolver4;
		if (translate(skb, &p, SOURCE, asked.word[0]))
			return TC_ACT_SHOT;
	}
	inside.word[0] = me->addr4;
	if (translate(skb, &p, DESTINATION, inside.word[0]))
		return TC_ACT_SHOT;
	p.src = asked;
	p.dst = inside;
	reason = service_of(me, &p, INGRESS) ? exempt_ingress(me, &p) : REASON_LINKLOCAL;
	count(slot, INGRESS, reason, 1);
	report(skb, INGRESS, reason, NULL);
	return accepted(reason) ? hand_over(skb, me) : TC_ACT_SHOT;
}
