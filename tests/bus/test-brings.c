/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a hold brings along for the sidecars of an app: variables (contract H6, S6); what a Start
 * does: arguments (A3); and where the rest of an environment comes from (S5).
 */

#include <fcntl.h>
#include <string.h>

#include "brings.h"
#include "test.h"

#define INVALID_ARGS "org.freedesktop.DBus.Error.InvalidArgs"
#define SECRET "canary-4711-of-the-holder"

START_TEST(h6_the_newest_hold_s_value_counts_from_the_next_start_on) {
        sd_bus *first = client_open(world), *second = client_open(world);
        int pidfd;

        world_write_sidecars(world, "'one': {" DUMPER ", 'passEnv': {'ZONE': {}, 'LEVEL':"
                                    " {'default': 'info'}}}");
        world_run(world);
        bring(first, (Brings){ .env = "ZONE=first" });
        app_wait_ready(world);
        pidfd = world_open_main(world, "one");
        ck_assert(was_born_with(world, "one", "env ZONE=first"));
        ck_assert(was_born_with(world, "one", "env LEVEL=info"));

        bring(second, (Brings){ .env = "ZONE=second LEVEL=debug" });
        ck_assert(!process_is_gone(pidfd, 0));
        restart_it(world, "one");
        ck_assert(was_born_with(world, "one", "env ZONE=second"));
        ck_assert(was_born_with(world, "one", "env LEVEL=debug"));

        /* To hold again is to be the newest; an automatic restart is a start as well. */
        bring(first, (Brings){ .env = "ZONE=third" });
        crash_it(world, "one");
        ck_assert(was_born_with(world, "one", "env ZONE=third"));
        ck_assert(was_born_with(world, "one", "env LEVEL=debug"));

        /* What goes takes its values along. */
        client_release(first);
        client_release(second);
        (void) world_start_ready(world, "one");
        ck_assert(was_born_without(world, "one", "ZONE"));
        ck_assert(was_born_with(world, "one", "env LEVEL=info"));
        sd_bus_close_unref(first);
        sd_bus_close_unref(second);
}
END_TEST

START_TEST(h6_a_death_of_the_brain_loses_no_value_and_not_who_was_the_newest) {
        sd_bus *older = client_open(world), *newer = client_open(world);

        world_write_sidecars(world, "'one': {" DUMPER ", 'passEnv': {'ZONE': {}}}");
        world_run(world);
        /* The newest has the first place. */
        bring(newer, (Brings){ .env = "ZONE=oldest" });
        bring(older, (Brings){ .env = "ZONE=older" });
        bring(newer, (Brings){ .env = "ZONE=newer" });
        app_wait_ready(world);
        for (int round = 0; round < 3; round++) {
                kill_the_brain(world);
                crash_it(world, "one");
                ck_assert(was_born_with(world, "one", "env ZONE=newer"));
        }
        sd_bus_close_unref(older);
        sd_bus_close_unref(newer);
}
END_TEST

