/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * History
 *
 * One random life of a sidecar, with all that takes part in it: the World, the brain that is
 * there just now, what brains leave to each other, others of the app, the Judge, and the clock.
 */

#include "model/lifecycle.h"
#include "model/record.h"
#include "sim/judge.h"
#include "sim/random.h"
#include "sim/world.h"

#define TRACE_EVENTS 64

typedef struct Event {
        uint64_t at;
        const char *what, *more;
        int64_t number;
} Event;

/* What a brain has in its head. */
typedef struct Brain {
        Lifecycle life;
        bool exit_is_news;  /* the next change of status is told with it */
        bool tree_is_empty; /* as its Tree knows it */
        bool is_dead;
} Brain;

/* What is left of a brain. */
typedef struct Ledger {
        RecordBuffer last; /* the last record; empty: none yet */
        Judge judge;       /* as it was then */
} Ledger;

typedef struct History {
        Random random;
        SidecarSpec spec;
        uint64_t first_generation;
        World world;
        Brain brain;
        Ledger ledger;
        RecordBuffer scratch;
        Judge judge;
        uint64_t now;
        uint64_t until; /* the brain has nothing to do before */
        unsigned n_turns;
        unsigned deaths_per_mille; /* of the chances that a brain has */
        unsigned n_deaths;
        unsigned n_wishes; /* still to come; the last one is a stop */
        uint64_t wish_at;
        bool blocked, end_blocked;  /* by others of the app */
        uint64_t others_at;         /* when that changes; USEC_INFINITY: no more */
        Event events[TRACE_EVENTS]; /* a ring */
        size_t n_events;
} History;

static inline void
history_trace(History *history, const char *what, const char *more, int64_t number) {
        history->events[history->n_events++ % TRACE_EVENTS] = (Event){
                .at = history->now,
                .what = what,
                .more = more,
                .number = number,
        };
}

static inline void history_violate(History *history, const char *rule) {
        if (!history->judge.violation)
                history->judge.violation = rule;
}
