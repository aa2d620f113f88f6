/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sim
 *
 * Random lives of a sidecar under a virtual clock: a World that misbehaves, wishes in the middle
 * of anything, suspends, and a driver that does what core does with a Lifecycle. The Judge is
 * asked after each step. A history is a number under a seed, and is replayed by both:
 *
 *         sim-lifecycle --seed S --histories N        all of them
 *         sim-lifecycle --seed S --only I             that one, with all of its events
 */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "sim/judge.h"
#include "sim/world.h"
#include "spec.h"

#define STEPS_PER_TURN_MAX 40
#define TURNS_MAX 1500
#define TURNS_OF_WISHES 400
#define WISHES_MAX 10
#define TRACE_EVENTS 64

typedef struct Event {
        uint64_t at;
        const char *what, *more;
        int64_t number;
} Event;

typedef struct History {
        Random random;
        SidecarSpec spec;
        World world;
        Lifecycle life;
        Judge judge;
        uint64_t now;
        unsigned n_turns;
        unsigned n_wishes; /* still to come; the last one is a stop */
        uint64_t wish_at;
        uint64_t others_at;         /* when others of the app change; USEC_INFINITY: no more */
        Event events[TRACE_EVENTS]; /* a ring */
        size_t n_events;
} History;

typedef struct Arguments {
        uint64_t seed, n_histories, only;
        bool is_only;
} Arguments;

static void trace(History *history, const char *what, const char *more, int64_t number) {
        history->events[history->n_events++ % TRACE_EVENTS] = (Event){
                .at = history->now,
                .what = what,
                .more = more,
                .number = number,
        };
}

static void violate(History *history, const char *rule) {
        if (!history->judge.violation)
                history->judge.violation = rule;
}

static LivenessSpec roll_liveness(Random *random) {
        uint32_t failures = 1 + (uint32_t) random_below(random, 3);
        LivenessSpec liveness = liveness_make(failures, random_chance(random, 50));

        if (random_chance(random, 30))
                liveness.probe.interval_usec = USEC_PER_SEC;
        return liveness;
}

static SidecarSpec roll_spec(Random *random) {
        static const uint64_t stop_timeouts[] = { 50 * USEC_PER_MSEC, USEC_PER_SEC,
                                                  5 * USEC_PER_SEC };
        static const uint64_t start_timeouts[] = { 100 * USEC_PER_MSEC, 5 * USEC_PER_SEC,
                                                   30 * USEC_PER_SEC };
        static const uint64_t delays[] = { 0, 1000, 500 * USEC_PER_MSEC, 500 * USEC_PER_MSEC };
        static const double factors[] = { 1, 2, 2, 10 };
        static const double jitters[] = { 0, 0.1, 0.1, 1 };
        static const uint64_t reset_afters[] = { 50 * USEC_PER_MSEC, USEC_PER_SEC,
                                                 USEC_PER_MINUTE };
        static const uint32_t attempts[] = { 1, 2, 5, RESTART_ATTEMPTS_UNLIMITED };
        SidecarSpec spec = spec_make();

        if (random_chance(random, 30))
                spec.readiness.kind = PROBE_NONE;
        if (random_chance(random, 20))
                spec.readiness.interval_usec = 50 * USEC_PER_MSEC;
        if (random_chance(random, 30))
                spec.restart.policy = RESTART_POLICY_ALWAYS;
        else if (random_chance(random, 15))
                spec.restart.policy = RESTART_POLICY_NO;
        if (random_chance(random, 30))
                spec_succeed_on(&spec, 3);

        if (random_chance(random, 50))
                spec.liveness = roll_liveness(random);

        spec.stop_timeout_usec = stop_timeouts[random_below(random, 3)];
        spec.start_timeout_usec = start_timeouts[random_below(random, 3)];
        spec.restart.delay_usec = delays[random_below(random, 4)];
        spec.restart.factor = factors[random_below(random, 4)];
        spec.restart.jitter = jitters[random_below(random, 4)];
        spec.restart.reset_after_usec = reset_afters[random_below(random, 3)];
        spec.restart.attempts = attempts[random_below(random, 4)];
        return spec;
}

