/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Why a packet got its verdict. The numbers are those of flow.Reason; a test
 * in datapath/internal/bpfobj holds the two together. */
#pragma once

enum reason {
	REASON_UNSET,

	/* accept */
	REASON_RULE,
	REASON_TRACKED,
	REASON_UNTRACKED,
	REASON_RELATED,

	/* exempt */
	REASON_EXEMPT,
	REASON_ANSWERED,

	/* reject */
	REASON_NO_RULE,
	REASON_NO_STATE,
	REASON_BAD_FLAGS,
	REASON_ALLOWANCE,
	REASON_FRAG_NO_CONTEXT,

	/* discard */
	REASON_NO_POLICY,
	REASON_MALFORMED,
	REASON_ETHERTYPE,
	REASON_SPOOF_MAC,
	REASON_SPOOF_IP,
	REASON_SPOOF_ARP,
	REASON_SPOOF_ND,
	REASON_ROGUE_RA,
	REASON_NOT_MINE,
	REASON_MARTIAN,
	REASON_LINKLOCAL,
	REASON_BROADCAST,
	REASON_MULTICAST,
	REASON_SOURCE_ROUTE,
	REASON_EXT_CHAIN,
	REASON_FAMILY_MISMATCH,
	REASON_TINY_FRAGMENT,
	REASON_FRAG_OVERLAP,
	REASON_FRAG_HELD,
	REASON_FRAG_ALLOWANCE,
	REASON_LINKLOCAL_RATE,
	REASON_NO_ROUTE,
	REASON_NO_PUBLIC_ADDRESS,
	REASON_TOO_BIG,

	NUM_REASONS,
};

#define MAX_REASONS 64 /* room in the counters; see struct tally */
_Static_assert(NUM_REASONS <= MAX_REASONS, "layout: counters are too small");

/* Of the reasons that a judgement ends with, these let the packet on. */
static __always_inline int accepted(__u32 reason)
{
	return reason >= REASON_RULE && reason <= REASON_EXEMPT;
}