START_TEST(h6_only_names_of_pass_env_and_values_of_its_patterns_are_taken) {
        sd_bus *client = client_open(world);

        world_write_sidecars(world, "'one': {" DUMPER ", 'passEnv': {'ZONE': {'pattern':"
                                    " '[a-z]+'}}}, 'two': {" DUMPER ", 'passEnv': {'OTHER': {}}}");
        world_run(world);
        bring_in_vain(client, (Brings){ .env = "LD_PRELOAD=/x" }, INVALID_ARGS, "LD_PRELOAD");
        bring_in_vain(client, (Brings){ .env = "ZONE=eu OTHER=1 X=1" }, INVALID_ARGS, " X ");
        bring_in_vain(client, (Brings){ .env = "ZONE=eu1" }, INVALID_ARGS, "ZONE");
        bring_in_vain(client, (Brings){ .env = "1ZONE=eu" }, INVALID_ARGS, "1ZONE");
        bring_in_vain(client, (Brings){ .env = "=eu" }, INVALID_ARGS, "env");
        ck_assert_uint_eq(app_count_holds(world), 0);

        /* What one may have is nothing for the other. */
        bring(client, (Brings){ .env = "ZONE=eu OTHER=1" });
        app_wait_ready(world);
        ck_assert(was_born_with(world, "one", "env ZONE=eu"));
        ck_assert(!was_born_with(world, "one", "env OTHER=1"));
        ck_assert(was_born_with(world, "two", "env OTHER=1"));
        ck_assert(!was_born_with(world, "two", "env ZONE=eu"));
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(an_option_of_the_wrong_type_is_refused_by_name) {
        static const struct {
                const char *name, *type, *value;
        } cases[] = {
                { "env", "s", "X=1" },      { "manifest", "o", "/x" },   { "base-dir", "o", "/x" },
                { "sidecars", "s", "one" }, { "linger-usec", "s", "1" }, { "nothing", "s", "x" },
        };

        world_write_sidecars(world, "'one': {" DUMPER "}");
        world_run(world);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

                ck_assert_int_lt(world_call(world, WORLD_PATH, "Manager", "Hold", &error, NULL,
                                            "ssa{sv}", WORLD_APP, "x", 1, cases[i].name,
                                            cases[i].type, cases[i].value),
                                 0);
                ck_assert_str_eq(error.name, INVALID_ARGS);
                ck_assert_ptr_nonnull(strstr(error.message, cases[i].name));
        }
        for (size_t i = 0; i < 2; i++) {
                const char *methods[] = { "Start", "Restart" };
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                _cleanup_free_ char *path = sidecar_path("one");

                ck_assert_int_lt(world_call(world, path, "Sidecar", methods[i], &error, NULL,
                                            "a{sv}", 1, "args", "s", "--x"),
                                 0);
                ck_assert_str_eq(error.name, INVALID_ARGS);
                ck_assert_ptr_nonnull(strstr(error.message, "args"));
        }
}
END_TEST

START_TEST(s6_what_is_passed_on_fills_templates_and_is_empty_where_it_is_not) {
        sd_bus *client = client_open(world);

        world_write_sidecars(world,
                             "'one': {'command': ['/bin/sh', '-c', '@CHILDREN@/envdump \\'$@\\';"
                             " exec sleep 1000', 'sh', 'zone={env:ZONE}', 'none={env:NONE}'],"
                             " 'env': {'COPY': '{env:ZONE}.', 'OVER': 'mine'},"
                             " 'passEnv': {'ZONE': {}, 'NONE': {}, 'OVER': {}}}");
        world_run(world);
        bring(client, (Brings){ .env = "ZONE=eu OVER=theirs" });
        app_wait_ready(world);
        ck_assert(was_born_with(world, "one", "argument zone=eu"));
        ck_assert(was_born_with(world, "one", "argument none="));
        ck_assert(was_born_with(world, "one", "env COPY=eu."));
        ck_assert(was_born_with(world, "one", "env OVER=theirs"));
        ck_assert(was_born_without(world, "one", "NONE"));
        sd_bus_close_unref(client);
}
END_TEST

static void assert_nowhere(const char *what, const char *text) {
        ck_assert_msg(!strstr(text, SECRET), "%s tells it: %s", what, text);
}

/* All that the reply has in it, however deep. */
static void assert_reply_without(const char *method, sd_bus_message *reply) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ck_assert_int_ge(sd_bus_message_dump(reply, out, 0), 0);
        ck_assert_int_eq(fclose(out), 0);
        ck_assert_uint_gt(strlen(text), 100);
        assert_nowhere(method, text);
}

static void assert_replies_without(const char *path, const char *interface, const char *method) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        ck_assert_int_ge(world_call(world, path, interface, method, NULL, &reply, ""), 0);
        assert_reply_without(method, reply);
}

