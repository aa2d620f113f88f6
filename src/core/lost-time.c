/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lost time
 *
 * Whether the machine slept, or this daemon was stopped or starved, is found out where it would do
 * harm: when a deadline has fired or a probe went unanswered. There is no timer for it, so an idle
 * daemon stays asleep.
 */

#include "core/sidecar-parts.h"
#include "core/supervisor.h"
#include "util/clock.h"
#include "util/log.h"

/* Asked again at some moment of the interval to come, so that they do not all ask at once. */
static void drop_probe(Sidecar *s, uint64_t now) {
        const SidecarSpec *spec = s->running;
        uint64_t interval =
                s->life.ready ? spec->liveness.probe.interval_usec : spec->readiness.interval_usec;

        s->probe = probe_free(s->probe);
        lifecycle_on_probe_dropped(&s->life, now + sidecar_roll() % (interval + 1));
}

static void give_time(Sidecar *s) {
        uint64_t now = clock_monotonic_usec();

        if (sidecar_is_gone(s))
                return;

        drop_probe(s, now);
        lifecycle_on_time_lost(&s->life, now);
        sidecar_converge(s);
}

bool supervisor_check_time(Supervisor *supervisor, uint64_t deadline, uint64_t interval_usec) {
        uint64_t now = clock_monotonic_usec();

        if (!time_guard_turn(&supervisor->time_guard, now, clock_boottime_usec(), deadline,
                             interval_usec))
                return false;

        log_notice("The machine slept, or this daemon was not run for a while: nobody is blamed for"
                   " what went unanswered");
        for (size_t i = 0; i < supervisor->n_apps; i++)
                for (size_t k = 0; k < supervisor->apps[i]->n_sidecars; k++)
                        give_time(supervisor->apps[i]->sidecars[k]);

        return true;
}
