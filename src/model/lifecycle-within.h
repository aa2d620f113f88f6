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

/* The patience with one that is silent begins anew; with one that has pulled it there is none. */
static inline void arm_watchdog(Lifecycle *l, uint64_t now) {
        if (l->watchdog_pulled)
                l->watchdog_until = now;
        else
                l->watchdog_until =
                        l->ready && l->watchdog_usec > 0 ? later(now, l->watchdog_usec) : 0;
}

static inline void reset_watchdog(Lifecycle *l) {
        l->watchdog_usec = l->spec->watchdog_usec;
        l->watchdog_until = 0;
        l->watchdog_pulled = false;
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
