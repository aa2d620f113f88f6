/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Exit and restart, from outside: contract X1 to X4 and X6; X5 is in test-stop.c.
 */

#include <string.h>
#include <sys/pidfd.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

START_TEST(a_killed_one_says_why_and_comes_back_by_itself) {
        _cleanup_free_ char *reason = NULL, *code = NULL;
        uint64_t first, second;
        const Change *change;
        int pidfd;

        /* What is told of the death is told for as long as the restart is to come. */
        world_write_sidecars(world, "'web': {'command': ['@CHILDREN@/http-server', '{port}',"
                                    " '/health=200'], 'port': 'auto', 'readiness': {'http': {}},"
                                    " 'restart': {'delay': '6s'}}");
        world_run(world);
        first = world_start_ready(world, "web");
        (void) world_next(world, "web", "Running/ready");
        pidfd = world_open_main(world, "web");

        process_signal(pidfd, SIGKILL);
        change = world_next(world, "web", "Starting/backoff");
        reason = world_get_text(world, "web", "Reason");
        code = world_fact(world, "web", "signal");
        ck_assert_str_eq(change->reason_code, "signal");
        ck_assert_uint_eq(change->generation, first);
        ck_assert_msg(strstr(reason, "SIGKILL"), "Reason: %s", reason);
        ck_assert_ptr_nonnull(code);
        ck_assert_str_eq(code, "9");
        ck_assert_int_gt(world_get_number(world, "web", "NextRestartTimestamp"), 0);
        ck_assert_int_eq(world_get_number(world, "web", "ExitSignal"), SIGKILL);
        ck_assert_int_eq(world_get_number(world, "web", "ExitCode"), -1);

        second = world_next(world, "web", "Running/ready")->generation;
        ck_assert_uint_gt(second, first);
        ck_assert(process_is_gone(pidfd, 0));
        ck_assert(!process_is_gone(world_open_main(world, "web"), 0));
        ck_assert_int_eq(world_get_number(world, "web", "NRestarts"), 1);
        ck_assert_int_eq(world_get_number(world, "web", "NextRestartTimestamp"), 0);
}
END_TEST

/* A change of status as GetEvents tells it, by the daemon's clock. */
typedef struct Told {
        char sub_state[16];
        uint64_t realtime_usec;
        uint64_t retry_at; /* 0: it is none that is followed by a restart */
} Told;

static void read_told(sd_bus_message *reply, Told *told) {
        const char *key, *text;

        *told = (Told){ 0 };
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                ck_assert_int_gt(sd_bus_message_read(reply, "s", &key), 0);
                if (streq(key, "sub-state")) {
                        ck_assert_int_gt(sd_bus_message_read(reply, "v", "s", &text), 0);
                        (void) snprintf(told->sub_state, sizeof(told->sub_state), "%s", text);
                } else if (streq(key, "realtime-usec"))
                        ck_assert_int_gt(sd_bus_message_read(reply, "v", "t", &told->realtime_usec),
                                         0);
                else if (streq(key, "retry-at"))
                        ck_assert_int_gt(sd_bus_message_read(reply, "v", "t", &told->retry_at), 0);
                else
                        ck_assert_int_gt(sd_bus_message_skip(reply, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
}

/* All of the only sidecar's, oldest first; answers their number. */
static size_t list_told(Told *told, size_t max) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        size_t n = 0;

        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "GetEvents", NULL, &reply,
                                    "ta{sv}", UINT64_C(0), 1, "types", "as", 1, "status"),
                         0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'a', "{sv}") > 0) {
                ck_assert_uint_lt(n, max);
                read_told(reply, &told[n++]);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        return n;
}

/* Failed for good after so many restarts in a row. */
static void assert_crash_loop(const char *name, const char *attempts) {
        _cleanup_free_ char *fact = NULL, *reason = NULL, *code = NULL;
        const Change *change = world_next(world, name, "Failed/failed");

        ck_assert_str_eq(change->reason_code, "crash-loop");
        fact = world_fact(world, name, "attempts");
        reason = world_get_text(world, name, "Reason");
        code = world_get_text(world, name, "ReasonCode");
        ck_assert_ptr_nonnull(fact);
        ck_assert_str_eq(fact, attempts);
        ck_assert_str_eq(code, "crash-loop");
        ck_assert_msg(strstr(reason, "exited with code 3"), "Reason: %s", reason);
        ck_assert_int_eq(world_get_number(world, name, "NextRestartTimestamp"), 0);
        ck_assert_int_eq(world_get_number(world, name, "ExitCode"), 3);
}

