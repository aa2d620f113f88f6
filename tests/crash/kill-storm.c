/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * kill-storm [--kills N] [--seed N] [--flood]
 *
 * Contract D2: the brain is killed at random instants, and nobody notices. Each round does a
 * thing at random, kills the brain with SIGKILL within the next 50 ms, and waits for the next one;
 * every fourth time that is killed too, while it comes up. Twenty sidecars number
 * their lines and exit with known codes, and say by themselves who they were.
 */

#include <string.h>
#include <sys/pidfd.h>

#include "app-calls.h"
#include "deeds.h"
#include "flaws.h"
#include "history.h"
#include "lines.h"
#include "lives.h"
#include "settle.h"
#include "storm-options.h"
#include "test.h"

#define LATEST_KILL_USEC (50 * USEC_PER_MSEC)
#define LATEST_SECOND_KILL_USEC (15 * USEC_PER_MSEC)
#define ROUNDS_BETWEEN_CHECKS 10

static unsigned int n_kills = 1000, seed;
static bool is_flooding; /* every sidecar, in every round */

static struct {
        unsigned int n_kills, n_second_kills, n_adopted;
        uint64_t *back_usec; /* of each round */
        unsigned int n_back;
        char containment[16];
        uint64_t began_usec;
} figures;

static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error _unused_) {
        World *w = userdata;
        const char *name, *before, *after;

        ck_assert_int_gt(sd_bus_message_read(message, "sss", &name, &before, &after), 0);
        ck_assert_int_eq(free_and_strdup(&w->owner, after), 0);
        return 0;
}

/* A connection that listens to this and nothing else: there are thousands of changes. */
static void listen_to_the_owner_alone(void) {
        sd_bus_close_unref(world->bus);
        world->bus = client_open(world);
        ck_assert_int_ge(sd_bus_add_match(world->bus, NULL,
                                          "type='signal',sender='org.freedesktop.DBus',"
                                          "member='NameOwnerChanged',arg0='" WORLD_BUS_NAME "'",
                                          on_owner_changed, world),
                         0);
}

static void setup(void) {
        _cleanup_free_ char *containment = NULL;

        srandom(seed);
        world_setup();
        deeds_setup(world);
        world_run(world);
        containment = world_get_text_at(world, WORLD_PATH, "Manager", "Containment");
        (void) snprintf(figures.containment, sizeof(figures.containment), "%s", containment);
        listen_to_the_owner_alone();
        deeds_begin(world);
        figures.began_usec = clock_monotonic_usec();
        figures.back_usec = calloc(n_kills, sizeof(uint64_t));
        ck_assert_ptr_nonnull(figures.back_usec);
}

static void teardown(void) {
        deeds_end();
        world_teardown();
        free(figures.back_usec);
}

static bool is_brain(pid_t pid) {
        char path[64], target[512];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/exe", (int) pid);
        n = readlink(path, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        return streq(target, TEST_SIDECARD);
}

/* The next brain, if it has come up already; it is a child of the keeper: proc(5). */
static int open_successor(void) {
        char path[64];
        FILE *children;
        int pid, pidfd = -1;

        (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int) world->keeper.pid,
                        (int) world->keeper.pid);
        children = fopen(path, "re");
        ck_assert_ptr_nonnull(children);
        while (pidfd < 0 && fscanf(children, "%d", &pid) == 1)
                if (is_brain(pid))
                        pidfd = pidfd_open(pid, 0);
        (void) fclose(children);
        return pidfd;
}

/* Answers a pidfd, or -1: it was too early for a successor. */
static int kill_successor(void) {
        uint64_t delay = (uint64_t) random() % LATEST_SECOND_KILL_USEC;
        int pidfd;

        deeds_turn_until(world, clock_monotonic_usec() + delay);
        pidfd = open_successor();
        if (pidfd >= 0 && pidfd_send_signal(pidfd, SIGKILL, NULL, 0) == 0)
                figures.n_second_kills++;
        return pidfd;
}

/* The bus may not have noticed yet that an owner is dead. */
static bool is_owned_by_the_living(void) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *credentials = NULL;
        _cleanup_close_ int pidfd = -1;
        pid_t pid;

        if (world->owner[0] == '\0' ||
            sd_bus_get_name_creds(world->bus, WORLD_BUS_NAME, SD_BUS_CREDS_PID, &credentials) < 0 ||
            sd_bus_creds_get_pid(credentials, &pid) < 0)
                return false;

        pidfd = pidfd_open(pid, 0);
        return pidfd >= 0 && !process_is_gone(pidfd, 0);
}

static void await_next_brain(int former, int second) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;

        while (!process_is_gone(former, 0) || (second >= 0 && !process_is_gone(second, 0)) ||
               !is_owned_by_the_living()) {
                ck_assert_msg(clock_monotonic_usec() < deadline, "No brain comes up");
                deeds_turn_until(world, clock_monotonic_usec() + USEC_PER_MSEC / 2);
        }
}

static void count_adopted(void) {
        for (size_t i = 0; i < N_SIDECARS; i++) {
                lives_read(&sidecars[i]);
                figures.n_adopted += lives_current(&sidecars[i]) != NULL;
        }
}

