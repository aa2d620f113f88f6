/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Restart
 *
 * Whether what has failed is tried again, and when: contract X2 to X4 as two pure functions.
 */

#include <stdbool.h>
#include <stdint.h>

#include "model/manifest.h"

/*
 * The pause before restart number n (from 1) in a row. roll is any random number: it moves the
 * pause within the jitter, so that a hundred sidecars of one dead database do not return at once.
 */
uint64_t restart_delay(const RestartSpec *spec, uint32_t n, uint32_t roll);

typedef enum RestartVerdict {
        RESTART_RETRY,
        RESTART_REFUSED,    /* the policy wants none */
        RESTART_CRASH_LOOP, /* attempts are used up */
        _RESTART_VERDICT_MAX,
        _RESTART_VERDICT_INVALID = -EINVAL,
} RestartVerdict;

/* n_before: restarts in a row so far. ended_well: success, which only "always" starts again. */
RestartVerdict restart_decide(const RestartSpec *spec, uint32_t n_before, bool ended_well);

/*
 * All the pauses in a line for people, a new string or NULL: "500ms, 1s, 2s, 4s, 8s (+-10%), then
 * Failed".
 */
char *restart_describe(const RestartSpec *spec);
