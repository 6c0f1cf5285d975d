/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Addresses that may not be on the wire, and addresses that are not the
 * interface's: sections 1.8, 4.1, 4.3, 4.6 and 5. */
#pragma once

#include <bpf/bpf_endian.h>

#include "maps.h"
#include "match.h"
#include "packet.h"

/* The router that every interface sees: one MAC address, and the link-local
 * address that follows from it (EUI-64). */
#define ROUTER_MAC { 0x02, 0x48, 0x47, 0x00, 0x00, 0x01 }
#define ROUTER_LINK_LOCAL_2 bpf_htonl(0x004847ff)
#define ROUTER_LINK_LOCAL_3 bpf_htonl(0xfe000001)

static __always_inline int in4(__u32 addr, __u32 net, __u32 mask)
{
	return (addr & bpf_htonl(mask)) == bpf_htonl(net);
}

static __always_inline int link_local6(const struct address *a)
{
	return (a->word[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

static __always_inline int multicast6(const struct address *a)
{
	return (a->word[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
}

/* 169.254.0.0/16 and fd00:ec2::/32: delivered to local services only (4.1). */
static __always_inline int service(const struct address *a, __u32 family)
{
	if (family == IPV4)
		return in4(a->word[0], 0xa9fe0000, 0xffff0000);
	return a->word[0] == bpf_htonl(0xfd000ec2);
}

static __always_inline int unspecified(const struct address *a)
{
	return !(a->word[0] | a->word[1] | a->word[2] | a->word[3]);
}

/* Multicast and broadcast (4.3); a packet may be neither's destination. */
static __always_inline int multicast(const struct address *a, __u32 family)
{
	if (family == IPV4)
		return in4(a->word[0], 0xe0000000, 0xf0000000);
	return multicast6(a);
}

static __always_inline int broadcast(const struct interface *me, const struct address *a,
				     __u32 family)
{
	return family == IPV4 && (a->word[0] == 0xffffffff ||
				  (me->broadcast4 && a->word[0] == me->broadcast4));
}

/* What an address is that no interface of the VPC can have, 0 if it may be one's:
 * routers and broadcast addresses of all its subnets, resolvers of all its blocks. */
static __always_inline __u32 reserved(const struct interface *me, const struct address *a, __u32 family)
{
	struct owner *owner = find_owner(me->vpc, family, a);

	return owner && owner->slot >= RESERVED_FIRST ? owner->slot : 0;
}

/* The subnet's router: base + 1 in either family, or one of its link-local
 * addresses (4.1). */
static __always_inline int router(const struct interface *me, const struct address *a, __u32 family)
{
	if (family == IPV4)
		return me->router4 && a->word[0] == me->router4;
	if (same(a, &me->router6))
		return !unspecified(a);
	if (a->word[0] == bpf_htonl(0xfe800ec2)) /* fe80:ec2::1 */
		return !(a->word[1] | a->word[2]) && a->word[3] == bpf_htonl(1);
	return a->word[0] == bpf_htonl(0xfe800000) && !a->word[1] &&
	       a->word[2] == ROUTER_LINK_LOCAL_2 && a->word[3] == ROUTER_LINK_LOCAL_3;
}

static __always_inline int mapped(const struct address *a)
{
	return !(a->word[0] | a->word[1]) && a->word[2] == bpf_htonl(0xffff);
}

/* Who has no address yet may look for one: DHCP, and the messages by which an
 * IPv6 host starts. */
static __always_inline int nameless(const struct packet *p)
{
	__u32 type = p->port >> 8;

	if (p->fragment)
		return 0;
	if (p->family == IPV4)
		return p->proto == PROTO_UDP && p->reverse == 68 && p->port == 67;
	return p->proto == PROTO_ICMPV6 &&
	       (type == 135 || type == 133 || type == 131 || type == 132 || type == 143);
}

/* Addresses that nobody may use, whatever SourceDestCheck says. IPv6 link-local
 * sources have their uses: the caller judges them. */
static __always_inline int bad_source(const struct packet *p)
{
	const struct address *a = &p->src;

	if (same(a, &p->dst))
		return REASON_MARTIAN;
	if (p->family == IPV4) {
		if (in4(a->word[0], 0x7f000000, 0xff000000) || a->word[0] == 0xffffffff)
			return REASON_MARTIAN;
	} else {
		if (!(a->word[0] | a->word[1] | a->word[2]) && a->word[3] == bpf_htonl(1))
			return REASON_MARTIAN; /* loopback */
		if (mapped(a) || mapped(&p->dst))
			return REASON_MARTIAN;
	}
	if (multicast(a, p->family) || (unspecified(a) && !nameless(p)))
		return REASON_MARTIAN;
	return REASON_UNSET;
}

/* The id of the interface's own address in flow keys, as in struct owner, or 0 if
 * the address is not its own. */
static __always_inline __u32 own(const struct interface *me, __u32 slot, __u32 family,
				 const struct address *a)
{
	struct owner *owner;

	if (family == IPV4) {
		if (a->word[0] == me->addr4 && me->addr4)
			return me->local4;
	} else if (same(a, &me->addr6) && me->local6) {
		return me->local6;
	}
	owner = find_owner(me->vpc, family, a);
	return owner && owner->slot == slot + 1 ? owner->local : 0;
}

/* Whether the VPC's router answers for the address: it is in the VPC's blocks,
 * or the router's own. */
static __always_inline int routed(const struct interface *me, const struct address *a, __u32 family)
{
	if (router(me, a, family))
		return 1;
	for (int i = 0; i < MAX_VPC_PREFIXES; i++) {
		const struct vpc_prefix *v = &me->vpc_prefix[i];

		if (v->family == family + 1 && (a->word[0] & v->mask.word[0]) == v->addr.word[0] &&
		    (a->word[1] & v->mask.word[1]) == v->addr.word[1] &&
		    (a->word[2] & v->mask.word[2]) == v->addr.word[2] &&
		    (a->word[3] & v->mask.word[3]) == v->addr.word[3])
			return 1;
	}
	return 0;
}
