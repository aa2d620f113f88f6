/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Judge
 *
 * First what it hears (its own count of wishes and news), then what it sees (steps), then what
 * must be true whenever a turn is over.
 */

#include <math.h>
#include <sys/wait.h>

#include "sim/judge.h"
#include "util/duration.h"

#define ENDING_SLACK_USEC (2 * USEC_PER_SEC)
#define REST_GRACE_USEC (1 * USEC_PER_SEC)
#define UNKILLABLE_USEC (10 * USEC_PER_SEC)

static void expect(Judge *judge, bool holds, const char *rule) {
        if (!holds && !judge->violation)
                judge->violation = rule;
}

void judge_init(Judge *judge, const SidecarSpec *spec, uint64_t first_generation) {
        *judge = (Judge){
                .spec = spec,
                .first_generation = first_generation,
                .generation = first_generation - 1,
                .status = STATUS_STOPPED,
                .sub_state = SUB_STATE_INACTIVE,
        };
}

static bool has_probe(const Judge *judge) {
        return judge->spec->readiness.kind != PROBE_NONE;
}

static bool is_ready(const Judge *judge) {
        return judge->ready_at != 0;
}

static bool is_unhealthy(const Judge *judge) {
        const LivenessSpec *liveness = &judge->spec->liveness;

        return is_ready(judge) && liveness->probe.kind != PROBE_NONE &&
               judge->n_misses >= liveness->failures;
}

/* What is there has to go. */
static bool is_unwanted(const Judge *judge) {
        return judge->tree != TREE_NONE &&
               (judge->ending || judge->doomed || judge->tree == TREE_GONE);
}

/* All that it lacks is a dependency. */
static bool is_waiting(const Judge *judge) {
        return judge->tree == TREE_NONE && judge->wanted && judge->blocked && !judge->gave_up &&
               !judge->retry;
}

/* A stop that may not begin yet. */
static bool is_held(const Judge *judge) {
        bool has_begun =
                judge->signalled_at != 0 || judge->termed_at != 0 || judge->first_kill_at != 0;

        return judge->end_blocked && !judge->wanted && !judge->kill && !judge->doomed &&
               judge->tree != TREE_GONE && judge->tree != TREE_NONE && !has_begun;
}

void judge_hear_others(Judge *judge, bool blocked, bool end_blocked) {
        judge->blocked = blocked;
        judge->end_blocked = end_blocked;
}

void judge_hear_dependency_failed(Judge *judge) {
        if (!is_waiting(judge))
                return;

        judge->gave_up = true;
        judge->code = REASON_DEPENDENCY;
}

void judge_hear_wish(Judge *judge, WishKind wish) {
        bool is_stop = wish == WISH_STOP || wish == WISH_STOP_KILL;
        bool is_down = !judge->wanted && judge->tree == TREE_NONE;

        judge->kill |= wish == WISH_STOP_KILL && judge->tree != TREE_NONE;
        if (is_stop && is_down)
                return;

        judge->n_in_a_row = 0;
        judge->n_restarts = 0;

        /* Start of what is up, starting or in backoff changes nothing but the counters. */
        if (wish == WISH_START && judge->wanted && !judge->gave_up)
                return;

        judge->wanted = !is_stop;
        judge->ending |= judge->tree != TREE_NONE;
        judge->exited = false;
        judge->retry = false;
        if (is_stop)
                judge->stop_code = wish == WISH_STOP ? REASON_REQUESTED : REASON_SHUTDOWN;
        if (!is_stop || judge->tree == TREE_NONE)
                judge->gave_up = false;
}

void judge_see_promise(Judge *judge, uint64_t promised) {
        bool is_up = judge->tree != TREE_NONE && !is_unwanted(judge);

        judge->promised = promised;
        expect(judge, promised == judge->generation + (is_up ? 0 : 1),
               "Start promises the current generation if it is up, else the next");
}

static void hear_failure(Judge *judge, ReasonCode code, bool permanent, uint64_t now) {
        const RestartSpec *restart = &judge->spec->restart;
        bool refused = permanent || restart->policy == RESTART_POLICY_NO;
        bool used_up = restart->attempts != RESTART_ATTEMPTS_UNLIMITED &&
                       judge->n_in_a_row >= restart->attempts;
        double delay;

        judge->doomed = judge->tree != TREE_NONE;
        judge->ready_at = 0;
        judge->gave_up = refused || used_up;
        judge->code = !refused && used_up ? REASON_CRASH_LOOP : code;
        if (judge->gave_up)
                return;

        /* Forty powers reach any maxDelay, and stay clear of infinity. */
        delay = fmin((double) restart->delay_usec *
                             pow(restart->factor, fmin(judge->n_in_a_row, 40)),
                     (double) restart->max_delay_usec);
        judge->n_in_a_row++;
        judge->n_restarts++;
        judge->retry = true;
        judge->retry_from = now + (uint64_t) (delay * (1 - restart->jitter) * 0.999);
        judge->retry_until = now + (uint64_t) (delay * (1 + restart->jitter) * 1.001) + 1;
}

