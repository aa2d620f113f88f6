/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sim
 *
 * Random lives of a sidecar under a virtual clock: a World that misbehaves, wishes in the middle
 * of anything, suspends, and a Brain that may die between any two steps. The Judge is asked
 * after each step. A history is a number under a seed, and is replayed by both:
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

#include "sim/brain.h"
#include "spec.h"

#define TURNS_MAX 1500
#define TURNS_OF_WISHES 400
#define WISHES_MAX 10
#define DOWNTIME_USEC (2 * USEC_PER_SEC)

typedef struct Arguments {
        uint64_t seed, n_histories, only;
        bool is_only;
} Arguments;

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

/* Who gets no answer asks again, for whatever that may be by then. */
static void next_wish(History *history) {
        static const WishKind wishes[] = { WISH_START, WISH_START,   WISH_START,    WISH_STOP,
                                           WISH_STOP,  WISH_RESTART, WISH_STOP_KILL };
        bool is_last = history->n_wishes == 1;
        size_t i = random_below(&history->random, ELEMENTSOF(wishes));

        if (!brain_take_wish(history, is_last ? WISH_STOP : wishes[i]))
                return;

        history->n_wishes--;
        history->wish_at = history->n_wishes == 0 ? USEC_INFINITY
                                                  : history->now + random_span(&history->random,
                                                                               5 * USEC_PER_MINUTE);
}

/* What it depends on and what depends on it come and go as they like; in the end all is free. */
static void next_of_others(History *history) {
        Random *random = &history->random;
        bool is_over = history->n_wishes == 0;

        history->others_at =
                is_over ? USEC_INFINITY : history->now + random_span(random, USEC_PER_MINUTE);
        if (history->blocked && random_chance(random, 15)) {
                history_trace(history, "others:", "a dependency has failed", 0);
                brain_take_failed_dependency(history);
                history->others_at = history->now + random_span(random, USEC_PER_MINUTE);
                return;
        }

        history->blocked = !is_over && random_chance(random, 40);
        history->end_blocked = !is_over && random_chance(random, 40);
        history_trace(history, "others:", history->blocked ? "blocked" : "not blocked",
                      history->end_blocked);
        judge_hear_others(&history->judge, history->blocked, history->end_blocked);
        brain_take_others(history);
}

/* The clock goes on to what comes first; now and then everybody sleeps for longer than that. */
static void advance(History *history, uint64_t to) {
        if (random_chance(&history->random, 1)) {
                uint64_t usec = random_span(&history->random, 2 * USEC_PER_HOUR);

                history_trace(history, "suspended,", "ms:", (int64_t) (usec / USEC_PER_MSEC));
                judge_hear_suspend(&history->judge, usec);
                to += usec;
        }
        history->now = to;
}

/* The keeper starts the next one; what is due in the meantime is late, by nobody's fault. */
static void replace_brain(History *history) {
        uint64_t usec = random_span(&history->random, DOWNTIME_USEC);

        history->now += usec;
        judge_hear_suspend(&history->judge, usec);
        world_hand_over(&history->world, history->now);
        history_trace(history, "brain:", "starts, after ms", (int64_t) (usec / USEC_PER_MSEC));
        brain_start(history);
}

static uint64_t next_at(const History *history) {
        uint64_t at = world_next_at(&history->world);

        if (history->wish_at < at)
                at = history->wish_at;
        if (history->others_at < at)
                at = history->others_at;
        return history->until < at ? history->until : at;
}

/* Answers whether there will be another. */
static bool turn(History *history) {
        uint64_t to;
        News news;

        if (history->brain.is_dead && !history->judge.violation) {
                replace_brain(history);
                return true;
        }

        to = next_at(history);
        if (to == USEC_INFINITY || history->judge.violation) {
                judge_see_silence(&history->judge);
                return false;
        }
        if (to > history->now)
                advance(history, to);
        if (brain_dies(history))
                return true;

        if (history->now >= history->wish_at && random_chance(&history->random, 50))
                next_wish(history);
        else if (history->now >= history->others_at && random_chance(&history->random, 50))
                next_of_others(history);
        else if (world_take(&history->world, history->now, &news))
                brain_take_news(history, &news);
        else if (history->now >= history->wish_at)
                next_wish(history);
        else if (history->now >= history->others_at)
                next_of_others(history);
        else
                brain_converge(history);

        return true;
}

/* A seed and a number make a history, whatever came before it. */
static void history_run(History *history, uint64_t seed, uint64_t number) {
        Random mixer = { .state = seed ^ (number * UINT64_C(0xd1342543de82ef95)) };
        static const unsigned deaths_per_mille[] = { 0, 0, 1, 5, 20, 100 };
        Random *random = &history->random;

        random->state = random_next(&mixer);
        history->first_generation = 1 + random_below(random, USEC_PER_HOUR);
        history->deaths_per_mille = deaths_per_mille[random_below(random, 6)];
        history->spec = roll_spec(random);
        history->now = USEC_PER_HOUR;
        history->n_turns = history->n_deaths = 0;
        history->n_events = 0;
        history->n_wishes = 2 + (unsigned) random_below(random, WISHES_MAX - 1);
        history->wish_at = history->now;
        history->blocked = history->end_blocked = false;
        history->others_at = history->now + random_span(random, USEC_PER_MINUTE);
        world_init(&history->world, random);
        judge_init(&history->judge, &history->spec, history->first_generation);
        history->ledger.last.n_bytes = 0;
        history->ledger.judge = history->judge;
        brain_start(history);

        while (turn(history)) {
                history->n_turns++;
                if (history->n_turns == TURNS_OF_WISHES && history->n_wishes > 0) {
                        history->n_wishes = 1;
                        history->wish_at = history->now;
                }
                if (history->n_turns >= TURNS_MAX)
                        history_violate(history, "a stop comes to its end");
        }
        if (history->judge.status != STATUS_STOPPED)
                history_violate(history, "after the last stop it is Stopped");
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
        uint64_t n_turns = 0, n_generations = 0, n_deaths = 0;
        static History history;

        printf("seed %" PRIu64 "\n", arguments->seed);
        for (; number < end; number++) {
                history_run(&history, arguments->seed, number);
                n_turns += history.n_turns;
                n_deaths += history.n_deaths;
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
        printf("%" PRIu64 " turns, %" PRIu64 " generations, %" PRIu64
               " deaths of brains, no rule broken\n",
               n_turns, n_generations, n_deaths);
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
