/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * points [STORY [POINT]]
 *
 * The brain dies at each point of each story: first the story is told without a death, and lists
 * the points that it passes; then, for each of them, with a death at its first passing, and with
 * one at its second. Whatever is repeated then, all has to end as it did without.
 *
 * A point that this time was not passed so often (how often is probed is not always the same) is
 * no death, and is not counted.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/macro.h"
#include "util/strv.h"

#define RUNS_AT_ONCE 2
#define PASSINGS 2

typedef struct Tally {
        char *end; /* as it is without a death; NULL: not known yet */
        unsigned int n_points, n_runs, n_missed, n_failures, n_open;
} Tally;

static Run *runs;
static size_t n_runs, n_begun;
static Tally *tallies; /* in the order of the stories */
static const char *only_story, *only_point;

static Tally *tally_of(const Run *run) {
        return &tallies[run->story - stories];
}

static void add_run(const Story *story, const char *point, unsigned int number) {
        Run *run;

        runs = reallocarray(runs, n_runs + 1, sizeof(*runs));
        if (!runs)
                abort();
        run = &runs[n_runs++];
        *run = (Run){ .story = story, .number = number };
        (void) snprintf(run->point, sizeof(run->point), "%s", point);
        tally_of(run)->n_open++;
}

static unsigned int count_lines(char *const *lines, const char *line) {
        unsigned int n = 0;

        STRV_FOREACH (other, lines)
                n += streq(*other, line);
        return n;
}

static void add_deaths(const Story *story, Tally *tally, const char *passed) {
        _cleanup_(strv_freep) char **lines = NULL, **points = NULL;

        if (strv_split(&lines, passed, '\n') < 0)
                abort();
        STRV_FOREACH (point, lines) {
                if (!**point || strv_contains(points, *point) ||
                    (only_point && !streq(only_point, *point)))
                        continue;
                if (strv_extend(&points, *point) < 0)
                        abort();
                tally->n_points++;
                for (unsigned int i = 1; i <= PASSINGS && i <= count_lines(lines, *point); i++)
                        add_run(story, *point, i);
        }
}

static void complain(const Run *run, const char *what) {
        _cleanup_free_ char *output = run_output(run), *end = run_end(run);

        printf("\n%s, %s:%u: %s\n", run->story->name, run->point[0] ? run->point : "no death",
               run->number, what);
        printf("-- its end:\n%s-- without a death:\n%s-- it said:\n%s\n", end,
               tally_of(run)->end ? tally_of(run)->end : "", output);
}

static void judge(const Run *run, int status) {
        _cleanup_free_ char *end = run_end(run), *passed = run_passed(run);
        _cleanup_(strv_freep) char **lines = NULL;
        Tally *tally = tally_of(run);
        const char *complaint = NULL;

        if (strv_split(&lines, passed, '\n') < 0)
                abort();
        if (status != 0)
                complaint = "it failed";
        else if (!run->point[0])
                tally->end = strdup(end);
        else if (!streq(end, tally->end))
                complaint = "it ended otherwise";

        if (complaint)
                complain(run, complaint);
        /* A story that fails by itself is one of those that do not recover. */
        if (complaint || (run->point[0] && count_lines(lines, run->point) >= run->number))
                tally->n_runs++;
        else if (run->point[0])
                tally->n_missed++;
        tally->n_failures += complaint != NULL;
        if (!run->point[0])
                add_deaths(run->story, tally, passed);
}

static void settle(Run *run, int status) {
        Tally *tally = tally_of(run);
        const Story *story = run->story;

        judge(run, status);
        tally->n_open--;
        if (tally->n_open == 0)
                printf("%-12s %2u points, %3u runs, %u failures", story->name, tally->n_points,
                       tally->n_runs, tally->n_failures);
        if (tally->n_open == 0 && tally->n_missed > 0)
                printf("; %u points were not reached again", tally->n_missed);
        if (tally->n_open == 0)
                printf("\n");
        (void) fflush(stdout);
}

static void await_one(void) {
        int status;
        pid_t pid = wait(&status);

        for (size_t i = 0; i < n_begun; i++)
                if (runs[i].pid == pid && pid > 0) {
                        Run run = runs[i];

                        runs[i].pid = 0;
                        /* It may add runs, and move them all. */
                        settle(&run, status);
                        run_close(&run);
                        return;
                }
        abort();
}

static int report(uint64_t began_at) {
        unsigned int n = 0, n_failures = 0;

        for (size_t i = 0; i < n_stories; i++) {
                n += tallies[i].n_runs;
                n_failures += tallies[i].n_failures;
        }
        printf("%u of %u recover, in %" PRIu64 " s\n", n - n_failures, n,
               (clock_monotonic_usec() - began_at) / USEC_PER_SEC);
        return n > 0 && n_failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        uint64_t began_at = clock_monotonic_usec();
        unsigned int n_running = 0;

        only_story = argc > 1 ? argv[1] : NULL;
        only_point = argc > 2 ? argv[2] : NULL;
        tallies = calloc(n_stories, sizeof(*tallies));
        if (!tallies)
                return EXIT_FAILURE;
        for (size_t i = 0; i < n_stories; i++)
                if (!only_story || streq(only_story, stories[i].name))
                        add_run(&stories[i], "", 0);

        while (n_running > 0 || n_begun < n_runs) {
                while (n_running < RUNS_AT_ONCE && n_begun < n_runs) {
                        run_begin(&runs[n_begun++]);
                        n_running++;
                }
                await_one();
                n_running--;
        }

        return report(began_at);
}
