/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Judge
 *
 * First what it hears (its own count of wishes and news), then what it sees (steps).
 */

#include <math.h>
#include <signal.h>
#include <sys/wait.h>

#include "sim/judge-facts.h"
#include "util/duration.h"

#define REST_GRACE_USEC (1 * USEC_PER_SEC)
#define NO_PROCESS_PAUSE_USEC (100 * USEC_PER_MSEC)

void judge_init(Judge *judge, const SidecarSpec *spec, uint64_t first_generation) {
        *judge = (Judge){
                .spec = spec,
                .first_generation = first_generation,
                .generation = first_generation - 1,
                .status = STATUS_STOPPED,
                .sub_state = SUB_STATE_INACTIVE,
        };
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

        judge->n_wishes++;
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

/* A number that was given to nobody is the next one. */
static uint64_t next_generation(const Judge *judge) {
        return judge->generation + !judge->never_spawned;
}

void judge_see_answer(Judge *judge) {
        judge->n_answered = judge->n_wishes;
}

void judge_see_promise(Judge *judge, uint64_t promised) {
        bool is_up = judge->tree != TREE_NONE && !is_unwanted(judge);

        judge->promised = promised;
        judge_expect(judge, promised == (is_up ? judge->generation : next_generation(judge)),
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
        if (judge->tree != TREE_NONE)
                return;

        /* A start that came to no process would else be tried for ever in one turn. */
        if (judge->retry_from < now + NO_PROCESS_PAUSE_USEC)
                judge->retry_from = now + NO_PROCESS_PAUSE_USEC;
        if (judge->retry_until < now + NO_PROCESS_PAUSE_USEC)
                judge->retry_until = now + NO_PROCESS_PAUSE_USEC;
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

/* Once its end was told its number is used up: a later one may have been promised. */
void judge_hear_never_spawned(Judge *judge) {
        bool was_ended = is_unwanted(judge) && judge->sub_state == SUB_STATE_STOPPING;

        hear_emptied(judge);
        judge->never_spawned = !was_ended;
}

void judge_hear_death(Judge *judge, const Judge *written, uint64_t now) {
        Judge lasting = *judge;

        *judge = *written;
        judge->violation = lasting.violation;
        judge->blocked = lasting.blocked;
        judge->end_blocked = lasting.end_blocked;
        judge->unwanted_since = is_unwanted(judge) ? lasting.unwanted_since : 0;
        judge->status = lasting.status;
        judge->sub_state = lasting.sub_state;
        judge->told_generation = lasting.told_generation;
        judge->exited_generation = lasting.exited_generation;
        judge->n_exits = lasting.n_exits;
        judge->n_exits_told = lasting.n_exits_told;
        judge->n_answered = lasting.n_answered;

        /* A probe dies with its brain; the next one may ask at once. */
        judge->probing = false;
        judge->probe_from = now;

        judge_expect(judge, judge->n_wishes >= judge->n_answered,
                     "no wish that was answered dies with a brain");
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

static ReasonCode code_of_exit(const News *news) {
        switch (news->code) {

        case CLD_EXITED:
                return REASON_EXIT_CODE;

        case CLD_KILLED:
                return news->status == SIGKILL && news->oom_limit != 0 ? REASON_OOM : REASON_SIGNAL;

        case CLD_DUMPED:
                return REASON_CORE_DUMP;

        default:
                return REASON_LOST;
        }
}

static void hear_exited(Judge *judge, const News *news, uint64_t now) {
        bool was_unwanted = is_unwanted(judge), success = is_success(judge, news);

        judge->n_exits += judge->exited_generation != judge->generation;
        judge->exited_generation = judge->generation;
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

        hear_failure(judge, code_of_exit(news), false, now);
}

static void hear_spawn_failed(Judge *judge, const News *news, uint64_t now) {
        bool was_unwanted = is_unwanted(judge);

        if (judge->tree == TREE_REQUESTED)
                hear_emptied(judge);
        if (!was_unwanted)
                hear_failure(judge, news->permanent ? REASON_EXEC_FAILED : REASON_RESOURCES,
                             news->permanent, now);
}

/* What it knows already is told again, and is no news. */
static bool is_news(const Judge *judge, NewsKind kind) {
        switch (kind) {

        case NEWS_FORKED:
        case NEWS_SPAWN_FAILED:
                return judge->tree == TREE_REQUESTED;

        case NEWS_EXEC:
        case NEWS_EXEC_FAILED:
                return judge->tree == TREE_FORKED;

        case NEWS_EXITED:
                return judge->tree == TREE_FORKED || judge->tree == TREE_RUNNING;

        case NEWS_EMPTIED:
                return judge->tree == TREE_GONE;

        default:
                return true;
        }
}

void judge_hear_news(Judge *judge, const News *news, uint64_t now) {
        if (!is_news(judge, news->kind))
                return;

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
        if (judge->unwanted_since == 0)
                return;

        judge->unwanted_since += usec;
        if (judge->first_kill_at != 0)
                judge->unwanted_since += WORLD_KILLS_DODGED_MAX * USEC_PER_SEC;
}

static void see_announce(Judge *judge, const Step *step, uint64_t now) {
        judge_expect(judge, step->status != STATUS_STOPPED || judge->tree == TREE_NONE,
                     "never Stopped while anything of the tree is left");
        judge_expect(judge, step->status != STATUS_RUNNING || is_ready(judge),
                     "never Running before ready");
        judge_expect(judge, step->status != STATUS_FAILED || judge->gave_up,
                     "Failed is final: not while a retry is to come");
        judge_expect(judge, step->sub_state != SUB_STATE_SPAWNING || judge->tree != TREE_NONE,
                     "Starting/spawning is announced with the number of the new generation");

        /* The pause is over when it says so, which is checked to be in time. */
        if (step->sub_state == SUB_STATE_WAITING && judge->retry) {
                judge_expect(judge, judge->blocked && now >= judge->retry_from,
                             "it waits for a dependency after its delay, not in place of it");
                judge->retry = false;
        }
}

void judge_see_told(Judge *judge, const Step *step, bool with_exit) {
        judge_expect(judge, step->status != judge->status || step->sub_state != judge->sub_state,
                     "what has been announced is not announced again");
        judge->status = step->status;
        judge->sub_state = step->sub_state;

        judge->told_generation = judge->generation;

        judge->n_exits_told += with_exit;
        judge_expect(judge, judge->n_exits_told <= judge->n_exits, "an exit is told once");
}

static void see_spawn(Judge *judge, const Lifecycle *l, uint64_t now) {
        judge_expect(judge, judge->tree == TREE_NONE, "never two generations at a time");
        judge_expect(judge, judge->wanted, "no spawn after Stop without a new Start");
        judge_expect(judge, !judge->blocked, "no spawn before the dependencies are there");
        judge_expect(judge, !judge->gave_up, "no spawn after giving up");
        judge_expect(judge, !judge->retry || now >= judge->retry_from, "a retry keeps its delay");
        judge_expect(judge, l->next_generation == next_generation(judge),
                     "generations rise by one");

        judge->tree = TREE_REQUESTED;
        judge->generation = next_generation(judge);
        judge->never_spawned = judge->retry = false;
}

static void see_probe(Judge *judge, const Step *step, uint64_t now) {
        const ProbeSpec *liveness = &judge->spec->liveness.probe;

        judge_expect(judge, !judge->probing, "one probe at a time");
        judge_expect(judge, now >= judge->probe_from, "a probe keeps the interval");
        judge->probing = true;

        if (step->is_liveness) {
                judge_expect(judge, is_ready(judge) && liveness->kind != PROBE_NONE,
                             "the health of what is not ready is not checked");
                judge_expect(judge, !is_unwanted(judge),
                             "the health of what is to go is not checked");
                judge_expect(judge, step->until == now + liveness->timeout_usec,
                             "a health check has its timeout");
                return;
        }

        judge_expect(judge, is_starting(judge) && judge->tree == TREE_RUNNING && has_probe(judge),
                     "only what runs and is not ready is probed");
        judge_expect(judge, step->until == deadline(judge) && now < step->until,
                     "no probe overruns the start timeout");
}

static void see_ending(Judge *judge, StepKind kind, uint64_t now) {
        bool has_main = judge->tree == TREE_FORKED || judge->tree == TREE_RUNNING;

        judge_expect(judge, is_unwanted(judge) && judge->tree != TREE_REQUESTED,
                     "nothing that may stay is signalled");
        judge_expect(judge, !is_held(judge), "no stop begins before what depends on it is down");

        if (kind == STEP_SIGNAL_MAIN) {
                judge_expect(judge, has_main && judge->signalled_at == 0,
                             "the main process gets its signal first, and once");
                judge->signalled_at = now;
        } else if (kind == STEP_TERM_REST) {
                judge_expect(judge,
                             judge->termed_at == 0 &&
                                     (!has_main ||
                                      now >= judge->signalled_at + judge->spec->stop_timeout_usec),
                             "the rest gets SIGTERM once, at the end of the main process or of its "
                             "time");
                judge->termed_at = now;
        } else {
                judge_expect(judge,
                             judge->kill || (judge->termed_at != 0 &&
                                             now >= judge->termed_at + REST_GRACE_USEC),
                             "no kill before the grace is over");
                judge_expect(judge, judge->last_kill_at == 0 || now > judge->last_kill_at,
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
