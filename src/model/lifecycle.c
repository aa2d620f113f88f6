/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Lifecycle
 *
 * The order of the file is the order of a life: what the facts amount to (status), what to do
 * about them (next), then the events and steps that change them. Status is derived, never
 * assigned: it cannot contradict the facts.
 */

#include <signal.h>
#include <sys/wait.h>

#include "model/lifecycle-within.h"
#include "model/restart.h"
#include "util/duration.h"
#include "util/strv.h"

#define REST_GRACE_USEC (1 * USEC_PER_SEC)
#define KILL_PAUSE_MIN_USEC (1 * USEC_PER_MSEC)
#define KILL_PAUSE_MAX_USEC (50 * USEC_PER_MSEC)
#define UNKILLABLE_AFTER_USEC (10 * USEC_PER_SEC)
#define UNKILLABLE_PAUSE_USEC (1 * USEC_PER_SEC)
#define NO_PROCESS_PAUSE_USEC (100 * USEC_PER_MSEC)

void lifecycle_init(Lifecycle *l, const SidecarSpec *spec, uint64_t first_generation) {
        *l = (Lifecycle){
                .spec = spec,
                .next_generation = first_generation,
                .status = STATUS_STOPPED,
                .sub_state = SUB_STATE_INACTIVE,
                .cause = { .exit_code = -1 },
        };
}

static bool has_probe(const Lifecycle *l) {
        return l->spec->readiness.kind != PROBE_NONE;
}

static bool is_asked_to_end(const Lifecycle *l) {
        return l->goal == GOAL_DOWN || l->restart;
}

/* There is something of the current generation, and it has to go. */
static bool is_ending(const Lifecycle *l) {
        return l->process != PROCESS_NONE &&
               (is_asked_to_end(l) || l->doomed || l->process == PROCESS_GONE);
}

static bool is_unhealthy(const Lifecycle *l) {
        const LivenessSpec *liveness = &l->spec->liveness;

        return l->process == PROCESS_RUNNING && l->ready && liveness->probe.kind != PROBE_NONE &&
               l->n_misses >= liveness->failures;
}

/* It could be spawned, were it not for a dependency. */
static bool is_waiting(const Lifecycle *l) {
        return l->blocked && l->process == PROCESS_NONE && l->goal == GOAL_UP && !l->failed &&
               !l->backoff;
}

static SubState down_sub_state(const Lifecycle *l) {
        if (l->generation == 0)
                return SUB_STATE_INACTIVE;

        return l->exited ? SUB_STATE_EXITED : SUB_STATE_STOPPED;
}

/* What the facts amount to, in the two words of contract section 2. */
static void derive_status(const Lifecycle *l, Status *ret_status, SubState *ret_sub_state) {
        Status status = STATUS_STARTING;
        SubState sub_state;

        if (l->failed) {
                status = STATUS_FAILED;
                sub_state = SUB_STATE_FAILED;
        } else if (l->process == PROCESS_NONE && l->goal == GOAL_DOWN) {
                status = STATUS_STOPPED;
                sub_state = down_sub_state(l);
        } else if (is_ending(l) && !l->backoff) {
                status = l->ready ? STATUS_RUNNING : STATUS_STARTING;
                sub_state = SUB_STATE_STOPPING;
        } else if (l->backoff)
                sub_state = SUB_STATE_BACKOFF;
        else if (is_waiting(l))
                sub_state = SUB_STATE_WAITING;
        else if (l->process != PROCESS_RUNNING)
                sub_state = SUB_STATE_SPAWNING;
        else if (!l->ready)
                sub_state = SUB_STATE_PROBING;
        else {
                status = STATUS_RUNNING;
                sub_state = is_unhealthy(l) ? SUB_STATE_UNHEALTHY : SUB_STATE_READY;
        }

        *ret_status = status;
        *ret_sub_state = sub_state;
}

static Step wait_until(uint64_t until) {
        return (Step){ .kind = STEP_WAIT, .until = until };
}

/* A stop that has begun goes on, whoever comes to depend on it meanwhile. */
static bool is_end_held(const Lifecycle *l) {
        return l->end_blocked && l->goal == GOAL_DOWN && !l->kill && !l->doomed &&
               l->process != PROCESS_GONE && l->end_stage == END_NONE;
}

