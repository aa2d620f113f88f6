/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stop, from outside: contract T1 to T3 and X5. Each tree here is one that a plain kill of the
 * main process would leave something of, and each test looks at every process of it.
 */

#include <dirent.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

/* At the answer of Wait("stopped") all is proven gone: nothing is waited for here. */
static void stop_and_assert_all_gone(const char *name, size_t least) {
        int tree[16];
        size_t n = world_open_tree(world, name, tree, ELEMENTSOF(tree));

        ck_assert_uint_ge(n, least);
        world_stop(world, name);
        for (size_t i = 0; i < n; i++)
                ck_assert_msg(process_is_gone(tree[i], 0), "Process %zu of %zu lives", i + 1, n);
        ck_assert_str_eq(world_state(world, name), "Stopped/stopped");
        ck_assert_int_eq(world_get_number(world, name, "MainPID"), 0);
}

/* Lets time go by, by the daemon's own clock: nothing is ever written to that log again. */
static void let_pass(const char *quiet, uint64_t usec) {
        uint64_t until = clock_monotonic_usec() + usec;
        LogQuery query = { .has_after = true, .wait_usec = usec };

        do {
                _cleanup_(log_page_clear) LogPage page = log_query(world, quiet, query);

                query.after = page.next;
        } while (clock_monotonic_usec() < until);
}

static size_t count_unpacked(void) {
        _cleanup_free_ char *path = NULL;
        const struct dirent *entry;
        size_t n = 0;
        DIR *directory;

        ck_assert_int_ge(asprintf(&path, "%s/tmp", world->dir), 0);
        directory = opendir(path);
        ck_assert_ptr_nonnull(directory);
        while ((entry = readdir(directory)))
                n += startswith(entry->d_name, "_MEI");
        (void) closedir(directory);
        return n;
}

START_TEST(t1_a_bootloader_is_asked_alone_and_can_clean_up) {
        world_write_sidecars(world, "'packed': {'command': ['@CHILDREN@/bootloader',"
                                    " '@CHILDREN@/http-server', '{port}'], 'port': 'auto',"
                                    " 'stop': {'timeout': '1m'}}");
        world_run(world);
        (void) world_start_ready(world, "packed");
        ck_assert_uint_eq(count_unpacked(), 1);

        stop_and_assert_all_gone("packed", 2);
        ck_assert_uint_eq(count_unpacked(), 0);
}
END_TEST

START_TEST(t2_a_grandchild_that_ignores_all_and_left_its_session_is_gone_too) {
        int grandchild;

        world_write_sidecars(world, "'stubborn': {'command': ['@CHILDREN@/stubborn'],"
                                    " 'stop': {'timeout': '500ms'}}");
        world_run(world);
        (void) world_start_ready(world, "stubborn");
        grandchild = process_open(log_await_pid(world, "stubborn", "grandchild "));
        log_await(world, "stubborn", "main process");

        stop_and_assert_all_gone("stubborn", 2);
        ck_assert(process_is_gone(grandchild, 0));
}
END_TEST

START_TEST(t2_status_keeps_its_word_until_the_tree_is_empty) {
        world_write_sidecars(world, "'stubborn': {'command': ['@CHILDREN@/stubborn'],"
                                    " 'stop': {'timeout': '500ms'}}");
        world_run(world);
        (void) world_start_ready(world, "stubborn");
        (void) world_next(world, "stubborn", "Running/ready");
        world_stop(world, "stubborn");

        ck_assert_str_eq(world_next(world, "stubborn", "Running/stopping")->reason_code,
                         "requested");
        ck_assert_str_eq(world_next(world, "stubborn", "Stopped/stopped")->reason_code,
                         "requested");
}
END_TEST

/* A guardian has said that its tree is empty, and goes then. */
static void assert_only_keeper_and_brain(void) {
        pid_t found[8], brain = world_brain(world);
        size_t n = processes_find(world->mark, world->home, found, ELEMENTSOF(found)), n_ours = 0;

        for (size_t i = 0; i < n; i++) {
                _cleanup_close_ int pidfd = -1;

                if (found[i] == brain || found[i] == world->keeper.pid) {
                        n_ours++;
                        continue;
                }
                pidfd = (int) pidfd_open(found[i], 0);
                ck_assert_msg(pidfd < 0 || process_is_gone(pidfd, 20 * USEC_PER_SEC),
                              "Process %d is left", (int) found[i]);
        }
        ck_assert_uint_eq(n_ours, 2);
}

