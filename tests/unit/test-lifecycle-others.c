/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A life among others: waiting for dependencies, stopping after dependents, and the health checks
 * of what runs. Names begin with the rule of the contract that they are about.
 */

#include "test.h"

#include "life.h"

START_TEST(x7_what_is_blocked_waits_and_is_spawned_when_it_is_free) {
        ck_assert_str_eq(block(true), "");
        ck_assert_str_eq(start(), "Starting/waiting");
        ck_assert_uint_eq(asleep_until, USEC_INFINITY);
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_DEPENDENCY);
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_READY, FIRST_GENERATION), WAIT_PENDING);
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_SETTLED, FIRST_GENERATION), WAIT_PENDING);
        ck_assert_str_eq(pass(USEC_PER_HOUR), "");
        ck_assert_str_eq(start(), "");

        ck_assert_str_eq(block(false), "spawn Starting/spawning");
        ck_assert_uint_eq(life.generation, FIRST_GENERATION);
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_NONE);
}
END_TEST

START_TEST(x7_what_is_up_is_not_touched_when_a_dependency_goes) {
        for (Far far = FAR_REQUESTED; far <= FAR_READY; far++) {
                go(far);
                ck_assert_str_eq(block(true), "");
                ck_assert_str_eq(fail_dependency(), "");
                ck_assert_int_eq(life.goal, GOAL_UP);
        }
}
END_TEST

START_TEST(a_stop_or_the_end_of_its_dependency_ends_the_wait) {
        (void) block(true);
        (void) start();
        ck_assert_str_eq(stop(), "Stopped/inactive");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_NONE);
        ck_assert_str_eq(block(false), "");

        (void) block(true);
        (void) start();
        ck_assert_str_eq(fail_dependency(), "Failed/failed");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_DEPENDENCY);
        ck_assert_int_eq(life.cause.exit_code, -1);
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_READY, 0), WAIT_START_FAILED);
        ck_assert_str_eq(block(false), "");
        ck_assert_uint_eq(asleep_until, USEC_INFINITY);

        /* Failed leaves by Start, as ever. */
        ck_assert_str_eq(start(), "spawn Starting/spawning");
}
END_TEST

START_TEST(a_dependency_that_fails_is_nothing_to_what_does_not_wait) {
        for (Far far = FAR_INACTIVE; far < _FAR_MAX; far++) {
                Status status;

                go(far);
                status = life.status;
                (void) block(true);
                ck_assert_str_eq(fail_dependency(), "");
                ck_assert_int_eq(life.status, status);

                /* Nor is it to what could be spawned. */
                lifecycle_set_blocked(&life, false);
                ck_assert_str_eq(fail_dependency(), "");
                ck_assert_int_eq(life.status, status);
        }
}
END_TEST

START_TEST(a_pause_ends_in_a_wait_where_a_dependency_is_gone) {
        go(FAR_BACKOFF);
        ck_assert_str_eq(block(true), "");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_EXIT_CODE);
        ck_assert_str_eq(pass(spec.restart.delay_usec - 1), "");
        ck_assert_str_eq(pass(1), "Starting/waiting");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_DEPENDENCY);
        ck_assert_str_eq(block(false), "spawn Starting/spawning");
        ck_assert_uint_eq(life.n_restarts, 1);

        /* Leftovers come first, and keep the word. */
        go(FAR_BACKOFF_LEFTOVERS);
        (void) block(true);
        (void) pass(spec.restart.delay_usec);
        ck_assert_int_eq(life.sub_state, SUB_STATE_BACKOFF);
        ck_assert_str_eq(empty_tree(), "Starting/waiting");
}
END_TEST

START_TEST(a_restart_of_what_is_blocked_ends_it_and_waits) {
        go(FAR_READY);
        (void) block(true);
        (void) restart();
        (void) end_main(CLD_EXITED, 0);
        ck_assert_str_eq(empty_tree(), "Starting/waiting");
}
END_TEST

