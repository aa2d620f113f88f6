/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lifecycle: what it says of itself, and what nobody is to blame for
 *
 * News that gives a sidecar more time, or takes some away. None of it makes a state by itself:
 * what has run out by then is found by lifecycle_on_time(), memory by lifecycle_on_exit().
 */

#include "model/lifecycle-within.h"

void lifecycle_on_oom(Lifecycle *l, uint64_t limit) {
        l->oom_limit = limit;
}

void lifecycle_on_loading(Lifecycle *l, uint64_t now) {
        if (!l->ready && l->process == PROCESS_RUNNING)
                l->loading_at = now;
        lifecycle_on_probe(l, false, now);
}

void lifecycle_on_probe_dropped(Lifecycle *l, uint64_t probe_at) {
        l->probing = false;
        l->probe_at = probe_at;
}

void lifecycle_on_time_lost(Lifecycle *l, uint64_t now) {
        bool is_starting = l->process == PROCESS_FORKED || l->process == PROCESS_RUNNING;

        if (is_starting && !l->ready)
                l->extended_until = most(l->extended_until, now + l->spec->start_timeout_usec);
        arm_watchdog(l, now);
}

/* As long as a start may take: whoever hangs in it is not excused for ever. */
void lifecycle_on_said_busy(Lifecycle *l, bool busy, uint64_t now) {
        l->excused_until = busy ? now + l->spec->start_timeout_usec : 0;
}

void lifecycle_on_extended(Lifecycle *l, uint64_t usec, uint64_t now) {
        l->extended_until = later(now, usec);
}

void lifecycle_on_fed(Lifecycle *l, uint64_t now) {
        arm_watchdog(l, now);
}

void lifecycle_on_watchdog_set(Lifecycle *l, uint64_t usec, uint64_t now) {
        if (l->watchdog_pulled)
                return;

        l->watchdog_usec = usec;
        arm_watchdog(l, now);
}

/* No time of it has run out, and none is told. */
void lifecycle_on_watchdog_triggered(Lifecycle *l, uint64_t now) {
        l->watchdog_usec = 0;
        l->watchdog_pulled = true;
        arm_watchdog(l, now);
}

bool lifecycle_is_about_probes(const Lifecycle *l) {
        ReasonCode code = lifecycle_reason_code(l);

        if (code == REASON_CRASH_LOOP)
                code = l->cause.last;

        return code == REASON_START_TIMEOUT || code == REASON_UNHEALTHY;
}
