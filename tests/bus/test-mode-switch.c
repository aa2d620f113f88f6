/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The switch of modes as one transaction, from outside: its way back when something fails for good
 * (contract M1), that a death of the brain changes nothing of it (D2), and that a mode is
 * remembered (M2).
 */

#include <string.h>
#include <unistd.h>

#include "app-calls.h"
#include "test.h"

#define SLEEPER(name) "'" name "': {'command': ['@CHILDREN@/sleeper']}"

/* It would be ready, were there the file "go". */
#define NEVER_READY                                                                             \
        "'lame': {'command': ['@CHILDREN@/http-server', '{port}', '--loads-until', '@DIR@/go'," \
        " '/health=200'], 'port': 'auto', 'readiness': {'http': {'path': '/health'},"           \
        " 'interval': '50ms'}, 'restart': 'no', 'startTimeout': '%s', 'loadTimeout': '%s'}"

/* It fails once there is the file "wounded". */
#define MORTAL                                                                            \
        "'mortal': {'command': ['/bin/sh', '-c', 'if [ -e @DIR@/wounded ]; then exit 7; " \
        "fi; exec @CHILDREN@/http-server {port}'], 'port': 'auto', 'restart': 'no'}"

/* It fails once there is the file "go". */
#define FAILS_ON_GO                                                                               \
        "'lame': {'command': ['/bin/sh', '-c', 'until [ -e @DIR@/go ]; do sleep 0.02; done; exit" \
        " 3'], 'port': 'auto', 'restart': 'no'}"

#define MODES                                                                         \
        "'modes': {'a': {'sidecars': ['base', 'mortal']}, 'b': {'sidecars': ['base'," \
        " 'lame', 'more']}, 'c': {'sidecars': ['base']}}, 'defaultMode': 'a',"

#define APP(lame)                                              \
        "{'manifestVersion': 1, 'id': '" WORLD_APP "', " MODES \
        " 'sidecars': {" SLEEPER("base") "," MORTAL "," SLEEPER("more") "," lame "}}"

static void run_in_mode_a(const char *lame) {
        _cleanup_free_ char *text = NULL;

        ck_assert_int_ge(asprintf(&text, APP("%s"), lame), 0);
        world_write_manifest(world, WORLD_APP, text);
        world_run(world);
        mode_listen(world);
        client_hold(world->bus, NULL);
        app_wait_ready(world);
}

static void run_with_impatience(const char *timeout) {
        _cleanup_free_ char *lame = NULL;

        ck_assert_int_ge(asprintf(&lame, NEVER_READY, timeout, timeout), 0);
        run_in_mode_a(lame);
}

static void assert_text(const char *property, const char *expected) {
        _cleanup_free_ char *text = app_text(world, property);

        ck_assert_str_eq(text, expected);
}

static void assert_mode_change(const char *expected) {
        _cleanup_free_ char *change = mode_next(world);

        ck_assert_str_eq(change, expected);
}

static void read_event(sd_bus_message *reply, char ***texts) {
        const char *key, *type = "", *text = "";

        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                ck_assert_int_gt(sd_bus_message_read(reply, "s", &key), 0);
                if (streq(key, "type"))
                        ck_assert_int_gt(sd_bus_message_read(reply, "v", "s", &type), 0);
                else if (streq(key, "text"))
                        ck_assert_int_gt(sd_bus_message_read(reply, "v", "s", &text), 0);
                else
                        ck_assert_int_gt(sd_bus_message_skip(reply, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        if (streq(type, "mode"))
                ck_assert_int_ge(strv_extend(texts, text), 0);
}

/* The texts of all events of type mode, oldest first; a page has all that such a world tells. */
static char **mode_events(void) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char **texts = NULL;

        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "GetEvents", NULL, &reply,
                                    "ta{sv}", UINT64_C(0), 0),
                         0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'a', "{sv}") > 0) {
                read_event(reply, &texts);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        return texts;
}

