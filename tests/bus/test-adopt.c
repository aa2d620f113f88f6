/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the death of a brain changes: nothing (contract D2), what an upgrade and a lost bus change:
 * nothing either (D4, D5), and what becomes of a brain that keeps failing.
 *
 * A brain that is stopped before it is killed has not heard of what happened meanwhile: that is
 * how "while there was no brain" is played here without luck.
 */

#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app-calls.h"
#include "log-lines.h"
#include "test.h"

#define SLEEPER "{'command': ['sleep', '1000']}"

/* As often as the issue asks for where SIDECARD_TEST_LONG is set, a few times elsewhere. */
static int n_rounds(int few, int many) {
        return getenv("SIDECARD_TEST_LONG") ? many : few;
}

static void await_next_brain(const char *former) {
        WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));
}

/* Ends it by that signal, and waits for the next. */
static void end_brain(int signal_number) {
        _cleanup_free_ char *former = strdup(world->owner);
        _cleanup_close_ int pidfd = process_open(world_brain(world));

        process_signal(pidfd, signal_number);
        await_next_brain(former);
}

static void kill_brain(void) {
        end_brain(SIGKILL);
}

/* How it stands with a sidecar: who it is, not only how it is. */
typedef struct Standing {
        char state[64];
        int64_t pid, generation, n_restarts, since;
} Standing;

static Standing standing(const char *name) {
        Standing s = {
                .pid = world_get_number(world, name, "MainPID"),
                .generation = world_get_number(world, name, "Generation"),
                .n_restarts = world_get_number(world, name, "NRestarts"),
                .since = world_get_number(world, name, "StateChangeTimestamp"),
        };

        (void) snprintf(s.state, sizeof(s.state), "%s", world_state(world, name));
        return s;
}

static void assert_same(Standing before, Standing after) {
        ck_assert_str_eq(before.state, after.state);
        ck_assert_int_eq(before.pid, after.pid);
        ck_assert_int_eq(before.generation, after.generation);
        ck_assert_int_eq(before.n_restarts, after.n_restarts);
        ck_assert_int_eq(before.since, after.since);
}

START_TEST(d2_a_killed_brain_changes_nothing) {
        Standing web, idle, down;

        world_write_sidecars(world, "'web': {'command': ['@CHILDREN@/http-server', '{port}'],"
                                    " 'port': 'auto'},"
                                    "'idle': " SLEEPER ", 'down': " SLEEPER);
        world_run(world);
        (void) world_start_ready(world, "web");
        (void) world_start_ready(world, "idle");
        (void) world_start_ready(world, "down");
        world_stop(world, "down");
        web = standing("web");
        idle = standing("idle");
        down = standing("down");

        for (int round = 0; round < 5; round++) {
                uint16_t port = world_get_port(world, "web", "http");

                kill_brain();
                assert_same(web, standing("web"));
                assert_same(idle, standing("idle"));
                assert_same(down, standing("down"));
                ck_assert_uint_eq(world_get_port(world, "web", "http"), port);
        }
}
END_TEST

START_TEST(d2_a_start_under_way_comes_to_its_end) {
        Standing before, after;

        world_write_sidecars(world,
                             "'slow': {'command': ['/bin/sh', '-c', 'while ! [ -e @DIR@/go ]; do"
                             " sleep 0.02; done; exec @CHILDREN@/http-server {port}'],"
                             " 'port': 'auto'}");
        world_run(world);
        (void) world_start(world, "slow");
        (void) world_next(world, "slow", "Starting/probing");
        before = standing("slow");
        kill_brain();
        world_write_file(world, "go", 0644, "");
        world_wait_ready(world, "slow");
        after = standing("slow");
        ck_assert_int_eq(before.pid, after.pid);
        ck_assert_int_eq(before.generation, after.generation);
}
END_TEST

static bool is_to_come(int64_t moment) {
        return (int64_t) clock_realtime_usec() < moment;
}

