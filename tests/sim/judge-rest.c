/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Judge: rest
 *
 * What must be true whenever a turn is over: words, alarms, endings, waits.
 */

#include "sim/judge-facts.h"
#include "util/duration.h"

#define ENDING_SLACK_USEC (2 * USEC_PER_SEC)
#define UNKILLABLE_USEC (10 * USEC_PER_SEC)

/* The table of contract section 2. */
static void expected_words(const Judge *judge, Status *ret_status, SubState *ret_sub_state) {
        *ret_status = STATUS_STARTING;

        if (judge->gave_up) {
                *ret_status = STATUS_FAILED;
                *ret_sub_state = SUB_STATE_FAILED;
        } else if (judge->retry)
                *ret_sub_state = SUB_STATE_BACKOFF;
        else if (is_unwanted(judge)) {
                *ret_status = is_ready(judge) ? STATUS_RUNNING : STATUS_STARTING;
                *ret_sub_state = SUB_STATE_STOPPING;
        } else if (is_waiting(judge))
                *ret_sub_state = SUB_STATE_WAITING;
        else if (judge->tree == TREE_NONE) {
                *ret_status = STATUS_STOPPED;
                *ret_sub_state = judge->exited ? SUB_STATE_EXITED : SUB_STATE_STOPPED;
        } else if (is_ready(judge)) {
                *ret_status = STATUS_RUNNING;
                *ret_sub_state = is_unhealthy(judge) ? SUB_STATE_UNHEALTHY : SUB_STATE_READY;
        } else
                *ret_sub_state =
                        judge->tree == TREE_RUNNING ? SUB_STATE_PROBING : SUB_STATE_SPAWNING;
}

static void see_words(Judge *judge, const Lifecycle *l) {
        bool was_started = judge->generation >= judge->first_generation;
        Status status;
        SubState sub_state;

        expected_words(judge, &status, &sub_state);
        if (status == STATUS_STOPPED && !was_started)
                sub_state = SUB_STATE_INACTIVE;

        judge_expect(judge, judge->status == status && judge->sub_state == sub_state,
                     "every change is announced, and in the words of section 2");
        judge_expect(judge, l->generation == (was_started ? judge->generation : 0),
                     "the generation is that of the last start");
        judge_expect(judge, judge->tree == TREE_NONE || judge->told_generation == judge->generation,
                     "every generation is told");
        judge_expect(judge, l->n_restarts == judge->n_restarts, "automatic restarts are counted");

        if (judge->gave_up || judge->retry)
                judge_expect(judge, lifecycle_reason_code(l) == judge->code,
                             "a failure is told by its code");
        else if (sub_state == SUB_STATE_WAITING || sub_state == SUB_STATE_UNHEALTHY)
                judge_expect(judge,
                             lifecycle_reason_code(l) == (sub_state == SUB_STATE_WAITING
                                                                  ? REASON_DEPENDENCY
                                                                  : REASON_UNHEALTHY),
                             "what waits and what is unhealthy say so");
        else if (sub_state == SUB_STATE_STOPPED)
                judge_expect(judge, lifecycle_reason_code(l) == judge->stop_code,
                             "a stop is told by its code");
        else if (status == STATUS_STOPPED || sub_state == SUB_STATE_READY)
                judge_expect(judge, lifecycle_reason_code(l) == REASON_NONE,
                             "what nobody stopped and did not fail has no reason");
}

/* It wakes in time for whatever is to come next by the clock. */
static void see_alarm(Judge *judge, uint64_t until, uint64_t now) {
        judge_expect(judge, until > now, "no wait is over before it begins");

        if (judge->tree == TREE_NONE && judge->wanted && !judge->gave_up && !is_waiting(judge))
                judge_expect(judge,
                             judge->retry && now <= judge->retry_until &&
                                     until >= judge->retry_from && until <= judge->retry_until,
                             "what is wanted is spawned, after its delay at most");
        if (is_starting(judge))
                judge_expect(judge, until <= deadline(judge),
                             "the start timeout is not slept through");
        if (is_starting(judge) && judge->tree == TREE_RUNNING && !judge->probing)
                judge_expect(judge, until <= judge->probe_from, "a probe is not slept through");
        if (is_ready(judge) && !is_unwanted(judge) && !judge->probing &&
            judge->spec->liveness.probe.kind != PROBE_NONE)
                judge_expect(judge, until <= judge->probe_from,
                             "a health check is not slept through");
}

