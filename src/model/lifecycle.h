/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lifecycle
 *
 * What a sidecar is wanted to be, what it is, and what to do next about the difference.
 *
 * A Lifecycle is nothing but facts. Events (lifecycle_start(), lifecycle_on_exit() ...) change
 * facts; lifecycle_next() looks at them and names one step; whoever does the step tells so
 * (lifecycle_did_...()), which again changes facts. Nothing is remembered elsewhere, so an
 * interrupted transition is just other facts. There is no descriptor, clock or event loop in
 * here: `now` is CLOCK_MONOTONIC in microseconds and always a parameter, which is what lets
 * tests/sim run millions of lives under a virtual clock.
 */

#include <stdbool.h>
#include <stdint.h>

#include "model/manifest.h"
#include "model/record.h"
#include "model/status.h"

/* What is wanted. */
typedef enum Goal {
        GOAL_DOWN,
        GOAL_UP,
        _GOAL_MAX,
        _GOAL_INVALID = -EINVAL,
} Goal;

/* What is there of the current generation. */
typedef enum ProcessFact {
        PROCESS_NONE,      /* nothing: no main process, and the tree is proven empty */
        PROCESS_REQUESTED, /* the keeper was asked, there is no pid yet */
        PROCESS_FORKED,    /* there is a pid, exec has not succeeded yet */
        PROCESS_RUNNING,   /* exec succeeded */
        PROCESS_GONE,      /* the main process has ended, the tree may have not */
        _PROCESS_FACT_MAX,
        _PROCESS_FACT_INVALID = -EINVAL,
} ProcessFact;

/* How far the ending of a tree has come (contract T1). */
typedef enum EndStage {
        END_NONE,
        END_MAIN, /* the main process has its stop signal */
        END_REST, /* all that is left has SIGTERM */
        END_KILL, /* killed, again and again until the proof */
        _END_STAGE_MAX,
        _END_STAGE_INVALID = -EINVAL,
} EndStage;

/* How a generation came to its end, or why there was none. */
typedef struct Cause {
        ReasonCode code;
        ReasonCode last;      /* crash-loop: the code of the last failure; else none */
        int exit_code;        /* -1: none, or not known */
        int signal;           /* 0: none */
        int error;            /* errno of a failed step, positive; 0: none */
        bool before_ready;    /* a probe was there to succeed, and had not */
        uint32_t attempts;    /* crash-loop: restarts in a row that did not help; else 0 */
        uint32_t n_misses;    /* unhealthy: health checks missed in a row; else 0 */
        uint64_t within_usec; /* start-timeout, watchdog: how long it had; else 0 */
        uint64_t uptime_usec; /* since exec */
        uint64_t oom_limit;   /* oom: as Lifecycle::oom_limit; else 0 */
} Cause;

typedef struct Lifecycle {
        const SidecarSpec *spec; /* of this generation, or of the one to come; borrowed */

        /* wanted */
        Goal goal;
        bool restart;         /* end the current generation, then start the next */
        bool kill;            /* end it without grace */
        ReasonCode stop_code; /* on whose account it goes or went down */

        /* what others of the app say (contract X7) */
        bool blocked;     /* a dependency is not there yet: nothing is spawned */
        bool end_blocked; /* what depends on it is not down yet: a stop waits */

        /* is */
        ProcessFact process;
        bool ready;         /* of the current generation */
        uint64_t oom_limit; /* memory ran out in it: its limit, UINT64_MAX: none; 0: it did not */
        bool probing;       /* a probe is under way */
        bool said_ready;    /* before its exec was known to have succeeded */
        uint32_t n_misses;  /* health checks missed in a row, of the current generation */
        bool doomed;  /* the current generation failed and is to be ended, whatever the goal */
        bool backoff; /* the next start waits for retry_at */
        bool failed;  /* for good: leaves by Start or Stop */
        bool exited;  /* ended by itself, with success, and stays so */
        Cause cause;  /* of backoff, failed and exited */
        uint64_t generation;      /* of the current or last start; 0: never started */
        uint64_t next_generation; /* the number of the next start */
        uint32_t n_restarts;      /* by themselves, since the last Start or Stop */
        uint32_t n_in_a_row;      /* without resetAfter of Running between them */

        /* when */
        uint64_t started_at; /* exec, or the fork until then */
        uint64_t ready_at;
        uint64_t loading_at;     /* it last said that it is loading; 0: never */
        uint64_t extended_until; /* a start has at least so long; 0: nobody said so */
        uint64_t excused_until;  /* misses do not count until then */
        uint64_t watchdog_usec;  /* how long it may be silent once it is ready; 0: for ever */
        uint64_t watchdog_until; /* ... and by when it has to say something; 0: not yet at all */
        bool watchdog_pulled;    /* it says that it hangs, perhaps before its exec is known */
        uint64_t probe_at;       /* the next probe, unless one is under way */
        uint64_t retry_at;
        EndStage end_stage;
        uint64_t end_stage_until;
        uint64_t killed_at; /* the first kill of this ending */

        /* told: what the world was last told */
        Status status;
        SubState sub_state;
} Lifecycle;