static void hear_emptied(Judge *judge) {
        judge->tree = TREE_NONE;
        judge->ending = judge->kill = judge->doomed = judge->probing = false;
        judge->ready_at = judge->unwanted_since = 0;
        judge->signalled_at = judge->termed_at = 0;
        judge->first_kill_at = judge->last_kill_at = 0;
        if (!judge->wanted)
                judge->gave_up = false;
}

static bool is_success(const Judge *judge, const News *news) {
        unsigned status = (unsigned) news->status;

        return news->code == CLD_EXITED && (!has_probe(judge) || is_ready(judge)) &&
               (judge->spec->restart.success_exit_codes[status / 8] >> (status % 8) & 1);
}

static void hear_ready(Judge *judge, uint64_t now) {
        judge->ready_at = now;
        judge->n_misses = 0;
        judge->probe_from = now + judge->spec->liveness.probe.interval_usec;
}

static void hear_probed(Judge *judge, bool alive, uint64_t now) {
        judge->probing = false;
        if (is_unwanted(judge))
                return;

        if (is_ready(judge)) {
                judge->n_misses = alive ? 0 : judge->n_misses + 1;
                judge->probe_from = now + judge->spec->liveness.probe.interval_usec;
        } else if (alive)
                hear_ready(judge, now);
        else
                judge->probe_from = now + judge->spec->readiness.interval_usec;
}

/* A long life is forgiven the failures before it. */
static void forgive(Judge *judge, uint64_t now) {
        if (is_ready(judge) && now - judge->ready_at >= judge->spec->restart.reset_after_usec)
                judge->n_in_a_row = 0;
}

static void hear_exited(Judge *judge, const News *news, uint64_t now) {
        bool was_unwanted = is_unwanted(judge), success = is_success(judge, news);

        judge->tree = TREE_GONE;
        judge->probing = false;
        if (was_unwanted)
                return;

        forgive(judge, now);
        if (success && judge->spec->restart.policy != RESTART_POLICY_ALWAYS) {
                judge->exited = true;
                judge->wanted = false;
                return;
        }

        hear_failure(judge,
                     news->code == CLD_EXITED   ? REASON_EXIT_CODE
                     : news->code == CLD_KILLED ? REASON_SIGNAL
                     : news->code == CLD_DUMPED ? REASON_CORE_DUMP
                                                : REASON_LOST,
                     false, now);
}

static void hear_spawn_failed(Judge *judge, const News *news, uint64_t now) {
        bool was_unwanted = is_unwanted(judge);

        if (judge->tree == TREE_REQUESTED)
                hear_emptied(judge);
        if (!was_unwanted)
                hear_failure(judge, news->permanent ? REASON_EXEC_FAILED : REASON_RESOURCES,
                             news->permanent, now);
}

void judge_hear_news(Judge *judge, const News *news, uint64_t now) {
        switch (news->kind) {

        case NEWS_FORKED:
                judge->tree = TREE_FORKED;
                judge->started_at = now;
                break;

        case NEWS_EXEC:
                judge->tree = TREE_RUNNING;
                judge->started_at = judge->probe_from = now;
                if (!has_probe(judge) && !is_unwanted(judge))
                        hear_ready(judge, now);
                break;

        case NEWS_PROBED:
                hear_probed(judge, news->alive, now);
                break;

        case NEWS_EXITED:
                hear_exited(judge, news, now);
                break;

        case NEWS_EMPTIED:
                hear_emptied(judge);
                break;

        case NEWS_SPAWN_FAILED:
        case NEWS_EXEC_FAILED:
                hear_spawn_failed(judge, news, now);
        }
}

static uint64_t deadline(const Judge *judge) {
        return judge->started_at + judge->spec->start_timeout_usec;
}

static bool is_starting(const Judge *judge) {
        return (judge->tree == TREE_FORKED || judge->tree == TREE_RUNNING) && !is_ready(judge) &&
               !is_unwanted(judge);
}

void judge_hear_time(Judge *judge, uint64_t now) {
        if (is_starting(judge) && now >= deadline(judge))
                hear_failure(judge, REASON_START_TIMEOUT, false, now);

        if (is_unhealthy(judge) && !is_unwanted(judge) && judge->spec->liveness.restart) {
                forgive(judge, now);
                hear_failure(judge, REASON_UNHEALTHY, false, now);
        }
}

/*
 * While nobody ran, nobody was late. After ten seconds by the clock kills come once a second, so a
 * tree that was being killed has as many seconds more as it can dodge rounds.
 */