START_TEST(x7_a_stop_waits_for_what_depends_on_it) {
        static const char *const steps[_FAR_MAX] = {
                [FAR_REQUESTED] = "Starting/stopping",
                [FAR_FORKED] = "Starting/stopping",
                [FAR_PROBING] = "Starting/stopping",
                [FAR_READY] = "Running/stopping",
        };

        for (Far far = FAR_REQUESTED; far <= FAR_READY; far++) {
                go(far);
                ck_assert_str_eq(block_end(true), "");
                ck_assert_str_eq(stop(), steps[far]);
                ck_assert_uint_eq(asleep_until, USEC_INFINITY);
                ck_assert_str_eq(pass(USEC_PER_HOUR), "");
                if (far == FAR_REQUESTED)
                        ck_assert_str_eq(fork_main(), "");
                ck_assert_str_eq(block_end(false), "main");
        }
}
END_TEST

START_TEST(a_held_stop_lets_nothing_become_ready_or_late) {
        go(FAR_PROBING);
        (void) block_end(true);
        (void) stop();
        ck_assert_str_eq(probe(true), "");
        ck_assert_str_eq(pass(spec.start_timeout_usec), "");
        ck_assert_int_eq(life.sub_state, SUB_STATE_STOPPING);
        ck_assert_uint_eq(life.n_restarts, 0);
}
END_TEST

START_TEST(a_kill_a_restart_and_an_exit_do_not_wait) {
        go(FAR_READY);
        (void) block_end(true);
        lifecycle_stop(&life, REASON_REQUESTED, true);
        ck_assert_str_eq(settle(), "Running/stopping kill");

        /* In the middle of a wait, too. */
        go(FAR_READY);
        (void) block_end(true);
        (void) stop();
        lifecycle_stop(&life, REASON_REQUESTED, true);
        ck_assert_str_eq(settle(), "kill");

        go(FAR_READY);
        (void) block_end(true);
        ck_assert_str_eq(restart(), "Running/stopping main");

        go(FAR_READY);
        (void) block_end(true);
        (void) stop();
        ck_assert_str_eq(end_main(CLD_EXITED, 0), "rest");
        ck_assert_str_eq(empty_tree(), "Stopped/stopped");
}
END_TEST

START_TEST(the_end_of_a_failure_does_not_wait) {
        go(FAR_PROBING);
        (void) block_end(true);
        ck_assert_str_eq(pass(spec.start_timeout_usec), "Starting/backoff main");

        /* Not if the stop comes before anything was done about the failure, either. */
        go(FAR_PROBING);
        lifecycle_set_end_blocked(&life, true);
        now += spec.start_timeout_usec;
        lifecycle_on_time(&life, now, ROLL);
        ck_assert_str_eq(stop(), "Starting/stopping main");
}
END_TEST

START_TEST(a_stop_that_has_begun_goes_on) {
        go(FAR_STOPPING);
        ck_assert_str_eq(block_end(true), "");
        ck_assert_str_eq(pass(spec.stop_timeout_usec), "rest");
        ck_assert_str_eq(pass(USEC_PER_SEC), "kill");
}
END_TEST

static void go_to_health(uint32_t failures, bool restarts) {
        life_setup();
        spec.liveness = liveness_make(failures, restarts);
        go_to_ready();
}

static const char *check(bool alive) {
        ck_assert_str_eq(pass(asleep_until - now), "check");
        return probe(alive);
}

START_TEST(l1_health_is_checked_every_interval_after_ready) {
        Step step;

        go_to_health(3, false);
        ck_assert_uint_eq(asleep_until, now + 10 * USEC_PER_SEC);
        ck_assert_str_eq(pass(10 * USEC_PER_SEC - 1), "");

        now += 1;
        step = lifecycle_next(&life, now);
        ck_assert_int_eq(step.kind, STEP_PROBE);
        ck_assert(step.is_liveness);
        ck_assert_uint_eq(step.until, now + 2 * USEC_PER_SEC);

        ck_assert_str_eq(settle(), "check");
        ck_assert_uint_eq(asleep_until, USEC_INFINITY);
        (void) pass(USEC_PER_SEC);
        ck_assert_str_eq(probe(true), "");
        ck_assert_uint_eq(asleep_until, now + 10 * USEC_PER_SEC);
}
END_TEST