typedef enum StepKind {
        STEP_WAIT,     /* for an event, or until Step::until */
        STEP_ANNOUNCE, /* Step::status and sub_state are new; lifecycle_did_announce() */
        STEP_SPAWN,    /* lifecycle_did_spawn(), then maybe lifecycle_on_spawn_failed() */
        STEP_PROBE,    /* Step::until is its deadline, is_liveness which; lifecycle_did_probe() */
        STEP_SIGNAL_MAIN, /* SidecarSpec::stop_signal and SIGCONT; lifecycle_did_end_step() */
        STEP_TERM_REST,   /* SIGTERM and SIGCONT to all of the tree; lifecycle_did_end_step() */
        STEP_KILL_TREE,   /* lifecycle_did_end_step() */
        _STEP_KIND_MAX,
        _STEP_KIND_INVALID = -EINVAL,
} StepKind;

typedef struct Step {
        StepKind kind;
        uint64_t until; /* USEC_INFINITY: only an event can tell */
        Status status;
        SubState sub_state;
        bool is_liveness; /* of a probe: SidecarSpec::liveness, else SidecarSpec::readiness */
} Step;

/* first_generation: the number that the first start gets; not 0. */
void lifecycle_init(Lifecycle *l, const SidecarSpec *spec, uint64_t first_generation);

/* Of a Lifecycle, less `spec` and what lifecycle_on_adopted() sets. */
extern const RecordField lifecycle_fields[];

/*
 * These facts were another brain's, who died; spec is again what their spec was. What was under
 * way in that brain alone, a probe, is not any more.
 */
void lifecycle_on_adopted(Lifecycle *l, const SidecarSpec *spec, uint64_t now);
/*
 * ... who died before its order to spawn had reached anybody, or before it heard that nothing came
 * of it: the same generation is spawned again, unless somebody was promised a later one.
 */
void lifecycle_on_never_spawned(Lifecycle *l);

Step lifecycle_next(const Lifecycle *l, uint64_t now);

/* Wishes. lifecycle_restart() of what is down starts it. stop_code says on whose account. */
void lifecycle_start(Lifecycle *l);
void lifecycle_stop(Lifecycle *l, ReasonCode stop_code, bool kill);
void lifecycle_restart(Lifecycle *l);

/*
 * What others of the app are to it; told again whenever it may have changed, before
 * lifecycle_next() is asked. blocked holds up a spawn alone. end_blocked holds up the beginning of
 * a stop alone: not one with kill, not a restart, not the end of what has failed or exited.
 */
void lifecycle_set_blocked(Lifecycle *l, bool blocked);
void lifecycle_set_end_blocked(Lifecycle *l, bool end_blocked);
/* What is Starting/waiting has failed for good; whatever else it is, nothing happens. */
void lifecycle_on_dependency_failed(Lifecycle *l);

/* News. roll is any random number, for the jitter of a restart that may follow. */
void lifecycle_on_forked(Lifecycle *l, uint64_t now);
void lifecycle_on_exec(Lifecycle *l, uint64_t now);
/*
 * Of the current generation, for readiness and liveness alike: whoever probes drops a probe whose
 * process has ended.
 */
