/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */

/* What holds for the whole host, and what an interface may do in a second. */
#pragma once

#include "clock.h"
#include "maps.h"

static __always_inline struct settings *host_settings(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&host, &only);
}

static __always_inline int switched(__u32 which)
{
	struct settings *s = host_settings();

	return s && s->switches & which;
}

#define SERVICES_PER_SECOND 1024
#define PATH_MTU_PER_SECOND 100

/* Counts an event and says whether it is within so many of its second. */
static __always_inline int within(struct window *w, __u32 limit, const struct interface *me)
{
	__u32 time = now();

	if (!w->count || time - w->begun >= me->timeout[SECOND]) {
		w->begun = time;
		w->count = 0;
	}
	return __sync_fetch_and_add(&w->count, 1) < limit;
}

static __always_inline struct limits *rates_of(const struct interface *me)
{
	__u32 place = me->place;

	return bpf_map_lookup_elem(&rates, &place);
}
