/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test.h"

#include "life.h"
#include "model/next-action.h"

static uint64_t at;

static void assert_next(const char *words) {
        _cleanup_free_ char *text = next_action_text(&life, "redis", now, &at);

        ck_assert_ptr_nonnull(text);
        ck_assert_str_eq(text, words);
}

static void assert_remedy(const char *words) {
        const char *remedy = next_action_remedy(&life, false, true);

        ck_assert_msg(strstr(remedy, words), "\"%s\" is not in: %s", words, remedy);
}

START_TEST(a_retry_is_told_with_its_number_and_its_moment) {
        go(FAR_READY);
        (void) end_main(CLD_EXITED, 1);
        assert_next("is started again (restart 1 of 5 in a row)");
        ck_assert_uint_eq(at, life.retry_at);
        assert_remedy("sidecarctl logs");

        go(FAR_READY);
        spec.restart.attempts = RESTART_ATTEMPTS_UNLIMITED;
        (void) end_main(CLD_EXITED, 1);
        assert_next("is started again (restart 1 in a row)");

        /* A start that comes in between makes the count begin anew, and no restart of it. */
        lifecycle_start(&life);
        assert_next("is started again");
}
END_TEST

START_TEST(what_has_failed_for_good_stays_so) {
        go(FAR_READY);
        spec.restart.policy = RESTART_POLICY_NO;
        (void) end_main(CLD_EXITED, 1);
        assert_next("stays as it is until somebody starts it, or its manifest or program changes");
        ck_assert_uint_eq(at, 0);
}
END_TEST

START_TEST(one_that_starts_is_asked_until_its_time_is_up) {
        go(FAR_PROBING);
        assert_next("is asked whether it is ready, until its time is up");
        ck_assert_uint_gt(at, now);
        ck_assert_uint_le(at, life.started_at + spec.start_timeout_usec);
        ck_assert_str_eq(next_action_remedy(&life, false, true), "");
}
END_TEST

START_TEST(one_that_runs_goes_on) {
        go(FAR_READY);
        assert_next("runs until it ends or is stopped");
        ck_assert_uint_eq(at, 0);

        lifecycle_stop(&life, REASON_REQUESTED, false);
        (void) settle();
        assert_next("is killed if it does not end by itself");
        ck_assert_uint_eq(at, life.end_stage_until);
        assert_remedy("sidecarctl start");
}
END_TEST

START_TEST(one_that_waits_names_what_for) {
        go(FAR_INACTIVE);
        lifecycle_set_blocked(&life, true);
        lifecycle_start(&life);
        (void) settle();
        assert_next("is started once redis is there");
        assert_remedy("sidecarctl why");
}
END_TEST

START_TEST(a_remedy_goes_by_what_has_happened) {
        go(FAR_PROBING);
        (void) end_main(CLD_EXITED, 0);
        assert_remedy("stay in the foreground");

        go(FAR_READY);
        (void) end_main(CLD_KILLED, SIGKILL);
        assert_remedy("find out who sent it");

        go(FAR_READY);
        (void) end_main(CLD_KILLED, SIGSEGV);
        assert_remedy("another version of the program");

        go(FAR_READY);
        (void) end_main(CLD_EXITED, 1);
        ck_assert_ptr_nonnull(strstr(next_action_remedy(&life, true, true), "has the port"));

        go(FAR_READY);
        (void) end_main(CLD_EXITED, 1);
        ck_assert_ptr_nonnull(strstr(next_action_remedy(&life, false, false), "documentation"));

        go(FAR_READY);
        (void) end_main(CLD_EXITED, 127);
        assert_remedy("install what the reason says is missing");

        go(FAR_READY);
        spec.restart.attempts = 0;
        (void) end_main(CLD_KILLED, SIGSEGV);
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_CRASH_LOOP);
        assert_remedy("another version of the program");
}
END_TEST

TEST_MAIN("next action",
          life_setup,
          NULL,
          a_retry_is_told_with_its_number_and_its_moment,
          what_has_failed_for_good_stays_so,
          one_that_starts_is_asked_until_its_time_is_up,
          one_that_runs_goes_on,
          one_that_waits_names_what_for,
          a_remedy_goes_by_what_has_happened)
