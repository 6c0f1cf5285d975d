/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* What the judges know of a packet: filled in once by parse.h. */
#pragma once

#include "layout.h"

/* Protocols that are treated specially (section 1.4). */
#define PROTO_ICMP   1
#define PROTO_TCP    6
#define PROTO_UDP    17
#define PROTO_ICMPV6 58

/* Classes of packets, as the state table tells them apart. TCP's are those of
 * section 3.2. */
enum class {
	CLASS_SYN,
	CLASS_SYNACK,
	CLASS_ACK, /* "-": anything else with ACK */
	CLASS_FIN,
	CLASS_RST,
	CLASS_BAD,
	CLASS_UDP,
	CLASS_QUERY,   /* ICMP and ICMPv6 requests */
	CLASS_REPLY,   /* and the answers to them */
	CLASS_MESSAGE, /* other ICMP and ICMPv6: no flow at all */
	CLASS_OTHER,
	MAX_CLASSES = 16,
};

struct packet {
	struct address src;
	struct address dst;
	__u32 bytes; /* IP length; of all segments for an offloaded one */
	__u16 port;    /* policy key's low half: destination port, or type << 8 | code */
	__u16 reverse; /* the same of the packet with its ends swapped: source port */
	__u16 src_port; /* as in the packet */
	__u16 dst_port;
	__u16 id;    /* ICMP identifier, as in the packet */
	__u16 l4;    /* offset of the transport header in the frame */
	__u16 segments;
	__u8 family;
	__u8 proto; /* IANA; the first header that is no extension */
	__u8 class;
	__u8 query;    /* ICMP: which kind of query, counted from 1 */
	__u8 fragment; /* enum fragment_kind; behind the first, nothing of the transport header is set */
	__u8 hops;     /* TTL or hop limit */
	__u8 quotes;   /* true: an ICMP error about what quoted() returns */

	/* If it is a fragment: */
	__u8 more;
	__u16 from; /* first unit of eight bytes, and the one behind the last */
	__u16 to;
	__u32 datagram; /* identification, as in the packet */
};

enum fragment_kind { WHOLE, FIRST_FRAGMENT, LATER_FRAGMENT };

static __always_inline int same(const struct address *a, const struct address *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] &&
	       a->word[2] == b->word[2] && a->word[3] == b->word[3];
}
