/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lifecycle, from within
 *
 * What its files share. Nobody but model/lifecycle*.c includes this.
 */

#include "model/lifecycle.h"
#include "util/duration.h"

static inline uint64_t least(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

static inline uint64_t most(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

/* Never beyond the end of time: what is added may come from outside. */
static inline uint64_t later(uint64_t now, uint64_t usec) {
        return usec < USEC_INFINITY - now ? now + usec : USEC_INFINITY;
}

/* It has said of itself that it hangs, which may be heard before its exec is known. */
static inline bool watchdog_is_pulled(const Lifecycle *l) {
        return l->watchdog_usec == 0 && l->watchdog_until != 0;
}

/* The patience with one that is silent begins anew. */
static inline void arm_watchdog(Lifecycle *l, uint64_t now) {
        if (!watchdog_is_pulled(l))
                l->watchdog_until =
                        l->ready && l->watchdog_usec > 0 ? later(now, l->watchdog_usec) : 0;
}

/*
 * startTimeout from exec. Each answer that it is loading gives as much again, up to loadTimeout
 * from exec: so one that stops answering while it loads does not have all of that left.
 */
static inline uint64_t start_deadline(const Lifecycle *l) {
        const SidecarSpec *spec = l->spec;
        uint64_t deadline = l->started_at + spec->start_timeout_usec, loading;

        if (l->loading_at != 0) {
                loading = least(l->loading_at + spec->start_timeout_usec,
                                l->started_at + spec->load_timeout_usec);
                deadline = most(deadline, loading);
        }

        return most(deadline, l->extended_until);
}