/* The steps of failures.md, section 3: main, then the rest, then kill until the proof. */
static Step next_of_ending(const Lifecycle *l, uint64_t now) {
        bool has_main = l->process == PROCESS_FORKED || l->process == PROCESS_RUNNING;

        /* Without a pid there is nothing to signal yet, and the keeper will not fail to answer. */
        if (l->process == PROCESS_REQUESTED || is_end_held(l))
                return wait_until(USEC_INFINITY);

        if (l->kill && l->end_stage < END_KILL)
                return (Step){ .kind = STEP_KILL_TREE };
        if (l->end_stage == END_NONE && has_main)
                return (Step){ .kind = STEP_SIGNAL_MAIN };
        if (l->end_stage < END_REST && !has_main)
                return (Step){ .kind = STEP_TERM_REST };
        if (now < l->end_stage_until)
                return wait_until(l->end_stage_until);

        return (Step){ .kind = l->end_stage == END_MAIN ? STEP_TERM_REST : STEP_KILL_TREE };
}

static Step next_of_starting(const Lifecycle *l, uint64_t now) {
        uint64_t deadline = start_deadline(l);
        bool probes = l->process == PROCESS_RUNNING && probe_kind_is_asked(l->spec->readiness.kind);

        if (!probes || l->probing || now >= deadline)
                return wait_until(deadline);
        if (now < l->probe_at)
                return wait_until(l->probe_at < deadline ? l->probe_at : deadline);

        return (Step){ .kind = STEP_PROBE, .until = deadline };
}

static Step next_of_ready(const Lifecycle *l, uint64_t now) {
        const ProbeSpec *probe = &l->spec->liveness.probe;
        uint64_t hungry_at = l->watchdog_until != 0 ? l->watchdog_until : USEC_INFINITY;

        if (probe->kind == PROBE_NONE || l->probing)
                return wait_until(hungry_at);
        if (now < l->probe_at)
                return wait_until(least(l->probe_at, hungry_at));

        return (Step){
                .kind = STEP_PROBE,
                .until = now + probe->timeout_usec,
                .is_liveness = true,
        };
}

Step lifecycle_next(const Lifecycle *l, uint64_t now) {
        Step step = { .kind = STEP_ANNOUNCE };

        derive_status(l, &step.status, &step.sub_state);

        /* Started first, announced then: Starting/spawning is told with its own generation. */
        if (l->process == PROCESS_NONE && step.sub_state == SUB_STATE_SPAWNING)
                return (Step){ .kind = STEP_SPAWN };
        if (step.status != l->status || step.sub_state != l->sub_state)
                return step;

        if (is_ending(l))
                return next_of_ending(l, now);

        switch (l->process) {

        case PROCESS_NONE:
                return wait_until(l->backoff ? l->retry_at : USEC_INFINITY);

        case PROCESS_FORKED:
        case PROCESS_RUNNING:
                return l->ready ? next_of_ready(l, now) : next_of_starting(l, now);

        default:
                return wait_until(USEC_INFINITY);
        }
}

static void forget_failures(Lifecycle *l) {
        l->n_restarts = 0;
        l->n_in_a_row = 0;
        l->exited = false;
}

void lifecycle_start(Lifecycle *l) {
        bool was_down = l->goal == GOAL_DOWN || l->failed;

        l->goal = GOAL_UP;
        forget_failures(l);

        if (!was_down)
                return;

        /* What is still there of a former life ends first. */
        l->failed = false;
        l->backoff = false;
        l->restart = l->process != PROCESS_NONE;
}

void lifecycle_stop(Lifecycle *l, ReasonCode stop_code, bool kill) {
        bool was_down = l->goal == GOAL_DOWN && l->process == PROCESS_NONE && !l->failed;

        l->kill |= kill && l->process != PROCESS_NONE;
        if (was_down)
                return;

        l->goal = GOAL_DOWN;
        l->restart = false;
        l->backoff = false;
        l->stop_code = stop_code;
        forget_failures(l);

        /* Failed keeps its word until the tree is empty, as every other state does. */
        if (l->process == PROCESS_NONE)
                l->failed = false;
}

void lifecycle_restart(Lifecycle *l) {
        l->goal = GOAL_UP;
        l->failed = false;
        l->backoff = false;
        l->restart = l->process != PROCESS_NONE;
        l->stop_code = REASON_REQUESTED;
        forget_failures(l);
}

void lifecycle_set_blocked(Lifecycle *l, bool blocked) {
        l->blocked = blocked;
}

void lifecycle_set_end_blocked(Lifecycle *l, bool end_blocked) {
        l->end_blocked = end_blocked;
}