START_TEST(t2_one_whose_main_process_is_gone_is_ended_to_the_last_grandchild) {
        pid_t grandchild;

        /* "always" holds it in backoff, so what is left of the tree goes under that word. */
        world_write_sidecars(world, "'left': {'command': ['@CHILDREN@/stubborn', '0'], 'restart':"
                                    " {'policy': 'always', 'delay': '1m'}}");
        world_run(world);
        (void) world_start(world, "left");
        grandchild = log_await_pid(world, "left", "grandchild ");
        (void) world_next(world, "left", "Starting/backoff");

        world_stop(world, "left");
        ck_assert_int_gt(grandchild, 0);
        assert_only_keeper_and_brain();
}
END_TEST

START_TEST(t1_a_stopped_process_is_continued_and_ends_in_time) {
        int64_t signal_number;
        int pidfd;

        world_write_sidecars(world, "'frozen': {'command': ['sleep', '1000'],"
                                    " 'stop': {'timeout': '50s'}}");
        world_run(world);
        (void) world_start_ready(world, "frozen");
        pidfd = world_open_main(world, "frozen");
        process_signal(pidfd, SIGSTOP);

        /* Within WORLD_PATIENCE only if it was not the timeout that ended it. */
        stop_and_assert_all_gone("frozen", 1);
        signal_number = world_get_number(world, "frozen", "ExitSignal");
        ck_assert_int_eq(signal_number, SIGTERM);
}
END_TEST

START_TEST(t1_the_signal_is_the_manifest_s) {
        world_write_sidecars(world, "'polite': {'command': ['/bin/sh', '-c',"
                                    " 'trap \\'echo interrupted; exit 0\\' INT; echo set;"
                                    " while :; do sleep 0.05; done'],"
                                    " 'stop': {'signal': 'SIGINT'}}");
        world_run(world);
        (void) world_start_ready(world, "polite");
        log_await(world, "polite", "set");
        world_stop(world, "polite");

        log_await(world, "polite", "interrupted");
        ck_assert_int_eq(world_get_number(world, "polite", "ExitCode"), 0);
}
END_TEST

START_TEST(the_option_kill_asks_nobody) {
        world_write_sidecars(world, "'packed': {'command': ['@CHILDREN@/bootloader', 'sleep',"
                                    " '1000'], 'stop': {'timeout': '1m'}}");
        world_run(world);
        (void) world_start_ready(world, "packed");
        (void) world_next(world, "packed", "Running/ready");
        world_ask_to_stop(world, "packed", true);
        (void) world_next(world, "packed", "Stopped/stopped");

        ck_assert_int_eq(world_get_number(world, "packed", "ExitSignal"), SIGKILL);
}
END_TEST

START_TEST(the_option_kill_ends_a_stop_that_takes_its_time) {
        world_write_sidecars(world, "'slow': {'command': ['/bin/sh', '-c', 'trap : TERM; echo set;"
                                    " while :; do sleep 0.05; done'], 'stop': {'timeout': '10m'}}");
        world_run(world);
        (void) world_start_ready(world, "slow");
        log_await(world, "slow", "set");
        world_ask_to_stop(world, "slow", false);
        (void) world_next(world, "slow", "Running/stopping");
        world_ask_to_stop(world, "slow", true);

        (void) world_next(world, "slow", "Stopped/stopped");
        ck_assert_int_eq(world_get_number(world, "slow", "ExitSignal"), SIGKILL);
}
END_TEST

