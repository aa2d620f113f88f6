/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Modes, and the app as one, from outside: contract M1 (its way back is in test-mode-switch.c), M3
 * and M4, and Start, Stop, Restart, Wait and Status of App.
 */

#include <string.h>

#include "app-calls.h"
#include "log-lines.h"
#include "test.h"

/* "gated" becomes ready when the test writes the file "go". */
#define GATED                                                                                    \
        "'gated': {'command': ['@CHILDREN@/http-server', '{port}', '--loads-until', '@DIR@/go'," \
        " '/health=200'], 'port': 'auto',"                                                       \
        " 'readiness': {'http': {'path': '/health'}, 'interval': '50ms'}}"

#define SLEEPER(name) "'" name "': {'command': ['@CHILDREN@/sleeper']}"

static void run_app(const char *modes, const char *sidecars) {
        _cleanup_free_ char *text = NULL;

        ck_assert_int_ge(asprintf(&text,
                                  "{'manifestVersion': 1, 'id': '" WORLD_APP
                                  "', %s 'sidecars': {%s}}",
                                  modes, sidecars),
                         0);
        world_write_manifest(world, WORLD_APP, text);
        world_run(world);
        mode_listen(world);
}

#define THREE_MODES                                                                              \
        "'modes': {'standalone': {'sidecars': ['base']}, 'service': {'sidecars': ['base',"       \
        " 'web', 'extra']}, 'connected': {'sidecars': [], 'serverUrl': 'https://example.org'}}," \
        " 'defaultMode': 'standalone',"

#define THREE_SIDECARS         \
        SLEEPER("base")        \
        "," SLEEPER("web") "," \
                           "'extra': {'command': ['@CHILDREN@/sleeper'], 'autoStart': false}"

static bool is_up(const char *name) {
        return startswith(world_state(world, name), "Running/");
}

static bool is_down(const char *name) {
        return startswith(world_state(world, name), "Stopped/");
}

static void assert_text(const char *property, const char *expected) {
        _cleanup_free_ char *text = app_text(world, property);

        ck_assert_str_eq(text, expected);
}

static void assert_mode_change(const char *expected) {
        _cleanup_free_ char *change = mode_next(world);

        ck_assert_str_eq(change, expected);
}

/* The rows of a plan: "NAME ACTION" each, with commas between them. */
static char *set_mode(const char *mode, bool is_dry) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name, *action, *reason;
        char *rows = NULL;
        size_t size;
        FILE *out = open_memstream(&rows, &size);
        int r;

        r = app_call(world, "SetMode", &error, &reply, "sa{sv}", mode, 1, "dry-run", "b", is_dry);
        ck_assert_msg(r >= 0, "SetMode %s: %s: %s", mode, error.name, error.message);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(sss)"), 0);
        while (sd_bus_message_read(reply, "(sss)", &name, &action, &reason) > 0) {
                ck_assert_str_ne(reason, "");
                fprintf(out, "%s%s %s", ftell(out) > 0 ? "," : "", name, action);
        }
        ck_assert_int_eq(fclose(out), 0);
        return rows;
}

