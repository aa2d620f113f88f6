/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What sidecars say, from outside: sd_notify(3) and lines of log (contract R5, R6, L3), by
 * systemd-notify(1) in shells; and the secret that they share with their app (S6, P3).
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <systemd/sd-daemon.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

/*
 * Says what it is told to by a signal, and only then. systemd-notify(1) waits five seconds to be
 * heard, and who is not there any more is heard by nobody: so it is said again.
 */
static const char talker[] = "#!/bin/sh\n"
                             "trap 'until systemd-notify --ready --status=\"all is there\"; do"
                             " :; done' USR1\n"
                             "echo \"socket $NOTIFY_SOCKET\"\n"
                             "echo \"usec ${WATCHDOG_USEC:-none}.\"\n"
                             "while :; do sleep 0.1; done\n";

static char *notify_socket(void) {
        char *line = log_find(world, "web", "socket /"), *path = strdup(line + strlen("socket "));

        free(line);
        return path;
}

/*
 * Runs it up to Starting/probing, and answers the pidfd of its main process. What it has failed of
 * is told for as long as its restart is to come.
 */
static int run_talker(const char *keys) {
        world_write_file(world, "talker", 0755, talker);
        world_write_sidecars(world,
                             "'web': {'command': ['@DIR@/talker'], 'readiness': {'notify': true},"
                             " 'startTimeout': '1m', 'restart': {'delay': '1m', 'jitter': 0}%s}",
                             keys);
        world_run(world);
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Starting/probing");
        log_await(world, "web", "usec ");
        return world_open_main(world, "web");
}

START_TEST(r6_it_is_ready_when_it_says_so) {
        _cleanup_close_ int main_fd = run_talker("");
        _cleanup_free_ char *text = NULL;
        int64_t ready;

        process_signal(main_fd, SIGUSR1);
        (void) world_next(world, "web", "Running/ready");
        ready = world_get_number(world, "web", "ReadyTimestamp");
        ck_assert_int_gt(ready, 0);
        text = world_get_text(world, "web", "StatusText");
        ck_assert_str_eq(text, "all is there");
}
END_TEST

static int note_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_) {
        *(sd_bus_message **) userdata = sd_bus_message_ref(reply);
        return 0;
}

START_TEST(r6_who_waits_for_it_is_answered_with_the_state_that_goes_with_its_words) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_close_ int main_fd = run_talker("");
        _cleanup_free_ char *path = sidecar_path("web");
        const char *status;

        ck_assert_int_ge(sd_bus_call_method_async(world->bus, NULL, WORLD_BUS_NAME, path,
                                                  WORLD_BUS_NAME ".Sidecar", "Wait", note_reply,
                                                  &reply, "stt", "ready", UINT64_C(0),
                                                  20 * USEC_PER_SEC),
                         0);
        /* It is answered after the call above, so that one waits. */
        ck_assert_int_eq(world_get_number(world, "web", "ReadyTimestamp"), 0);
        ck_assert_ptr_null(reply);

        /* READY=1 and STATUS= come in one message. */
        process_signal(main_fd, SIGUSR1);
        WORLD_AWAIT(world, reply);
        ck_assert_int_gt(sd_bus_message_read(reply, "s", &status), 0);
        ck_assert_str_eq(status, "Running");
}
END_TEST

/* The barrier says that the brain has read what came before it. */
START_TEST(r6_a_stranger_is_not_heard) {
        _cleanup_close_ int main_fd = run_talker("");
        _cleanup_free_ char *path = notify_socket(), *text = NULL;

        ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
        ck_assert_int_gt(sd_notify(0, "READY=1\nSTATUS=forged\nWATCHDOG=trigger"), 0);
        ck_assert_int_gt(sd_notify_barrier(0, WORLD_PATIENCE), 0);
        ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
        ck_assert_str_eq(world_state(world, "web"), "Starting/probing");
        text = world_get_text(world, "web", "StatusText");
        ck_assert_str_eq(text, "");

        process_signal(main_fd, SIGUSR1);
        (void) world_next(world, "web", "Running/ready");
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);
}
END_TEST

START_TEST(d2_what_it_says_while_no_brain_runs_is_heard_by_the_next) {
        _cleanup_close_ int main_fd = run_talker(""), brain = process_open(world_brain(world));
        _cleanup_free_ char *former = strdup(world->owner), *text = NULL;

        process_signal(brain, SIGSTOP);
        process_signal(main_fd, SIGUSR1);
        /* systemd-notify waits for the barrier, so the message is in the socket before it ends. */
        ck_assert(!process_is_gone(main_fd, USEC_PER_SEC));
        process_signal(brain, SIGKILL);
        WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));
        (void) world_next(world, "web", "Running/ready");
        text = world_get_text(world, "web", "StatusText");
        ck_assert_str_eq(text, "all is there");
        ck_assert_uint_eq(world_count(world, "web", "Starting/spawning"), 1);
}
END_TEST