static void see_ending_in_time(Judge *judge, const Lifecycle *l, bool unkillable, uint64_t now) {
        uint64_t limit = judge->spec->stop_timeout_usec + ENDING_SLACK_USEC;
        bool stuck = judge->first_kill_at != 0 && now >= judge->first_kill_at + UNKILLABLE_USEC;

        judge_expect(judge, lifecycle_is_unkillable(l, now) == stuck,
                     "what outlives ten seconds of kills is said to be unkillable");

        if (!is_unwanted(judge) || judge->tree == TREE_REQUESTED)
                return;
        if (is_held(judge)) {
                judge->unwanted_since = 0;
                return;
        }
        if (judge->unwanted_since == 0)
                judge->unwanted_since = now;

        judge_expect(judge, unkillable || now <= judge->unwanted_since + limit,
                     "what is not wanted is gone within stop.timeout + 2 s");
}

static void see_waits(Judge *judge, const Lifecycle *l) {
        bool is_up = judge->sub_state == SUB_STATE_READY || judge->sub_state == SUB_STATE_UNHEALTHY;
        bool is_final = judge->status == STATUS_STOPPED || judge->status == STATUS_FAILED;
        bool is_empty = judge->tree == TREE_NONE;
        WaitVerdict ready = lifecycle_wait(l, WAIT_FOR_READY, judge->promised);
        WaitVerdict stopped = lifecycle_wait(l, WAIT_FOR_STOPPED, judge->promised);
        WaitVerdict settled = lifecycle_wait(l, WAIT_FOR_SETTLED, judge->promised);

        judge_expect(judge, (ready == WAIT_HOLDS) == is_up,
                     "ready holds in Running, ready or unhealthy, only there");
        judge_expect(judge, ready != WAIT_START_FAILED || judge->gave_up,
                     "StartFailed only where it has failed for good");
        judge_expect(judge, ready != WAIT_NOT_RUNNING || !judge->wanted,
                     "NotRunning only where nobody wants it up");
        judge_expect(judge, stopped != WAIT_HOLDS || (is_final && is_empty),
                     "stopped holds in Stopped or Failed, with nothing left of the tree");
        judge_expect(judge, settled != WAIT_HOLDS || is_up || is_final,
                     "settled holds neither while Starting nor stopping");
        if (is_final)
                judge_expect(judge, ready != WAIT_PENDING, "a wait for ready ends with the hope");
        if (is_final && is_empty)
                judge_expect(judge, stopped != WAIT_PENDING && settled != WAIT_PENDING,
                             "no wait outlives what it waits for");
        if (is_up || (is_final && judge->wanted))
                judge_expect(judge, settled != WAIT_PENDING, "Running and Failed are settled");
}

void judge_see_rest(
        Judge *judge, const Lifecycle *l, uint64_t until, bool unkillable, uint64_t now) {
        see_words(judge, l);
        see_alarm(judge, until, now);
        see_ending_in_time(judge, l, unkillable, now);
        see_waits(judge, l);
}

void judge_see_silence(Judge *judge) {
        bool may_stay = judge->tree == TREE_NONE
                                ? !judge->wanted || judge->gave_up || is_waiting(judge)
                                : judge->sub_state == SUB_STATE_READY;

        judge_expect(judge, may_stay, "nothing is forgotten: a sleeper has a reason to sleep");
        judge_expect(judge,
                     judge->n_exits_told == judge->n_exits || judge->status != STATUS_STOPPED,
                     "every exit is told");
}
