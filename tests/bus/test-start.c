/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Start, from outside: contract S1, S2, S3, S5, S6, S7, and S4 for what is missing or may not be
 * executed.
 */

#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

static const char *triple(void) {
        static char text[128];
        struct utsname name;

        ck_assert_int_eq(uname(&name), 0);
        (void) snprintf(text, sizeof(text), "%s-unknown-linux-gnu", name.machine);
        return text;
}

static int note_generation(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_) {
        uint64_t **next = userdata;

        ck_assert_msg(!sd_bus_message_is_method_error(reply, NULL), "Start: %s",
                      sd_bus_message_get_error(reply)->message);
        ck_assert_int_gt(sd_bus_message_read(reply, "t", (*next)++), 0);
        return 0;
}

START_TEST(s2_two_starts_at_once_give_one_process) {
        _cleanup_free_ char *path = sidecar_path("one");
        uint64_t generations[2], *next = generations;
        int tree[8];

        world_write_sidecars(world, "'one': {'command': ['sleep', '1000']}");
        world_run(world);
        for (size_t i = 0; i < ELEMENTSOF(generations); i++)
                ck_assert_int_ge(sd_bus_call_method_async(world->bus, NULL, WORLD_BUS_NAME, path,
                                                          WORLD_BUS_NAME ".Sidecar", "Start",
                                                          note_generation, &next, "a{sv}", 0),
                                 0);
        WORLD_AWAIT(world, next == generations + ELEMENTSOF(generations));

        ck_assert_uint_eq(generations[0], generations[1]);
        world_wait_ready(world, "one");
        ck_assert_uint_eq(world_start(world, "one"), generations[0]);
        ck_assert_uint_eq(world_open_tree(world, "one", tree, ELEMENTSOF(tree)), 1);
        ck_assert_uint_eq(world_count(world, "one", "Running/ready"), 1);
}
END_TEST

START_TEST(s7_what_is_wanted_is_so_before_the_reply) {
        world_write_sidecars(world, "'one': {'command': ['sleep', '1000']}");
        world_run(world);
        ck_assert_str_eq(world_state(world, "one"), "Stopped/inactive");

        world_start(world, "one");
        ck_assert(!startswith(world_state(world, "one"), "Stopped/"));
        world_wait_ready(world, "one");
        ck_assert_str_eq(world_state(world, "one"), "Running/ready");
}
END_TEST

START_TEST(every_start_is_a_generation_with_a_greater_number) {
        uint64_t first, second;

        world_write_sidecars(world, "'one': {'command': ['sleep', '1000']}");
        world_run(world);
        first = world_start_ready(world, "one");
        world_stop(world, "one");
        second = world_start_ready(world, "one");

        ck_assert_uint_gt(second, first);
        ck_assert_int_eq(world_get_number(world, "one", "Generation"), (int64_t) second);
        ck_assert_uint_eq(world_next(world, "one", "Running/ready")->generation, first);
        ck_assert_uint_eq(world_next(world, "one", "Running/ready")->generation, second);
}
END_TEST

/* All of what envdump.c says, as lines of one text. */
static char *read_report(const char *name) {
        _cleanup_(log_page_clear) LogPage page = { 0 };
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        /* Next to the last of what it says, and the last is not told from others by its text. */
        log_await(world, name, "oom_score_adj ");
        page = log_query(world, name, (LogQuery){ .lines = 500 });
        (void) fputc('\n', out);
        for (size_t i = 0; i < page.n_lines; i++)
                fprintf(out, "%s\n", page.lines[i].text);
        ck_assert_int_eq(fclose(out), 0);
        return text;
}

static void assert_line(const char *report, const char *line) {
        _cleanup_free_ char *whole = NULL;

        ck_assert_int_ge(asprintf(&whole, "\n%s\n", line), 0);
        ck_assert_msg(strstr(report, whole), "No line \"%s\" in:%s", line, report);
}

