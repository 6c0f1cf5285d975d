/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Section 3 as one table. A row is a state, a column is a class of packet from
 * the initiator or the other side. Section 3.2 leaves open which of two rows
 * holds when both fit; here a RST leads to RST_SEEN from every state but
 * TIME_WAIT, which lists it itself, and a FIN of the silent side of ONEWAY opens
 * the connection and half-closes it at once. */
#pragma once

#include "layout.h"
#include "packet.h"

#define INI(class) (class)
#define RES(class) (MAX_CLASSES + (class))

#define NEXT_STATE 0x1f
#define REFRESH    0x20 /* the timer begins anew */
#define FRESH      0x40 /* the rules decide; if they admit it, NEXT_STATE begins */
#define STATELESS  0x80 /* if the rules admit it, it passes without a flow */

/* The timer goes on, or begins anew. */
#define STAY(state) (state)
#define GO(state)   ((state) | REFRESH)
#define ASK(state)  ((state) | FRESH)

#define BOTH(class, value) [INI(class)] = (value), [RES(class)] = (value)

/* A RST, and a SYN on a tuple that carries a connection. */
#define COMMON(syn) BOTH(CLASS_RST, GO(RST_SEEN)), BOTH(CLASS_SYN, ASK(syn))

/* What is not listed is 0: it cannot begin a flow (STATE_NONE), or its flags
 * are bad (any other state). */