START_TEST(m4_without_modes_there_is_one_that_wants_all) {
        sd_bus *client = client_open(world);

        run_app("", SLEEPER("one") "," SLEEPER("two"));
        assert_text("Mode", "default");
        assert_text("ModeResult", "done");
        assert_text("ServerUrl", "");
        client_hold(client, NULL);
        app_wait_ready(world);
        ck_assert(is_up("one") && is_up("two"));
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(m1_a_switch_stops_and_starts_and_what_both_want_keeps_its_pid) {
        _cleanup_free_ char *plan = NULL, *way_back = NULL;
        int base, web;

        run_app(THREE_MODES, THREE_SIDECARS);
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        ck_assert(is_up("base") && is_down("web") && is_down("extra"));
        base = world_open_main(world, "base");

        plan = set_mode("service", false);
        ck_assert_str_eq(plan, "base keep,web start");
        assert_mode_change("standalone service done");
        assert_text("Mode", "service");
        assert_text("ModeResult", "done");
        ck_assert(is_up("web") && is_down("extra"));
        ck_assert(!process_is_gone(base, 0));
        web = world_open_main(world, "web");

        way_back = set_mode("standalone", false);
        ck_assert_str_eq(way_back, "web stop,base keep");
        assert_mode_change("service standalone done");
        ck_assert(process_is_gone(web, 0));
        ck_assert(!process_is_gone(base, 0));
        ck_assert_str_eq(world_next(world, "web", "Stopped/stopped")->reason_code, "mode");
        ck_assert_uint_eq(world_count(world, "base", "Starting/spawning"), 1);
}
END_TEST

START_TEST(m3_what_was_started_by_hand_goes_at_the_next_switch) {
        _cleanup_free_ char *plan = NULL;
        int base;

        run_app(THREE_MODES, THREE_SIDECARS);
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        (void) world_start_ready(world, "extra");
        (void) world_start_ready(world, "web");
        base = world_open_main(world, "base");
        plan = set_mode("connected", false);
        assert_mode_change("standalone connected done");
        ck_assert(is_down("extra") && is_down("web") && is_down("base"));
        ck_assert(process_is_gone(base, 0));
        assert_text("ServerUrl", "https://example.org");
        assert_text("Status", "Stopped");
}
END_TEST

START_TEST(a_hold_by_name_wants_its_sidecars_in_any_mode) {
        sd_bus *client = client_open(world);
        int extra;

        run_app(THREE_MODES, THREE_SIDECARS);
        client_hold(client, "extra");
        app_wait_ready(world);
        extra = world_open_main(world, "extra");
        app_set_mode(world, "connected");
        assert_mode_change("standalone connected done");
        ck_assert(!process_is_gone(extra, 0));
        app_set_mode(world, "service");
        assert_mode_change("connected service done");
        ck_assert(!process_is_gone(extra, 0));
        sd_bus_close_unref(client);
        ck_assert(process_is_gone(extra, WORLD_PATIENCE));
}
END_TEST

START_TEST(a_mode_outlives_its_holds_and_later_ones_want_what_it_wants) {
        sd_bus *client = client_open(world);

        run_app(THREE_MODES, THREE_SIDECARS);
        client_hold(client, NULL);
        app_wait_ready(world);
        app_set_mode(world, "service");
        assert_mode_change("standalone service done");
        client_release(client);
        (void) app_wait(world, "stopped", NULL);
        ck_assert(is_down("base") && is_down("web"));
        client_hold(client, NULL);
        app_wait_ready(world);
        ck_assert(is_up("base") && is_up("web") && is_down("extra"));
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(a_dry_run_changes_nothing) {
        _cleanup_free_ char *plan = NULL, *again = NULL;

        run_app(THREE_MODES, THREE_SIDECARS);
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        plan = set_mode("service", true);
        ck_assert_str_eq(plan, "base keep,web start");
        assert_text("Mode", "standalone");
        assert_text("ModeResult", "done");
        ck_assert(is_down("web"));
        plan = (free(plan), set_mode("connected", true));
        ck_assert_str_eq(plan, "base stop");
        ck_assert(is_up("base"));
        assert_text("ServerUrl", "");

        /* Had it been a switch, this one would not be the first that is told of. */
        again = set_mode("service", false);
        assert_mode_change("standalone service done");
}
END_TEST

START_TEST(m1_a_switch_is_over_when_all_that_it_adds_is_ready) {
        run_app("'modes': {'none': {'sidecars': []}, 'all': {}}, 'defaultMode': 'none',",
                GATED "," SLEEPER("base"));
        client_hold(world->bus, NULL);
        app_set_mode(world, "all");
        (void) world_next(world, "base", "Running/ready");
        (void) world_next(world, "gated", "Starting/probing");
        assert_text("ModeResult", "switching");
        assert_text("Mode", "all");

        world_write_file(world, "go", 0600, "");
        assert_mode_change("none all done");
        ck_assert(is_up("gated"));
}
END_TEST

START_TEST(the_same_mode_again_joins) {
        _cleanup_free_ char *plan = NULL;
        uint64_t generation;

        run_app("'modes': {'none': {'sidecars': []}, 'all': {}}, 'defaultMode': 'none',", GATED);
        client_hold(world->bus, NULL);
        app_set_mode(world, "all");
        (void) world_next(world, "gated", "Starting/probing");
        generation = (uint64_t) world_get_number(world, "gated", "Generation");
        plan = set_mode("all", false);
        ck_assert_str_eq(plan, "gated keep");
        assert_text("ModeResult", "switching");

        world_write_file(world, "go", 0600, "");
        assert_mode_change("none all done");
        ck_assert(is_up("gated"));
        ck_assert_uint_eq((uint64_t) world_get_number(world, "gated", "Generation"), generation);
        ck_assert_uint_eq(world_count(world, "gated", "Starting/spawning"), 1);

        /* One switch is told of once: the next that is told of is the next that is made. */
        app_set_mode(world, "none");
        assert_mode_change("all none done");
}
END_TEST

START_TEST(another_mode_supersedes) {
        run_app("'modes': {'none': {'sidecars': []}, 'all': {}, 'one': {'sidecars': ['base']}},"
                " 'defaultMode': 'none',",
                GATED "," SLEEPER("base"));
        client_hold(world->bus, NULL);
        app_set_mode(world, "all");
        (void) world_next(world, "gated", "Starting/probing");
        app_set_mode(world, "one");
        assert_mode_change("none one done");
        ck_assert(is_up("base") && is_down("gated"));
}
END_TEST

START_TEST(a_superseding_mode_waits_for_what_the_superseded_one_began) {
        run_app("'modes': {'none': {'sidecars': []}, 'all': {}, 'one': {'sidecars': ['gated']}},"
                " 'defaultMode': 'none',",
                GATED "," SLEEPER("base"));
        client_hold(world->bus, NULL);
        app_set_mode(world, "all");
        (void) world_next(world, "gated", "Starting/probing");
        app_set_mode(world, "one");
        (void) world_next(world, "base", "Stopped/stopped");
        assert_text("ModeResult", "switching");
        world_write_file(world, "go", 0600, "");
        assert_mode_change("none one done");
        ck_assert(is_up("gated"));
}
END_TEST

START_TEST(m1_a_switch_that_waits_for_a_retry_is_not_over) {
        run_app("'modes': {'none': {'sidecars': []}, 'all': {}}, 'defaultMode': 'none',",
                "'lame': {'command': ['/bin/sh', '-c', 'if [ -e @DIR@/go ]; then exec"
                " @CHILDREN@/http-server {port} /health=200; fi; exit 1'], 'port': 'auto',"
                " 'restart': {'delay': '100ms', 'factor': 1, 'attempts': 'unlimited'}}");
        client_hold(world->bus, NULL);
        app_set_mode(world, "all");
        (void) world_next(world, "lame", "Starting/backoff");
        assert_text("ModeResult", "switching");
        world_write_file(world, "go", 0600, "");
        assert_mode_change("none all done");
}
END_TEST

START_TEST(a_switch_back_waits_for_the_next_life_of_what_is_still_stopping) {
        uint64_t first;

        run_app("'modes': {'none': {'sidecars': []}, 'all': {}}, 'defaultMode': 'all',",
                "'slow': {'command': ['/bin/sh', '-c', '[ -e @DIR@/go ] && exec sleep 1000;"
                " trap \\'\\' TERM; echo set; until [ -e @DIR@/go ]; do sleep 0.05; done'],"
                " 'stop': {'timeout': '1m'}}");
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        log_await(world, "slow", "set");
        first = (uint64_t) world_get_number(world, "slow", "Generation");
        app_set_mode(world, "none");
        (void) world_next(world, "slow", "Running/stopping");
        app_set_mode(world, "all");
        world_write_file(world, "go", 0600, "");
        assert_mode_change("all all done");
        ck_assert_str_eq(world_state(world, "slow"), "Running/ready");
        ck_assert_int_gt(world_get_number(world, "slow", "Generation"), (int64_t) first);
}
END_TEST

START_TEST(a_mode_that_is_not_there_is_refused) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        run_app(THREE_MODES, THREE_SIDECARS);
        ck_assert_int_lt(app_call(world, "SetMode", &error, NULL, "sa{sv}", "offline", 0), 0);
        ck_assert_str_eq(error.name, WORLD_ERROR "NoSuchMode");
        ck_assert_msg(strstr(error.message, "offline"), "%s", error.message);
        assert_text("Mode", "standalone");
}
END_TEST

START_TEST(a_server_url_is_checked_and_kept) {
        char long_one[8192] = "https://example.org/";
        const char *const wrong[] = {
                "",
                long_one,
                "example.org",
                "ftp://example.org",
                "https://",
                "https://user:word@example.org",
                "https://example.org:99999",
                "https://exam ple.org",
                "file:///etc/passwd",
                "https://example.org/\n",
        };
        static const char *const right[] = {
                "http://127.0.0.1:8080/api",
                "https://example.org",
                "http://[::1]:8080",
        };

        memset(long_one + strlen(long_one), 'x', sizeof(long_one) - 1 - strlen(long_one));
        run_app(THREE_MODES, THREE_SIDECARS);
        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                int r = app_call(world, "SetMode", &error, NULL, "sa{sv}", "connected", 1,
                                 "server-url", "s", wrong[i]);

                ck_assert_msg(r < 0, "\"%s\" is taken", wrong[i]);
                ck_assert_str_eq(error.name, SD_BUS_ERROR_INVALID_ARGS);
                assert_text("Mode", "standalone");
        }
        for (size_t i = 0; i < ELEMENTSOF(right); i++) {
                ck_assert_int_ge(app_call(world, "SetMode", NULL, NULL, "sa{sv}", "connected", 1,
                                          "server-url", "s", right[i]),
                                 0);
                assert_text("ServerUrl", right[i]);
        }
}
END_TEST