static void give_up(Lifecycle *l, const Cause *cause) {
        l->failed = true;
        l->backoff = false;
        l->cause = *cause;
}

void lifecycle_on_dependency_failed(Lifecycle *l) {
        if (is_waiting(l))
                give_up(l, &(const Cause){ .code = REASON_DEPENDENCY, .exit_code = -1 });
}

void lifecycle_on_forked(Lifecycle *l, uint64_t now) {
        if (l->process != PROCESS_REQUESTED)
                return;

        l->process = PROCESS_FORKED;
        l->started_at = now;
}

static void become_ready(Lifecycle *l, uint64_t now) {
        l->ready = true;
        l->ready_at = now;
        l->n_misses = 0;
        l->probe_at = now + l->spec->liveness.probe.interval_usec;
        arm_watchdog(l, now);
}

void lifecycle_on_exec(Lifecycle *l, uint64_t now) {
        if (l->process != PROCESS_FORKED)
                return;

        l->process = PROCESS_RUNNING;
        l->started_at = now;
        l->probe_at = now;
        if (!has_probe(l) && !is_ending(l))
                become_ready(l, now);
        else if (l->said_ready)
                lifecycle_on_said_ready(l, now);
}

static void on_health_check(Lifecycle *l, bool alive, uint64_t now) {
        if (alive || now >= l->excused_until)
                l->n_misses = alive ? 0 : l->n_misses + 1;
        l->probe_at = now + l->spec->liveness.probe.interval_usec;
}

void lifecycle_on_probe(Lifecycle *l, bool alive, uint64_t now) {
        l->probing = false;
        if (l->process != PROCESS_RUNNING || is_ending(l))
                return;

        if (l->ready)
                on_health_check(l, alive, now);
        else if (alive)
                become_ready(l, now);
        else
                l->probe_at = now + l->spec->readiness.interval_usec;
}

void lifecycle_on_said_ready(Lifecycle *l, uint64_t now) {
        if (is_ending(l) || l->ready)
                return;

        if (l->process == PROCESS_RUNNING)
                become_ready(l, now);
        else if (l->process != PROCESS_NONE)
                l->said_ready = true;
}

/* The one place where a failure becomes a retry or the end (contract X2 to X4). */
static void
fail(Lifecycle *l, const Cause *cause, RestartVerdict verdict, uint64_t now, uint32_t roll) {
        Cause told = *cause;

        l->doomed = l->process != PROCESS_NONE;
        l->ready = false;

        if (verdict == RESTART_CRASH_LOOP) {
                told.last = cause->code;
                told.code = REASON_CRASH_LOOP;
                told.attempts = l->n_in_a_row;
        }
        if (verdict != RESTART_RETRY) {
                give_up(l, &told);
                return;
        }

        l->n_restarts++;
        l->n_in_a_row++;
        l->cause = told;
        l->backoff = true;
        l->retry_at = now + restart_delay(&l->spec->restart, l->n_in_a_row, roll);
}

/* After long enough in Running the count of restarts starts over (contract X3). */
static void forgive(Lifecycle *l, uint64_t now) {
        if (l->ready && now - l->ready_at >= l->spec->restart.reset_after_usec)
                l->n_in_a_row = 0;
}

static Cause cause_of_exit(const Lifecycle *l, int code, int status, uint64_t now) {
        bool is_oom = code == CLD_KILLED && status == SIGKILL && l->oom_limit != 0;

        return (Cause){
                .code = is_oom               ? REASON_OOM
                        : code == CLD_EXITED ? REASON_EXIT_CODE
                        : code == CLD_DUMPED ? REASON_CORE_DUMP
                        : code == CLD_KILLED ? REASON_SIGNAL
                                             : REASON_LOST,
                .exit_code = code == CLD_EXITED ? status : -1,
                .signal = code == CLD_DUMPED || code == CLD_KILLED ? status : 0,
                .before_ready = has_probe(l) && !l->ready,
                .uptime_usec = now - l->started_at,
                .oom_limit = is_oom ? l->oom_limit : 0,
        };
}

