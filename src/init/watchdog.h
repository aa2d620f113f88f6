/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Watchdog
 *
 * Whether the brain still comes round its loop: after half a minute of silence it is asked, and
 * then has a minute to say anything at all. No clock in here: now is in milliseconds, of one that
 * stands still while the machine is suspended.
 */

#include <stdbool.h>
#include <stdint.h>

#define WATCHDOG_SILENCE_MSEC 30000
#define WATCHDOG_ANSWER_MSEC 60000
#define WATCHDOG_LATE_MSEC 5000 /* later than that, we were not running ourselves */

typedef struct Watchdog {
        uint64_t since; /* what is waited for is waited for since then */
        bool has_asked; /* ... is the answer */
} Watchdog;

typedef enum WatchdogVerdict {
        WATCHDOG_WAIT,
        WATCHDOG_ASK,
        WATCHDOG_HUNGRY,
} WatchdogVerdict;

/* Something came from the brain, or it has just been started. */
void watchdog_feed(Watchdog *watchdog, uint64_t now_msec);

/* For how long there is nothing to look at. */
uint64_t watchdog_wait_msec(const Watchdog *watchdog, uint64_t now_msec);

/* Whoever is told to ask, does; whoever is told of hunger is told again in a minute and a half. */
WatchdogVerdict watchdog_look(Watchdog *watchdog, uint64_t now_msec);