static void play_round(void) {
        _cleanup_close_ int brain = process_open(world_brain(world)), successor = -1;
        uint64_t delay = (uint64_t) random() % LATEST_KILL_USEC, killed_at;

        for (size_t i = 0; is_flooding && i < N_SIDECARS; i++)
                (void) lives_command(&sidecars[i], NUMBERER_PACE, NUMBERER_FLOOD);
        deeds_do(world);
        deeds_turn_until(world, clock_monotonic_usec() + delay);
        process_signal(brain, SIGKILL);
        killed_at = clock_monotonic_usec();
        figures.n_kills++;
        if (random() % 4 == 0)
                successor = kill_successor();
        await_next_brain(brain, successor);
        if (successor < 0)
                figures.back_usec[figures.n_back++] = clock_monotonic_usec() - killed_at;
        count_adopted();
        deeds_finish(world);
}

static int compare_usec(const void *a, const void *b) {
        uint64_t first = *(const uint64_t *) a, second = *(const uint64_t *) b;

        return first < second ? -1 : first > second;
}

static void report(void) {
        size_t n_starts = 0, n_told = 0;

        for (size_t i = 0; i < N_SIDECARS; i++) {
                n_starts += sidecars[i].n_lives;
                for (size_t k = 0; k < sidecars[i].n_lives; k++)
                        n_told += sidecars[i].lives[k].was_told;
        }
        qsort(figures.back_usec, figures.n_back, sizeof(uint64_t), compare_usec);

        printf("kill storm: seed %u, containment %s, %u sidecars, %.1f s\n", seed,
               figures.containment, N_SIDECARS,
               (double) (clock_monotonic_usec() - figures.began_usec) / USEC_PER_SEC);
        printf("  %-42s %8u\n", "brains killed", figures.n_kills + figures.n_second_kills);
        printf("  %-42s %8u\n", "... while they were coming up", figures.n_second_kills);
        if (figures.n_back > 0)
                printf("  %-42s %8.1f ms (%.1f at most)\n", "SIGKILL to the next name, median",
                       (double) figures.back_usec[figures.n_back / 2] / USEC_PER_MSEC,
                       (double) figures.back_usec[figures.n_back - 1] / USEC_PER_MSEC);
        printf("  %-42s %8.1f ms at most (%s)\n", "the last kill to all in place",
               (double) settle_longest_usec / USEC_PER_MSEC, settle_longest_text);
        printf("  %-42s %8u\n", "sidecars adopted", figures.n_adopted);
        for (DeedKind kind = 0; kind < _DEED_KIND_MAX; kind++)
                printf("  deed: %-36s %8zu\n", deed_name(kind), deed_counts[kind]);
        printf("  %-42s %8zu\n  %-42s %8zu\n", "starts", n_starts,
               "exits with a code that was told", n_told);
        printf("  %-42s %8zu (%zu with an exit)\n", "events", history_figures.n_events,
               history_figures.n_exits);
        printf("  %-42s %8zu (%.1f MiB)\n", "lines compared in the files", line_figures.n_in_files,
               (double) line_figures.n_bytes_in_files / 1024 / 1024);
        printf("  %-42s %8zu\n", "... within one of the other stream", line_figures.n_mixed);
        printf("  %-42s %8zu (%zu overwritten before)\n", "... by GetLog", line_figures.n_followed,
               line_figures.n_overwritten);
        printf("  %-42s %8zu\n", "times that a file could not follow",
               history_figures.n_log_dropped);
        flaws_print();
        (void) fflush(stdout);
}

static void check_the_end(void) {
        lives_make_quiet();
        lines_check_rings(world);
        history_read(world, 0);
        history_check_exits();
        /* The daemon asks all. */
        for (size_t i = 0; i < N_SIDECARS; i++)
                lives_ask_end(&sidecars[i], clock_monotonic_usec(), true);
        world_end(world);
        for (size_t i = 0; i < N_SIDECARS; i++) {
                lives_read(&sidecars[i]);
                lives_check(&sidecars[i]);
                if (lives_current(&sidecars[i]))
                        flaw(FLAW_LOST, "%s did not end by itself at the end", sidecars[i].name);
        }
        lines_check_files(world);
}

START_TEST(d2_nothing_is_lost_doubled_or_restarted_when_the_brain_is_killed) {
        bool is_settled = settle(world);

        while (is_settled && figures.n_kills < n_kills) {
                play_round();
                if (figures.n_kills % ROUNDS_BETWEEN_CHECKS == 0 || figures.n_kills == n_kills)
                        is_settled = settle(world);
        }
        if (is_settled)
                check_the_end();
        report();
        ck_assert_uint_eq(flaws_total(), 0);
}
END_TEST

int main(int argc, char *argv[]) {
        const TTest *const tests[] = {
                d2_nothing_is_lost_doubled_or_restarted_when_the_brain_is_killed
        };

        if (storm_read_options(argc, argv, &n_kills, &seed, &is_flooding) < 0) {
                fprintf(stderr, "kill-storm [--kills N] [--seed N] [--flood]\n");
                return 2;
        }

        printf("kill storm: seed %u\n", seed);
        (void) fflush(stdout);
        return test_run("kill-storm", 300 + n_kills, setup, teardown, tests, 1);
}