START_TEST(what_is_passed_on_is_told_nobody_else) {
        _cleanup_free_ char *reason = NULL, *missing = NULL;
        _cleanup_free_ char *dies = sidecar_path("dies"), *lacks = sidecar_path("lacks");
        sd_bus *client = client_open(world);

        world_write_sidecars(world,
                             "'dies': {'command': ['/bin/sh', '-c', 'echo \\'Error: $KEY\\' >&2;"
                             " exit 3'], 'passEnv': {'KEY': {}}, 'restart': 'no'},"
                             "'lacks': {'command': ['/nowhere/{env:KEY}/x'],"
                             " 'passEnv': {'KEY': {}}}");
        world_run(world);
        bring(client, (Brings){ .env = "KEY=" SECRET });
        (void) world_next(world, "dies", "Failed/failed");
        (void) world_next(world, "lacks", "Failed/failed");

        reason = world_get_text(world, "dies", "Reason");
        ck_assert_msg(strstr(reason, "Error: ***"), "%s", reason);
        missing = world_get_text(world, "lacks", "Reason");
        ck_assert_msg(strstr(missing, "/nowhere/***/x"), "%s", missing);
        assert_replies_without(dies, "Sidecar", "Explain");
        assert_replies_without(lacks, "Sidecar", "Explain");
        assert_replies_without(WORLD_PATH, "Manager", "Dump");
        ck_assert(!world_has_logged(world, SECRET));
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(what_is_passed_on_to_a_probe_is_told_nobody_else) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = sidecar_path("ill");
        sd_bus *client = client_open(world);

        world_write_sidecars(world,
                             "'ill': {'command': ['@CHILDREN@/http-server', '{port}'], 'port':"
                             " 'auto', 'readiness': {'tcp': {}}, 'passEnv': {'KEY': {}},"
                             " 'liveness': {'http': {'path': '/ill?{env:KEY}'}, 'interval': '1h'},"
                             " 'stop': {'http': {'path': '/stop?{env:KEY}'}, 'timeout': '30s'}}");
        world_run(world);
        bring(client, (Brings){ .env = "KEY=" SECRET });
        (void) world_next(world, "ill", "Running/ready");
        ck_assert_int_ge(
                world_call(world, path, "Sidecar", "CheckHealth", NULL, &reply, "a{sv}", 0), 0);
        assert_reply_without("CheckHealth", reply);
        world_stop(world, "ill");
        ck_assert(world_has_logged(world, "/stop?***"));
        ck_assert(!world_has_logged(world, SECRET));
        sd_bus_close_unref(client);
}
END_TEST

#define LARGE_BYTES 60000
#define N_LARGE 20

START_TEST(h6_values_that_are_large_for_many_sidecars_are_written_down_all_the_same) {
        _cleanup_free_ char *env = NULL, *sidecars = NULL;
        sd_bus *client = client_open(world);
        size_t size;
        FILE *out = open_memstream(&sidecars, &size);

        for (int i = 0; i < N_LARGE; i++)
                (void) fprintf(out,
                               "%s's%d': {'command': ['sleep', '1000'], 'passEnv': {'KEY': {}}}",
                               i > 0 ? ", " : "", i);
        ck_assert_int_eq(fclose(out), 0);
        ck_assert_int_ge(asprintf(&env, "KEY=%0*d", LARGE_BYTES, 0), 0);
        world_write_sidecars(world, "%s", sidecars);
        world_run(world);
        bring(client, (Brings){ .env = env });
        app_wait_ready(world);
        app_stop(world);
        kill_the_brain(world);
        ck_assert_int_ge(app_wait(world, "stopped", NULL), 0);
        for (int i = 0; i < N_LARGE; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "s%d", i);
                ck_assert_str_eq(world_state(world, name), "Stopped/stopped");
        }
        ck_assert(!world_has_logged(world, "Cannot write"));
        sd_bus_close_unref(client);
}
END_TEST