START_TEST(t3_a_process_that_is_not_ours_is_untouched) {
        const char *const argv[] = { "sleep", "1000", NULL };
        char *const environment[] = { (char *) "PATH=/usr/bin:/bin", NULL };
        Process stranger = process_spawn(&(ProcessSpec){ .argv = argv, .envp = environment });

        world_write_sidecars(world, "'same': {'command': ['sleep', '1000']},"
                                    "'stubborn': {'command': ['@CHILDREN@/stubborn'],"
                                    " 'stop': {'timeout': '100ms'}}");
        world_run(world);
        (void) world_start_ready(world, "same");
        (void) world_start_ready(world, "stubborn");
        world_stop(world, "same");
        world_stop(world, "stubborn");
        world_end(world);

        ck_assert(!process_is_gone(stranger.pidfd, 0));
        process_signal(stranger.pidfd, SIGKILL);
        (void) process_reap(&stranger);
}
END_TEST

/* The parent; where cgroups contain, that is the keeper, which has no part in it: -1. */
static int open_guardian(const char *name) {
        char path[64];
        int parent = 0;
        FILE *stat;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat",
                        (int) world_get_number(world, name, "MainPID"));
        stat = fopen(path, "re");
        ck_assert_ptr_nonnull(stat);
        ck_assert_int_eq(fscanf(stat, "%*d (%*[^)]) %*c %d", &parent), 1);
        (void) fclose(stat);
        return parent == world->keeper.pid ? -1 : process_open(parent);
}

START_TEST(d2_a_stop_signal_that_waits_for_a_guardian_outlives_the_brain) {
        _cleanup_close_ int guardian = -1, main_fd = -1;

        world_write_sidecars(world, "'one': {'command': ['sleep', '1000'],"
                                    " 'stop': {'timeout': '10m'}}");
        world_run(world);
        (void) world_start_ready(world, "one");
        main_fd = world_open_main(world, "one");
        guardian = open_guardian("one");

        /* It does not tell the next brain of the main, which that cannot signal before. */
        if (guardian >= 0)
                process_signal(guardian, SIGSTOP);
        world_kill_brain(world);
        world_ask_to_stop(world, "one", false);
        world_kill_brain(world);
        if (guardian >= 0)
                process_signal(guardian, SIGCONT);
        ck_assert_int_ge(world_wait(world, "one", "stopped", NULL), 0);
        ck_assert(process_is_gone(main_fd, 0));
}
END_TEST

START_TEST(x5_a_stop_in_the_middle_of_starting_is_followed_by_no_spawn) {
        uint64_t generation;

        world_write_sidecars(world, "'quiet': {'command': ['sleep', '1000']},"
                                    "'deaf': {'command': ['sleep', '1000'], 'port': 'auto',"
                                    " 'restart': {'delay': '50ms', 'jitter': 0}}");
        world_run(world);
        (void) world_start_ready(world, "quiet");

        /* Once right behind the Start, when it may not even be spawned, and once while probing. */
        (void) world_start(world, "deaf");
        world_stop(world, "deaf");
        ck_assert_str_eq(world_state(world, "deaf"), "Stopped/stopped");
        generation = world_start(world, "deaf");
        /* The first one may have come so far, too. */
        while (world_next(world, "deaf", "Starting/probing")->generation != generation)
                ;
        stop_and_assert_all_gone("deaf", 1);

        let_pass("quiet", 500 * USEC_PER_MSEC);
        ck_assert_str_eq(world_state(world, "deaf"), "Stopped/stopped");
        ck_assert_uint_le(world_count(world, "deaf", "Starting/spawning"), 2);
        ck_assert_uint_eq(world_count(world, "deaf", "Starting/backoff"), 0);
}
END_TEST

START_TEST(x5_a_stop_in_backoff_ends_there) {
        size_t n_before;

        world_write_sidecars(world, "'quiet': {'command': ['sleep', '1000']},"
                                    "'crasher': {'command': ['/bin/sh', '-c', 'exit 3'],"
                                    " 'restart': {'delay': '1s', 'jitter': 0}}");
        world_run(world);
        (void) world_start_ready(world, "quiet");
        /* A machine may run nobody for so long that the backoff is over: then once more. */
        do {
                uint64_t generation;

                n_before = world_count(world, "crasher", "Starting/spawning");
                generation = world_start(world, "crasher");
                while (world_next(world, "crasher", "Starting/backoff")->generation != generation)
                        ;
                world_stop(world, "crasher");
        } while (world_count(world, "crasher", "Starting/spawning") != n_before + 1);
        ck_assert_int_eq(world_get_number(world, "crasher", "NextRestartTimestamp"), 0);

        let_pass("quiet", 1300 * USEC_PER_MSEC);
        ck_assert_str_eq(world_state(world, "crasher"), "Stopped/stopped");
        ck_assert_uint_eq(world_count(world, "crasher", "Starting/spawning"), n_before + 1);
}
END_TEST

