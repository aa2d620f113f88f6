/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Limits, from outside: what a manifest asks for is what the process has (contract S5, "limits as
 * the session's" unless it asks), and what cannot be given is told and keeps nothing from starting.
 * Which controllers this machine has must not matter here: tools/booted-limits has them all.
 */

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"
#include "util/strv.h"

/* More than any kernel has: fs.nr_open and PID_MAX_LIMIT are less. */
#define TOO_MANY "2000000000"

/* "limits-missing" of Explain. */
static char **missing_limits(const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = sidecar_path(name);
        char **missing = NULL;

        ck_assert_int_ge(world_call(world, path, "Sidecar", "Explain", NULL, &reply, ""), 0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                const char *key;

                ck_assert_int_gt(sd_bus_message_read_basic(reply, 's', &key), 0);
                if (streq(key, "limits-missing")) {
                        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'v', "as"), 0);
                        ck_assert_int_ge(sd_bus_message_read_strv(reply, &missing), 0);
                        return missing;
                }
                ck_assert_int_gt(sd_bus_message_skip(reply, "v"), 0);
                ck_assert_int_gt(sd_bus_message_exit_container(reply), 0);
        }

        ck_abort_msg("Explain has no limits-missing");
        return NULL;
}

static void assert_says(const char *name, const char *line) {
        _cleanup_free_ char *text = log_find(world, name, line);

        ck_assert_msg(text && streq(text, line), "not \"%s\" but \"%s\"", line, text ? text : "");
}

START_TEST(s5_limits_are_the_session_s_unless_the_manifest_asks) {
        _cleanup_(strv_freep) char **missing = NULL;
        _cleanup_free_ char *soft = NULL, *hard = NULL, *nice = NULL;
        struct rlimit nofile;

        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &nofile), 0);
        ck_assert_int_ge(asprintf(&soft, "nofile %llu", (unsigned long long) nofile.rlim_cur), 0);
        ck_assert_int_ge(
                asprintf(&hard, "nofile at most %llu", (unsigned long long) nofile.rlim_max), 0);
        ck_assert_int_ge(asprintf(&nice, "nice %d", getpriority(PRIO_PROCESS, 0)), 0);

        world_write_sidecars(world, "'plain': {'command': ['@CHILDREN@/envdump']},"
                                    "'bound': {'command': ['@CHILDREN@/envdump'], 'limits':"
                                    " {'openFiles': 64, 'nice': 19, 'oomScoreAdjust': 987}}");
        world_run(world);
        (void) world_start(world, "plain");
        (void) world_start(world, "bound");
        (void) world_next(world, "plain", "Stopped/exited");
        (void) world_next(world, "bound", "Stopped/exited");

        assert_says("plain", soft);
        assert_says("plain", hard);
        assert_says("plain", nice);
        assert_says("bound", "nofile 64");
        assert_says("bound", "nofile at most 64");
        assert_says("bound", "nice 19");
        assert_says("bound", "oom_score_adj 987");
        missing = missing_limits("bound");
        ck_assert_uint_eq(strv_length(missing), 0);
}
END_TEST

static void assert_is_told(char *const *missing) {
        ck_assert_uint_eq(strv_length(missing), 2);
        ck_assert_msg(startswith(missing[0], "tasksMax: not in force, "), "%s", missing[0]);
        ck_assert_msg(startswith(missing[1], "openFiles: it is "), "%s", missing[1]);
        ck_assert_msg(strstr(missing[1], " instead of " TOO_MANY ", "), "%s", missing[1]);
}

START_TEST(what_cannot_be_given_is_told_over_the_death_of_the_brain_and_is_no_failure) {
        _cleanup_(strv_freep) char **early = NULL, **later = NULL;
        int64_t pid;

        world_write_sidecars(world, "'one': {'command': ['sleep', '1000'],"
                                    " 'limits': {'openFiles': " TOO_MANY ", 'tasksMax': " TOO_MANY
                                    ", 'nice': 19}}");
        world_run(world);
        (void) world_start(world, "one");
        world_kill_brain(world);
        world_wait_ready(world, "one");
        pid = world_get_number(world, "one", "MainPID");
        early = missing_limits("one");
        assert_is_told(early);

        world_kill_brain(world);
        ck_assert_int_eq(world_get_number(world, "one", "MainPID"), pid);
        later = missing_limits("one");
        assert_is_told(later);
        ck_assert(world_has_logged(world, "[one] limits: openFiles: it is "));
}
END_TEST

START_TEST(s1_other_limits_are_in_force_from_the_next_start_on) {
        _cleanup_(strv_freep) char **missing = NULL;

        world_write_sidecars(world, "'one': {'command': ['@CHILDREN@/envdump'],"
                                    " 'limits': {'openFiles': 64, 'tasksMax': 30}}");
        world_run(world);
        (void) world_start(world, "one");
        (void) world_next(world, "one", "Stopped/exited");
        assert_says("one", "nofile 64");

        world_write_sidecars(world, "'one': {'command': ['@CHILDREN@/envdump'],"
                                    " 'limits': {'openFiles': 65}}");
        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "Reload", NULL, NULL, ""), 0);
        (void) world_start(world, "one");
        (void) world_next(world, "one", "Stopped/exited");
        assert_says("one", "nofile 65");
        missing = missing_limits("one");
        ck_assert_uint_eq(strv_length(missing), 0);
}
END_TEST

TEST_MAIN("limits",
          world_setup,
          world_teardown,
          s5_limits_are_the_session_s_unless_the_manifest_asks,
          what_cannot_be_given_is_told_over_the_death_of_the_brain_and_is_no_failure,
          s1_other_limits_are_in_force_from_the_next_start_on)