/* The error, "" for none; freed by the caller. */
static char *call_with(const char *method, const char *arguments) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_free_ char *path = sidecar_path("one");
        _cleanup_(strv_freep) char **split = NULL;
        char *text = NULL;

        ck_assert_int_ge(strv_split(&split, arguments, ' '), 0);
        ck_assert_int_ge(sd_bus_message_new_method_call(world->bus, &call, WORLD_BUS_NAME, path,
                                                        WORLD_BUS_NAME ".Sidecar", method),
                         0);
        ck_assert_int_ge(sd_bus_message_open_container(call, 'a', "{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(call, 'e', "sv"), 0);
        ck_assert_int_ge(sd_bus_message_append(call, "s", "args"), 0);
        ck_assert_int_ge(sd_bus_message_open_container(call, 'v', "as"), 0);
        ck_assert_int_ge(sd_bus_message_append_strv(call, split), 0);
        for (int depth = 0; depth < 3; depth++)
                ck_assert_int_ge(sd_bus_message_close_container(call), 0);
        if (sd_bus_call(world->bus, call, 0, &error, NULL) >= 0)
                return strdup("");

        ck_assert_int_ge(asprintf(&text, "%s: %s", error.name, error.message), 0);
        return text;
}

static void assert_says(char *error, const char *name, const char *says) {
        _cleanup_free_ char *owned = error;

        ck_assert_msg(startswith(owned, name) && strstr(owned, says), "%s, not %s: %s", owned, name,
                      says);
}

START_TEST(a3_arguments_of_start_are_checked_by_the_rule_and_stay_over_restarts) {
        world_write_sidecars(world, "'one': {" DUMPER ", 'args': ['--verbose',"
                                    " {'pattern': '--level=[0-9]'}]}");
        world_run(world);
        assert_says(call_with("Start", "--other"), WORLD_ERROR "ArgumentNotAllowed",
                    "argument 1 must be \"--verbose\"");
        assert_says(call_with("Start", "--verbose --level=x"), WORLD_ERROR "ArgumentNotAllowed",
                    "argument 2 must match --level=[0-9]");
        ck_assert_str_eq(world_state(world, "one"), "Stopped/inactive");

        assert_says(call_with("Start", "--verbose --level=7"), "", "");
        world_wait_ready(world, "one");
        ck_assert(was_born_with(world, "one", "argument --level=7"));
        assert_says(call_with("Start", "--verbose"), INVALID_ARGS, "args");
        assert_says(call_with("Start", "--verbose --level=7"), "", "");

        crash_it(world, "one");
        ck_assert(was_born_with(world, "one", "argument --level=7"));
        kill_the_brain(world);
        crash_it(world, "one");
        ck_assert(was_born_with(world, "one", "argument --level=7"));
        restart_it(world, "one");
        ck_assert(was_born_with(world, "one", "argument --level=7"));

        assert_says(call_with("Restart", "--verbose --level=8"), "", "");
        world_wait_ready(world, "one");
        ck_assert(was_born_with(world, "one", "argument --level=8"));

        /* A start that says nothing of them has none. */
        world_stop(world, "one");
        (void) world_start_ready(world, "one");
        ck_assert(!was_born_with(world, "one", "argument --verbose"));
}
END_TEST

#define MOUNT "/tmp/.mount_App1x2y3"

START_TEST(s5_nothing_of_an_appimage_reaches_a_sidecar) {
        static const char *const remnants[][2] = {
                { "APPDIR", MOUNT },
                { "APPIMAGE", "/home/me/App.AppImage" },
                { "ARGV0", "./App.AppImage" },
                { "OWD", "/home/me" },
                { "LD_LIBRARY_PATH", MOUNT "/usr/lib:" MOUNT "/usr/lib/x86_64-linux-gnu" },
                { "PYTHONHOME", MOUNT "/usr" },
                { "GST_PLUGIN_SYSTEM_PATH_1_0", MOUNT "/usr/lib/gstreamer-1.0" },
                { "GST_REGISTRY_REUSE_PLUGIN_SCANNER", "no:" MOUNT },
                { "XDG_CONFIG_DIRS", MOUNT "/etc/xdg:/etc/xdg" },
                { "LOOKS_ALIKE", MOUNT "4/x" },
        };
        _cleanup_free_ char *dump = NULL;

        world_write_sidecars(world, "'one': {" DUMPER "}");
        for (size_t i = 0; i < ELEMENTSOF(remnants); i++)
                world_set_environment(world, remnants[i][0], remnants[i][1]);
        world_run(world);
        (void) world_start_ready(world, "one");
        dump = dump_now(world, "one");
        ck_assert(has_line(dump, "env XDG_CONFIG_DIRS=/etc/xdg"));
        ck_assert(has_line(dump, "env GST_REGISTRY_REUSE_PLUGIN_SCANNER=no"));
        ck_assert(has_line(dump, "env LOOKS_ALIKE=" MOUNT "4/x"));
        ck_assert(!strstr(dump, MOUNT "/") && !strstr(dump, MOUNT "\n"));
        for (size_t i = 0; i < 7; i++) {
                _cleanup_free_ char *begins = NULL;

                ck_assert_int_ge(asprintf(&begins, "\nenv %s=", remnants[i][0]), 0);
                ck_assert_msg(!strstr(dump, begins), "%s is there", remnants[i][0]);
        }
}
END_TEST

static Holder start_user_manager(void) {
        _cleanup_free_ char *file = NULL;
        const char *argv[] = { TEST_USER_MANAGER, world->bus_address, NULL, NULL };
        ProcessSpec spec = { .argv = argv };
        Holder manager;
        int ends[2];

        ck_assert_int_ge(asprintf(&file, "%s/environment", world->dir), 0);
        argv[2] = file;
        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        spec.output_fd = ends[1];
        manager = (Holder){ process_spawn(&spec), ends[0] };
        (void) close(ends[1]);
        holder_await_line(&manager, "there");
        return manager;
}

static void write_session(const char *zone) {
        _cleanup_free_ char *text = NULL;

        ck_assert_int_ge(
                asprintf(&text, "%s\nPATH=/usr/bin:/bin\nSESSION_ZONE=%s\n", world->mark, zone), 0);
        world_write_file(world, "environment", 0644, text);
}

/*
 * An answer that came too late for a start counts from the next one on, and is read from the file
 * when the user manager comes to it. All that it was asked before this is answered by now.
 */
static void await_answers(void) {
        _cleanup_(strv_freep) char **lines = NULL;

        ck_assert_int_ge(sd_bus_get_property_strv(world->bus, "org.freedesktop.systemd1",
                                                  "/org/freedesktop/systemd1",
                                                  "org.freedesktop.systemd1.Manager", "Environment",
                                                  NULL, &lines),
                         0);
}

/* Each Restart is a start that somebody asks for; it may be less than a second since the last. */
static void restart_until_born_with(const char *line) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;

        while (!was_born_with(world, "one", line)) {
                ck_assert_msg(clock_monotonic_usec() < deadline, "Never: %s", line);
                restart_it(world, "one");
        }
}

