/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Dependencies, from outside: contract X7 and T4. The order is read from the numbers of the
 * changes; what waits for something waits for a file that the test writes.
 */

#include <string.h>

#include "app-calls.h"
#include "log-lines.h"
#include "test.h"

/* A shell program that goes on when the file "go" is there. */
#define UNTIL_GO "until [ -e @DIR@/go ]; do sleep 0.05; done; "

/* Ready with "go", and not before. */
#define GATED(name)                                                                     \
        "'" name "': {'command': ['@CHILDREN@/http-server', '{port}', '--loads-until'," \
        " '@DIR@/go', '/health=200'], 'port': 'auto',"                                  \
        " 'readiness': {'http': {'path': '/health'}, 'interval': '50ms'}}"

#define SLEEPER(name, depends_on) \
        "'" name "': {'command': ['@CHILDREN@/sleeper'], 'dependsOn': {" depends_on "}}"

static void run(const char *sidecars) {
        world_write_sidecars(world, "%s", sidecars);
        world_run(world);
}

static void go(void) {
        world_write_file(world, "go", 0600, "");
}

static void assert_fact(const char *name, const char *fact, const char *expected) {
        _cleanup_free_ char *value = world_fact(world, name, fact);

        ck_assert_ptr_nonnull(value);
        ck_assert_str_eq(value, expected);
}

/* Number of the first change of that sidecar to that state, which is waited for. */
static uint64_t seq_of(const char *name, const char *state) {
        WORLD_AWAIT(world, world_count(world, name, state) > 0);
        for (size_t i = 0; i < world->n_changes; i++)
                if (streq(world->changes[i].name, name) && streq(world->changes[i].state, state))
                        return world->changes[i].seq;

        ck_abort_msg("%s was not %s", name, state);
}

START_TEST(x7_what_needs_another_ready_waits_and_says_for_whom) {
        _cleanup_free_ char *code = NULL, *reason = NULL;

        run(GATED("database") "," SLEEPER("web", "'database': 'ready'"));
        (void) world_start(world, "web");
        (void) world_next(world, "database", "Starting/probing");
        ck_assert_str_eq(world_state(world, "web"), "Starting/waiting");
        code = world_get_text(world, "web", "ReasonCode");
        reason = world_get_text(world, "web", "Reason");
        ck_assert_str_eq(code, "dependency");
        ck_assert_msg(strstr(reason, "database"), "%s", reason);
        assert_fact("web", "name", "database");

        go();
        world_wait_ready(world, "web");
        ck_assert_uint_lt(seq_of("database", "Running/ready"), seq_of("web", "Starting/spawning"));
}
END_TEST

START_TEST(x7_what_needs_another_started_does_not_wait_until_it_is_ready) {
        run(GATED("database") "," SLEEPER("web", "'database': 'started'"));
        (void) world_start_ready(world, "web");
        ck_assert(startswith(world_state(world, "database"), "Starting/"));
        ck_assert_uint_lt(seq_of("database", "Starting/spawning"),
                          seq_of("web", "Starting/spawning"));
        go();
        world_wait_ready(world, "database");
}
END_TEST

START_TEST(x7_what_needs_another_completed_starts_after_its_success) {
        run("'migration': {'command': ['/bin/sh', '-c', '" UNTIL_GO
            "exit 0']}," SLEEPER("web", "'migration': 'completed'"));
        client_hold(world->bus, NULL);
        (void) world_next(world, "migration", "Running/ready");
        ck_assert_str_eq(world_state(world, "web"), "Starting/waiting");
        assert_fact("web", "name", "migration");

        go();
        app_wait_ready(world);
        ck_assert_str_eq(world_state(world, "migration"), "Stopped/exited");
        ck_assert_str_eq(world_state(world, "web"), "Running/ready");
        ck_assert_uint_lt(seq_of("migration", "Stopped/exited"),
                          seq_of("web", "Starting/spawning"));
}
END_TEST

START_TEST(x7_a_migration_that_fails_and_is_tried_again_is_waited_for) {
        run("'migration': {'command': ['/bin/sh', '-c', '[ -e @DIR@/go ]'],"
            " 'restart': {'delay': '100ms', 'factor': 1, 'attempts': 'unlimited'}}," SLEEPER(
                    "web", "'migration': 'completed'"));
        client_hold(world->bus, NULL);
        (void) world_next(world, "migration", "Starting/backoff");
        ck_assert_str_eq(world_state(world, "web"), "Starting/waiting");
        go();
        app_wait_ready(world);
        ck_assert_str_eq(world_state(world, "web"), "Running/ready");
}
END_TEST