static void assert_linef(const char *report, const char *format, ...) _printf_(2, 3);
static void assert_linef(const char *report, const char *format, ...) {
        _cleanup_free_ char *line = NULL;
        va_list arguments;

        va_start(arguments, format);
        ck_assert_int_ge(vasprintf(&line, format, arguments), 0);
        va_end(arguments);
        assert_line(report, line);
}

START_TEST(s5_the_environment_is_the_session_s_and_what_the_manifest_adds) {
        _cleanup_free_ char *report = NULL;
        uint64_t generation;

        world_write_sidecars(world, "'one': {'command': ['@CHILDREN@/envdump'],"
                                    " 'env': {'ADDED': 'by the manifest', 'CHANGED': 'yes',"
                                    " 'TAKEN': null}}");
        world_set_environment(world, "FROM_SESSION", "kept");
        world_set_environment(world, "CHANGED", "no");
        world_set_environment(world, "TAKEN", "away");
        world_run(world);
        generation = world_start(world, "one");
        report = read_report("one");

        assert_line(report, "env FROM_SESSION=kept");
        assert_line(report, "env ADDED=by the manifest");
        assert_line(report, "env CHANGED=yes");
        ck_assert_ptr_null(strstr(report, "env TAKEN="));
        assert_line(report, "env SIDECARD_APP=" WORLD_APP);
        assert_line(report, "env SIDECARD_NAME=one");
        assert_linef(report, "env SIDECARD_GENERATION=%" PRIu64, generation);
        ck_assert_ptr_nonnull(strstr(report, "env INVOCATION_ID="));
        assert_line(report, "env PYTHONUNBUFFERED=1");
}
END_TEST

START_TEST(s5_nothing_else_leaks) {
        _cleanup_free_ char *report = NULL;
        mode_t mask;

        world_write_sidecars(world, "'one': {'command': ['@CHILDREN@/envdump']}");
        world_run(world);
        (void) world_start(world, "one");
        report = read_report("one");

        for (int fd = 0; fd < 100; fd++) {
                char line[16];

                (void) snprintf(line, sizeof(line), "\nfd %d\n", fd);
                ck_assert_msg(!strstr(report, line) == (fd > 2), "Descriptor %d:%s", fd, report);
        }
        mask = umask(0);
        (void) umask(mask);
        assert_linef(report, "umask %03o", (unsigned int) mask);
        assert_linef(report, "directory %s", world->home);
}
END_TEST

/* Told by a program of the machine: one built with a sanitizer sets handlers before its main(). */
START_TEST(s5_no_signal_is_blocked_or_ignored) {
        world_write_sidecars(world, "'one': {'command': ['cat', '/proc/self/status']}");
        /* exec(3) passes on what is ignored: so the daemon begins with it, and resets it. */
        (void) signal(SIGQUIT, SIG_IGN);
        world_run(world);
        (void) signal(SIGQUIT, SIG_DFL);
        (void) world_start(world, "one");

        log_await(world, "one", "SigBlk:\t0000000000000000");
        log_await(world, "one", "SigIgn:\t0000000000000000");
}
END_TEST

START_TEST(s6_placeholders_are_filled_in) {
        _cleanup_free_ char *report = NULL;
        unsigned int http, extra;

        world_write_sidecars(
                world,
                "'one': {'command': ['@CHILDREN@/envdump', 'http={port}', 'more={port:more}',"
                " '{url}', '{app}/{name}', '{{not}', '{runtimeDir}', '{stateDir}'],"
                " 'env': {'WHERE': '{url}/x'}, 'ports': {'http': 'auto', 'more': 'auto'},"
                " 'restart': {'delay': '1m'}}");
        world_run(world);
        (void) world_start(world, "one");
        report = read_report("one");
        http = world_get_port(world, "one", "http");
        extra = world_get_port(world, "one", "more");

        ck_assert_uint_gt(http, 0);
        ck_assert_uint_ne(http, extra);
        assert_linef(report, "argument http=%u", http);
        assert_linef(report, "argument more=%u", extra);
        assert_linef(report, "argument http://127.0.0.1:%u", http);
        assert_linef(report, "env WHERE=http://127.0.0.1:%u/x", http);
        assert_line(report, "argument " WORLD_APP "/one");
        assert_line(report, "argument {not}");
        ck_assert_ptr_null(strstr(report, "{runtimeDir}"));
        ck_assert_ptr_null(strstr(report, "{stateDir}"));
}
END_TEST