START_TEST(s5_the_environment_is_what_the_user_manager_says) {
        _cleanup_free_ char *dump = NULL;
        Holder manager;

        world_write_sidecars(world, "'one': {" DUMPER "}");
        write_session("first");
        world_set_environment(world, "ONLY_OF_THE_DAEMON", "1");
        manager = start_user_manager();
        world_run(world);
        holder_await_line(&manager, "asked");
        (void) world_start_ready(world, "one");
        restart_until_born_with("env SESSION_ZONE=first");
        dump = dump_now(world, "one");
        ck_assert(!has_line(dump, "env ONLY_OF_THE_DAEMON=1"));

        /* It has changed: the next start that somebody asks for has it, and no restart before. */
        await_answers();
        write_session("second");
        crash_it(world, "one");
        ck_assert(was_born_with(world, "one", "env SESSION_ZONE=first"));
        restart_until_born_with("env SESSION_ZONE=second");

        /* The last known outlives the user manager, and the brain. */
        holder_kill(&manager);
        kill_the_brain(world);
        restart_it(world, "one");
        ck_assert(was_born_with(world, "one", "env SESSION_ZONE=second"));
}
END_TEST

START_TEST(s5_an_answer_that_does_not_come_is_not_waited_for) {
        Holder manager;

        world_write_sidecars(world, "'one': {" DUMPER "}");
        world_set_environment(world, "ONLY_OF_THE_DAEMON", "1");
        manager = start_user_manager();
        world_run(world);
        holder_await_line(&manager, "asked");
        (void) world_start_ready(world, "one");
        ck_assert(was_born_with(world, "one", "env ONLY_OF_THE_DAEMON=1"));
        holder_kill(&manager);
}
END_TEST

TEST_MAIN_TIMEOUT("brings",
                  120,
                  world_setup,
                  world_teardown,
                  h6_the_newest_hold_s_value_counts_from_the_next_start_on,
                  h6_a_death_of_the_brain_loses_no_value_and_not_who_was_the_newest,
                  h6_only_names_of_pass_env_and_values_of_its_patterns_are_taken,
                  an_option_of_the_wrong_type_is_refused_by_name,
                  s6_what_is_passed_on_fills_templates_and_is_empty_where_it_is_not,
                  what_is_passed_on_is_told_nobody_else,
                  what_is_passed_on_to_a_probe_is_told_nobody_else,
                  h6_values_that_are_large_for_many_sidecars_are_written_down_all_the_same,
                  a3_arguments_of_start_are_checked_by_the_rule_and_stay_over_restarts,
                  s5_nothing_of_an_appimage_reaches_a_sidecar,
                  s5_the_environment_is_what_the_user_manager_says,
                  s5_an_answer_that_does_not_come_is_not_waited_for)