START_TEST(x7_what_needs_one_that_failed_for_good_fails_and_names_it) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *reason = NULL;

        run("'migration': {'command': ['/bin/sh', '-c', 'exit 7'], 'restart': 'no'}," SLEEPER(
                "web",
                "'migration': 'completed'") "," SLEEPER("proxy",
                                                        "'web': 'ready'") "," SLEEPER("apart", ""));
        client_hold(world->bus, NULL);
        ck_assert_str_eq(world_next(world, "web", "Failed/failed")->reason_code, "dependency");
        ck_assert_str_eq(world_next(world, "proxy", "Failed/failed")->reason_code, "dependency");
        reason = world_get_text(world, "web", "Reason");
        ck_assert_msg(strstr(reason, "migration"), "%s", reason);
        assert_fact("web", "name", "migration");
        assert_fact("proxy", "name", "web");
        ck_assert_uint_eq(world_count(world, "web", "Starting/spawning"), 0);
        ck_assert_int_lt(world_wait(world, "web", "ready", &error), 0);
        ck_assert_str_eq(error.name, WORLD_ERROR "StartFailed");

        /* One that fails stops no other. */
        world_wait_ready(world, "apart");
}
END_TEST

START_TEST(x7_a_start_after_that_tries_the_dependency_too) {
        run("'migration': {'command': ['/bin/sh', '-c', '[ -e @DIR@/go ]'], 'restart': "
            "'no'}," SLEEPER("web", "'migration': 'completed'"));
        client_hold(world->bus, NULL);
        (void) world_next(world, "web", "Failed/failed");
        go();
        (void) world_start_ready(world, "web");
        ck_assert_str_eq(world_state(world, "migration"), "Stopped/exited");
}
END_TEST

START_TEST(what_needs_nothing_starts_in_parallel) {
        run(GATED("one") "," GATED("two") "," GATED("three") "," SLEEPER(
                "last", "'one': 'ready', 'two': 'ready', 'three': 'ready'"));
        client_hold(world->bus, NULL);
        (void) world_next(world, "one", "Starting/probing");
        (void) world_next(world, "two", "Starting/probing");
        (void) world_next(world, "three", "Starting/probing");
        ck_assert_str_eq(world_state(world, "last"), "Starting/waiting");
        go();
        app_wait_ready(world);
        ck_assert_str_eq(world_state(world, "last"), "Running/ready");
}
END_TEST

START_TEST(start_brings_the_dependencies_of_its_own_up_first) {
        run(SLEEPER("one", "") "," SLEEPER("two", "'one': 'ready'") "," SLEEPER(
                "three", "'two': 'ready'") "," SLEEPER("other", ""));
        (void) world_start_ready(world, "three");
        ck_assert_str_eq(world_state(world, "one"), "Running/ready");
        ck_assert_str_eq(world_state(world, "other"), "Stopped/inactive");
        ck_assert_uint_lt(seq_of("one", "Running/ready"), seq_of("two", "Starting/spawning"));
        ck_assert_uint_lt(seq_of("two", "Running/ready"), seq_of("three", "Starting/spawning"));
}
END_TEST

/* Takes a SIGTERM for an order to end once "go" is there. */
#define SLOW_TO_STOP(name, depends_on)                                                   \
        "'" name "': {'command': ['/bin/sh', '-c', 'trap \\'" UNTIL_GO "exit 0\\' TERM;" \
        " echo set; while :; do sleep 0.05; done'], 'stop': {'timeout': '50s'},"         \
        " 'dependsOn': {" depends_on "}}"

START_TEST(x7_stops_go_the_other_way_round) {
        int database;

        run(SLEEPER("database", "") "," SLOW_TO_STOP("web", "'database': 'ready'"));
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        log_await(world, "web", "set");
        database = world_open_main(world, "database");
        client_release(world->bus);
        (void) world_next(world, "web", "Running/stopping");
        ck_assert(!process_is_gone(database, 300 * USEC_PER_MSEC));

        go();
        ck_assert(process_is_gone(database, WORLD_PATIENCE));
        ck_assert_uint_lt(seq_of("web", "Stopped/stopped"), seq_of("database", "Stopped/stopped"));
}
END_TEST