static uint32_t roll(History *history) {
        return (uint32_t) random_next(&history->random);
}

static void do_wish(History *history, WishKind wish) {
        static const char *const words[] = { "start", "stop", "stop, kill", "restart" };
        Lifecycle *life = &history->life;

        trace(history, "wish:", words[wish], (int64_t) history->n_wishes);
        judge_hear_wish(&history->judge, wish);
        switch (wish) {

        case WISH_START:
                lifecycle_start(life);
                break;

        case WISH_STOP:
                lifecycle_stop(life, REASON_REQUESTED, false);
                break;

        case WISH_STOP_KILL:
                lifecycle_stop(life, REASON_SHUTDOWN, true);
                break;

        default:
                lifecycle_restart(life);
        }

        if (wish == WISH_START || wish == WISH_RESTART)
                judge_see_promise(&history->judge, lifecycle_promised_generation(life));
}

static void give_failure(History *history, const News *news) {
        Cause cause = {
                .code = news->permanent ? REASON_EXEC_FAILED : REASON_RESOURCES,
                .exit_code = -1,
                .error = news->error,
        };

        lifecycle_on_spawn_failed(&history->life, &cause, news->permanent, history->now,
                                  roll(history));
}

static void give_news(History *history, const News *news) {
        static const char *const words[] = { "forked", "spawn failed", "exec",   "exec failed",
                                             "probed", "exited",       "emptied" };
        Lifecycle *life = &history->life;

        trace(history, "news:", words[news->kind],
              news->kind == NEWS_PROBED ? news->alive : news->status);
        judge_hear_news(&history->judge, news, history->now);
        switch (news->kind) {

        case NEWS_FORKED:
                lifecycle_on_forked(life, history->now);
                break;

        case NEWS_EXEC:
                lifecycle_on_exec(life, history->now);
                break;

        case NEWS_PROBED:
                lifecycle_on_probe(life, news->alive, history->now);
                break;

        case NEWS_EXITED:
                lifecycle_on_exit(life, news->code, news->status, history->now, roll(history));
                break;

        case NEWS_EMPTIED:
                lifecycle_on_empty(life);
                break;

        case NEWS_SPAWN_FAILED:
        case NEWS_EXEC_FAILED:
                give_failure(history, news);
        }
}

static void do_spawn(History *history) {
        News news;

        if (!world_is_vacant(&history->world))
                violate(history, "a start finds nothing of the former generation");

        lifecycle_did_spawn(&history->life, &history->spec, history->now);
        world_spawn(&history->world, history->now);

        /* A preflight that fails is told before the turn is over. */
        if (random_chance(&history->random, 50) && world_take(&history->world, history->now, &news))
                give_news(history, &news);
}

static void do_step(History *history, const Step *step) {
        static const char *const words[] = {
                [STEP_SPAWN] = "spawn",
                [STEP_PROBE] = "probe",
                [STEP_SIGNAL_MAIN] = "signal main",
                [STEP_TERM_REST] = "terminate the rest",
                [STEP_KILL_TREE] = "kill",
        };
        Lifecycle *life = &history->life;
        World *world = &history->world;

        if (step->kind == STEP_ANNOUNCE)
                trace(history, status_to_string(step->status), sub_state_to_string(step->sub_state),
                      (int64_t) life->generation);
        else
                trace(history, "step:", words[step->kind], (int64_t) life->generation);

        judge_see_step(&history->judge, step, life, history->now);
        switch (step->kind) {

        case STEP_ANNOUNCE:
                lifecycle_did_announce(life, step);
                return;

        case STEP_SPAWN:
                do_spawn(history);
                return;

        case STEP_PROBE:
                lifecycle_did_probe(life);
                world_probe(world,
                            step->is_liveness ? &history->spec.liveness.probe
                                              : &history->spec.readiness,
                            history->now, step->until);
                return;

        case STEP_SIGNAL_MAIN:
                world_signal_main(world, history->now, history->spec.stop_signal);
                break;

        case STEP_TERM_REST:
                world_signal_all(world, history->now, SIGTERM);
                break;

        default:
                world_kill(world, history->now);
        }
        lifecycle_did_end_step(life, step->kind, history->now);
}

