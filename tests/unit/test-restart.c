/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/restart.h"
#include "spec.h"
#include "test.h"

#define LOWEST 0
#define HIGHEST UINT32_MAX

static RestartSpec restart;

static void setup(void) {
        restart = spec_make().restart;
}

/* Doubles are cut to whole microseconds: one of them is nobody's business. */
static void assert_about(uint64_t usec, double seconds) {
        ck_assert_double_eq_tol((double) usec / USEC_PER_SEC, seconds, 2e-6);
}

START_TEST(x3_five_restarts_take_half_a_second_to_eight_within_ten_per_cent) {
        static const double delays[] = { 0.5, 1, 2, 4, 8 };

        for (uint32_t n = 1; n <= ELEMENTSOF(delays); n++) {
                assert_about(restart_delay(&restart, n, LOWEST), delays[n - 1] * 0.9);
                assert_about(restart_delay(&restart, n, HIGHEST / 2), delays[n - 1]);
                assert_about(restart_delay(&restart, n, HIGHEST), delays[n - 1] * 1.1);
        }
}
END_TEST

START_TEST(x3_the_roll_moves_the_delay_all_over_the_jitter) {
        uint64_t last = 0;

        for (uint64_t roll = LOWEST; roll <= HIGHEST; roll += HIGHEST / 100) {
                uint64_t delay = restart_delay(&restart, 1, (uint32_t) roll);

                ck_assert_uint_gt(delay, last);
                last = delay;
        }
}
END_TEST

START_TEST(x3_the_jitter_is_around_max_delay_too) {
        for (uint32_t n = 7; n < 2000; n += 100) {
                assert_about(restart_delay(&restart, n, LOWEST), 27);
                assert_about(restart_delay(&restart, n, HIGHEST), 33);
        }
        restart.max_delay_usec = 100 * USEC_PER_MSEC;
        assert_about(restart_delay(&restart, 1, HIGHEST / 2), 0.1);
}
END_TEST

START_TEST(x3_a_factor_of_one_stays_and_no_delay_is_none) {
        restart.factor = 1;
        assert_about(restart_delay(&restart, UINT32_MAX, HIGHEST / 2), 0.5);

        restart.factor = 2;
        restart.delay_usec = 0;
        ck_assert_uint_eq(restart_delay(&restart, 5, HIGHEST), 0);
}
END_TEST

START_TEST(x3_a_full_jitter_goes_from_nothing_to_double) {
        restart.jitter = 1;
        ck_assert_uint_eq(restart_delay(&restart, 1, LOWEST), 0);
        assert_about(restart_delay(&restart, 1, HIGHEST), 1);
}
END_TEST

START_TEST(x2_the_policy_says_what_is_started_again) {
        static const struct {
                RestartPolicy policy;
                bool ended_well;
                RestartVerdict verdict;
        } cases[] = {
                { RESTART_POLICY_NO, false, RESTART_REFUSED },
                { RESTART_POLICY_NO, true, RESTART_REFUSED },
                { RESTART_POLICY_ON_FAILURE, false, RESTART_RETRY },
                { RESTART_POLICY_ON_FAILURE, true, RESTART_REFUSED },
                { RESTART_POLICY_ALWAYS, false, RESTART_RETRY },
                { RESTART_POLICY_ALWAYS, true, RESTART_RETRY },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                restart.policy = cases[i].policy;
                ck_assert_int_eq(restart_decide(&restart, 0, cases[i].ended_well),
                                 cases[i].verdict);
        }
}
END_TEST

START_TEST(x4_more_restarts_than_attempts_are_a_crash_loop) {
        ck_assert_int_eq(restart_decide(&restart, 4, false), RESTART_RETRY);
        ck_assert_int_eq(restart_decide(&restart, 5, false), RESTART_CRASH_LOOP);

        restart.policy = RESTART_POLICY_ALWAYS;
        ck_assert_int_eq(restart_decide(&restart, 5, true), RESTART_CRASH_LOOP);

        restart.attempts = RESTART_ATTEMPTS_UNLIMITED;
        ck_assert_int_eq(restart_decide(&restart, UINT32_MAX, false), RESTART_RETRY);
}
END_TEST

static void assert_described(const char *text) {
        _cleanup_free_ char *said = restart_describe(&restart);

        ck_assert_pstr_eq(said, text);
}

START_TEST(a_schedule_is_a_line_for_people) {
        assert_described("500ms, 1s, 2s, 4s, 8s (+-10%), then Failed");

        restart.jitter = 0;
        restart.attempts = 1;
        assert_described("500ms, then Failed");
        restart.attempts = 8;
        assert_described("500ms, 1s, 2s, 4s, 8s, 16s, 30s, 30s, then Failed");

        restart.jitter = 0.025;
        restart.attempts = 100;
        assert_described("500ms, 1s, 2s, 4s, 8s, 16s, 30s ... (+-2.5%), 100 in all, then Failed");
        restart.attempts = RESTART_ATTEMPTS_UNLIMITED;
        assert_described("500ms, 1s, 2s, 4s, 8s, 16s, 30s ... (+-2.5%), without end");

        restart.policy = RESTART_POLICY_NO;
        assert_described("never restarted");
}
END_TEST

START_TEST(a_schedule_that_stays_is_said_once_and_a_long_one_is_cut) {
        restart.factor = 1;
        restart.jitter = 0;
        restart.attempts = RESTART_ATTEMPTS_UNLIMITED;
        assert_described("500ms ..., without end");

        restart.factor = 2;
        restart.max_delay_usec = USEC_PER_HOUR;
        assert_described("500ms, 1s, 2s, 4s, 8s, 16s, 32s, 1m4s ..., without end");
}
END_TEST

TEST_MAIN("restart",
          setup,
          NULL,
          x3_five_restarts_take_half_a_second_to_eight_within_ten_per_cent,
          x3_the_roll_moves_the_delay_all_over_the_jitter,
          x3_the_jitter_is_around_max_delay_too,
          x3_a_factor_of_one_stays_and_no_delay_is_none,
          x3_a_full_jitter_goes_from_nothing_to_double,
          x2_the_policy_says_what_is_started_again,
          x4_more_restarts_than_attempts_are_a_crash_loop,
          a_schedule_is_a_line_for_people,
          a_schedule_that_stays_is_said_once_and_a_long_one_is_cut)
