/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * TimeGuard
 *
 * CLOCK_BOOTTIME goes on in a suspend and CLOCK_MONOTONIC stands still (clock_gettime(2)), so
 * what lies between them grows by the time slept. Where a machine only idles in its sleep
 * (s2idle) both may go on, as they do while this process is stopped or starved: that is told by
 * how late a timer was.
 */

#include <errno.h>
#include <stdio.h>

#include "model/time-guard.h"
#include "util/duration.h"

#define GAP_USEC (2 * USEC_PER_SEC)
#define LATE_USEC (5 * USEC_PER_SEC)

#define STARVED 5000u /* half of the time */
#define STARVATION_USEC (2 * USEC_PER_MINUTE)

bool time_guard_turn(TimeGuard *guard,
                     uint64_t monotonic,
                     uint64_t boottime,
                     uint64_t deadline,
                     uint64_t interval_usec) {
        /* The clocks are read one after the other, so a little may seem to be lacking. */
        uint64_t asleep = boottime > monotonic ? boottime - monotonic : 0;
        uint64_t gap =
                guard->was_told && asleep > guard->asleep_usec ? asleep - guard->asleep_usec : 0;
        uint64_t late = monotonic > deadline ? monotonic - deadline : 0;
        uint64_t may_be_late = 2 * interval_usec > LATE_USEC ? 2 * interval_usec : LATE_USEC;

        *guard = (TimeGuard){ .asleep_usec = asleep, .was_told = true };
        return gap > GAP_USEC || late > may_be_late;
}

int pressure_parse(unsigned *ret_some, const char *text) {
        unsigned whole, hundredths;

        if (sscanf(text, "some avg10=%u.%2u ", &whole, &hundredths) != 2 || whole > 100 ||
            hundredths > 99)
                return -EBADMSG;

        *ret_some = whole * 100 + hundredths;
        return 0;
}

bool starvation_excuses_miss(Starvation *starvation, unsigned some, uint64_t now) {
        if (some <= STARVED) {
                starvation_end(starvation);
                return false;
        }

        if (!starvation->has_begun)
                *starvation = (Starvation){ .has_begun = true, .since_usec = now };
        return now - starvation->since_usec < STARVATION_USEC;
}

void starvation_end(Starvation *starvation) {
        *starvation = (Starvation){ 0 };
}