START_TEST(x4_six_failures_in_a_row_wait_longer_each_time_and_then_give_up) {
        static const double seconds[] = { 0.5, 1, 2, 4, 8 };
        Told told[32];
        size_t n_told, n_backoffs = 0;
        uint64_t retry_at = 0;
        int64_t shown;

        world_write_sidecars(world, "'crasher': {'command': ['/bin/sh', '-c', 'exit 3']}");
        world_run(world);
        (void) world_start(world, "crasher");

        for (size_t i = 0; i < ELEMENTSOF(seconds); i++) {
                const Change *change = world_next(world, "crasher", "Starting/backoff");

                ck_assert_str_eq(change->reason_code, "exit-code");
        }
        /* In the eight seconds of the last one. */
        shown = world_get_number(world, "crasher", "NextRestartTimestamp");

        assert_crash_loop("crasher", "5");
        n_told = list_told(told, ELEMENTSOF(told));
        for (size_t i = 1; i < n_told; i++) {
                double wanted, after_news, after_life;

                if (!streq(told[i].sub_state, "backoff"))
                        continue;
                ck_assert_uint_lt(n_backoffs, ELEMENTSOF(seconds));
                wanted = seconds[n_backoffs++];
                retry_at = told[i].retry_at;
                after_news = (double) retry_at - (double) told[i].realtime_usec;
                after_life = (double) retry_at - (double) told[i - 1].realtime_usec;
                /* From the exit on, which is between these two: 10 % of jitter, and the clocks. */
                ck_assert_msg(after_news < (wanted * 1.1 + 0.02) * USEC_PER_SEC &&
                                      after_life > (wanted * 0.9 - 0.02) * USEC_PER_SEC,
                              "Delay %zu is %.0f to %.0f us, not %.1f s", n_backoffs, after_news,
                              after_life, wanted);
        }
        ck_assert_uint_eq(n_backoffs, ELEMENTSOF(seconds));
        ck_assert_int_eq(shown, (int64_t) retry_at);
        ck_assert_uint_eq(world_count(world, "crasher", "Starting/backoff"), 5);
        ck_assert_int_eq(world_get_number(world, "crasher", "NRestarts"), 5);
}
END_TEST

START_TEST(x3_delays_grow_as_the_manifest_says_up_to_the_greatest) {
        static const uint64_t milliseconds[] = { 100, 300, 400, 400 };
        Told told[32];
        size_t n_told, n_backoffs = 0;

        world_write_sidecars(world,
                             "'crasher': {'command': ['/bin/sh', '-c', 'exit 3'], 'restart':"
                             " {'delay': '100ms', 'factor': 3, 'maxDelay': '400ms', 'jitter': 0,"
                             " 'attempts': 4}}");
        world_run(world);
        (void) world_start(world, "crasher");

        assert_crash_loop("crasher", "4");
        n_told = list_told(told, ELEMENTSOF(told));
        for (size_t i = 1; i + 1 < n_told; i++) {
                if (!streq(told[i].sub_state, "backoff"))
                        continue;
                ck_assert_uint_lt(n_backoffs, ELEMENTSOF(milliseconds));
                ck_assert_str_eq(told[i + 1].sub_state, "spawning");
                /* Never earlier; how much later is the machine's affair, as is the exit's age. */
                ck_assert_uint_ge(told[i + 1].realtime_usec + 20 * USEC_PER_MSEC,
                                  told[i - 1].realtime_usec +
                                          milliseconds[n_backoffs++] * USEC_PER_MSEC);
        }
        ck_assert_uint_eq(n_backoffs, ELEMENTSOF(milliseconds));
}
END_TEST

START_TEST(x3_the_count_starts_over_with_a_start) {
        world_write_sidecars(world, "'crasher': {'command': ['/bin/sh', '-c', 'exit 3'], 'restart':"
                                    " {'delay': '50ms', 'factor': 1, 'attempts': 2}}");
        world_run(world);

        for (int round = 0; round < 2; round++) {
                (void) world_start(world, "crasher");
                assert_crash_loop("crasher", "2");
                ck_assert_int_eq(world_get_number(world, "crasher", "NRestarts"), 2);
        }
        ck_assert_uint_eq(world_count(world, "crasher", "Starting/backoff"), 4);
}
END_TEST