START_TEST(a_stop_of_what_failed_makes_it_stopped) {
        world_write_sidecars(world, "'once': {'command': ['/bin/sh', '-c', 'exit 3'],"
                                    " 'restart': 'no'}");
        world_run(world);
        (void) world_start(world, "once");
        (void) world_next(world, "once", "Failed/failed");

        world_stop(world, "once");
        ck_assert_str_eq(world_state(world, "once"), "Stopped/stopped");
}
END_TEST

START_TEST(what_is_down_stays_so) {
        world_write_sidecars(world, "'one': {'command': ['sleep', '1000']}");
        world_run(world);
        world_stop(world, "one");
        ck_assert_uint_eq(world_count(world, "one", "Starting/spawning"), 0);
        ck_assert(startswith(world_state(world, "one"), "Stopped/"));
}
END_TEST

START_TEST(a_start_while_it_stops_is_the_next_generation) {
        uint64_t first, second;

        world_write_sidecars(world,
                             "'slow': {'command': ['/bin/sh', '-c', 'trap : TERM; echo set;"
                             " while :; do sleep 0.05; done'], 'stop': {'timeout': '500ms'}}");
        world_run(world);
        first = world_start_ready(world, "slow");
        (void) world_next(world, "slow", "Running/ready");
        log_await(world, "slow", "set");
        world_ask_to_stop(world, "slow", false);
        second = world_start(world, "slow");

        ck_assert_uint_gt(second, first);
        ck_assert_uint_eq(world_next(world, "slow", "Running/ready")->generation, second);
        world_ask_to_stop(world, "slow", true);
}
END_TEST

START_TEST(restart_is_a_stop_and_a_start) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = sidecar_path("web");
        uint64_t first, second;
        int pidfd;

        world_write_sidecars(world, "'web': {'command': ['@CHILDREN@/http-server', '{port}'],"
                                    " 'port': 'auto'}");
        world_run(world);
        first = world_start_ready(world, "web");
        (void) world_next(world, "web", "Running/ready");
        pidfd = world_open_main(world, "web");

        ck_assert_int_ge(world_call(world, path, "Sidecar", "Restart", NULL, &reply, "a{sv}", 0),
                         0);
        ck_assert_int_gt(sd_bus_message_read(reply, "t", &second), 0);
        ck_assert_uint_gt(second, first);
        ck_assert_uint_eq(world_next(world, "web", "Running/ready")->generation, second);
        ck_assert(process_is_gone(pidfd, 0));
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);
}
END_TEST

TEST_MAIN_TIMEOUT("stop",
                  120,
                  world_setup,
                  world_teardown,
                  t1_a_bootloader_is_asked_alone_and_can_clean_up,
                  t2_a_grandchild_that_ignores_all_and_left_its_session_is_gone_too,
                  t2_status_keeps_its_word_until_the_tree_is_empty,
                  t2_one_whose_main_process_is_gone_is_ended_to_the_last_grandchild,
                  t1_a_stopped_process_is_continued_and_ends_in_time,
                  t1_the_signal_is_the_manifest_s,
                  the_option_kill_asks_nobody,
                  the_option_kill_ends_a_stop_that_takes_its_time,
                  t3_a_process_that_is_not_ours_is_untouched,
                  d2_a_stop_signal_that_waits_for_a_guardian_outlives_the_brain,
                  x5_a_stop_in_the_middle_of_starting_is_followed_by_no_spawn,
                  x5_a_stop_in_backoff_ends_there,
                  a_stop_of_what_failed_makes_it_stopped,
                  what_is_down_stays_so,
                  a_start_while_it_stops_is_the_next_generation,
                  restart_is_a_stop_and_a_start)