void lifecycle_on_exit(Lifecycle *l, int code, int status, uint64_t now, uint32_t roll) {
        bool was_ending = is_ending(l), ended_well;
        Cause cause = cause_of_exit(l, code, status, now);
        RestartVerdict verdict;

        l->process = PROCESS_GONE;
        l->probing = false;
        if (was_ending)
                return;

        ended_well = code == CLD_EXITED && !cause.before_ready &&
                     restart_spec_is_success(&l->spec->restart, status);

        forgive(l, now);
        verdict = restart_decide(&l->spec->restart, l->n_in_a_row, ended_well);
        if (!ended_well || verdict != RESTART_REFUSED) {
                fail(l, &cause, verdict, now, roll);
                return;
        }

        cause.code = REASON_NONE;
        l->cause = cause;
        l->exited = true;
        l->goal = GOAL_DOWN;
}

void lifecycle_on_empty(Lifecycle *l) {
        if (l->process != PROCESS_GONE)
                return;

        l->process = PROCESS_NONE;
        l->ready = false;
        l->doomed = false;
        l->restart = false;
        l->kill = false;
        l->end_stage = END_NONE;
        l->killed_at = 0;
        if (l->goal == GOAL_DOWN)
                l->failed = false;
}

static bool is_late(const Lifecycle *l, uint64_t now) {
        bool starting = l->process == PROCESS_FORKED || l->process == PROCESS_RUNNING;

        return starting && !l->ready && !is_ending(l) && now >= start_deadline(l);
}

static bool is_hungry(const Lifecycle *l, uint64_t now) {
        return l->process == PROCESS_RUNNING && !is_ending(l) && l->watchdog_until != 0 &&
               now >= l->watchdog_until;
}

/* What goes wrong while the process goes on. */
static void fail_running(Lifecycle *l, Cause *cause, uint64_t now, uint32_t roll) {
        cause->exit_code = -1;
        cause->uptime_usec = now - l->started_at;

        forgive(l, now);
        fail(l, cause, restart_decide(&l->spec->restart, l->n_in_a_row, false), now, roll);
}

void lifecycle_on_stranger(Lifecycle *l, uint64_t now, uint32_t roll) {
        Cause cause = { .code = REASON_PORT_IN_USE, .before_ready = !l->ready };

        l->probing = false;
        if (l->process == PROCESS_RUNNING && !is_ending(l))
                fail_running(l, &cause, now, roll);
}

void lifecycle_on_time(Lifecycle *l, uint64_t now, uint32_t roll) {
        bool sick = is_unhealthy(l) && l->spec->liveness.restart && !is_ending(l);
        Cause cause = { .code = REASON_NONE };

        if (is_late(l, now))
                cause = (Cause){
                        .code = REASON_START_TIMEOUT,
                        .before_ready = true,
                        .within_usec = start_deadline(l) - l->started_at,
                };
        else if (is_hungry(l, now))
                cause = (Cause){ .code = REASON_WATCHDOG, .within_usec = l->watchdog_usec };
        else if (sick)
                cause = (Cause){ .code = REASON_UNHEALTHY, .n_misses = l->n_misses };

        /* What is left of the former tree holds the next start up, and keeps the word. */
        if (l->backoff && l->process == PROCESS_NONE && now >= l->retry_at)
                l->backoff = false;

        if (cause.code != REASON_NONE)
                fail_running(l, &cause, now, roll);
}

void lifecycle_on_spawn_failed(
        Lifecycle *l, const Cause *cause, bool permanent, uint64_t now, uint32_t roll) {
        RestartVerdict verdict = permanent
                                         ? RESTART_REFUSED
                                         : restart_decide(&l->spec->restart, l->n_in_a_row, false);
        /* Asked to end, or failed already: an exec may fail after its start timeout. */
        bool was_ending = is_ending(l);

        /* Without a process there is nothing left to prove. */
        if (l->process == PROCESS_REQUESTED) {
                l->process = PROCESS_GONE;
                lifecycle_on_empty(l);
        }

        if (!was_ending)
                fail(l, cause, verdict, now, roll);

        /* With a delay of 0 it would be tried again in the same turn, and again. */
        if (l->backoff && l->process == PROCESS_NONE && l->retry_at < now + NO_PROCESS_PAUSE_USEC)
                l->retry_at = now + NO_PROCESS_PAUSE_USEC;
}

void lifecycle_did_announce(Lifecycle *l, const Step *step) {
        l->status = step->status;
        l->sub_state = step->sub_state;
}

void lifecycle_did_spawn(Lifecycle *l, const SidecarSpec *spec, uint64_t now) {
        l->spec = spec;
        l->generation = l->next_generation++;
        l->process = PROCESS_REQUESTED;
        l->started_at = now;
        l->ready_at = 0;
        l->said_ready = false;
        l->loading_at = 0;
        l->extended_until = 0;
        l->excused_until = 0;
        reset_watchdog(l);
        l->oom_limit = 0;
        l->backoff = false;
        l->retry_at = 0;
}

