/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ModeSwitch
 *
 * What a switch of modes is to do next (contract M1), from what those have come to that it waits
 * for. It has no clock and remembers nothing: it is asked again after each change of any of them,
 * by whichever brain there is.
 */

#include <stdbool.h>

#include "model/lifecycle.h"

/* As it is in the ledger: a number keeps its meaning. */
typedef enum ModeResult {
        MODE_DONE,
        MODE_SWITCHING,
        MODE_DEGRADED,     /* nor could the former set be started again */
        MODE_ROLLING_BACK, /* something failed for good: the former set is started again */
        MODE_ROLLED_BACK,
        _MODE_RESULT_MAX,
        _MODE_RESULT_INVALID = -EINVAL,
} ModeResult;

/* "done", "switching", "degraded" or "rolled-back"; on the way back it is still switching. */
const char *mode_result_to_string(ModeResult result);

bool mode_result_is_under_way(ModeResult result);

typedef struct ModeFacts {
        bool any_failed;  /* for good */
        bool any_pending; /* not ready yet */
        bool any_ending;  /* of all of the app: to be down, and not gone yet */
} ModeFacts;

/*
 * One that the switch has started, or starts again. What has ended with success, or what somebody
 * has stopped meanwhile, is not waited for any more.
 */
void mode_facts_add_awaited(ModeFacts *facts, const Lifecycle *life);

/* Any one of the app. */
void mode_facts_add_any(ModeFacts *facts, const Lifecycle *life);

/* From `now`, which is under way, to what it has come to; the same: it waits. */
ModeResult mode_switch_next(ModeResult now, const ModeFacts *facts);
