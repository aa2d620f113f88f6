/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Judge: replay
 *
 * Fact by fact, since padding is nobody's, and by hand, since the table of the fields is what is
 * judged: a fact that is missing there is missed here.
 */

#include "sim/judge-facts.h"

static bool is_same_cause(const Cause *a, const Cause *b) {
        return a->code == b->code && a->last == b->last && a->exit_code == b->exit_code &&
               a->signal == b->signal && a->error == b->error &&
               a->before_ready == b->before_ready && a->attempts == b->attempts &&
               a->n_misses == b->n_misses && a->within_usec == b->within_usec &&
               a->uptime_usec == b->uptime_usec && a->oom_limit == b->oom_limit;
}

static bool is_same_wish(const Lifecycle *a, const Lifecycle *b) {
        return a->goal == b->goal && a->restart == b->restart && a->kill == b->kill &&
               a->stop_code == b->stop_code && a->blocked == b->blocked &&
               a->end_blocked == b->end_blocked;
}

static bool is_same_state(const Lifecycle *a, const Lifecycle *b) {
        return a->process == b->process && a->ready == b->ready && a->n_misses == b->n_misses &&
               a->oom_limit == b->oom_limit && a->doomed == b->doomed && a->backoff == b->backoff &&
               a->failed == b->failed && a->exited == b->exited && a->generation == b->generation &&
               a->next_generation == b->next_generation && a->n_restarts == b->n_restarts &&
               a->n_in_a_row == b->n_in_a_row;
}

static bool is_same_time(const Lifecycle *a, const Lifecycle *b) {
        return a->started_at == b->started_at && a->ready_at == b->ready_at &&
               a->retry_at == b->retry_at && a->end_stage == b->end_stage &&
               a->end_stage_until == b->end_stage_until && a->killed_at == b->killed_at;
}

/* All but what lifecycle_on_adopted() sets. */
void judge_see_replay(Judge *judge, const Lifecycle *l, const Lifecycle *replayed) {
        bool is_same = is_same_wish(l, replayed) && is_same_state(l, replayed) &&
                       is_same_cause(&l->cause, &replayed->cause) && is_same_time(l, replayed) &&
                       l->status == replayed->status && l->sub_state == replayed->sub_state;

        judge_expect(judge, is_same, "replaying the ledger gives the same facts");
}