void lifecycle_did_probe(Lifecycle *l) {
        l->probing = true;
}

/* Kills come ever slower: most trees are gone at once, and what sits in the kernel is not helped.
 */
static uint64_t kill_pause(const Lifecycle *l, uint64_t now) {
        uint64_t since = now - l->killed_at;

        if (since >= UNKILLABLE_AFTER_USEC)
                return UNKILLABLE_PAUSE_USEC;
        if (since < KILL_PAUSE_MIN_USEC)
                return KILL_PAUSE_MIN_USEC;

        return since < KILL_PAUSE_MAX_USEC ? since : KILL_PAUSE_MAX_USEC;
}

void lifecycle_did_end_step(Lifecycle *l, StepKind kind, uint64_t now) {
        switch (kind) {

        case STEP_SIGNAL_MAIN:
                l->end_stage = END_MAIN;
                l->end_stage_until = now + l->spec->stop_timeout_usec;
                break;

        case STEP_TERM_REST:
                l->end_stage = END_REST;
                l->end_stage_until = now + REST_GRACE_USEC;
                break;

        default:
                if (l->end_stage != END_KILL)
                        l->killed_at = now;
                l->end_stage = END_KILL;
                l->end_stage_until = now + kill_pause(l, now);
        }
}

uint64_t lifecycle_promised_generation(const Lifecycle *l) {
        bool is_up = l->process != PROCESS_NONE && !is_ending(l);

        return is_up ? l->generation : l->next_generation;
}

ReasonCode lifecycle_reason_code(const Lifecycle *l) {
        if (l->failed || l->backoff)
                return l->cause.code;
        if (is_waiting(l))
                return REASON_DEPENDENCY;
        if (is_asked_to_end(l) && !l->exited && l->generation != 0)
                return l->stop_code;

        return is_unhealthy(l) ? REASON_UNHEALTHY : REASON_NONE;
}

bool lifecycle_is_unkillable(const Lifecycle *l, uint64_t now) {
        return l->end_stage == END_KILL && now - l->killed_at >= UNKILLABLE_AFTER_USEC;
}

DependencyVerdict lifecycle_check_dependency(const Lifecycle *l, DependencyCondition condition) {
        bool is_running = l->process == PROCESS_RUNNING && !is_ending(l);
        bool holds = condition == DEPENDENCY_STARTED ? is_running || l->exited
                     : condition == DEPENDENCY_READY ? is_running && l->ready
                                                     : l->exited && l->process == PROCESS_NONE;

        if (holds)
                return DEPENDENCY_HOLDS;

        /* What is being stopped was given up by somebody: Start may bring it back. */
        return l->failed && l->goal == GOAL_UP ? DEPENDENCY_FAILED : DEPENDENCY_PENDING;
}

WaitCondition wait_condition_from_string(const char *text) {
        static const char *const words[] = {
                [WAIT_FOR_READY] = "ready",
                [WAIT_FOR_STOPPED] = "stopped",
                [WAIT_FOR_SETTLED] = "settled",
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(words[i], text))
                        return (WaitCondition) i;

        return _WAIT_CONDITION_INVALID;
}

WaitVerdict lifecycle_wait(const Lifecycle *l, WaitCondition condition, uint64_t generation) {
        bool is_down = l->process == PROCESS_NONE && (l->goal == GOAL_DOWN || l->failed);
        bool is_ready = l->ready && l->process == PROCESS_RUNNING && !is_ending(l);
        /* Failed is final before the last of its tree has gone, unless a Stop is on its way. */
        bool is_settled = is_ready || is_down || (l->failed && l->goal == GOAL_UP);
        bool holds = condition == WAIT_FOR_READY     ? is_ready
                     : condition == WAIT_FOR_STOPPED ? is_down
                                                     : is_settled;

        if (holds && l->generation >= generation)
                return WAIT_HOLDS;
        /* What is down stays so: a generation that was promised and called off never comes. */
        if (condition != WAIT_FOR_READY && !is_down)
                return WAIT_PENDING;
        if (l->failed)
                return WAIT_START_FAILED;

        return l->goal == GOAL_DOWN ? WAIT_NOT_RUNNING : WAIT_PENDING;
}