/* As core converges: what has run out first, then step by step until there is only waiting. */
static uint64_t converge(History *history) {
        Step step;

        for (unsigned n = 0;; n++) {
                judge_hear_time(&history->judge, history->now);
                lifecycle_on_time(&history->life, history->now, roll(history));
                step = lifecycle_next(&history->life, history->now);
                if (step.kind == STEP_WAIT || history->judge.violation)
                        break;
                if (n >= STEPS_PER_TURN_MAX) {
                        violate(history, "a turn comes to its end");
                        break;
                }
                do_step(history, &step);
        }

        judge_see_rest(&history->judge, &history->life, step.until,
                       world_is_unkillable(&history->world), history->now);
        return step.until;
}

static void next_wish(History *history) {
        static const WishKind wishes[] = { WISH_START, WISH_START,   WISH_START,    WISH_STOP,
                                           WISH_STOP,  WISH_RESTART, WISH_STOP_KILL };
        bool is_last = history->n_wishes == 1;
        size_t i = random_below(&history->random, ELEMENTSOF(wishes));

        do_wish(history, is_last ? WISH_STOP : wishes[i]);
        history->n_wishes--;
        history->wish_at = history->n_wishes == 0 ? USEC_INFINITY
                                                  : history->now + random_span(&history->random,
                                                                               5 * USEC_PER_MINUTE);
}

/* What it depends on and what depends on it come and go as they like; in the end all is free. */
static void next_of_others(History *history) {
        Random *random = &history->random;
        bool is_over = history->n_wishes == 0;
        bool blocked = !is_over && random_chance(random, 40);
        bool end_blocked = !is_over && random_chance(random, 40);

        if (history->life.blocked && random_chance(random, 15)) {
                trace(history, "others:", "a dependency has failed", 0);
                judge_hear_dependency_failed(&history->judge);
                lifecycle_on_dependency_failed(&history->life);
        } else {
                trace(history, "others:", blocked ? "blocked" : "not blocked", end_blocked);
                judge_hear_others(&history->judge, blocked, end_blocked);
                lifecycle_set_blocked(&history->life, blocked);
                lifecycle_set_end_blocked(&history->life, end_blocked);
                if (is_over) {
                        history->others_at = USEC_INFINITY;
                        return;
                }
        }

        history->others_at = history->now + random_span(random, USEC_PER_MINUTE);
}

/* The clock goes on to what comes first; now and then everybody sleeps for longer than that. */
static void advance(History *history, uint64_t to) {
        if (random_chance(&history->random, 1)) {
                uint64_t usec = random_span(&history->random, 2 * USEC_PER_HOUR);

                trace(history, "suspended,", "ms:", (int64_t) (usec / USEC_PER_MSEC));
                judge_hear_suspend(&history->judge, usec);
                to += usec;
        }
        history->now = to;
}

/* Answers whether there will be another. */
static bool turn(History *history) {
        uint64_t until = converge(history), to = world_next_at(&history->world);
        News news;

        if (history->wish_at < to)
                to = history->wish_at;
        if (history->others_at < to)
                to = history->others_at;
        if (until < to)
                to = until;
        if (to == USEC_INFINITY || history->judge.violation) {
                judge_see_silence(&history->judge);
                return false;
        }
        if (to > history->now)
                advance(history, to);

        if (history->now >= history->wish_at && random_chance(&history->random, 50))
                next_wish(history);
        else if (history->now >= history->others_at && random_chance(&history->random, 50))
                next_of_others(history);
        else if (world_take(&history->world, history->now, &news))
                give_news(history, &news);
        else if (history->now >= history->wish_at)
                next_wish(history);
        else if (history->now >= history->others_at)
                next_of_others(history);

        return true;
}

