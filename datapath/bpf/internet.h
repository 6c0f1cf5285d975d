/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Routes to the internet, and public addresses (section 1.11). */
#pragma once

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "answer.h"
#include "match.h"
#include "outcome.h"
#include "source.h"
#include "translate.h"

/* The far end of the uplink. */
#define FAR_MAC { 0x02, 0x48, 0x47, 0x00, 0x00, 0x02 }

/* Addresses the frame to the far end of a device that leads elsewhere. */
static __always_inline int to_far_end(struct __sk_buff *skb)
{
	const struct {
		__u8 to[6], from[6];
	} macs = { FAR_MAC, ROUTER_MAC };

	return bpf_skb_store_bytes(skb, 0, &macs, sizeof(macs), 0);
}

/* Who has a public address, NULL if nobody on this host. */
static __always_inline struct public *public_of(__u32 family, const struct address *addr)
{
	struct address_key key = { .network = family, .addr = *addr };
	struct public *public = bpf_map_lookup_elem(&publics, &key);

	if (public || family == IPV4)
		return public;
	widen(&key, family);
	return bpf_map_lookup_elem(&publics, &key);
}

static __always_inline __u32 uplink_device(void)
{
	__u32 zero = 0, *ifindex = bpf_map_lookup_elem(&uplink, &zero);

	return ifindex ? *ifindex : 0;
}

/* What leave returns for a frame that is on its way, beside what the kernel is to
 * do with it. Larger than any reason, and not TURN_AROUND. */
#define LEFT 0x800

/* Where the route of the sender's network for the destination leads. What somebody
 * has who is not on this host is not behind any. */
static __noinline __u32 way_of(const struct interface *me, const struct packet *p)
{
	struct route_key way = {
		.prefixlen = p->family == IPV4 ? 64 : 160,
		.table = me->vpc << 1 | p->family,
		.addr = p->dst,
	};
	__u32 *leads = bpf_map_lookup_elem(&ways, &way);

	return leads && *leads && !find_owner(me->vpc, p->family, &p->dst) ? *leads : WAY_NONE;
}

/* Notes which way a packet takes that is for nobody of this host. What passes a NAT
 * gateway is tracked, whatever the rules (section 2.4). */
static __always_inline void look_out(const struct interface *me, const struct packet *p,
				     struct gate *out)
{
	__u32 way;

	if (out->slot)
		return;
	way = way_of(me, p);
	if (way > WAY_INTERNET) {
		out->known |= KNOWN_THROUGH;
		out->forced = 1;
	} else if (way == WAY_INTERNET) {
		out->known |= KNOWN_OUTSIDE;
	}
}

/* The packet goes through the interface that its way names. Nobody sends through
 * himself. */
static __noinline int pass_on(struct __sk_buff *skb, const struct interface *me,
			      const struct packet *p)
{
	struct address next = { .word[0] = bpf_htonl(way_of(me, p)) };
	struct owner *owner = owner_of(me->vpc, IPV4, &next);
	struct interface *through;
	__u32 there;

	if (!owner)
		return REASON_NO_ROUTE;
	there = owner->slot - 1u;
	through = bpf_map_lookup_elem(&interfaces, &there);
	if (!through || !through->ifindex || through->place == me->place ||
	    through->flags & INTERFACE_ATTACHED)
		return REASON_NO_ROUTE;
	return LEFT | hand_over(skb, through);
}

/* Whether the destination is a public address of this host. */
static __noinline int comes_back(const struct packet *p)
{
	return public_of(p->family, &p->dst) != NULL;
}

/* Nobody on this host whom the sender can reach has the destination: may the packet
 * go to the internet? Returns the reason why not, or LEFT: then its source is a
 * public address, and it goes up, or, if its destination is a public address of
 * this host, straight to where it would come back from there; or its route is
 * through an interface, and it goes there as it is. */
static __noinline int leave(struct __sk_buff *skb, const struct interface *me,
			    const struct packet *p, const struct gate *out)
{
	__u32 ifindex = uplink_device(), id = out->local;
	struct address *public;

	if (out->known & KNOWN_THROUGH)
		return pass_on(skb, me, p);
	if (!ifindex || !(out->known & KNOWN_OUTSIDE))
		return REASON_NO_ROUTE;
	if (out->transit == FORWARDED)
		return REASON_NO_PUBLIC_ADDRESS;
	if (p->family == IPV4) {
		public = bpf_map_lookup_elem(&published, &id);
		if (out->transit || !public)
			return REASON_NO_PUBLIC_ADDRESS;
		if (translate(skb, p, SOURCE, public->word[0]))
			return REASON_MALFORMED;
	}
	if (to_far_end(skb))
		return REASON_MALFORMED;
	if (testing)
		skb->cb[2] = ifindex;
	return LEFT | bpf_redirect(ifindex, comes_back(p) ? BPF_F_INGRESS : 0);
}

/* Steps 3 to 5 for a packet from the internet. Returns the reason to end with, or
 * REASON_UNSET; then its destination is the private address. */
static __noinline int arrive(struct __sk_buff *skb, const struct interface *me, struct packet *p,
			     const struct public *public)
{
	int reason = bad_source(p);

	if (reason)
		return reason;
	if (p->family == IPV6 && link_local6(&p->src))
		return REASON_MARTIAN;
	if (p->proto == PROTO_ICMPV6 && !p->fragment && of_link(p->port >> 8))
		return REASON_ROGUE_RA;
	if (routed(me, &p->src, p->family))
		return REASON_SPOOF_IP;
	if (service(&p->src, p->family))
		return REASON_LINKLOCAL;
	if (p->family == IPV4) {
		if (translate(skb, p, DESTINATION, public->inside.word[0]))
			return REASON_MALFORMED;
		p->dst = public->inside;
		if (p->quotes && quoted())
			quoted()->src = p->dst;
	}
	return REASON_UNSET;
}