void lifecycle_on_probe(Lifecycle *l, bool alive, uint64_t now);
/* Answered that it is loading: no miss before it is ready, and the start may take longer (R5). */
void lifecycle_on_loading(Lifecycle *l, uint64_t now);
/* It says nothing, neither way: it was time that went wrong. Asked again then. */
void lifecycle_on_probe_dropped(Lifecycle *l, uint64_t probe_at);
/* Nobody was run for a while (contract L2, D7): whatever has to be in time begins anew. */
void lifecycle_on_time_lost(Lifecycle *l, uint64_t now);
/* Another process than its own listens where it is asked (contract R3). */
void lifecycle_on_stranger(Lifecycle *l, uint64_t now, uint32_t roll);

/* What it says of itself, at any time; whoever calls has proven that it is itself. */
void lifecycle_on_said_ready(Lifecycle *l, uint64_t now);
void lifecycle_on_said_busy(Lifecycle *l, bool busy, uint64_t now); /* reloads, or stops */
void lifecycle_on_extended(Lifecycle *l, uint64_t usec, uint64_t now);
void lifecycle_on_fed(Lifecycle *l, uint64_t now);
void lifecycle_on_watchdog_set(Lifecycle *l, uint64_t usec, uint64_t now); /* 0: none any more */
void lifecycle_on_watchdog_triggered(Lifecycle *l, uint64_t now);
/*
 * The kernel has killed some process of the current generation for lack of memory; to be told
 * before lifecycle_on_exit(), where it is the difference between oom and signal. limit: of its
 * memory in bytes, UINT64_MAX: it has none of its own.
 */
void lifecycle_on_oom(Lifecycle *l, uint64_t limit);
/* code as in siginfo_t (CLD_EXITED, CLD_KILLED, CLD_DUMPED); 0: the status is not known. */
void lifecycle_on_exit(Lifecycle *l, int code, int status, uint64_t now, uint32_t roll);
/* Nothing of the tree is left: the proof. Only after lifecycle_on_exit(). */
void lifecycle_on_empty(Lifecycle *l);
/*
 * Time has passed: what has run out by now, the patience with missed health checks included,
 * becomes a failure, and a pause that is over ends. To be called before each lifecycle_next().
 */
void lifecycle_on_time(Lifecycle *l, uint64_t now, uint32_t roll);
/*
 * The start came to nothing for this cause; permanent: trying again cannot help. A process that
 * is already there (exec failed) still owes its exit.
 */
void lifecycle_on_spawn_failed(
        Lifecycle *l, const Cause *cause, bool permanent, uint64_t now, uint32_t roll);

/* Steps done. */
void lifecycle_did_announce(Lifecycle *l, const Step *step);
void lifecycle_did_spawn(Lifecycle *l, const SidecarSpec *spec, uint64_t now);
void lifecycle_did_probe(Lifecycle *l);
void lifecycle_did_end_step(Lifecycle *l, StepKind kind, uint64_t now);

/* The generation that a start asked for now gets: the current one if it is up, else the next. */
uint64_t lifecycle_promised_generation(const Lifecycle *l);

/* Why Status is what it is: none, requested ..., or the code of the cause. */
ReasonCode lifecycle_reason_code(const Lifecycle *l);

/* Whether that reason comes from what probes got. */
bool lifecycle_is_about_probes(const Lifecycle *l);

/* Killed ten seconds ago and still there: something sits in the kernel (D state). */
bool lifecycle_is_unkillable(const Lifecycle *l, uint64_t now);

typedef enum DependencyVerdict {
        DEPENDENCY_PENDING,
        DEPENDENCY_HOLDS,
        DEPENDENCY_FAILED, /* for good */
} DependencyVerdict;

/* What a sidecar with this life is at the moment to one that depends on it (contract X7). */
DependencyVerdict lifecycle_check_dependency(const Lifecycle *l, DependencyCondition condition);

typedef enum WaitCondition {
        WAIT_FOR_READY,
        WAIT_FOR_STOPPED,
        WAIT_FOR_SETTLED,
        _WAIT_CONDITION_MAX,
        _WAIT_CONDITION_INVALID = -EINVAL,
} WaitCondition;

typedef enum WaitVerdict {
        WAIT_PENDING,
        WAIT_HOLDS,
        WAIT_START_FAILED, /* it can no longer come true: it has failed for good */
        WAIT_NOT_RUNNING,  /* ... nobody wants it up */
} WaitVerdict;

WaitCondition wait_condition_from_string(const char *text);

/* As Sidecar.Wait answers, for this generation or a later one. */
WaitVerdict lifecycle_wait(const Lifecycle *l, WaitCondition condition, uint64_t generation);