START_TEST(start_starts_what_the_mode_wants_and_answers_the_generations) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name;
        uint64_t generation;
        size_t n = 0;

        run_app("",
                SLEEPER("one") "," SLEEPER(
                        "two") ","
                               "'idle': {'command': ['@CHILDREN@/sleeper'], 'autoStart': false}");
        ck_assert_int_ge(app_call(world, "Start", NULL, &reply, "a{sv}", 0), 0);
        app_wait_ready(world);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "{st}"), 0);
        for (; sd_bus_message_read(reply, "{st}", &name, &generation) > 0; n++)
                ck_assert_int_eq(world_get_number(world, name, "Generation"), (int64_t) generation);
        ck_assert_uint_eq(n, 2);
        ck_assert(is_up("one") && is_up("two") && is_down("idle"));
        assert_text("Status", "Running");
}
END_TEST

START_TEST(start_stop_and_restart_take_a_set) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int one, two;

        run_app("", SLEEPER("one") "," SLEEPER("two") "," SLEEPER("three"));
        ck_assert_int_ge(
                app_call(world, "Start", NULL, NULL, "a{sv}", 1, "sidecars", "as", 2, "one", "two"),
                0);
        app_wait_ready(world);
        ck_assert(is_up("one") && is_up("two") && is_down("three"));
        one = world_open_main(world, "one");
        two = world_open_main(world, "two");
        ck_assert_int_ge(
                app_call(world, "Restart", NULL, NULL, "a{sv}", 1, "sidecars", "as", 1, "one"), 0);
        ck_assert(process_is_gone(one, WORLD_PATIENCE));
        app_wait_ready(world);
        ck_assert(is_up("one") && !process_is_gone(two, 0));
        ck_assert_int_ge(
                app_call(world, "Stop", NULL, NULL, "a{sv}", 1, "sidecars", "as", 1, "two"), 0);
        ck_assert(process_is_gone(two, WORLD_PATIENCE));
        ck_assert(is_up("one"));

        ck_assert_int_lt(
                app_call(world, "Start", &error, NULL, "a{sv}", 1, "sidecars", "as", 1, "four"), 0);
        ck_assert_str_eq(error.name, WORLD_ERROR "NoSuchSidecar");
}
END_TEST