START_TEST(s1_the_manifest_at_start_is_in_force_for_the_whole_generation) {
        _cleanup_free_ char *first = NULL, *second = NULL;
        uint64_t generation;

        world_write_sidecars(world, "'one': {'command': ['/bin/sh', '-c', 'echo V=$V; exec sleep "
                                    "1000'], 'env': {'V': 'first'}}");
        world_run(world);
        generation = world_start_ready(world, "one");
        first = log_find(world, "one", "V=");
        world_write_sidecars(world, "'one': {'command': ['/bin/sh', '-c', 'echo V=$V; exec sleep "
                                    "1000'], 'env': {'V': 'second'}}");
        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "Reload", NULL, NULL, ""), 0);

        ck_assert_int_eq(world_get_number(world, "one", "Generation"), (int64_t) generation);
        ck_assert_str_eq(world_state(world, "one"), "Running/ready");
        ck_assert_str_eq(first, "V=first");

        world_stop(world, "one");
        (void) world_start_ready(world, "one");
        second = log_find(world, "one", "V=second");
}
END_TEST

/* Scripts that say where they are. */
static void write_tool(const char *format, ...) _printf_(1, 2);
static void write_tool(const char *format, ...) {
        _cleanup_free_ char *name = NULL;
        va_list arguments;

        va_start(arguments, format);
        ck_assert_int_ge(vasprintf(&name, format, arguments), 0);
        va_end(arguments);
        world_write_file(world, name, 0755, "#!/bin/sh\necho \"I am $0\"\nexec sleep 1000\n");
}

static void assert_runs(const char *name, const char *wanted_suffix) {
        _cleanup_free_ char *line = NULL;
        const char *found;

        (void) world_start_ready(world, name);
        line = log_find(world, name, "I am ");
        ck_assert_uint_ge(strlen(line), strlen(wanted_suffix));
        found = line + strlen(line) - strlen(wanted_suffix);
        ck_assert_msg(streq(found, wanted_suffix), "%s, not %s", line, wanted_suffix);
}

START_TEST(s3_a_program_is_found_bare_or_with_the_triple_beside_the_manifest_or_in_path) {
        char with_triple[256];

        write_tool("data/sidecard/apps/binaries/packed-%s", triple());
        write_tool("data/sidecard/apps/both");
        write_tool("data/sidecard/apps/both-%s", triple());
        write_tool("bin/dropped-%s", triple());
        write_tool("bin/plain");
        world_write_sidecars(world, "'packed': {'command': ['binaries/packed']},"
                                    "'both': {'command': ['both']},"
                                    "'dropped': {'command': ['binaries/dropped']},"
                                    "'plain': {'command': ['plain']}");
        world_run(world);

        (void) snprintf(with_triple, sizeof(with_triple), "/apps/binaries/packed-%s", triple());
        assert_runs("packed", with_triple);
        assert_runs("both", "/apps/both");
        (void) snprintf(with_triple, sizeof(with_triple), "/bin/dropped-%s", triple());
        assert_runs("dropped", with_triple);
        assert_runs("plain", "/bin/plain");
}
END_TEST

START_TEST(s3_an_error_lists_every_place_that_was_tried) {
        const char *const places[] = {
                "data/sidecard/apps/binaries/absent",
                "data/sidecard/apps/absent",
                "bin/absent",
        };
        _cleanup_free_ char *message = NULL, *reason = NULL;

        world_write_sidecars(world, "'one': {'command': ['binaries/absent']}");
        world_run(world);
        message = world_start_in_vain(world, "one", WORLD_ERROR "StartFailed");
        reason = world_get_text(world, "one", "Reason");

        ck_assert_str_eq(world_state(world, "one"), "Failed/failed");
        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                for (int with_triple = 0; with_triple < 2; with_triple++) {
                        char path[512];

                        (void) snprintf(path, sizeof(path), "%s/%s%s%s", world->dir, places[i],
                                        with_triple ? "-" : "", with_triple ? triple() : "");
                        ck_assert_msg(strstr(message, path), "%s is not in: %s", path, message);
                }
        ck_assert_ptr_nonnull(strstr(message, "/usr/bin/absent"));
        ck_assert_ptr_nonnull(strstr(message, reason));
}
END_TEST