static const __u8 transitions[MAX_STATES][2 * MAX_CLASSES] = {
	[STATE_NONE] = {
		[INI(CLASS_SYN)] = GO(SYN_SENT),
		[INI(CLASS_SYNACK)] = GO(SYNACK_SEEN),
		[INI(CLASS_UDP)] = GO(UDP_ASKED),
		[INI(CLASS_QUERY)] = GO(QUERY),
		[INI(CLASS_OTHER)] = GO(OTHER),
		[INI(CLASS_REPLY)] = STATELESS,
		[INI(CLASS_MESSAGE)] = STATELESS,
	},
	[SYN_SENT] = {
		[INI(CLASS_SYN)] = STAY(SYN_SENT),
		[RES(CLASS_SYNACK)] = GO(SYN_RECV),
		[RES(CLASS_SYN)] = GO(SYN_RECV),
		[INI(CLASS_ACK)] = GO(ONEWAY),
		[INI(CLASS_FIN)] = GO(ONEWAY),
		[RES(CLASS_ACK)] = STAY(SYN_SENT),
		[RES(CLASS_FIN)] = STAY(SYN_SENT),
		[INI(CLASS_SYNACK)] = STAY(SYN_SENT),
		BOTH(CLASS_RST, GO(RST_SEEN)),
	},
	/* The initiator is who sent the SYN-ACK. */
	[SYNACK_SEEN] = {
		[INI(CLASS_SYN)] = STAY(SYNACK_SEEN),
		[RES(CLASS_SYN)] = ASK(SYNACK_SEEN),
		BOTH(CLASS_SYNACK, STAY(SYNACK_SEEN)),
		[RES(CLASS_ACK)] = GO(ESTABLISHED),
		[RES(CLASS_FIN)] = GO(ESTABLISHED),
		[INI(CLASS_ACK)] = GO(ONEWAY),
		[INI(CLASS_FIN)] = GO(ONEWAY),
		BOTH(CLASS_RST, GO(RST_SEEN)),
	},
	[SYN_RECV] = {
		BOTH(CLASS_SYN, STAY(SYN_RECV)),
		BOTH(CLASS_SYNACK, STAY(SYN_RECV)),
		[INI(CLASS_ACK)] = GO(ESTABLISHED),
		[INI(CLASS_FIN)] = GO(HALF_CLOSED_INI),
		[RES(CLASS_ACK)] = STAY(SYN_RECV),
		[RES(CLASS_FIN)] = STAY(SYN_RECV),
		BOTH(CLASS_RST, GO(RST_SEEN)),
	},
	[ONEWAY] = {
		COMMON(ONEWAY),
		[INI(CLASS_SYNACK)] = GO(ONEWAY),
		[INI(CLASS_ACK)] = GO(ONEWAY),
		[INI(CLASS_FIN)] = GO(HALF_CLOSED_INI),
		[RES(CLASS_SYNACK)] = GO(ESTABLISHED),
		[RES(CLASS_ACK)] = GO(ESTABLISHED),
		[RES(CLASS_FIN)] = GO(HALF_CLOSED_RES),
	},
	[ESTABLISHED] = {
		COMMON(ESTABLISHED),
		BOTH(CLASS_SYNACK, GO(ESTABLISHED)),
		BOTH(CLASS_ACK, GO(ESTABLISHED)),
		[INI(CLASS_FIN)] = GO(HALF_CLOSED_INI),
		[RES(CLASS_FIN)] = GO(HALF_CLOSED_RES),
	},
	[HALF_CLOSED_INI] = {
		COMMON(HALF_CLOSED_INI),
		BOTH(CLASS_SYNACK, GO(HALF_CLOSED_INI)),
		BOTH(CLASS_ACK, GO(HALF_CLOSED_INI)),
		[INI(CLASS_FIN)] = GO(HALF_CLOSED_INI),
		[RES(CLASS_FIN)] = GO(TIME_WAIT),
	},
	[HALF_CLOSED_RES] = {
		COMMON(HALF_CLOSED_RES),
		BOTH(CLASS_SYNACK, GO(HALF_CLOSED_RES)),
		BOTH(CLASS_ACK, GO(HALF_CLOSED_RES)),
		[INI(CLASS_FIN)] = GO(TIME_WAIT),
		[RES(CLASS_FIN)] = GO(HALF_CLOSED_RES),
	},
	[TIME_WAIT] = {
		BOTH(CLASS_SYN, ASK(SYN_SENT)),
		BOTH(CLASS_RST, STAY(TIME_WAIT)),
		BOTH(CLASS_SYNACK, STAY(TIME_WAIT)),
		BOTH(CLASS_ACK, STAY(TIME_WAIT)),
		BOTH(CLASS_FIN, STAY(TIME_WAIT)),
	},

/* Once both sides have gone on, the RST was spurious. */
#define GOES_ON(ini, res)                                                   \
	BOTH(CLASS_SYN, ASK(SYN_SENT)),                                     \
	[INI(CLASS_SYNACK)] = (ini), [INI(CLASS_ACK)] = (ini),              \
	[INI(CLASS_FIN)] = (ini), [RES(CLASS_SYNACK)] = (res),              \
	[RES(CLASS_ACK)] = (res), [RES(CLASS_FIN)] = (res)

	[RST_SEEN] = {
		GOES_ON(STAY(RST_SEEN_INI), STAY(RST_SEEN_RES)),
		BOTH(CLASS_RST, STAY(RST_SEEN)),
	},
	[RST_SEEN_INI] = {
		GOES_ON(STAY(RST_SEEN_INI), GO(ESTABLISHED)),
		BOTH(CLASS_RST, STAY(RST_SEEN_INI)),
	},
	[RST_SEEN_RES] = {
		GOES_ON(GO(ESTABLISHED), STAY(RST_SEEN_RES)),
		BOTH(CLASS_RST, STAY(RST_SEEN_RES)),
	},

	/* Section 3.3: a transaction is a request and the answer to it. */
	[UDP_ASKED] = {
		[INI(CLASS_UDP)] = GO(UDP_ASKED),
		[RES(CLASS_UDP)] = GO(UDP_ANSWERED),
	},
	[UDP_ANSWERED] = {
		[INI(CLASS_UDP)] = GO(UDP_AGAIN),
		[RES(CLASS_UDP)] = GO(UDP_ANSWERED),
	},
	[UDP_AGAIN] = {
		[INI(CLASS_UDP)] = GO(UDP_AGAIN),
		[RES(CLASS_UDP)] = GO(UDP_STREAM),
	},
	[UDP_STREAM] = { BOTH(CLASS_UDP, GO(UDP_STREAM)) },

	[QUERY] = { BOTH(CLASS_QUERY, GO(QUERY)), BOTH(CLASS_REPLY, GO(QUERY)) },
	[OTHER] = { BOTH(CLASS_OTHER, GO(OTHER)) },
};

static __always_inline __u32 transition(__u32 state, __u32 side, __u32 class)
{
	return transitions[state & (MAX_STATES - 1)]
			  [((side & 1) * MAX_CLASSES + (class & (MAX_CLASSES - 1)))];
}
