/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Judge: facts
 *
 * What its own count amounts to, for all of its files.
 */

#include "sim/judge.h"

static inline void judge_expect(Judge *judge, bool holds, const char *rule) {
        if (!holds && !judge->violation)
                judge->violation = rule;
}

static inline bool has_probe(const Judge *judge) {
        return judge->spec->readiness.kind != PROBE_NONE;
}

static inline bool is_ready(const Judge *judge) {
        return judge->ready_at != 0;
}

static inline bool is_unhealthy(const Judge *judge) {
        const LivenessSpec *liveness = &judge->spec->liveness;

        return is_ready(judge) && liveness->probe.kind != PROBE_NONE &&
               judge->n_misses >= liveness->failures;
}

/* What is there has to go. */
static inline bool is_unwanted(const Judge *judge) {
        return judge->tree != TREE_NONE &&
               (judge->ending || judge->doomed || judge->tree == TREE_GONE);
}

/* All that it lacks is a dependency. */
static inline bool is_waiting(const Judge *judge) {
        return judge->tree == TREE_NONE && judge->wanted && judge->blocked && !judge->gave_up &&
               !judge->retry;
}

/* A stop that may not begin yet. */
static inline bool is_held(const Judge *judge) {
        bool has_begun =
                judge->signalled_at != 0 || judge->termed_at != 0 || judge->first_kill_at != 0;

        return judge->end_blocked && !judge->wanted && !judge->kill && !judge->doomed &&
               judge->tree != TREE_GONE && judge->tree != TREE_NONE && !has_begun;
}

static inline uint64_t deadline(const Judge *judge) {
        return judge->started_at + judge->spec->start_timeout_usec;
}

static inline bool is_starting(const Judge *judge) {
        return (judge->tree == TREE_FORKED || judge->tree == TREE_RUNNING) && !is_ready(judge) &&
               !is_unwanted(judge);
}