static void assert_failed_at_once(const char *name, const char *code) {
        _cleanup_free_ char *message = world_start_in_vain(world, name, WORLD_ERROR "StartFailed");
        _cleanup_free_ char *reason_code = world_get_text(world, name, "ReasonCode");

        ck_assert_str_eq(reason_code, code);
        ck_assert_str_eq(world_state(world, name), "Failed/failed");
        ck_assert_uint_eq(world_count(world, name, "Starting/backoff"), 0);
        ck_assert_int_eq(world_get_number(world, name, "MainPID"), 0);
        ck_assert_int_eq(world_get_number(world, name, "NextRestartTimestamp"), 0);
        ck_assert_uint_gt(strlen(message), 0);
}

START_TEST(s4_what_is_missing_or_not_executable_fails_at_once) {
        world_write_file(world, "bin/unset", 0644, "#!/bin/sh\n");
        world_write_sidecars(world, "'missing': {'command': ['/nonexistent/program']},"
                                    "'unset': {'command': ['@DIR@/bin/unset']}");
        world_run(world);

        assert_failed_at_once("missing", "binary-missing");
        assert_failed_at_once("unset", "exec-failed");
}
END_TEST

/* What the keeper forked ends too, by its own exit or by the SIGTERM of the brain. */
START_TEST(a_program_that_never_ran_has_no_exit) {
        _cleanup_free_ char *message = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        world_write_file(world, "bin/junk", 0755, "neither ELF nor #!\n");
        world_write_sidecars(world, "'junk': {'command': ['@DIR@/bin/junk']}");
        world_run(world);
        message = world_start_in_vain(world, "junk", WORLD_ERROR "StartFailed");
        ck_assert_int_ge(world_wait(world, "junk", "stopped", &error), 0);

        ck_assert_ptr_nonnull(strstr(message, "neither a Linux program nor a script"));
        ck_assert_int_eq(world_get_number(world, "junk", "ExitCode"), -1);
        ck_assert_int_eq(world_get_number(world, "junk", "ExitSignal"), 0);
        ck_assert_ptr_null(strstr(world->log, "[junk] terminated"));
}
END_TEST

START_TEST(a_failed_one_starts_once_its_binary_is_there) {
        _cleanup_free_ char *message = NULL;

        world_write_sidecars(world, "'one': {'command': ['@DIR@/bin/late']}");
        world_run(world);
        message = world_start_in_vain(world, "one", WORLD_ERROR "StartFailed");
        write_tool("bin/late");

        assert_runs("one", "/bin/late");
        ck_assert_str_eq(world_state(world, "one"), "Running/ready");
}
END_TEST

TEST_MAIN_TIMEOUT("start",
                  120,
                  world_setup,
                  world_teardown,
                  s2_two_starts_at_once_give_one_process,
                  s7_what_is_wanted_is_so_before_the_reply,
                  every_start_is_a_generation_with_a_greater_number,
                  s5_the_environment_is_the_session_s_and_what_the_manifest_adds,
                  s5_nothing_else_leaks,
                  s5_no_signal_is_blocked_or_ignored,
                  s6_placeholders_are_filled_in,
                  s1_the_manifest_at_start_is_in_force_for_the_whole_generation,
                  s3_a_program_is_found_bare_or_with_the_triple_beside_the_manifest_or_in_path,
                  s3_an_error_lists_every_place_that_was_tried,
                  s4_what_is_missing_or_not_executable_fails_at_once,
                  a_program_that_never_ran_has_no_exit,
                  a_failed_one_starts_once_its_binary_is_there)