/* There is one, and these words are in it. */
static void assert_one_event(const char *first, const char *second) {
        _cleanup_(strv_freep) char **texts = mode_events();

        ck_assert_uint_eq(strv_length(texts), 1);
        ck_assert_msg(strstr(texts[0], first) && strstr(texts[0], second), "%s", texts[0]);
}

static void remove_file(const char *name) {
        _cleanup_free_ char *path = NULL;

        ck_assert_int_ge(asprintf(&path, "%s/%s", world->dir, name), 0);
        ck_assert_int_eq(unlink(path), 0);
}

START_TEST(m1_one_that_never_gets_ready_brings_the_former_set_back) {
        int base, mortal;

        run_with_impatience("300ms");
        base = world_open_main(world, "base");
        mortal = world_open_main(world, "mortal");
        app_set_mode(world, "b");
        assert_mode_change("a b rolled-back");

        assert_text("Mode", "a");
        assert_text("ModeResult", "rolled-back");
        ck_assert(!process_is_gone(base, 0));
        ck_assert(process_is_gone(mortal, 0));
        ck_assert_str_eq(world_state(world, "base"), "Running/ready");
        ck_assert_str_eq(world_state(world, "mortal"), "Running/ready");
        ck_assert_str_eq(world_state(world, "lame"), "Stopped/stopped");
        ck_assert_str_eq(world_state(world, "more"), "Stopped/stopped");
        ck_assert_uint_eq(world_count(world, "base", "Starting/spawning"), 1);
        assert_one_event("b: rolled-back to a", "lame: lame did not become ready within 300ms");

        /* That was the only one: the next that is told of is the next that is made. */
        app_set_mode(world, "c");
        assert_mode_change("a c done");
}
END_TEST

START_TEST(m1_one_that_cannot_come_back_either_is_degraded_for_both_reasons) {
        int base;

        run_with_impatience("300ms");
        base = world_open_main(world, "base");
        world_write_file(world, "wounded", 0600, "");
        app_set_mode(world, "b");
        assert_mode_change("a b degraded");

        assert_text("Mode", "a");
        assert_text("ModeResult", "degraded");
        assert_text("Status", "Failed");
        ck_assert(!process_is_gone(base, 0));
        ck_assert_str_eq(world_state(world, "mortal"), "Failed/failed");
        assert_one_event("lame did not become ready", "mortal: exited with code 7");
}
END_TEST

START_TEST(m1_on_the_way_back_it_is_still_switching_and_another_mode_supersedes_that) {
        run_in_mode_a(FAILS_ON_GO);
        app_set_mode(world, "b");
        (void) world_next(world, "lame", "Starting/probing");
        (void) world_next(world, "mortal", "Stopped/stopped");
        world_write_file(world, "go", 0600, "");
        (void) world_next(world, "lame", "Stopped/stopped");
        app_set_mode(world, "c");

        /* Whether the way back was over by then is chance; what is told in the end is not. */
        for (;;) {
                _cleanup_free_ char *change = mode_next(world);

                if (streq(change, "a c done"))
                        break;
                ck_assert_str_eq(change, "a b rolled-back");
        }
        assert_text("Mode", "c");
        ck_assert_str_eq(world_state(world, "mortal"), "Stopped/stopped");
}
END_TEST

START_TEST(x5_what_a_user_stops_during_a_switch_does_not_come_back) {
        run_in_mode_a(FAILS_ON_GO);
        app_set_mode(world, "b");
        (void) world_next(world, "lame", "Starting/probing");
        world_stop(world, "mortal");
        world_write_file(world, "go", 0600, "");
        assert_mode_change("a b rolled-back");
        ck_assert_str_eq(world_state(world, "mortal"), "Stopped/stopped");
        ck_assert_str_eq(world_state(world, "base"), "Running/ready");
}
END_TEST