START_TEST(x7_the_end_of_the_daemon_keeps_the_order_too) {
        _cleanup_free_ char *last_words = NULL;

        /* Each writes its name when it goes. */
        run("'database': {'command': ['/bin/sh', '-c', 'trap \\'echo database >> @DIR@/ends; exit"
            " 0\\' TERM; echo set; while :; do sleep 0.05; done'], 'stop': {'timeout': '30s'}},"
            "'web': {'command': ['/bin/sh', '-c', 'trap \\'sleep 0.5; echo web >> @DIR@/ends;"
            " exit 0\\' TERM; echo set; while :; do sleep 0.05; done'], 'stop': {'timeout': '30s'},"
            " 'dependsOn': {'database': 'ready'}}");
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        log_await(world, "database", "set");
        log_await(world, "web", "set");
        world_end(world);
        last_words = world_read_file(world, "ends");
        ck_assert_str_eq(last_words, "web\ndatabase\n");
}
END_TEST

START_TEST(x7_the_restart_of_a_dependency_does_not_restart_what_needs_it) {
        int database, web;

        run(SLEEPER("database", "") "," SLEEPER("web", "'database': 'ready'"));
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        database = world_open_main(world, "database");
        web = world_open_main(world, "web");
        ck_assert_int_ge(
                app_call(world, "Restart", NULL, NULL, "a{sv}", 1, "sidecars", "as", 1, "database"),
                0);
        ck_assert(process_is_gone(database, WORLD_PATIENCE));
        world_wait_ready(world, "database");

        /* A crash is no other matter. */
        database = (close(database), world_open_main(world, "database"));
        process_signal(database, SIGKILL);
        (void) world_next(world, "database", "Starting/backoff");
        app_wait_ready(world);
        ck_assert(!process_is_gone(web, 0));
        ck_assert_uint_eq(world_count(world, "web", "Starting/spawning"), 1);
}
END_TEST

START_TEST(a_cycle_is_refused_by_name) {
        _cleanup_free_ char *text = NULL;

        run(SLEEPER("one", "'three': 'ready'") "," SLEEPER("two", "'one': 'started'") "," SLEEPER(
                "three", "'two': 'completed'"));
        text = client_hold_in_vain(world->bus, WORLD_APP, WORLD_ERROR "InvalidManifest");
        ck_assert_msg(startswith(text, "/sidecars/"), "%s", text);
        ck_assert_msg(strstr(text, "dependsOn"), "%s", text);
        ck_assert_msg(strstr(text, "one") && strstr(text, "two") && strstr(text, "three"), "%s",
                      text);
}
END_TEST

/* Ignores SIGTERM, so each takes its whole grace. */
#define N_DEAF 40

START_TEST(t4_stopping_many_takes_one_grace_period) {
        _cleanup_free_ char *sidecars = NULL;
        uint64_t asked_at;
        size_t size;
        FILE *out = open_memstream(&sidecars, &size);

        for (size_t i = 0; i < N_DEAF; i++)
                fprintf(out,
                        "%s'deaf%zu': {'command': ['/bin/sh', '-c', 'trap \\'\\' TERM; echo set;"
                        " exec sleep 1000'], 'stop': {'timeout': '1s'}}",
                        i > 0 ? "," : "", i);
        ck_assert_int_eq(fclose(out), 0);
        run(sidecars);
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        for (size_t i = 0; i < N_DEAF; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "deaf%zu", i);
                log_await(world, name, "set");
        }

        asked_at = clock_monotonic_usec();
        app_stop(world);
        ck_assert_int_ge(app_wait(world, "stopped", NULL), 0);
        /* Two seconds each; half of the time that one after the other would take. */
        ck_assert_uint_lt(clock_monotonic_usec() - asked_at, N_DEAF * USEC_PER_SEC);
}
END_TEST

TEST_MAIN_TIMEOUT("depends",
                  120,
                  world_setup,
                  world_teardown,
                  x7_what_needs_another_ready_waits_and_says_for_whom,
                  x7_what_needs_another_started_does_not_wait_until_it_is_ready,
                  x7_what_needs_another_completed_starts_after_its_success,
                  x7_a_migration_that_fails_and_is_tried_again_is_waited_for,
                  x7_what_needs_one_that_failed_for_good_fails_and_names_it,
                  x7_a_start_after_that_tries_the_dependency_too,
                  what_needs_nothing_starts_in_parallel,
                  start_brings_the_dependencies_of_its_own_up_first,
                  x7_stops_go_the_other_way_round,
                  x7_the_end_of_the_daemon_keeps_the_order_too,
                  x7_the_restart_of_a_dependency_does_not_restart_what_needs_it,
                  a_cycle_is_refused_by_name,
                  t4_stopping_many_takes_one_grace_period)