/* A seed and a number make a history, whatever came before it. */
static void history_run(History *history, uint64_t seed, uint64_t number) {
        Random mixer = { .state = seed ^ (number * UINT64_C(0xd1342543de82ef95)) };
        uint64_t first;

        history->random.state = random_next(&mixer);
        first = 1 + random_below(&history->random, USEC_PER_HOUR);
        history->spec = roll_spec(&history->random);
        history->now = USEC_PER_HOUR;
        history->n_turns = history->n_events = 0;
        history->n_wishes = 2 + (unsigned) random_below(&history->random, WISHES_MAX - 1);
        history->wish_at = history->now;
        history->others_at = history->now + random_span(&history->random, USEC_PER_MINUTE);
        world_init(&history->world, &history->random);
        lifecycle_init(&history->life, &history->spec, first);
        judge_init(&history->judge, &history->spec, first);

        while (turn(history)) {
                history->n_turns++;
                if (history->n_turns == TURNS_OF_WISHES && history->n_wishes > 0) {
                        history->n_wishes = 1;
                        history->wish_at = history->now;
                }
                if (history->n_turns >= TURNS_MAX)
                        violate(history, "a stop comes to its end");
        }
        if (history->life.status != STATUS_STOPPED)
                violate(history, "after the last stop it is Stopped");
}

static void print_events(const History *history) {
        size_t n = history->n_events, first = n > TRACE_EVENTS ? n - TRACE_EVENTS : 0;

        for (size_t i = first; i < n; i++) {
                const Event *event = &history->events[i % TRACE_EVENTS];

                printf("%14.6f  %s %s (%" PRId64 ")\n",
                       (double) (event->at - USEC_PER_HOUR) / USEC_PER_SEC, event->what,
                       event->more, event->number);
        }
}

static int parse_number(const char *text, uint64_t *ret) {
        char *end;

        errno = 0;
        *ret = strtoull(text, &end, 0);
        return errno != 0 || end == text || *end ? -EINVAL : 0;
}

static int parse_arguments(int argc, char **argv, Arguments *ret) {
        static const struct option options[] = {
                { "seed", required_argument, NULL, 's' },
                { "histories", required_argument, NULL, 'n' },
                { "only", required_argument, NULL, 'o' },
                { 0 },
        };
        Arguments arguments = { .n_histories = 200000 };
        int c, r = 0;

        if (getrandom(&arguments.seed, sizeof(arguments.seed), 0) != sizeof(arguments.seed))
                return -EIO;

        while (r >= 0 && (c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                if (c == 's')
                        r = parse_number(optarg, &arguments.seed);
                else if (c == 'n')
                        r = parse_number(optarg, &arguments.n_histories);
                else if (c == 'o') {
                        r = parse_number(optarg, &arguments.only);
                        arguments.is_only = true;
                } else
                        r = -EINVAL;
        if (r < 0 || optind < argc)
                return -EINVAL;

        *ret = arguments;
        return 0;
}

static int run(const Arguments *arguments) {
        uint64_t number = arguments->is_only ? arguments->only : 0;
        uint64_t end = arguments->is_only ? arguments->only + 1 : arguments->n_histories;
        uint64_t n_turns = 0, n_generations = 0;
        static History history;

        printf("seed %" PRIu64 "\n", arguments->seed);
        for (; number < end; number++) {
                history_run(&history, arguments->seed, number);
                n_turns += history.n_turns;
                n_generations += history.judge.generation - history.judge.first_generation + 1;
                if (!history.judge.violation)
                        continue;

                print_events(&history);
                printf("broken: %s\nreplay: --seed %" PRIu64 " --only %" PRIu64 "\n",
                       history.judge.violation, arguments->seed, number);
                return 1;
        }

        if (arguments->is_only)
                print_events(&history);
        printf("%" PRIu64 " turns, %" PRIu64 " generations, no rule broken\n", n_turns,
               n_generations);
        return 0;
}

int main(int argc, char **argv) {
        Arguments arguments;

        if (parse_arguments(argc, argv, &arguments) < 0) {
                fprintf(stderr, "Usage: sim-lifecycle [--seed S] [--histories N | --only I]\n");
                return 2;
        }

        return run(&arguments);
}
