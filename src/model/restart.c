/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restart
 *
 * delay * factor^(n-1), at most maxDelay, then the jitter on top: the order of Kubernetes and
 * of contract X3, so that a full house at maxDelay is still spread.
 */

#include "model/restart.h"

uint64_t restart_delay(const RestartSpec *spec, uint32_t n, uint32_t roll) {
        double delay = (double) spec->delay_usec, limit = (double) spec->max_delay_usec;
        double position = (double) roll / (double) UINT32_MAX * 2 - 1; /* -1 ... 1 */

        for (uint32_t i = 1; i < n && delay < limit && spec->factor > 1; i++)
                delay *= spec->factor;

        if (delay > limit)
                delay = limit;

        return (uint64_t) (delay + delay * spec->jitter * position);
}

RestartVerdict restart_decide(const RestartSpec *spec, uint32_t n_before, bool ended_well) {
        if (spec->policy == RESTART_POLICY_NO ||
            (ended_well && spec->policy != RESTART_POLICY_ALWAYS))
                return RESTART_REFUSED;

        if (spec->attempts != RESTART_ATTEMPTS_UNLIMITED && n_before >= spec->attempts)
                return RESTART_CRASH_LOOP;

        return RESTART_RETRY;
}