/* A brain may not be back before the moment; each comes twice as late as the one before it. */
START_TEST(d2_a_restart_that_is_to_come_keeps_its_moment_and_its_count) {
        int64_t moment, kept, n_restarts;
        bool is_well_in_time;

        world_write_sidecars(world,
                             "'crasher': {'command': ['/bin/sh', '-c', 'test -e @DIR@/well && exec"
                             " sleep 1000; exit 3'], 'restart': {'delay': '1s', 'jitter': 0,"
                             " 'maxDelay': '1m', 'attempts': 'unlimited'}}");
        world_run(world);
        (void) world_start(world, "crasher");
        do {
                WORLD_AWAIT(world, streq(world_state(world, "crasher"), "Starting/backoff"));
                moment = world_get_number(world, "crasher", "NextRestartTimestamp");
                n_restarts = world_get_number(world, "crasher", "NRestarts");
                kill_brain();
                kept = world_get_number(world, "crasher", "NextRestartTimestamp");
        } while (!is_to_come(moment));

        ck_assert_int_eq(kept, moment);
        world_write_file(world, "well", 0644, "");
        is_well_in_time = is_to_come(moment);
        world_wait_ready(world, "crasher");
        if (is_well_in_time)
                ck_assert_int_eq(world_get_number(world, "crasher", "NRestarts"), n_restarts);
        ck_assert_int_ge(world_get_number(world, "crasher", "ReadyTimestamp"), moment);
}
END_TEST

START_TEST(d2_attempts_are_counted_over_deaths) {
        world_write_sidecars(world, "'crasher': {'command': ['/bin/sh', '-c', 'exit 3'], 'restart':"
                                    " {'delay': '200ms', 'factor': 1, 'jitter': 0,"
                                    " 'attempts': 4}}");
        world_run(world);
        (void) world_start(world, "crasher");
        for (int round = 0; round < 3; round++)
                kill_brain();
        WORLD_AWAIT(world, streq(world_state(world, "crasher"), "Failed/failed"));
        ck_assert_int_eq(world_get_number(world, "crasher", "NRestarts"), 4);
}
END_TEST

/* How many events tell of an exit of that sidecar with that code; the numbers have no gap. */
static unsigned count_exits(const char *name, int code) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t expected = 0;
        unsigned n = 0;

        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "GetEvents", NULL, &reply,
                                    "ta{sv}", UINT64_C(0), 0),
                         0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'a', "{sv}") > 0) {
                const char *key, *sidecar = "", *text;
                uint64_t seq = 0;
                int exit_code = -1;

                while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                        ck_assert_int_gt(sd_bus_message_read(reply, "s", &key), 0);
                        if (streq(key, "seq"))
                                ck_assert_int_gt(sd_bus_message_read(reply, "v", "t", &seq), 0);
                        else if (streq(key, "exit-code"))
                                ck_assert_int_gt(sd_bus_message_read(reply, "v", "i", &exit_code),
                                                 0);
                        else if (streq(key, "sidecar")) {
                                ck_assert_int_gt(sd_bus_message_read(reply, "v", "s", &text), 0);
                                sidecar = text;
                        } else
                                ck_assert_int_ge(sd_bus_message_skip(reply, "v"), 0);
                        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                }
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                ck_assert_msg(expected == 0 || seq == expected, "%" PRIu64 " instead of %" PRIu64,
                              seq, expected);
                expected = seq + 1;
                n += streq(sidecar, name) && exit_code == code;
        }
        return n;
}

START_TEST(d2_an_exit_while_there_is_no_brain_is_told_once_and_rightly) {
        _cleanup_close_ int brain = -1, main_pidfd = -1;
        _cleanup_free_ char *former = NULL;

        world_write_sidecars(world, "'one': {'command': ['/bin/sh', '-c', 'trap \\'exit 42\\' USR1;"
                                    " echo set; while :; do sleep 0.02; done'],"
                                    " 'restart': {'policy': 'no'}}");
        world_run(world);
        (void) world_start_ready(world, "one");
        log_await(world, "one", "set");
        main_pidfd = world_open_main(world, "one");
        brain = process_open(world_brain(world));
        former = strdup(world->owner);

        process_signal(brain, SIGSTOP);
        process_signal(main_pidfd, SIGUSR1);
        ck_assert(process_is_gone(main_pidfd, WORLD_PATIENCE));
        process_signal(brain, SIGKILL);
        await_next_brain(former);
        WORLD_AWAIT(world, streq(world_state(world, "one"), "Failed/failed"));
        ck_assert_int_eq(world_get_number(world, "one", "ExitCode"), 42);
        ck_assert_uint_eq(count_exits("one", 42), 1);
        kill_brain();
        ck_assert_uint_eq(count_exits("one", 42), 1);
        ck_assert_str_eq(world_state(world, "one"), "Failed/failed");
}
END_TEST

START_TEST(d2_a_stop_under_way_comes_to_its_end) {
        int tree[8];
        size_t n;

        world_write_sidecars(world, "'deaf': {'command': ['@CHILDREN@/stubborn'],"
                                    " 'stop': {'timeout': '500ms'}}");
        world_run(world);
        (void) world_start_ready(world, "deaf");
        log_await(world, "deaf", "main process");
        WORLD_AWAIT(world, (n = world_open_tree(world, "deaf", tree, ELEMENTSOF(tree))) > 0);
        world_ask_to_stop(world, "deaf", false);
        (void) world_next(world, "deaf", "Running/stopping");
        kill_brain();
        ck_assert_int_ge(world_wait(world, "deaf", "stopped", NULL), 0);
        for (size_t i = 0; i < n; i++) {
                ck_assert(process_is_gone(tree[i], 0));
                (void) close(tree[i]);
        }
}
END_TEST

