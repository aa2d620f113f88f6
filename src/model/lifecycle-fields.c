/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lifecycle: its record
 *
 * What of the facts is written down, and what becomes of them in the next brain. A tag is never
 * used again for anything else: an older brain may take over from a newer one.
 */

#include "model/lifecycle-within.h"

static const RecordField cause_fields[] = {
        RECORD_FIELD(1, Cause, code, FIELD_INT),
        RECORD_FIELD(2, Cause, last, FIELD_INT),
        RECORD_FIELD(3, Cause, exit_code, FIELD_INT),
        RECORD_FIELD(4, Cause, signal, FIELD_INT),
        RECORD_FIELD(5, Cause, error, FIELD_INT),
        RECORD_FIELD(6, Cause, before_ready, FIELD_BOOL),
        RECORD_FIELD(7, Cause, attempts, FIELD_U32),
        RECORD_FIELD(8, Cause, n_misses, FIELD_U32),
        RECORD_FIELD(9, Cause, uptime_usec, FIELD_U64),
        RECORD_FIELD(10, Cause, within_usec, FIELD_U64),
        RECORD_FIELD(20, Cause, oom_limit, FIELD_U64),
        RECORD_END,
};

/*
 * Not `probing` and `probe_at`: a probe that was under way died with its brain. Not
 * `watchdog_until`: it moves with each word of the sidecar, and nobody listened meanwhile.
 */
const RecordField lifecycle_fields[] = {
        RECORD_FIELD(1, Lifecycle, goal, FIELD_INT),
        RECORD_FIELD(2, Lifecycle, restart, FIELD_BOOL),
        RECORD_FIELD(3, Lifecycle, kill, FIELD_BOOL),
        RECORD_FIELD(4, Lifecycle, stop_code, FIELD_INT),
        RECORD_FIELD(5, Lifecycle, blocked, FIELD_BOOL),
        RECORD_FIELD(6, Lifecycle, end_blocked, FIELD_BOOL),
        RECORD_FIELD(7, Lifecycle, process, FIELD_INT),
        RECORD_FIELD(8, Lifecycle, ready, FIELD_BOOL),
        RECORD_FIELD(9, Lifecycle, n_misses, FIELD_U32),
        RECORD_FIELD(10, Lifecycle, doomed, FIELD_BOOL),
        RECORD_FIELD(11, Lifecycle, backoff, FIELD_BOOL),
        RECORD_FIELD(12, Lifecycle, failed, FIELD_BOOL),
        RECORD_FIELD(13, Lifecycle, exited, FIELD_BOOL),
        RECORD_STRUCT(14, Lifecycle, cause, cause_fields),
        RECORD_FIELD(15, Lifecycle, generation, FIELD_U64),
        RECORD_FIELD(16, Lifecycle, next_generation, FIELD_U64),
        RECORD_FIELD(17, Lifecycle, n_restarts, FIELD_U32),
        RECORD_FIELD(18, Lifecycle, n_in_a_row, FIELD_U32),
        RECORD_FIELD(19, Lifecycle, started_at, FIELD_U64),
        RECORD_FIELD(20, Lifecycle, ready_at, FIELD_U64),
        RECORD_FIELD(21, Lifecycle, retry_at, FIELD_U64),
        RECORD_FIELD(22, Lifecycle, end_stage, FIELD_INT),
        RECORD_FIELD(23, Lifecycle, end_stage_until, FIELD_U64),
        RECORD_FIELD(24, Lifecycle, killed_at, FIELD_U64),
        RECORD_FIELD(25, Lifecycle, status, FIELD_INT),
        RECORD_FIELD(26, Lifecycle, sub_state, FIELD_INT),
        RECORD_FIELD(27, Lifecycle, said_ready, FIELD_BOOL),
        RECORD_FIELD(28, Lifecycle, loading_at, FIELD_U64),
        RECORD_FIELD(29, Lifecycle, extended_until, FIELD_U64),
        RECORD_FIELD(30, Lifecycle, excused_until, FIELD_U64),
        RECORD_FIELD(31, Lifecycle, watchdog_usec, FIELD_U64),
        RECORD_FIELD(50, Lifecycle, oom_limit, FIELD_U64),
        RECORD_FIELD(51, Lifecycle, watchdog_pulled, FIELD_BOOL),
        RECORD_END,
};

void lifecycle_on_adopted(Lifecycle *l, const SidecarSpec *spec, uint64_t now) {
        l->spec = spec;
        l->probing = false;
        l->probe_at = now;
        arm_watchdog(l, now);
}

void lifecycle_on_never_spawned(Lifecycle *l) {
        bool was_stopping = l->sub_state == SUB_STATE_STOPPING &&
                            (l->goal == GOAL_DOWN || l->restart || l->doomed);

        if (l->process != PROCESS_REQUESTED)
                return;

        l->process = PROCESS_GONE;
        lifecycle_on_empty(l);

        /* Whoever asked for its end may have been promised a later one, and waits for that. */
        if (!was_stopping)
                l->next_generation = l->generation;
}