START_TEST(the_socket_goes_with_its_generation) {
        _cleanup_free_ char *path = NULL;

        (void) close(run_talker(""));
        path = notify_socket();
        ck_assert_int_eq(access(path, F_OK), 0);
        world_stop(world, "web");
        ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(l3_a_watchdog_that_is_not_fed_is_a_failure) {
        _cleanup_close_ int main_fd = run_talker(", 'watchdog': '700ms'");
        _cleanup_free_ char *reason = NULL;
        const Change *failure;

        log_await(world, "web", "usec 700000.");
        process_signal(main_fd, SIGUSR1);
        (void) world_next(world, "web", "Running/ready");
        failure = world_next(world, "web", "Starting/backoff");
        ck_assert_str_eq(failure->reason_code, "watchdog");
        reason = world_get_text(world, "web", "Reason");
        ck_assert_msg(strstr(reason, "watchdog within 700 ms"), "Reason: %s", reason);
        world_stop(world, "web");
}
END_TEST

START_TEST(l3_one_that_is_fed_stays_and_one_that_is_pulled_does_not) {
        const Change *failure;

        world_write_file(world, "fed", 0755,
                         "#!/bin/sh\n"
                         "systemd-notify --ready\n"
                         "i=0; while [ $i -lt 5 ]; do\n"
                         "  systemd-notify WATCHDOG=1; sleep 0.5; i=$((i + 1))\n"
                         "done\n"
                         "echo fed; systemd-notify WATCHDOG=trigger; sleep 1000\n");
        world_write_sidecars(world, "'web': {'command': ['@DIR@/fed'], 'readiness': {'notify':"
                                    " true}, 'watchdog': '30s', 'restart': 'no'}");
        world_run(world);
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Running/ready");
        failure = world_next(world, "web", "Failed/failed");
        ck_assert_str_eq(failure->reason_code, "watchdog");
        log_await(world, "web", "fed");
}
END_TEST

START_TEST(r5_who_asks_for_more_time_gets_it) {
        world_write_file(world, "slow", 0755,
                         "#!/bin/sh\n"
                         "systemd-notify EXTEND_TIMEOUT_USEC=60000000\n"
                         "sleep 9; systemd-notify --ready; exec sleep 1000\n");
        world_write_sidecars(world, "'web': {'command': ['@DIR@/slow'], 'readiness': {'notify':"
                                    " true}, 'startTimeout': '8s', 'restart': 'no'}");
        world_run(world);
        (void) world_start_ready(world, "web");
}
END_TEST

START_TEST(x2_who_ends_without_a_word_was_never_ready) {
        const Change *failure;

        world_write_sidecars(world, "'web': {'command': ['true'], 'readiness': {'notify': true},"
                                    " 'restart': 'no'}");
        world_run(world);
        (void) world_start(world, "web");
        failure = world_next(world, "web", "Failed/failed");
        ck_assert_str_eq(failure->reason_code, "exit-code");
        ck_assert_uint_eq(world_count(world, "web", "Running/ready"), 0);
}
END_TEST

START_TEST(r6_a_line_of_the_right_stream_says_that_it_is_ready) {
        world_write_file(world, "lines", 0755,
                         "#!/bin/sh\n"
                         "echo 'listening on 1'; echo 'not yet' >&2\n"
                         "trap 'echo \"listening on 2\" >&2' USR1\n"
                         "echo trapped; while :; do sleep 0.1; done\n");
        world_write_sidecars(world, "'web': {'command': ['@DIR@/lines'], 'readiness': {'log':"
                                    " {'pattern': '^listening on [0-9]+$', 'stream': 'stderr'}}}");
        world_run(world);
        (void) world_start(world, "web");
        /* What it writes may be read before it is told that it runs. */
        (void) world_next(world, "web", "Starting/probing");
        log_await(world, "web", "trapped");
        ck_assert_str_eq(world_state(world, "web"), "Starting/probing");
        process_signal(world_open_main(world, "web"), SIGUSR1);
        (void) world_next(world, "web", "Running/ready");
}
END_TEST

START_TEST(r6_a_pattern_that_takes_too_long_is_told_in_the_reason) {
        _cleanup_free_ char *message = NULL;

        world_write_file(world, "long", 0755,
                         "#!/bin/sh\n"
                         "head -c 4000 /dev/zero | tr '\\0' a; echo; echo y; exec sleep 1000\n");
        world_write_sidecars(world, "'web': {'command': ['@DIR@/long'], 'readiness': {'log':"
                                    " {'pattern': '(?:a?){9}[xy]'}}, 'startTimeout': '6s',"
                                    " 'restart': 'no'}");
        world_run(world);
        message = world_start_in_vain(world, "web", WORLD_ERROR "StartFailed");
        ck_assert_msg(strstr(message, "within 6s: its log pattern takes too long"), "%s", message);
}
END_TEST

static char *get_token(void) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = sidecar_path("web");
        const char *key, *value;
        char *token = NULL;

        ck_assert_int_ge(world_call(world, path, "Sidecar", "GetEndpoint", NULL, &reply, ""), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                ck_assert_int_gt(sd_bus_message_read(reply, "s", &key), 0);
                if (streq(key, "token")) {
                        ck_assert_int_gt(sd_bus_message_read(reply, "v", "s", &value), 0);
                        token = strdup(value);
                } else
                        ck_assert_int_gt(sd_bus_message_skip(reply, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }

        ck_assert_ptr_nonnull(token);
        ck_assert_uint_eq(strlen(token), 64);
        ck_assert_uint_eq(strspn(token, "0123456789abcdef"), 64);
        return token;
}

static void assert_token_is(const char *wanted) {
        _cleanup_free_ char *token = get_token();

        ck_assert_str_eq(token, wanted);
}

START_TEST(p3_a_token_stays_over_restarts_and_brains_and_is_shown_to_nobody) {
        _cleanup_free_ char *token = NULL, *next = NULL, *manifest = NULL, *line = NULL;
        _cleanup_free_ char *former = NULL;
        struct stat st;

        world_write_file(world, "keeper-of-secrets", 0755,
                         "#!/bin/sh\n"
                         "[ \"$(cat \"$1\")\" = \"$SECRET\" ] && echo \"same $1\"\n"
                         "exec sleep 1000\n");
        world_write_sidecars(world, "'web': {'command': ['@DIR@/keeper-of-secrets', '{tokenFile}'],"
                                    " 'env': {'SECRET': '{token}'}, 'readiness': {'log':"
                                    " {'pattern': '^same /'}}, 'restart': {'delay': '50ms'}}");
        world_run(world);
        ck_assert_int_ge(
                sd_bus_set_property(world->bus, WORLD_BUS_NAME, "/org/freedesktop/LogControl1",
                                    "org.freedesktop.LogControl1", "LogLevel", NULL, "s", "debug"),
                0);
        (void) world_start_ready(world, "web");
        (void) world_next(world, "web", "Running/ready");
        token = get_token();
        line = log_find(world, "web", "same /");
        ck_assert_int_eq(stat(line + strlen("same "), &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0400);

        process_signal(world_open_main(world, "web"), SIGKILL);
        (void) world_next(world, "web", "Starting/backoff");
        (void) world_next(world, "web", "Running/ready");
        assert_token_is(token);

        former = strdup(world->owner);
        process_signal(process_open(world_brain(world)), SIGKILL);
        WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));
        assert_token_is(token);

        manifest = world_get_text(world, "web", "EffectiveManifest");
        ck_assert_ptr_null(strstr(manifest, token));
        ck_assert(!world_has_logged(world, token));

        world_stop(world, "web");
        ck_assert_int_eq(stat(line + strlen("same "), &st), -1);
        (void) world_start_ready(world, "web");
        next = get_token();
        ck_assert_str_ne(next, token);
}
END_TEST

TEST_MAIN_TIMEOUT("notify",
                  120,
                  world_setup,
                  world_teardown,
                  r6_it_is_ready_when_it_says_so,
                  r6_who_waits_for_it_is_answered_with_the_state_that_goes_with_its_words,
                  r6_a_stranger_is_not_heard,
                  d2_what_it_says_while_no_brain_runs_is_heard_by_the_next,
                  the_socket_goes_with_its_generation,
                  l3_a_watchdog_that_is_not_fed_is_a_failure,
                  l3_one_that_is_fed_stays_and_one_that_is_pulled_does_not,
                  r5_who_asks_for_more_time_gets_it,
                  x2_who_ends_without_a_word_was_never_ready,
                  r6_a_line_of_the_right_stream_says_that_it_is_ready,
                  r6_a_pattern_that_takes_too_long_is_told_in_the_reason,
                  p3_a_token_stays_over_restarts_and_brains_and_is_shown_to_nobody)
