/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Judge
 *
 * The contract, told a second time: it hears the same wishes and news as the Lifecycle, keeps its
 * own count of them, and objects to every step, word and pause that the rules do not allow. It
 * shares no code with model/lifecycle.c or restart.c, and never looks at a fact in there that is
 * not an answer to somebody.
 *
 * The invariants are those of architecture.md, "The heart", 1 to 6.
 */

#include "model/lifecycle.h"
#include "sim/world.h"

typedef enum WishKind {
        WISH_START,
        WISH_STOP,
        WISH_STOP_KILL,
        WISH_RESTART,
        _WISH_KIND_MAX,
} WishKind;

/* What news has told of the tree. */
typedef enum TreeFact {
        TREE_NONE,
        TREE_REQUESTED,
        TREE_FORKED,
        TREE_RUNNING,
        TREE_GONE, /* the main process is */
} TreeFact;

typedef struct Judge {
        const SidecarSpec *spec;
        uint64_t first_generation;
        const char *violation; /* the first one; NULL: none */

        /* wished */
        bool wanted;
        bool ending; /* somebody wished this generation away */
        bool kill;
        uint64_t promised; /* the generation that the last Start was told */

        /* told of others */
        bool blocked, end_blocked;

        /* heard */
        TreeFact tree;
        bool doomed; /* this generation has failed */
        bool gave_up;
        bool exited;
        bool retry;
        ReasonCode code; /* of the last failure, or of the last stop */
        ReasonCode stop_code;
        uint64_t generation;
        uint32_t n_in_a_row, n_restarts;
        uint32_t n_misses;
        uint64_t started_at, ready_at, retry_from, retry_until;

        /* seen */
        bool probing;
        uint64_t probe_from;
        uint64_t signalled_at, termed_at, first_kill_at, last_kill_at; /* 0: not in this ending */
        uint64_t unwanted_since;                                       /* 0: it may stay */
        Status status;                                                 /* as last announced */
        SubState sub_state;
} Judge;

void judge_init(Judge *judge, const SidecarSpec *spec, uint64_t first_generation);

/* To be told before the Lifecycle is. */
void judge_hear_wish(Judge *judge, WishKind wish);
void judge_hear_others(Judge *judge, bool blocked, bool end_blocked);
void judge_hear_dependency_failed(Judge *judge);
void judge_hear_news(Judge *judge, const News *news, uint64_t now);
void judge_hear_time(Judge *judge, uint64_t now);
void judge_hear_suspend(Judge *judge, uint64_t usec);

/* A step that is about to be done. */
void judge_see_step(Judge *judge, const Step *step, const Lifecycle *l, uint64_t now);

/* What the promise of a Start or Restart was, right after it. */
void judge_see_promise(Judge *judge, uint64_t promised);

/* The turn is over: the Lifecycle waits until `until`. The world says if something is stuck. */
void judge_see_rest(
        Judge *judge, const Lifecycle *l, uint64_t until, bool unkillable, uint64_t now);

/* Nothing will happen any more by itself: it must be a state in which one may stay. */
void judge_see_silence(Judge *judge);