START_TEST(d2_a_hold_survives_and_still_ends_with_its_owner) {
        Holder holder;
        Standing before;

        world_write_sidecars(world, "'one': " SLEEPER);
        world_run(world);
        holder = holder_start(world, &(HolderSpec){ .sidecars = "one" });
        world_wait_ready(world, "one");
        before = standing("one");
        for (int round = 0; round < 3; round++)
                kill_brain();
        assert_same(before, standing("one"));
        ck_assert_uint_eq(app_count_holds(world), 1);

        holder_kill(&holder);
        (void) world_next(world, "one", "Stopped/stopped");
        ck_assert_uint_eq(app_count_holds(world), 0);
}
END_TEST

START_TEST(d2_an_owner_that_died_meanwhile_is_a_hold_released) {
        _cleanup_close_ int brain = -1;
        _cleanup_free_ char *former = NULL;
        Holder holder;

        world_write_sidecars(world, "'one': " SLEEPER);
        world_run(world);
        holder = holder_start(world, &(HolderSpec){ .sidecars = "one" });
        world_wait_ready(world, "one");
        brain = process_open(world_brain(world));
        former = strdup(world->owner);
        process_signal(brain, SIGSTOP);
        holder_kill(&holder);
        process_signal(brain, SIGKILL);
        await_next_brain(former);
        ck_assert_int_ge(world_wait(world, "one", "stopped", NULL), 0);
        ck_assert_uint_eq(app_count_holds(world), 0);
}
END_TEST

START_TEST(d2_a_linger_runs_on_and_runs_out) {
        uint64_t began, ended;
        Holder holder;

        world_write_sidecars(world, "'one': " SLEEPER);
        world_run(world);
        holder = holder_start(world, &(HolderSpec){ .linger_usec = 2 * USEC_PER_SEC });
        world_wait_ready(world, "one");
        began = clock_monotonic_usec();
        holder_kill(&holder);
        kill_brain();
        ck_assert_int_ge(world_wait(world, "one", "stopped", NULL), 0);
        ended = clock_monotonic_usec();
        ck_assert_uint_ge(ended - began, 2 * USEC_PER_SEC);
}
END_TEST

START_TEST(d2_a_mode_switch_under_way_comes_to_its_end) {
        _cleanup_free_ char *mode = NULL, *told = NULL;

        world_write_manifest(
                world, WORLD_APP,
                "{'manifestVersion': 1, 'id': '" WORLD_APP "', 'defaultMode': 'a',"
                " 'modes': {'a': {'sidecars': ['one']}, 'b': {'sidecars': ['two']}},"
                " 'sidecars': {'one': " SLEEPER ", 'two': {'command': ['/bin/sh', '-c', 'while ! ["
                " -e @DIR@/go ]; do sleep 0.02; done; exec @CHILDREN@/http-server {port}'],"
                " 'port': 'auto'}}}");
        world_run(world);
        mode_listen(world);
        (void) world_start_ready(world, "one");
        app_set_mode(world, "b");
        (void) world_next(world, "two", "Starting/probing");
        kill_brain();
        mode = app_text(world, "ModeResult");
        ck_assert_str_eq(mode, "switching");
        world_write_file(world, "go", 0644, "");
        told = mode_next(world);
        ck_assert_str_eq(told, "a b done");
        ck_assert_str_eq(world_state(world, "one"), "Stopped/stopped");
        ck_assert_str_eq(world_state(world, "two"), "Running/ready");
}
END_TEST

START_TEST(d2_what_the_manifest_changed_meanwhile_is_in_force_afterwards) {
        Standing before;

        world_write_sidecars(world, "'one': " SLEEPER ", 'two': " SLEEPER);
        world_run(world);
        (void) world_start_ready(world, "one");
        (void) world_start_ready(world, "two");
        before = standing("one");
        world_write_sidecars(world, "'one': {'command': ['sleep', '2000']}, 'three': " SLEEPER);
        kill_brain();
        assert_same(before, standing("one"));
        ck_assert_int_eq(world_get_number(world, "one", "NeedsRestart"), 1);
        ck_assert_str_eq(world_state(world, "two"), "Running/ready");
        (void) world_start_ready(world, "three");
}
END_TEST