START_TEST(h1_after_the_last_hold_nothing_comes_back) {
        run_in_mode_a(FAILS_ON_GO);
        app_set_mode(world, "b");
        (void) world_next(world, "lame", "Starting/probing");
        client_release(world->bus);
        assert_mode_change("a b done");
        ck_assert_int_ge(app_wait(world, "stopped", NULL), 0);
        assert_text("Status", "Stopped");
        ck_assert_uint_eq(world_count(world, "mortal", "Starting/spawning"), 1);
}
END_TEST

START_TEST(x7_the_way_back_starts_in_the_order_of_dependencies) {
        world_write_manifest(
                world, WORLD_APP,
                "{'manifestVersion': 1, 'id': '" WORLD_APP "', 'modes': {'a': {'sidecars': ['top']}"
                ", 'b': {'sidecars': ['lame']}}, 'sidecars': {'top': {'command':"
                " ['@CHILDREN@/sleeper'], 'dependsOn': {'bottom': 'ready'}}," SLEEPER(
                        "bottom") ","
                                  "'lame': {'command': ['@CHILDREN@/nothing-of-that-name']}}}");
        world_run(world);
        mode_listen(world);
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        app_set_mode(world, "b");
        assert_mode_change("a b rolled-back");
        ck_assert_str_eq(world_state(world, "top"), "Running/ready");
        ck_assert_str_eq(world_state(world, "bottom"), "Running/ready");
        ck_assert_str_eq(world_state(world, "lame"), "Stopped/stopped");
        assert_one_event("b: rolled-back to a", "lame: ");
}
END_TEST

START_TEST(d2_a_brain_killed_in_a_switch_that_fails_is_followed_by_one_that_goes_back) {
        int base;

        run_in_mode_a(FAILS_ON_GO);
        base = world_open_main(world, "base");
        app_set_mode(world, "b");
        (void) world_next(world, "lame", "Starting/probing");
        world_kill_brain(world);
        assert_text("ModeResult", "switching");
        world_write_file(world, "go", 0600, "");
        assert_mode_change("a b rolled-back");
        ck_assert(!process_is_gone(base, 0));
        ck_assert_str_eq(world_state(world, "mortal"), "Running/ready");
        assert_one_event("b: rolled-back to a", "lame: exited with code 3");
}
END_TEST

/* Its way back waits for "slow" to be ready, which is when there is the file "back". */
START_TEST(d2_a_brain_killed_on_the_way_back_is_followed_by_one_that_ends_it) {
        int base;

        world_write_manifest(
                world, WORLD_APP,
                "{'manifestVersion': 1, 'id': '" WORLD_APP "', 'modes': {'a': {'sidecars': ['base',"
                " 'slow']}, 'b': {'sidecars': ['base', 'lame']}}, 'sidecars': {" SLEEPER(
                        "base") ", 'lame': {'command': ['@CHILDREN@/nothing-of-that-name']}, "
                                "'slow': {'command':"
                                " ['@CHILDREN@/http-server', '{port}', '--loads-until', "
                                "'@DIR@/back',"
                                " '/health=200'], 'port': 'auto', 'readiness': {'http': {'path': "
                                "'/health'},"
                                " 'interval': '50ms'}}}}");
        world_write_file(world, "back", 0600, "");
        world_run(world);
        mode_listen(world);
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        base = world_open_main(world, "base");
        (void) world_next(world, "slow", "Running/ready");

        remove_file("back");
        app_set_mode(world, "b");
        (void) world_next(world, "slow", "Starting/probing");
        assert_text("Mode", "a");
        world_kill_brain(world);
        assert_text("Mode", "a");
        assert_text("ModeResult", "switching");
        world_write_file(world, "back", 0600, "");
        assert_mode_change("a b rolled-back");
        ck_assert(!process_is_gone(base, 0));
        assert_one_event("b: rolled-back to a", "lame: ");
}
END_TEST

static void log_in_again(void) {
        world_end(world);
        WORLD_AWAIT(world, world->owner[0] == '\0');
        world_run(world);
}

#define MODE_FILE "state/sidecard/mode/" WORLD_APP