START_TEST(restart_restarts_those_that_are_up) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name;
        uint64_t generation;
        int one;

        run_app("", SLEEPER("one") "," SLEEPER("two"));
        (void) world_start_ready(world, "one");
        one = world_open_main(world, "one");
        ck_assert_int_ge(app_call(world, "Restart", NULL, &reply, "a{sv}", 0), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "{st}"), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "{st}", &name, &generation), 0);
        ck_assert_str_eq(name, "one");
        ck_assert_int_gt(sd_bus_message_at_end(reply, false), 0);
        app_wait_ready(world);
        ck_assert(process_is_gone(one, 0));
        ck_assert_int_eq(world_get_number(world, "one", "Generation"), (int64_t) generation);
        ck_assert(is_down("two"));
}
END_TEST

START_TEST(wait_answers_for_each_that_is_wanted_up) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *none = NULL;
        const char *name;
        size_t n = 0;

        run_app("", SLEEPER("one") "," SLEEPER("two") "," SLEEPER("three"));
        ck_assert_int_ge(app_call(world, "Wait", NULL, &none, "st", "ready", UINT64_C(0)), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(none, 'a', "{sa{sv}}"), 0);
        ck_assert_int_gt(sd_bus_message_at_end(none, false), 0);

        client_hold(world->bus, "one,three");
        ck_assert_int_ge(app_call(world, "Wait", NULL, &reply, "st", "ready", UINT64_C(0)), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "{sa{sv}}"), 0);
        while (sd_bus_message_enter_container(reply, 'e', "sa{sv}") > 0) {
                ck_assert_int_gt(sd_bus_message_read(reply, "s", &name), 0);
                ck_assert_str_eq(name, n == 0 ? "one" : "three");
                ck_assert_int_gt(sd_bus_message_skip(reply, "a{sv}"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                n++;
        }
        ck_assert_uint_eq(n, 2);
}
END_TEST

START_TEST(wait_fails_as_soon_as_one_has_failed_for_good_and_says_why) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

        run_app("", GATED ","
                          "'lame': {'command': ['/bin/sh', '-c', 'exit 3'],"
                          " 'restart': 'no'}");
        client_hold(world->bus, NULL);
        /* "gated" is never ready here, so nothing but the failure can end it. */
        ck_assert_int_lt(app_wait(world, "ready", &error), 0);
        ck_assert_str_eq(error.name, WORLD_ERROR "StartFailed");
        ck_assert_msg(strstr(error.message, "lame") && strstr(error.message, "code 3"), "%s",
                      error.message);
        assert_text("Status", "Failed");
}
END_TEST

