/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Traffic that groups never filter (section 4.1): local services, DHCP, and the
 * router. */
#pragma once

#include "answer.h"
#include "packet.h"
#include "settings.h"
#include "source.h"

/* What an entry point returns for an exempt packet that the host answers, beside a
 * reason. Larger than any reason. */
#define FOR_HOST 0x200

/* The services, as bits of settings.served. */
enum service {
	SERVICE_DNS = 1,
	SERVICE_METADATA = 2,
	SERVICE_TASK_METADATA = 4,
	SERVICE_ACTIVATION = 8,
	SERVICE_TIME = 16,
};

/* Those whose packets are limited (3.8). */
#define SERVICES_LIMITED (SERVICE_DNS | SERVICE_METADATA | SERVICE_TIME)

/* The service that has the address, with its protocol and port: proto is
 * PROTO_TCP, PROTO_UDP, or anything if the service has both. */
static __always_inline __u32 service_at(const struct interface *me, const struct address *a,
					__u32 family, __u32 *tcp, __u32 *udp)
{
	__u32 last;

	*tcp = *udp = 0;
	if (family == IPV4 && me->resolver4 && a->word[0] == me->resolver4) {
		*tcp = *udp = 53;
		return SERVICE_DNS;
	}
	if (family == IPV4) {
		last = bpf_ntohl(a->word[0]);
	} else {
		/* fd00:ec2::253 and its like have their IPv4 brothers' last number. */
		if (a->word[0] != bpf_htonl(0xfd000ec2) || a->word[1] | a->word[2])
			return 0;
		switch (bpf_ntohl(a->word[3])) {
		case 0x253: last = 0xa9fea9fd; break;
		case 0x254: last = 0xa9fea9fe; break;
		case 0x123: last = 0xa9fea97b; break;
		default: return 0;
		}
	}
	switch (last) {
	case 0xa9fea9fd: *tcp = *udp = 53; return SERVICE_DNS;
	case 0xa9fea9fe: *tcp = 80; return SERVICE_METADATA;
	case 0xa9feaa02: *tcp = 80; return SERVICE_TASK_METADATA;
	case 0xa9fea9fa:
	case 0xa9fea9fb: *tcp = 1688; return SERVICE_ACTIVATION;
	case 0xa9fea97b: *udp = 123; return SERVICE_TIME;
	}
	return 0;
}

/* Whether an address may be a service's: most are not. */
static __always_inline int serves(const struct interface *me, const struct address *a, __u32 family)
{
	return service(a, family) || (family == IPV4 && me->resolver4 && a->word[0] == me->resolver4);
}

/* Whether step 5 has anything to say of a packet with this remote address. */
static __always_inline int exemptible(const struct interface *me, const struct packet *p,
				      const struct address *remote)
{
	return serves(me, remote, p->family) || service(&p->dst, p->family) ||
	       (p->family == IPV6 && link_local6(&p->dst)) || router(me, remote, p->family);
}

/* The service that a packet goes to or comes from, 0 if none. A later fragment has
 * no port: its address decides. */
static __noinline __u32 service_of(const struct interface *me, const struct packet *p, __u32 dir)
{
	const struct address *remote = dir == EGRESS ? &p->dst : &p->src;
	__u32 port = dir == EGRESS ? p->port : p->reverse, tcp, udp;
	__u32 which = service_at(me, remote, p->family, &tcp, &udp), want;

	if (!which || (p->proto != PROTO_TCP && p->proto != PROTO_UDP))
		return 0;
	want = p->proto == PROTO_TCP ? tcp : udp;
	return want && (port == want || p->fragment == LATER_FRAGMENT) ? which : 0;
}

static __always_inline int dhcp(const struct packet *p, __u16 from4, __u16 to4, __u16 from6,
				__u16 to6)
{
	if (p->proto != PROTO_UDP || p->fragment)
		return 0;
	if (p->family == IPV4)
		return p->reverse == from4 && p->port == to4;
	return p->reverse == from6 && p->port == to6;
}

/* A DHCP client's packet to the service, from an own address or none. */
static __always_inline int dhcp_request(const struct interface *me, const struct packet *p, int own)
{
	if (!dhcp(p, 68, 67, 546, 547))
		return 0;
	if (p->family == IPV4)
		return (own || unspecified(&p->src)) &&
		       (p->dst.word[0] == 0xffffffff || router(me, &p->dst, IPV4));
	if (!own && !link_local6(&p->src))
		return 0;
	return router(me, &p->dst, IPV6) ||
	       (p->dst.word[0] == bpf_htonl(0xff020000) && !p->dst.word[1] &&
		!p->dst.word[2] && p->dst.word[3] == bpf_htonl(0x10002)); /* ff02::1:2 */
}

/* The service's answer. */
static __always_inline int dhcp_answer(const struct interface *me, const struct packet *p, int own)
{
	if (!dhcp(p, 67, 68, 547, 546) || !router(me, &p->src, p->family))
		return 0;
	return own || (p->family == IPV4 ? p->dst.word[0] == 0xffffffff : link_local6(&p->dst));
}

static __always_inline int router_icmp(const struct interface *me, const struct packet *p, __u32 dir)
{
	return (p->proto == PROTO_ICMP || p->proto == PROTO_ICMPV6) &&
	       router(me, dir == EGRESS ? &p->dst : &p->src, p->family);
}

/* Step 5 for a packet from the instance, or a first fragment: the reason to end
 * with, or REASON_UNSET. */
__noinline int exempt_egress(struct __sk_buff *skb, const struct interface *me,
			     const struct packet *p)
{
	__u32 which;

	if (!me || !p)
		return REASON_NO_POLICY;
	which = service_of(me, p, EGRESS);
	if (which) {
		struct settings *s = host_settings();
		struct limits *r = rates_of(me);

		if (!me->policy && which != SERVICE_METADATA)
			return REASON_NO_POLICY;
		if (which & SERVICES_LIMITED && (!r || !within(&r->services, SERVICES_PER_SECOND, me)))
			return REASON_LINKLOCAL_RATE;
		return REASON_EXEMPT | (s && s->served & which ? FOR_HOST : 0);
	}
	if (router_icmp(me, p, EGRESS)) {
		if (!me->policy)
			return REASON_NO_POLICY;
		return p->fragment ? REASON_EXEMPT : router_echo(skb, me, p);
	}
	if (service(&p->dst, p->family) || (p->family == IPV6 && link_local6(&p->dst)))
		return REASON_LINKLOCAL;
	return REASON_UNSET;
}

/* The same for a packet to the instance. */
__noinline int exempt_ingress(const struct interface *me, const struct packet *p)
{
	__u32 which;

	if (!me || !p)
		return REASON_NO_POLICY;
	which = service_of(me, p, INGRESS);
	if (which)
		return me->policy || which == SERVICE_METADATA ? REASON_EXEMPT : REASON_NO_POLICY;
	if (router_icmp(me, p, INGRESS))
		return me->policy ? REASON_EXEMPT : REASON_NO_POLICY;
	if (service(&p->dst, p->family) || (p->family == IPV6 && link_local6(&p->dst)))
		return REASON_LINKLOCAL;
	return REASON_UNSET;
}
