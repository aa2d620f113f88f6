/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test.h"

#include "life.h"
#include "model/reason.h"

static void assert_reason_with(const char *detail, const char *text) {
        _cleanup_free_ char *said = reason_text(&spec, &life, detail);

        ck_assert_ptr_nonnull(said);
        ck_assert_str_eq(said, text);
}

static void assert_reason(const char *text) {
        assert_reason_with(NULL, text);
}

/* From ready to an end of that kind after so long. */
static void live_and_end(uint64_t usec, int code, int status) {
        go(FAR_READY);
        (void) pass(usec);
        (void) end_main(code, status);
}

START_TEST(there_is_nothing_to_say_of_what_goes_well) {
        for (Far far = FAR_INACTIVE; far <= FAR_READY; far++) {
                go(far);
                assert_reason("");
        }
}
END_TEST

START_TEST(an_exit_is_told_by_its_code_and_age) {
        live_and_end(2345 * USEC_PER_MSEC, CLD_EXITED, 1);
        assert_reason("exited with code 1 after 2.3 s");
}
END_TEST

START_TEST(a_death_is_told_by_its_signal) {
        live_and_end(12 * USEC_PER_SEC, CLD_KILLED, SIGKILL);
        assert_reason("killed by SIGKILL after 12 s");

        live_and_end(USEC_PER_SEC, CLD_DUMPED, SIGSEGV);
        assert_reason("dumped core (SIGSEGV) after 1.0 s");

        live_and_end(USEC_PER_SEC, 0, 0);
        assert_reason("ended after 1.0 s, nobody saw how");
}
END_TEST

START_TEST(last_words_are_the_cause_of_an_exit_and_what_came_before_a_death) {
        live_and_end(2345 * USEC_PER_MSEC, CLD_EXITED, 1);
        assert_reason_with("OSError: [Errno 98] Address already in use",
                           "exited with code 1 after 2.3 s: OSError: [Errno 98] Address already in "
                           "use");

        live_and_end(USEC_PER_SEC, CLD_KILLED, SIGKILL);
        assert_reason_with("its last words: listening",
                           "killed by SIGKILL after 1.0 s; its last words: listening");

        go(FAR_PROBING);
        (void) end_main(CLD_EXITED, 0);
        assert_reason_with("listening", "exited with code 0 before it was ready: does it go to the "
                                        "background? Its last words: listening");

        go(FAR_PROBING);
        (void) pass(spec.start_timeout_usec);
        assert_reason_with("nothing listens on port 8001",
                           "web did not become ready within 30s: nothing listens on port 8001");
}
END_TEST

START_TEST(out_of_memory_is_told_with_the_limit) {
        go(FAR_READY);
        lifecycle_on_oom(&life, 512 * 1024 * 1024);
        (void) pass(3 * USEC_PER_SEC);
        (void) end_main(CLD_KILLED, SIGKILL);
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_OOM);
        assert_reason("killed by the kernel after 3.0 s, because it needs more memory than its "
                      "limit of 512 MiB");

        go(FAR_READY);
        lifecycle_on_oom(&life, UINT64_MAX);
        (void) end_main(CLD_KILLED, SIGKILL);
        assert_reason("killed by the kernel after 0 us, because memory ran out");
}
END_TEST

START_TEST(out_of_memory_is_the_cause_of_a_sigkill_alone_and_of_one_generation) {
        go(FAR_READY);
        lifecycle_on_oom(&life, UINT64_MAX);
        (void) end_main(CLD_KILLED, SIGTERM);
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_SIGNAL);

        go(FAR_READY);
        lifecycle_on_oom(&life, UINT64_MAX);
        (void) end_main(CLD_KILLED, SIGKILL);
        lifecycle_on_empty(&life);
        (void) pass(USEC_PER_SEC);
        ck_assert_int_eq(life.process, PROCESS_REQUESTED);
        (void) fork_main();
        (void) exec_main();
        (void) end_main(CLD_KILLED, SIGKILL);
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_SIGNAL);
}
END_TEST

START_TEST(success_before_ready_asks_for_a_daemon) {
        go(FAR_PROBING);
        (void) end_main(CLD_EXITED, 0);
        assert_reason("exited with code 0 before it was ready: does it go to the background?");

        go(FAR_PROBING);
        (void) pass(100 * USEC_PER_MSEC);
        (void) end_main(CLD_EXITED, 1);
        assert_reason("exited with code 1 after 100 ms");
}
END_TEST

START_TEST(r5_not_ready_in_time_is_told_with_the_limit_as_written) {
        go(FAR_PROBING);
        (void) pass(spec.start_timeout_usec);
        assert_reason("web did not become ready within 30s");

        go(FAR_INACTIVE);
        spec.start_timeout_usec = 90 * USEC_PER_SEC;
        (void) start();
        (void) fork_main();
        (void) exec_main();
        (void) pass(spec.start_timeout_usec);
        assert_reason("web did not become ready within 1m30s");
}
END_TEST

START_TEST(what_could_not_be_started_is_told_by_the_error) {
        go(FAR_FORKED);
        (void) fail_spawn(REASON_EXEC_FAILED, EACCES, true);
        assert_reason("could not be started: Permission denied");

        go(FAR_REQUESTED);
        (void) fail_spawn(REASON_BINARY_MISSING, ENOENT, true);
        assert_reason_with("program web was not found; tried /opt/web, /usr/bin/web",
                           "could not be started: "
                           "program web was not found; tried /opt/web, /usr/bin/web");

        go(FAR_REQUESTED);
        (void) fail_spawn(REASON_PORT_IN_USE, 0, false);
        assert_reason_with("port 8001 is held by redis-server, pid 4242",
                           "could not be started: "
                           "port 8001 is held by redis-server, pid 4242");
}
END_TEST