static void run_modes(const char *modes) {
        _cleanup_free_ char *text = NULL;

        ck_assert_int_ge(asprintf(&text,
                                  "{'manifestVersion': 1, 'id': '" WORLD_APP
                                  "', 'modes': {%s}, 'sidecars': {" SLEEPER("base") "}}",
                                  modes),
                         0);
        world_write_manifest(world, WORLD_APP, text);
        world_run(world);
        mode_listen(world);
}

START_TEST(m2_a_mode_is_remembered_over_logins_and_so_is_its_server) {
        run_modes("'a': {}, 'b': {'serverUrl': 'https://example.org'}");
        assert_text("Mode", "a");
        ck_assert(!world_has_file(world, MODE_FILE));
        app_set_mode(world, "b");
        assert_mode_change("a b done");
        log_in_again();
        assert_text("Mode", "b");
        assert_text("ModeResult", "done");
        assert_text("ServerUrl", "https://example.org");

        ck_assert_int_ge(app_call(world, "SetMode", NULL, NULL, "sa{sv}", "b", 1, "server-url", "s",
                                  "http://[::1]:8080/x"),
                         0);
        assert_mode_change("b b done");
        log_in_again();
        assert_text("Mode", "b");
        assert_text("ServerUrl", "http://[::1]:8080/x");
}
END_TEST

START_TEST(m2_after_a_way_back_the_former_mode_is_remembered) {
        run_in_mode_a(FAILS_ON_GO);
        ck_assert_int_ge(app_call(world, "SetMode", NULL, NULL, "sa{sv}", "a", 1, "server-url", "s",
                                  "https://example.org"),
                         0);
        assert_mode_change("a a done");
        world_write_file(world, "go", 0600, "");
        app_set_mode(world, "b");
        assert_mode_change("a b rolled-back");
        assert_text("ServerUrl", "https://example.org");
        log_in_again();
        assert_text("Mode", "a");
        assert_text("ServerUrl", "https://example.org");
}
END_TEST

START_TEST(m2_what_cannot_be_read_is_the_default_mode_and_a_warning) {
        static const char *const broken[] = { "", "b", "b\nhttps://a:b@example.org\n",
                                              "b\nhttps://example.org\nmore\n", "\n" };

        run_modes("'a': {}, 'b': {}");
        for (size_t i = 0; i < ELEMENTSOF(broken); i++) {
                size_t logged;

                world_end(world);
                WORLD_AWAIT(world, world->owner[0] == '\0');
                world_write_file(world, MODE_FILE, 0600, broken[i]);
                logged = world->log_size;
                world_run(world);
                assert_text("Mode", "a");
                WORLD_AWAIT(world, world_has_logged(world, "") &&
                                           strstr(world->log + logged, MODE_FILE " cannot be"));
        }

        world_end(world);
        WORLD_AWAIT(world, world->owner[0] == '\0');
        world_write_file(world, MODE_FILE, 0600, "gone\n");
        world_run(world);
        assert_text("Mode", "a");
        WORLD_AWAIT(world, world_has_logged(world, "has no mode \"gone\" any more"));
}
END_TEST

TEST_MAIN_TIMEOUT("mode-switch",
                  120,
                  world_setup,
                  world_teardown,
                  m1_one_that_never_gets_ready_brings_the_former_set_back,
                  m1_one_that_cannot_come_back_either_is_degraded_for_both_reasons,
                  m1_on_the_way_back_it_is_still_switching_and_another_mode_supersedes_that,
                  x5_what_a_user_stops_during_a_switch_does_not_come_back,
                  h1_after_the_last_hold_nothing_comes_back,
                  x7_the_way_back_starts_in_the_order_of_dependencies,
                  d2_a_brain_killed_in_a_switch_that_fails_is_followed_by_one_that_goes_back,
                  d2_a_brain_killed_on_the_way_back_is_followed_by_one_that_ends_it,
                  m2_a_mode_is_remembered_over_logins_and_so_is_its_server,
                  m2_after_a_way_back_the_former_mode_is_remembered,
                  m2_what_cannot_be_read_is_the_default_mode_and_a_warning)
