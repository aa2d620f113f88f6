/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Watchdog
 *
 * If we come to look much too late we were stopped or starved, and so maybe was the brain: then
 * its minute begins anew.
 */

#include "init/watchdog.h"

static uint64_t deadline(const Watchdog *watchdog) {
        return watchdog->since +
               (watchdog->has_asked ? WATCHDOG_ANSWER_MSEC : WATCHDOG_SILENCE_MSEC);
}

void watchdog_feed(Watchdog *watchdog, uint64_t now_msec) {
        *watchdog = (Watchdog){ .since = now_msec };
}

uint64_t watchdog_wait_msec(const Watchdog *watchdog, uint64_t now_msec) {
        uint64_t until = deadline(watchdog);

        return until > now_msec ? until - now_msec : 0;
}

WatchdogVerdict watchdog_look(Watchdog *watchdog, uint64_t now_msec) {
        uint64_t until = deadline(watchdog);

        if (now_msec < until)
                return WATCHDOG_WAIT;
        if (watchdog->has_asked && now_msec - until <= WATCHDOG_LATE_MSEC) {
                watchdog_feed(watchdog, now_msec);
                return WATCHDOG_HUNGRY;
        }
        *watchdog = (Watchdog){ .since = now_msec, .has_asked = true };
        return WATCHDOG_ASK;
}