START_TEST(what_is_short_is_tried_again_unless_the_policy_says_no) {
        go(FAR_REQUESTED);
        (void) fail_spawn(REASON_RESOURCES, EAGAIN, false);
        assert_reason("could not be started: Resource temporarily unavailable, "
                      "it is tried again");

        go(FAR_REQUESTED);
        spec.restart.policy = RESTART_POLICY_NO;
        (void) fail_spawn(REASON_RESOURCES, EAGAIN, false);
        assert_reason("could not be started: Resource temporarily unavailable");
}
END_TEST

START_TEST(x4_a_crash_loop_is_told_with_its_last_failure) {
        go(FAR_INACTIVE);
        spec.restart.delay_usec = 0;
        (void) start();
        for (unsigned i = 0; i <= spec.restart.attempts; i++) {
                (void) fork_main();
                (void) exec_main();
                (void) pass(1100 * USEC_PER_MSEC);
                (void) end_main(i < spec.restart.attempts ? CLD_EXITED : CLD_DUMPED,
                                i < spec.restart.attempts ? 1 : SIGSEGV);
                (void) empty_tree();
        }
        assert_reason("gave up after 5 restarts in a row: dumped core (SIGSEGV) after 1.1 s");

        go(FAR_INACTIVE);
        spec.restart.delay_usec = 0;
        spec.restart.attempts = 1;
        (void) start();
        (void) fail_spawn(REASON_RESOURCES, ENOMEM, false);
        (void) fail_spawn(REASON_RESOURCES, ENOMEM, false);
        assert_reason("gave up after 1 restart in a row: could not be started: "
                      "Cannot allocate memory");
}
END_TEST

START_TEST(a_stop_is_told_by_who_wished_it) {
        go(FAR_STOPPING);
        assert_reason("stopped on request");
        go(FAR_STOPPED);
        assert_reason("stopped on request");

        go(FAR_READY);
        lifecycle_stop(&life, REASON_SHUTDOWN, false);
        assert_reason("stopped because the session or the daemon ends");
}
END_TEST

START_TEST(a_stop_by_a_mode_or_for_want_of_an_owner_says_so) {
        go(FAR_READY);
        lifecycle_stop(&life, REASON_OWNER_GONE, false);
        assert_reason("stopped because no app holds it any more");

        go(FAR_READY);
        lifecycle_stop(&life, REASON_MODE, false);
        assert_reason_with("connected", "stopped because mode connected does not want it");
        assert_reason("stopped because the mode does not want it");
}
END_TEST

START_TEST(a_dependency_is_told_by_its_name) {
        (void) block(true);
        (void) start();
        assert_reason_with("db", "waits for db");
        assert_reason("waits for a dependency");

        (void) fail_dependency();
        assert_reason_with("db", "its dependency db has failed");
        assert_reason("a dependency has failed");
}
END_TEST

START_TEST(l1_missed_health_checks_are_counted) {
        spec.liveness = liveness_make(2, false);
        go_to_ready();
        for (unsigned n = 1; n <= 3; n++) {
                static const char *const reasons[] = { "", "", "missed 2 health checks in a row",
                                                       "missed 3 health checks in a row" };

                (void) pass(spec.liveness.probe.interval_usec);
                (void) probe(false);
                assert_reason(reasons[n]);
        }

        go(FAR_INACTIVE);
        spec.liveness = liveness_make(1, true);
        go_to_ready();
        (void) pass(spec.liveness.probe.interval_usec);
        (void) probe(false);
        assert_reason("missed 1 health check in a row");

        /* As the last of a crash loop, too. */
        go(FAR_INACTIVE);
        spec.liveness = liveness_make(1, true);
        spec.restart.attempts = 1;
        spec.restart.delay_usec = 0;
        for (unsigned n = 0; n < 2; n++) {
                if (n == 0)
                        (void) start();
                (void) fork_main();
                (void) exec_main();
                (void) probe(true);
                (void) pass(spec.liveness.probe.interval_usec);
                (void) probe(false);
                (void) end_main(CLD_KILLED, SIGTERM);
                (void) empty_tree();
        }
        assert_reason("gave up after 1 restart in a row: missed 1 health check in a row");
}
END_TEST

START_TEST(success_is_told_too) {
        live_and_end(2 * USEC_PER_SEC, CLD_EXITED, 0);
        assert_reason("exited with code 0 after 2.0 s");
        (void) empty_tree();
        assert_reason("exited with code 0 after 2.0 s");
}
END_TEST

TEST_MAIN("reason",
          life_setup,
          NULL,
          there_is_nothing_to_say_of_what_goes_well,
          an_exit_is_told_by_its_code_and_age,
          a_death_is_told_by_its_signal,
          last_words_are_the_cause_of_an_exit_and_what_came_before_a_death,
          out_of_memory_is_told_with_the_limit,
          out_of_memory_is_the_cause_of_a_sigkill_alone_and_of_one_generation,
          success_before_ready_asks_for_a_daemon,
          r5_not_ready_in_time_is_told_with_the_limit_as_written,
          what_could_not_be_started_is_told_by_the_error,
          what_is_short_is_tried_again_unless_the_policy_says_no,
          x4_a_crash_loop_is_told_with_its_last_failure,
          a_stop_is_told_by_who_wished_it,
          a_stop_by_a_mode_or_for_want_of_an_owner_says_so,
          a_dependency_is_told_by_its_name,
          l1_missed_health_checks_are_counted,
          success_is_told_too)