START_TEST(d2_three_faults_of_its_own_are_safe_mode_until_an_upgrade) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *text = NULL;
        Standing before;

        world_write_sidecars(world, "'one': " SLEEPER ", 'two': " SLEEPER);
        world_run(world);
        (void) world_start_ready(world, "one");
        before = standing("one");
        for (int round = 0; round < 3; round++) {
                ck_assert(!world_has_feature(world, "safe-mode"));
                end_brain(SIGABRT); /* a sanitizer has nothing to say of it */
        }

        ck_assert(world_has_feature(world, "safe-mode"));
        assert_same(before, standing("one"));
        ck_assert_int_lt(world_call(world, WORLD_PATH, "Manager", "Reload", &error, NULL, ""), 0);
        ck_assert_str_eq(error.name, WORLD_ERROR "NotSupported");
        text = world_start_in_vain(world, "two", WORLD_ERROR "NotSupported");
        ck_assert_msg(strstr(text, "daemon upgrade"), "It says: %s", text);
        world_stop(world, "one");

        end_brain(SIGHUP);
        ck_assert(!world_has_feature(world, "safe-mode"));
        (void) world_start_ready(world, "two");
}
END_TEST

START_TEST(d2_deaths_by_others_are_no_faults) {
        world_write_sidecars(world, "'one': " SLEEPER);
        world_run(world);
        (void) world_start_ready(world, "one");
        for (int round = 0; round < 12; round++)
                kill_brain();
        ck_assert(!world_has_feature(world, "safe-mode"));
}
END_TEST

START_TEST(d2_after_six_faults_everything_ends) {
        _cleanup_close_ int main_pidfd = -1, brain = -1;
        int status;

        world_write_sidecars(world, "'one': " SLEEPER);
        world_run(world);
        (void) world_start_ready(world, "one");
        main_pidfd = world_open_main(world, "one");
        for (int round = 0; round < 5; round++)
                end_brain(SIGABRT);
        brain = process_open(world_brain(world));
        process_signal(brain, SIGABRT);
        status = world_await_end(world);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 1, "Status %#x", status);
        ck_assert(process_is_gone(main_pidfd, 0));
        world_assert_empty(world, WORLD_LAST_BREATH);
}
END_TEST

START_TEST(d4_sighup_to_the_keeper_replaces_the_brain_and_nothing_else) {
        _cleanup_free_ char *former = NULL;
        pid_t brain;
        Standing before;

        world_write_sidecars(world, "'one': " SLEEPER);
        world_run(world);
        (void) world_start_ready(world, "one");
        before = standing("one");
        brain = world_brain(world);
        former = strdup(world->owner);
        process_signal(world->keeper.pidfd, SIGHUP);
        await_next_brain(former);
        ck_assert_int_ne(world_brain(world), brain);
        assert_same(before, standing("one"));
}
END_TEST

START_TEST(d1_an_end_in_order_goes_on_though_the_brain_dies) {
        _cleanup_close_ int brain = -1;
        _cleanup_free_ char *farewell = NULL;

        world_write_sidecars(world,
                             "'polite': {'command': ['/bin/sh', '-c', 'trap \\'until [ -e @DIR@/go"
                             " ]; do sleep 0.05; done; echo bye > @DIR@/farewell; exit 0\\' TERM;"
                             " echo set; while :; do sleep 0.05; done'],"
                             " 'stop': {'timeout': '60s'}}");
        world_run(world);
        (void) world_start_ready(world, "polite");
        log_await(world, "polite", "set");
        brain = process_open(world_brain(world));
        process_signal(world->keeper.pidfd, SIGTERM);
        (void) world_next(world, "polite", "Running/stopping");
        process_signal(brain, SIGKILL);
        world_write_file(world, "go", 0644, "");
        ck_assert_int_eq(world_await_end(world), 0);
        world_assert_empty(world, WORLD_LAST_BREATH);
        farewell = world_read_file(world, "farewell");
        ck_assert_str_eq(farewell, "bye\n");
}
END_TEST

START_TEST(d5_a_bus_that_is_restarted_touches_no_sidecar_and_no_living_owner) {
        Holder holder;
        Standing before;

        world_write_sidecars(world, "'one': " SLEEPER ", 'two': " SLEEPER);
        world_run(world);
        (void) world_start_ready(world, "two");
        holder = holder_start(world, &(HolderSpec){ .sidecars = "one" });
        world_wait_ready(world, "one");
        before = standing("one");
        for (int round = 0; round < n_rounds(5, 20); round++) {
                world_restart_bus(world);
                WORLD_AWAIT(world, world->owner[0] != '\0');
                assert_same(before, standing("one"));
                ck_assert_uint_eq(app_count_holds(world), 1);
        }

        /* It has no connection any more, and is alive: its process alone decides. */
        holder_kill(&holder);
        (void) world_next(world, "one", "Stopped/stopped");
}
END_TEST