START_TEST(l1_without_a_readiness_probe_health_is_checked_from_exec) {
        spec.readiness.kind = PROBE_NONE;
        spec.liveness = liveness_make(1, false);
        (void) start();
        (void) fork_main();
        ck_assert_str_eq(exec_main(), "Running/ready");
        ck_assert_uint_eq(asleep_until, now + 10 * USEC_PER_SEC);
}
END_TEST

START_TEST(l1_misses_in_a_row_make_it_unhealthy_and_one_answer_ready) {
        go_to_health(3, false);
        ck_assert_str_eq(check(false), "");
        ck_assert_str_eq(check(false), "");
        ck_assert_str_eq(check(true), "");
        ck_assert_str_eq(check(false), "");
        ck_assert_str_eq(check(false), "");
        ck_assert_str_eq(check(false), "Running/unhealthy");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_UNHEALTHY);
        ck_assert_str_eq(check(false), "");
        ck_assert_str_eq(check(true), "Running/ready");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_NONE);
        ck_assert_str_eq(check(false), "");
}
END_TEST

START_TEST(l1_unhealthy_is_up_to_who_waits) {
        go_to_health(1, false);
        (void) check(false);
        ck_assert_int_eq(life.sub_state, SUB_STATE_UNHEALTHY);
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_READY, FIRST_GENERATION), WAIT_HOLDS);
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_SETTLED, FIRST_GENERATION), WAIT_HOLDS);
        ck_assert_str_eq(start(), "");
        ck_assert_str_eq(stop(), "Running/stopping main");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_REQUESTED);
}
END_TEST

START_TEST(l1_on_failure_restart_makes_misses_a_failure) {
        go_to_health(2, true);
        ck_assert_str_eq(check(false), "");
        ck_assert_str_eq(check(false), "Starting/backoff main");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_UNHEALTHY);
        ck_assert_uint_eq(life.cause.n_misses, 2);
        (void) end_main(CLD_EXITED, 0);
        (void) empty_tree();
        ck_assert_str_eq(pass(spec.restart.delay_usec), "spawn Starting/spawning");

        /* A new process starts at zero. */
        (void) fork_main();
        (void) exec_main();
        ck_assert_str_eq(probe(true), "Running/ready");
        ck_assert_str_eq(check(false), "");

        go_to_health(1, true);
        spec.restart.policy = RESTART_POLICY_NO;
        ck_assert_str_eq(check(false), "Failed/failed main");
}
END_TEST

START_TEST(x3_unhealthy_time_counts_as_running) {
        for (uint32_t failures = 1; failures <= 2; failures++) {
                go_to_health(failures, false);
                (void) end_main(CLD_EXITED, 1);
                (void) empty_tree();
                (void) pass(spec.restart.delay_usec);
                (void) fork_main();
                (void) exec_main();
                (void) probe(true);
                ck_assert_uint_eq(life.n_in_a_row, 1);

                (void) check(false);
                (void) pass(spec.restart.reset_after_usec);
                (void) end_main(CLD_EXITED, 1);
                ck_assert_uint_eq(life.n_in_a_row, 1);
        }
}
END_TEST

START_TEST(x3_a_long_life_that_ends_unhealthy_is_forgiven_what_was_before) {
        go_to_health(1, true);
        life.n_in_a_row = spec.restart.attempts;
        (void) pass(spec.restart.reset_after_usec);
        ck_assert_str_eq(probe(false), "Starting/backoff main");
        ck_assert_uint_eq(life.n_in_a_row, 1);
}
END_TEST

START_TEST(l1_nothing_is_checked_while_it_stops) {
        go_to_health(1, true);
        (void) block_end(true);
        (void) stop();
        ck_assert_uint_eq(asleep_until, USEC_INFINITY);

        /* What was asked before the stop is answered too late to matter. */
        go_to_health(1, true);
        ck_assert_str_eq(pass(asleep_until - now), "check");
        (void) stop();
        ck_assert_str_eq(probe(false), "");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_REQUESTED);
}
END_TEST

