/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * World
 *
 * What the lifecycle is let loose on: a keeper, a main process and what it leaves behind, a probe,
 * under a virtual clock. It behaves as badly as the real one may (slow execs, deaths at any
 * moment, ears shut to SIGTERM, processes that sit in the kernel for a while), but never breaks
 * the promises of io/tree.h: news comes at most once a generation, and in its order; the next
 * brain is told all of it again, up to what was acknowledged. It knows nothing of a Lifecycle.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/manifest.h"
#include "sim/random.h"

#define WORLD_LEFTOVERS_MAX 3
#define WORLD_KILLS_DODGED_MAX 4
#define WORLD_PAST_MAX 4

typedef enum NewsKind {
        NEWS_FORKED,
        NEWS_SPAWN_FAILED, /* there is no process: preflight, fork */
        NEWS_EXEC,
        NEWS_EXEC_FAILED, /* the process is there, and still owes its exit */
        NEWS_PROBED,
        NEWS_EXITED,
        NEWS_EMPTIED,
} NewsKind;

typedef struct News {
        NewsKind kind;
        int error;      /* of a failed spawn or exec */
        bool permanent; /* ... that trying again cannot help */
        bool alive;     /* the probe's answer */
        int code;       /* of an exit, as in siginfo_t */
        int status;
        uint64_t oom_limit; /* ... as in Lifecycle */
} News;

/* How far the keeper is with its news of this generation. */
typedef enum WorldStage {
        WORLD_VACANT,
        WORLD_REQUESTED,
        WORLD_FORKED,
        WORLD_EXECUTED,
        WORLD_EXITED,
        WORLD_EMPTY, /* and not acknowledged yet */
} WorldStage;

typedef struct Member {
        uint64_t dies_at;      /* USEC_INFINITY: lives for ever, if it is let */
        uint64_t kernel_until; /* nothing can kill it before */
        bool deaf;             /* ignores every signal but SIGKILL */
        unsigned n_kills;      /* rounds of SIGKILL that it dodges by forking on */
} Member;

typedef struct World {
        Random *random;
        WorldStage stage;
        uint64_t generation; /* the last that was forked: none is spawned twice */
        uint64_t ordered;    /* the last that was ordered */
        uint64_t news_at;    /* fork and exec: when it is known */
        News fate;           /* what fork or exec come to */
        bool exec_is_known;
        Member main;
        int code, status;   /* how the main process dies */
        uint64_t oom_limit; /* ... and whether memory ran out before */
        uint64_t serves_at;
        uint64_t hangs_at; /* from then on it answers nothing */
        Member leftovers[WORLD_LEFTOVERS_MAX];
        size_t n_leftovers;
        uint64_t probe_at; /* of its answer; USEC_INFINITY: none under way */
        uint64_t delay;    /* of the next news, on its way from the kernel */
} World;

void world_init(World *world, Random *random);

/* USEC_INFINITY: nothing will happen by itself. */
uint64_t world_next_at(const World *world);

/* The news that has come by now, if any. */
bool world_take(World *world, uint64_t now, News *ret);

/* What is found wrong before the keeper is asked for anything. */
bool world_preflight_fails(World *world, News *ret);

/* Orders. False: the keeper has seen that generation, and does nothing. */
bool world_spawn(World *world, uint64_t generation, uint64_t now);
void world_signal_main(World *world, uint64_t now, int signal);
void world_signal_all(World *world, uint64_t now, int signal);
void world_kill(World *world, uint64_t now);
void world_probe(World *world, const ProbeSpec *probe, uint64_t now, uint64_t deadline);

/* Nothing is there, and that news has been taken. */
bool world_is_vacant(const World *world);

/* The brain has taken the end: the keeper forgets the generation. */
void world_acknowledge(World *world);

/*
 * The brain has died: its orders are read to the end, what it had under way itself is gone, and
 * what happens meanwhile is kept for the next one.
 */
void world_hand_over(World *world, uint64_t now);

/* The news of that generation from the beginning, whoever was told: how many. 0: not there. */
size_t world_list_past(const World *world, uint64_t generation, News ret[static WORLD_PAST_MAX]);

/* Some of the present tree sits in the kernel, or did. */
bool world_is_unkillable(const World *world);