/*
 * As large as a client may send: with the field of the sender, which the bus adds, it is more than
 * the 128 MiB that libsystemd 252 reads. An array has 64 MiB at most, so there are two. What is
 * left out of them is the header: 16 bytes and five fields, each filled up to eight.
 */
static void send_large_message(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        const size_t sizes[] = { (64u << 20) - 80, (64u << 20) - 88 };
        void *bytes;

        ck_assert_int_ge(sd_bus_message_new_method_call(bus, &message, WORLD_BUS_NAME, WORLD_PATH,
                                                        WORLD_BUS_NAME ".Manager", "Reload"),
                         0);
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                ck_assert_int_ge(sd_bus_message_append_array_space(message, 'y', sizes[i], &bytes),
                                 0);
                memset(bytes, 'x', sizes[i]);
        }
        ck_assert_int_ge(sd_bus_send(bus, message, NULL), 0);
        ck_assert_int_ge(sd_bus_flush(bus), 0);
}

START_TEST(d5_messages_of_128_mib_are_survived) {
        Standing before;

        world_write_sidecars(world, "'one': " SLEEPER);
        world_run(world);
        (void) world_start_ready(world, "one");
        before = standing("one");
        for (int round = 0; round < n_rounds(3, 100); round++) {
                _cleanup_(sd_bus_close_unrefp) sd_bus *stranger = client_open(world);
                _cleanup_free_ char *former = strdup(world->owner);

                send_large_message(stranger);
                await_next_brain(former);
                assert_same(before, standing("one"));
        }
}
END_TEST

/* So large, by blanks, that two of them in the ledger make it be written anew. */
static void write_large_manifest(const char *name) {
        _cleanup_free_ char *text = NULL;

        ck_assert_int_gt(asprintf(&text,
                                  "{'manifestVersion': 1, 'id': 'org.example.Other', 'name': '%s',"
                                  "%150000s 'sidecars': {'x': {'command': ['sleep', '1000']}}}",
                                  name, ""),
                         0);
        world_write_manifest(world, "org.example.Other", text);
}

static void reload(void) {
        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "Reload", NULL, NULL, ""), 0);
}

START_TEST(d2_what_has_lost_its_manifest_is_adopted_too) {
        _cleanup_free_ char *path = NULL;
        Standing before;

        world_write_sidecars(world, "'one': " SLEEPER);
        write_large_manifest("first");
        world_run(world);
        (void) world_start_ready(world, "one");

        ck_assert_int_gt(asprintf(&path, "%s/data/sidecard/apps/" WORLD_APP ".json", world->dir),
                         0);
        ck_assert_int_ge(unlink(path), 0);
        ck_assert_int_ge(symlink("/dev/null", path), 0);
        reload();
        write_large_manifest("second");
        reload();
        before = standing("one");
        kill_brain();
        assert_same(before, standing("one"));
}
END_TEST

TEST_MAIN_TIMEOUT("adopt",
                  200,
                  world_setup,
                  world_teardown,
                  d2_a_killed_brain_changes_nothing,
                  d2_a_start_under_way_comes_to_its_end,
                  d2_a_restart_that_is_to_come_keeps_its_moment_and_its_count,
                  d2_attempts_are_counted_over_deaths,
                  d2_an_exit_while_there_is_no_brain_is_told_once_and_rightly,
                  d2_a_stop_under_way_comes_to_its_end,
                  d2_a_hold_survives_and_still_ends_with_its_owner,
                  d2_an_owner_that_died_meanwhile_is_a_hold_released,
                  d2_a_linger_runs_on_and_runs_out,
                  d2_a_mode_switch_under_way_comes_to_its_end,
                  d2_what_the_manifest_changed_meanwhile_is_in_force_afterwards,
                  d2_three_faults_of_its_own_are_safe_mode_until_an_upgrade,
                  d2_deaths_by_others_are_no_faults,
                  d2_after_six_faults_everything_ends,
                  d4_sighup_to_the_keeper_replaces_the_brain_and_nothing_else,
                  d1_an_end_in_order_goes_on_though_the_brain_dies,
                  d5_a_bus_that_is_restarted_touches_no_sidecar_and_no_living_owner,
                  d5_messages_of_128_mib_are_survived,
                  d2_what_has_lost_its_manifest_is_adopted_too)