void judge_hear_suspend(Judge *judge, uint64_t usec) {
        if (judge->unwanted_since != 0)
                judge->unwanted_since += usec;
        if (judge->first_kill_at != 0)
                judge->unwanted_since += WORLD_KILLS_DODGED_MAX * USEC_PER_SEC;
}

static void see_announce(Judge *judge, const Step *step, uint64_t now) {
        expect(judge, step->status != judge->status || step->sub_state != judge->sub_state,
               "what has been announced is not announced again");
        expect(judge, step->status != STATUS_STOPPED || judge->tree == TREE_NONE,
               "never Stopped while anything of the tree is left");
        expect(judge, step->status != STATUS_RUNNING || is_ready(judge),
               "never Running before ready");
        expect(judge, step->status != STATUS_FAILED || judge->gave_up,
               "Failed is final: not while a retry is to come");
        expect(judge, step->sub_state != SUB_STATE_SPAWNING || judge->tree != TREE_NONE,
               "Starting/spawning is announced with the number of the new generation");

        /* The pause is over when it says so, which is checked to be in time. */
        if (step->sub_state == SUB_STATE_WAITING && judge->retry) {
                expect(judge, judge->blocked && now >= judge->retry_from,
                       "it waits for a dependency after its delay, not in place of it");
                judge->retry = false;
        }

        judge->status = step->status;
        judge->sub_state = step->sub_state;
}

static void see_spawn(Judge *judge, const Lifecycle *l, uint64_t now) {
        expect(judge, judge->tree == TREE_NONE, "never two generations at a time");
        expect(judge, judge->wanted, "no spawn after Stop without a new Start");
        expect(judge, !judge->blocked, "no spawn before the dependencies are there");
        expect(judge, !judge->gave_up, "no spawn after giving up");
        expect(judge, !judge->retry || now >= judge->retry_from, "a retry keeps its delay");
        expect(judge, l->next_generation == judge->generation + 1, "generations rise by one");

        judge->tree = TREE_REQUESTED;
        judge->generation++;
        judge->retry = false;
}

static void see_probe(Judge *judge, const Step *step, uint64_t now) {
        const ProbeSpec *liveness = &judge->spec->liveness.probe;

        expect(judge, !judge->probing, "one probe at a time");
        expect(judge, now >= judge->probe_from, "a probe keeps the interval");
        judge->probing = true;

        if (step->is_liveness) {
                expect(judge, is_ready(judge) && liveness->kind != PROBE_NONE,
                       "the health of what is not ready is not checked");
                expect(judge, !is_unwanted(judge), "the health of what is to go is not checked");
                expect(judge, step->until == now + liveness->timeout_usec,
                       "a health check has its timeout");
                return;
        }

        expect(judge, is_starting(judge) && judge->tree == TREE_RUNNING && has_probe(judge),
               "only what runs and is not ready is probed");
        expect(judge, step->until == deadline(judge) && now < step->until,
               "no probe overruns the start timeout");
}

static void see_ending(Judge *judge, StepKind kind, uint64_t now) {
        bool has_main = judge->tree == TREE_FORKED || judge->tree == TREE_RUNNING;

        expect(judge, is_unwanted(judge) && judge->tree != TREE_REQUESTED,
               "nothing that may stay is signalled");
        expect(judge, !is_held(judge), "no stop begins before what depends on it is down");

        if (kind == STEP_SIGNAL_MAIN) {
                expect(judge, has_main && judge->signalled_at == 0,
                       "the main process gets its signal first, and once");
                judge->signalled_at = now;
        } else if (kind == STEP_TERM_REST) {
                expect(judge,
                       judge->termed_at == 0 &&
                               (!has_main ||
                                now >= judge->signalled_at + judge->spec->stop_timeout_usec),
                       "the rest gets SIGTERM once, at the end of the main process or of its time");
                judge->termed_at = now;
        } else {
                expect(judge,
                       judge->kill ||
                               (judge->termed_at != 0 && now >= judge->termed_at + REST_GRACE_USEC),
                       "no kill before the grace is over");
                expect(judge, judge->last_kill_at == 0 || now > judge->last_kill_at,
                       "kills pause between rounds");
                if (judge->first_kill_at == 0)
                        judge->first_kill_at = now;
                judge->last_kill_at = now;
        }
}