START_TEST(x7_each_condition_holds_in_its_states) {
        static const DependencyVerdict no = DEPENDENCY_PENDING, yes = DEPENDENCY_HOLDS;
        static const struct {
                DependencyVerdict started, ready, completed;
        } verdicts[_FAR_MAX] = {
                [FAR_PROBING] = { DEPENDENCY_HOLDS, DEPENDENCY_PENDING, DEPENDENCY_PENDING },
                [FAR_READY] = { DEPENDENCY_HOLDS, DEPENDENCY_HOLDS, DEPENDENCY_PENDING },
                [FAR_FAILED_LEFTOVERS] = { DEPENDENCY_FAILED, DEPENDENCY_FAILED,
                                           DEPENDENCY_FAILED },
                [FAR_FAILED] = { DEPENDENCY_FAILED, DEPENDENCY_FAILED, DEPENDENCY_FAILED },
        };

        for (Far far = FAR_INACTIVE; far < _FAR_MAX; far++) {
                go(far);
                ck_assert_int_eq(lifecycle_check_dependency(&life, DEPENDENCY_STARTED),
                                 verdicts[far].started);
                ck_assert_int_eq(lifecycle_check_dependency(&life, DEPENDENCY_READY),
                                 verdicts[far].ready);
                ck_assert_int_eq(lifecycle_check_dependency(&life, DEPENDENCY_COMPLETED),
                                 verdicts[far].completed);
        }

        /* Ended with success: completed once nothing of it is left. */
        go(FAR_READY);
        (void) end_main(CLD_EXITED, 0);
        ck_assert_int_eq(lifecycle_check_dependency(&life, DEPENDENCY_STARTED), yes);
        ck_assert_int_eq(lifecycle_check_dependency(&life, DEPENDENCY_COMPLETED), no);
        (void) empty_tree();
        ck_assert_int_eq(lifecycle_check_dependency(&life, DEPENDENCY_STARTED), yes);
        ck_assert_int_eq(lifecycle_check_dependency(&life, DEPENDENCY_READY), no);
        ck_assert_int_eq(lifecycle_check_dependency(&life, DEPENDENCY_COMPLETED), yes);

        /* Unhealthy is ready; what is being stopped is neither, and has not failed. */
        go_to_health(1, false);
        (void) check(false);
        ck_assert_int_eq(lifecycle_check_dependency(&life, DEPENDENCY_READY), yes);
        go(FAR_FAILED_LEFTOVERS);
        (void) stop();
        ck_assert_int_eq(lifecycle_check_dependency(&life, DEPENDENCY_READY), no);
}
END_TEST

TEST_MAIN("lifecycle-others",
          life_setup,
          NULL,
          x7_what_is_blocked_waits_and_is_spawned_when_it_is_free,
          x7_what_is_up_is_not_touched_when_a_dependency_goes,
          a_stop_or_the_end_of_its_dependency_ends_the_wait,
          a_dependency_that_fails_is_nothing_to_what_does_not_wait,
          a_pause_ends_in_a_wait_where_a_dependency_is_gone,
          a_restart_of_what_is_blocked_ends_it_and_waits,
          x7_a_stop_waits_for_what_depends_on_it,
          a_held_stop_lets_nothing_become_ready_or_late,
          a_kill_a_restart_and_an_exit_do_not_wait,
          the_end_of_a_failure_does_not_wait,
          a_stop_that_has_begun_goes_on,
          l1_health_is_checked_every_interval_after_ready,
          l1_without_a_readiness_probe_health_is_checked_from_exec,
          l1_misses_in_a_row_make_it_unhealthy_and_one_answer_ready,
          l1_unhealthy_is_up_to_who_waits,
          l1_on_failure_restart_makes_misses_a_failure,
          x3_unhealthy_time_counts_as_running,
          x3_a_long_life_that_ends_unhealthy_is_forgiven_what_was_before,
          l1_nothing_is_checked_while_it_stops,
          x7_each_condition_holds_in_its_states)