START_TEST(x3_the_count_starts_over_after_a_while_of_running) {
        world_write_sidecars(world, "'faller': {'command': ['/bin/sh', '-c', 'until [ -e"
                                    " @DIR@/fall ]; do sleep 0.02; done; rm @DIR@/fall; exit 3'],"
                                    " 'restart': {'delay': '50ms', 'factor': 1, 'attempts': 1,"
                                    " 'resetAfter': '200ms'}}");
        world_run(world);
        (void) world_start(world, "faller");

        for (int round = 0; round < 3; round++) {
                _cleanup_close_ int main_fd = -1;

                (void) world_next(world, "faller", "Running/ready");
                main_fd = world_open_main(world, "faller");
                ck_assert(!process_is_gone(main_fd, 250 * USEC_PER_MSEC));
                world_write_file(world, "fall", 0600, "");
                (void) world_next(world, "faller", "Starting/backoff");
        }
        ck_assert_uint_eq(world_count(world, "faller", "Failed/failed"), 0);
        world_stop(world, "faller");
}
END_TEST

START_TEST(x2_a_success_is_no_failure_unless_the_policy_is_always) {
        world_write_sidecars(world, "'done': {'command': ['true']},"
                                    "'seven': {'command': ['/bin/sh', '-c', 'exit 7'],"
                                    " 'restart': {'successExitCodes': [0, 7]}},"
                                    "'again': {'command': ['true'],"
                                    " 'restart': {'policy': 'always', 'delay': '50ms'}}");
        world_run(world);

        (void) world_start(world, "done");
        (void) world_next(world, "done", "Stopped/exited");
        ck_assert_int_eq(world_get_number(world, "done", "ExitCode"), 0);
        ck_assert_uint_eq(world_count(world, "done", "Starting/backoff"), 0);

        (void) world_start(world, "seven");
        (void) world_next(world, "seven", "Stopped/exited");
        ck_assert_int_eq(world_get_number(world, "seven", "ExitCode"), 7);

        (void) world_start(world, "again");
        (void) world_next(world, "again", "Starting/backoff");
        (void) world_next(world, "again", "Running/ready");
        world_stop(world, "again");
}
END_TEST

START_TEST(x2_policy_no_leaves_a_failure_failed) {
        const Change *change;

        world_write_sidecars(world, "'once': {'command': ['/bin/sh', '-c', 'exit 3'],"
                                    " 'restart': 'no'}");
        world_run(world);
        (void) world_start(world, "once");
        change = world_next(world, "once", "Failed/failed");

        ck_assert_str_eq(change->reason_code, "exit-code");
        ck_assert_uint_eq(world_count(world, "once", "Starting/backoff"), 0);
}
END_TEST

/* X1, X6: the main process of stubborn.c exits, and its grandchild holds the pipe for ever. */
START_TEST(x1_x6_a_held_pipe_delays_no_news_and_leftovers_are_gone_before_the_next_start) {
        pid_t grandchild;
        int pidfd;

        world_write_sidecars(world, "'left': {'command': ['@CHILDREN@/stubborn', '3'], 'restart':"
                                    " {'delay': '2s', 'jitter': 0}}");
        world_run(world);
        (void) world_start(world, "left");
        (void) world_next(world, "left", "Starting/backoff");
        ck_assert_int_eq(world_get_number(world, "left", "ExitCode"), 3);
        grandchild = log_await_pid(world, "left", "grandchild ");
        /* -1: it has been ended already, and reaped. */
        pidfd = (int) pidfd_open(grandchild, 0);

        (void) world_next(world, "left", "Starting/spawning");
        ck_assert(pidfd < 0 || process_is_gone(pidfd, 0));
        world_stop(world, "left");
}
END_TEST

START_TEST(wait_stays_alive_over_a_backoff_and_answers_when_it_is_ready) {
        uint64_t first;

        world_write_sidecars(world, "'web': {'command': ['@CHILDREN@/http-server', '{port}'],"
                                    " 'port': 'auto', 'restart': {'delay': '300ms'}}");
        world_run(world);
        first = world_start_ready(world, "web");
        process_signal(world_open_main(world, "web"), SIGKILL);
        (void) world_next(world, "web", "Starting/backoff");

        world_wait_ready(world, "web");
        ck_assert_int_gt(world_get_number(world, "web", "Generation"), (int64_t) first);
}
END_TEST

TEST_MAIN_TIMEOUT("restart",
                  120,
                  world_setup,
                  world_teardown,
                  a_killed_one_says_why_and_comes_back_by_itself,
                  x4_six_failures_in_a_row_wait_longer_each_time_and_then_give_up,
                  x3_delays_grow_as_the_manifest_says_up_to_the_greatest,
                  x3_the_count_starts_over_with_a_start,
                  x3_the_count_starts_over_after_a_while_of_running,
                  x2_a_success_is_no_failure_unless_the_policy_is_always,
                  x2_policy_no_leaves_a_failure_failed,
                  x1_x6_a_held_pipe_delays_no_news_and_leftovers_are_gone_before_the_next_start,
                  wait_stays_alive_over_a_backoff_and_answers_when_it_is_ready)