START_TEST(wait_that_runs_out_of_time_is_no_error) {
        run_app("", GATED);
        client_hold(world->bus, NULL);
        ck_assert_int_ge(app_call(world, "Wait", NULL, NULL, "st", "ready", UINT64_C(100000)), 0);
        assert_text("Status", "Starting");
        world_write_file(world, "go", 0600, "");
        app_wait_ready(world);
        assert_text("Status", "Running");
}
END_TEST

START_TEST(wait_for_stopped_ends_when_all_are_down) {
        run_app("", SLEEPER("one") ","
                                   "'slow': {'command': ['/bin/sh', '-c', 'trap : TERM; echo set; "
                                   "while :; "
                                   "do sleep 0.05;"
                                   " done'], 'stop': {'timeout': '300ms'}}");
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        app_stop(world);
        ck_assert_int_ge(app_wait(world, "stopped", NULL), 0);
        ck_assert(is_down("one") && is_down("slow"));
        assert_text("Status", "Stopped");
}
END_TEST

TEST_MAIN_TIMEOUT("mode",
                  120,
                  world_setup,
                  world_teardown,
                  m4_without_modes_there_is_one_that_wants_all,
                  m1_a_switch_stops_and_starts_and_what_both_want_keeps_its_pid,
                  m3_what_was_started_by_hand_goes_at_the_next_switch,
                  a_hold_by_name_wants_its_sidecars_in_any_mode,
                  a_mode_outlives_its_holds_and_later_ones_want_what_it_wants,
                  a_dry_run_changes_nothing,
                  m1_a_switch_is_over_when_all_that_it_adds_is_ready,
                  the_same_mode_again_joins,
                  another_mode_supersedes,
                  a_superseding_mode_waits_for_what_the_superseded_one_began,
                  m1_a_switch_that_waits_for_a_retry_is_not_over,
                  a_switch_back_waits_for_the_next_life_of_what_is_still_stopping,
                  a_mode_that_is_not_there_is_refused,
                  a_server_url_is_checked_and_kept,
                  start_starts_what_the_mode_wants_and_answers_the_generations,
                  start_stop_and_restart_take_a_set,
                  restart_restarts_those_that_are_up,
                  wait_answers_for_each_that_is_wanted_up,
                  wait_fails_as_soon_as_one_has_failed_for_good_and_says_why,
                  wait_that_runs_out_of_time_is_no_error,
                  wait_for_stopped_ends_when_all_are_down)
