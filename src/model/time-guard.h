/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * TimeGuard
 *
 * When time itself was at fault (contract L2): the machine slept, or we were not run for a while,
 * or nobody was because all CPUs were busy. A probe that went unanswered meanwhile says nothing
 * of the sidecar. Pure: all times are told.
 */

#include <stdbool.h>
#include <stdint.h>

/* One for all, since it is the machine that sleeps. All zero at first. */
typedef struct TimeGuard {
        uint64_t asleep_usec; /* since boot, as far as was told */
        bool was_told;
} TimeGuard;

/*
 * To be told at each turn: both clocks now, the deadline that has fired in it (`monotonic` where
 * none has) and the interval that it belongs to. Answers whether the results of all probes in
 * flight are to be dropped: they count neither as an answer nor as a miss.
 */
bool time_guard_turn(TimeGuard *guard,
                     uint64_t monotonic,
                     uint64_t boottime,
                     uint64_t deadline,
                     uint64_t interval_usec);

/*
 * How much of the last ten seconds something had to wait for a CPU ("some avg10"), in hundredths
 * of a per cent, from the text of a cpu.pressure (the kernel's psi.rst); -EBADMSG: it is none.
 */
int pressure_parse(unsigned *ret_some, const char *text);

/* One a sidecar. All zero at first. */
typedef struct Starvation {
        bool has_begun;
        uint64_t since_usec; /* the first miss that was excused since the last answer */
} Starvation;

/*
 * A miss, and the pressure at that time (0 where it is not known). Answers whether it does not
 * count: over 50 %, and for two minutes at most, after which a sidecar has had its chance.
 */
bool starvation_excuses_miss(Starvation *starvation, unsigned some, uint64_t now);

/* An answer: the next miss is the first again. */
void starvation_end(Starvation *starvation);
