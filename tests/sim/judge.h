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
 * A brain that dies takes back what it has heard since it last wrote anything down, and so does
 * the Judge. What has got out into the world by then is not taken back, and is held against the
 * next brain.
 *
 * The invariants are those of architecture.md, "The heart".
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
        uint32_t n_wishes;
        bool wanted;
        bool ending; /* somebody wished this generation away */
        bool kill;
        uint64_t promised; /* the generation that the last Start was told */

        /* heard */
        TreeFact tree;
        bool doomed; /* this generation has failed */
        bool gave_up;
        bool exited;
        bool retry;
        ReasonCode code; /* of the last failure, or of the last stop */
        ReasonCode stop_code;
        uint64_t generation;
        bool never_spawned; /* that number is the next one's again */
        uint32_t n_in_a_row, n_restarts;
        uint32_t n_misses;
        uint64_t started_at, ready_at, retry_from, retry_until;

        /* seen */
        bool probing;
        uint64_t probe_from;
        uint64_t signalled_at, termed_at, first_kill_at, last_kill_at; /* 0: not in this ending */

        /* of the world, whatever becomes of a brain */
        bool blocked, end_blocked; /* by others */
        uint64_t unwanted_since;   /* 0: it may stay */
        Status status;             /* as last told */
        SubState sub_state;
        uint64_t told_generation;
        uint64_t exited_generation;     /* the last whose main process has ended */
        uint32_t n_exits, n_exits_told; /* one event each */
        uint32_t n_answered;            /* of the wishes */
} Judge;

void judge_init(Judge *judge, const SidecarSpec *spec, uint64_t first_generation);

/* To be told before the Lifecycle is. */
void judge_hear_wish(Judge *judge, WishKind wish);
void judge_hear_others(Judge *judge, bool blocked, bool end_blocked);
void judge_hear_dependency_failed(Judge *judge);
void judge_hear_news(Judge *judge, const News *news, uint64_t now);
void judge_hear_time(Judge *judge, uint64_t now);
void judge_hear_suspend(Judge *judge, uint64_t usec);

/* The brain has died; written: what its successor knows of. */
void judge_hear_death(Judge *judge, const Judge *written, uint64_t now);
/* The order to spawn the current generation has reached nobody. */
void judge_hear_never_spawned(Judge *judge);

/* A step that is about to be done. */
void judge_see_step(Judge *judge, const Step *step, const Lifecycle *l, uint64_t now);

/* A status is out, and with it that its process has ended. */
void judge_see_told(Judge *judge, const Step *step, bool with_exit);

/* The facts as they are, and as a successor would read them. */
void judge_see_replay(Judge *judge, const Lifecycle *l, const Lifecycle *replayed);

/* Whoever made the last wish knows that it is in force. */
void judge_see_answer(Judge *judge);

/* What the promise of a Start or Restart was, right after it. */
void judge_see_promise(Judge *judge, uint64_t promised);

/* The turn is over: the Lifecycle waits until `until`. The world says if something is stuck. */
void judge_see_rest(
        Judge *judge, const Lifecycle *l, uint64_t until, bool unkillable, uint64_t now);

/* Nothing will happen any more by itself: it must be a state in which one may stay. */
void judge_see_silence(Judge *judge);
