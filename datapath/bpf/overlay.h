/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* The network between hosts: VXLAN, one number (VNI) for each VPC. What leaves for
 * another host has passed its egress rules here and meets the ingress rules there.
 * What comes is taken for its source's only from the host on which that is: an
 * address alone is no identity (section 1.5). */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flows.h"
#include "internet.h"
#include "match.h"
#include "outcome.h"
#include "packet.h"
#include "parse.h"
#include "toobig.h"

static __always_inline struct tunnel_end *host_overlay(void)
{
	__u32 only = 0;
	struct tunnel_end *o = bpf_map_lookup_elem(&overlay, &only);

	return o && o->ifindex ? o : NULL;
}

/* Who has an address of a network on another host, NULL if nobody. */
static __always_inline struct remote *remote_of(__u32 vpc, __u32 family, const struct address *addr)
{
	struct address_key key = { .network = vpc << 1 | family, .addr = *addr };
	struct remote *remote = bpf_map_lookup_elem(&remotes, &key);

	if (remote)
		return remote;
	widen(&key, family);
	return bpf_map_lookup_elem(&remotes, &key);
}

/* Whether somebody on another host has the address, whose packets come by the
 * network between hosts and by no other way. */
static __noinline int elsewhere(const struct interface *me, __u32 family, const struct address *addr)
{
	return host_overlay() && remote_of(me->vpc, family, addr);
}

/* Addresses the frame to another host. */
static __noinline int wrap(struct __sk_buff *skb, const struct tunnel_end *o, const struct remote *to)
{
	struct bpf_tunnel_key key = { .tunnel_id = to->vni, .tunnel_ttl = 64 };
	__u32 flags = BPF_F_ZERO_CSUM_TX, size = offsetof(struct bpf_tunnel_key, local_ipv4);

	if (o->family == IPV4) {
		key.remote_ipv4 = bpf_ntohl(to->host.word[0]);
		key.local_ipv4 = bpf_ntohl(o->self.word[0]);
	} else {
		flags = BPF_F_TUNINFO_IPV6;
		__builtin_memcpy(key.remote_ipv6, to->host.word, 16);
		__builtin_memcpy(key.local_ipv6, o->self.word, 16);
	}
	if (testing) { /* for who reads what a run did */
		skb->priority = to->vni;
		skb->mark = to->host.word[o->family == IPV4 ? 0 : 3];
	}
	/* Kernels before 6.0 choose the source themselves: by the route. */
	return bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags) &&
	       bpf_skb_set_tunnel_key(skb, &key, size, flags);
}

/* Nobody on this host has the destination. If somebody on another has, the packet
 * goes there: LEFT with what the kernel is to do, as leave does, or the reason why
 * not, with TURN_AROUND if its sender is told. REASON_UNSET: nobody has. */
static __noinline int tunnel(struct __sk_buff *skb, const struct interface *me,
			     const struct packet *p, const struct gate *out)
{
	struct tunnel_end *o = host_overlay();
	struct remote *to;
	__u32 mtu = 0;

	if (!o)
		return REASON_UNSET;
	to = remote_of(me->vpc, p->family, &p->dst);
	if (!to || to->flags & REMOTE_UNROUTED)
		return REASON_UNSET;
	if (out->transit == FORWARDED) /* nobody there could know whose it is */
		return REASON_NO_ROUTE;
	if (bpf_check_mtu(skb, o->ifindex, &mtu, 0, BPF_MTU_CHK_SEGS) > 0 && !divisible(skb, p))
		return too_big(skb, me, p, mtu);
	if (wrap(skb, o, to) || to_far_end(skb))
		return REASON_MALFORMED;
	if (testing)
		skb->cb[2] = o->ifindex;
	return LEFT | bpf_redirect(o->ifindex, 0);
}

/* Whether an instance would speak to hosts by way of the internet, as only hosts do:
 * where addresses are translated, under the address of its host. */
static __always_inline int poses(const struct packet *p)
{
	struct tunnel_end *o = host_overlay();

	return o && p->proto == PROTO_UDP && p->fragment != LATER_FRAGMENT && p->port == o->port;
}

/* What becomes of a packet from the instance that its egress rules accept, for
 * reason, and that no interface of this host can have. */
static __always_inline int depart(struct __sk_buff *skb, const struct interface *me, __u32 slot,
				  const struct packet *p, const struct gate *out, __u32 reason)
{
	int answer = tunnel(skb, me, p, out);

	if (!answer)
		answer = poses(p) ? REASON_NO_ROUTE : leave(skb, me, p, out);
	if (answer & LEFT) {
		count(slot, EGRESS, reason, p->segments);
		return answer & ~LEFT;
	}
	report(skb, INGRESS, answer & (MAX_REASONS - 1), NULL);
	count(slot, EGRESS, answer & (MAX_REASONS - 1), p->segments);
	return answer & TURN_AROUND ? turn_around(skb) : TC_ACT_SHOT;
}

/* From where a frame came between hosts, and under which number. */
static __noinline int unwrap(struct __sk_buff *skb, const struct tunnel_end *o, struct address *from,
			     __u32 *vni)
{
	struct bpf_tunnel_key key = {};
	__u32 flags = o->family == IPV4 ? 0 : BPF_F_TUNINFO_IPV6;

	if (testing) {
		*vni = skb->priority;
		*from = o->self;
		from->word[o->family == IPV4 ? 0 : 3] = skb->mark;
		return 1;
	}
	if (bpf_skb_get_tunnel_key(skb, &key, offsetof(struct bpf_tunnel_key, local_ipv4), flags))
		return 0;
	*vni = key.tunnel_id;
	if (o->family == IPV4)
		from->word[0] = bpf_htonl(key.remote_ipv4);
	else
		__builtin_memcpy(from->word, key.remote_ipv6, 16);
	return 1;
}

/* A frame that comes between hosts and is for no interface of this one. */
static __always_inline int stray(__u32 why)
{
	__u64 *n = bpf_map_lookup_elem(&strays, &why);

	if (n)
		*n += 1;
	return TC_ACT_SHOT;
}

/* Steps 3 to 5 for a packet from another host. Returns the reason to end with, or
 * REASON_UNSET and what the gate needs to know of the sender. */
static __noinline int lands(const struct interface *me, const struct packet *p, struct gate *in,
			    const struct address *from)
{
	struct remote *sender = remote_of(me->vpc, p->family, &p->src);
	struct owner *owner;
	int reason;

	reason = bad_source(p);
	if (reason)
		return reason;
	if (!sender || !same(&sender->host, from))
		return REASON_SPOOF_IP;
	if (p->proto == PROTO_ICMPV6 && !p->fragment && of_link(p->port >> 8))
		return REASON_ROGUE_RA;
	owner = find_owner(me->vpc, p->family, &p->src);
	if (owner && owner->slot)
		return REASON_SPOOF_IP;
	in->class = owner ? owner->class : 0;
	in->groups = 1;
	in->allowance = me->allowance;
	return REASON_UNSET;
}