void judge_see_step(Judge *judge, const Step *step, const Lifecycle *l, uint64_t now) {
        switch (step->kind) {

        case STEP_ANNOUNCE:
                see_announce(judge, step, now);
                break;

        case STEP_SPAWN:
                see_spawn(judge, l, now);
                break;

        case STEP_PROBE:
                see_probe(judge, step, now);
                break;

        default:
                see_ending(judge, step->kind, now);
        }
}

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

        expect(judge, judge->status == status && judge->sub_state == sub_state,
               "every change is announced, and in the words of section 2");
        expect(judge, l->generation == (was_started ? judge->generation : 0),
               "the generation is that of the last start");
        expect(judge, l->n_restarts == judge->n_restarts, "automatic restarts are counted");

        if (judge->gave_up || judge->retry)
                expect(judge, lifecycle_reason_code(l) == judge->code,
                       "a failure is told by its code");
        else if (sub_state == SUB_STATE_WAITING || sub_state == SUB_STATE_UNHEALTHY)
                expect(judge,
                       lifecycle_reason_code(l) == (sub_state == SUB_STATE_WAITING
                                                            ? REASON_DEPENDENCY
                                                            : REASON_UNHEALTHY),
                       "what waits and what is unhealthy say so");
        else if (sub_state == SUB_STATE_STOPPED)
                expect(judge, lifecycle_reason_code(l) == judge->stop_code,
                       "a stop is told by its code");
        else if (status == STATUS_STOPPED || sub_state == SUB_STATE_READY)
                expect(judge, lifecycle_reason_code(l) == REASON_NONE,
                       "what nobody stopped and did not fail has no reason");
}

/* It wakes in time for whatever is to come next by the clock. */
static void see_alarm(Judge *judge, uint64_t until, uint64_t now) {
        expect(judge, until > now, "no wait is over before it begins");

        if (judge->tree == TREE_NONE && judge->wanted && !judge->gave_up && !is_waiting(judge))
                expect(judge,
                       judge->retry && now <= judge->retry_until && until >= judge->retry_from &&
                               until <= judge->retry_until,
                       "what is wanted is spawned, after its delay at most");
        if (is_starting(judge))
                expect(judge, until <= deadline(judge), "the start timeout is not slept through");
        if (is_starting(judge) && judge->tree == TREE_RUNNING && !judge->probing)
                expect(judge, until <= judge->probe_from, "a probe is not slept through");
        if (is_ready(judge) && !is_unwanted(judge) && !judge->probing &&
            judge->spec->liveness.probe.kind != PROBE_NONE)
                expect(judge, until <= judge->probe_from, "a health check is not slept through");
}

static void see_ending_in_time(Judge *judge, const Lifecycle *l, bool unkillable, uint64_t now) {
        uint64_t limit = judge->spec->stop_timeout_usec + ENDING_SLACK_USEC;
        bool stuck = judge->first_kill_at != 0 && now >= judge->first_kill_at + UNKILLABLE_USEC;

        expect(judge, lifecycle_is_unkillable(l, now) == stuck,
               "what outlives ten seconds of kills is said to be unkillable");

        if (!is_unwanted(judge) || judge->tree == TREE_REQUESTED)
                return;
        if (is_held(judge)) {
                judge->unwanted_since = 0;
                return;
        }
        if (judge->unwanted_since == 0)
                judge->unwanted_since = now;

        expect(judge, unkillable || now <= judge->unwanted_since + limit,
               "what is not wanted is gone within stop.timeout + 2 s");
}

static void see_waits(Judge *judge, const Lifecycle *l) {
        bool is_up = judge->sub_state == SUB_STATE_READY || judge->sub_state == SUB_STATE_UNHEALTHY;
        bool is_final = judge->status == STATUS_STOPPED || judge->status == STATUS_FAILED;
        bool is_empty = judge->tree == TREE_NONE;
        WaitVerdict ready = lifecycle_wait(l, WAIT_FOR_READY, judge->promised);
        WaitVerdict stopped = lifecycle_wait(l, WAIT_FOR_STOPPED, judge->promised);
        WaitVerdict settled = lifecycle_wait(l, WAIT_FOR_SETTLED, judge->promised);

        expect(judge, (ready == WAIT_HOLDS) == is_up,
               "ready holds in Running, ready or unhealthy, only there");
        expect(judge, ready != WAIT_START_FAILED || judge->gave_up,
               "StartFailed only where it has failed for good");
        expect(judge, ready != WAIT_NOT_RUNNING || !judge->wanted,
               "NotRunning only where nobody wants it up");
        expect(judge, stopped != WAIT_HOLDS || (is_final && is_empty),
               "stopped holds in Stopped or Failed, with nothing left of the tree");
        expect(judge, settled != WAIT_HOLDS || is_up || is_final,
               "settled holds neither while Starting nor stopping");
        if (is_final)
                expect(judge, ready != WAIT_PENDING, "a wait for ready ends with the hope");
        if (is_final && is_empty)
                expect(judge, stopped != WAIT_PENDING && settled != WAIT_PENDING,
                       "no wait outlives what it waits for");
        if (is_up || (is_final && judge->wanted))
                expect(judge, settled != WAIT_PENDING, "Running and Failed are settled");
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

        expect(judge, may_stay, "nothing is forgotten: a sleeper has a reason to sleep");
}
