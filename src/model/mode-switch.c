/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ModeSwitch
 *
 * The way there and the way back differ in nothing but in what they end as, and in that there is
 * no way back from the way back.
 */

#include "model/mode-switch.h"

const char *mode_result_to_string(ModeResult result) {
        static const char *const words[] = {
                [MODE_DONE] = "done",
                [MODE_SWITCHING] = "switching",
                [MODE_DEGRADED] = "degraded",
                [MODE_ROLLING_BACK] = "switching",
                [MODE_ROLLED_BACK] = "rolled-back",
        };

        return words[result];
}

bool mode_result_is_under_way(ModeResult result) {
        return result == MODE_SWITCHING || result == MODE_ROLLING_BACK;
}

void mode_facts_add_awaited(ModeFacts *facts, const Lifecycle *life) {
        if (life->exited)
                return;

        switch (lifecycle_wait(life, WAIT_FOR_READY, 0)) {

        case WAIT_PENDING:
                facts->any_pending = true;
                break;

        case WAIT_START_FAILED:
                facts->any_failed = true;
                break;

        case WAIT_HOLDS:
        case WAIT_NOT_RUNNING:
                break;
        }
}

void mode_facts_add_any(ModeFacts *facts, const Lifecycle *life) {
        if (life->goal == GOAL_DOWN && life->process != PROCESS_NONE)
                facts->any_ending = true;
}

ModeResult mode_switch_next(ModeResult now, const ModeFacts *facts) {
        bool is_way_back = now == MODE_ROLLING_BACK;

        if (facts->any_failed)
                return is_way_back ? MODE_DEGRADED : MODE_ROLLING_BACK;
        if (facts->any_pending || facts->any_ending)
                return now;

        return is_way_back ? MODE_ROLLED_BACK : MODE_DONE;
}
