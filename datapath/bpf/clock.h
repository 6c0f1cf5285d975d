/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* Time, and the switch that tests throw. */
#pragma once

#include <bpf/bpf_helpers.h>

/* With testing set, time stands still at test_clock, and the entry points
 * leave what they decided in skb->cb. Being read-only data, it is settled when
 * the program is loaded, and the verifier removes what it rules out. */
const volatile __u32 testing = 0;
volatile __u32 test_clock = 0;

/* Always zero, which the verifier does not know: it forgets what it has found out
 * about a value, and walks what follows once instead of once per value. */
volatile __u32 zero = 0;

static __always_inline __u32 forget(__u32 value)
{
	return value + zero;
}

/* Jiffies, 32 bits of them: enough to tell apart times that are less than 24
 * days away from each other at 1000 Hz, and the longest timeout is 5 days. */
static __always_inline __u32 now(void)
{
	if (testing)
		return test_clock;
	return (__u32)bpf_jiffies64();
}

/* All of them. */
static __always_inline __u64 now64(void)
{
	if (testing)
		return test_clock;
	return bpf_jiffies64();
}
