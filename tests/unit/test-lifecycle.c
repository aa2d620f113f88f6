/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a sidecar goes through by itself, and what Start and Restart make of it. Names begin with
 * the rule of the contract that they are about.
 */

#include "test.h"

#include "life.h"

START_TEST(a_start_goes_through_spawning_and_probing_to_ready) {
        ck_assert_str_eq(settle(), "");
        ck_assert_str_eq(start(), "spawn Starting/spawning");
        ck_assert_str_eq(fork_main(), "");
        ck_assert_str_eq(exec_main(), "Starting/probing probe");
        ck_assert_str_eq(probe(true), "Running/ready");
        ck_assert_uint_eq(asleep_until, USEC_INFINITY);
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_NONE);
}
END_TEST

START_TEST(without_a_probe_what_is_executed_is_ready) {
        spec.readiness.kind = PROBE_NONE;
        (void) start();
        ck_assert_str_eq(fork_main(), "");
        ck_assert_str_eq(exec_main(), "Running/ready");
}
END_TEST

START_TEST(spawning_is_announced_with_the_number_of_its_generation) {
        Step step;

        go(FAR_LEFTOVERS);
        lifecycle_start(&life);
        lifecycle_on_empty(&life);
        for (step = lifecycle_next(&life, now); step.sub_state != SUB_STATE_SPAWNING;
             step = lifecycle_next(&life, now)) {
                char text[64];

                do_step(&step, text);
        }
        ck_assert_int_eq(step.kind, STEP_ANNOUNCE);
        ck_assert_uint_eq(life.generation, FIRST_GENERATION + 1);
}
END_TEST

START_TEST(s2_two_starts_at_once_give_one_process) {
        lifecycle_start(&life);
        lifecycle_start(&life);
        ck_assert_str_eq(settle(), "spawn Starting/spawning");
        ck_assert_str_eq(start(), "");

        for (Far far = FAR_REQUESTED; far <= FAR_READY; far++) {
                go(far);
                ck_assert_str_eq(start(), "");
                ck_assert_uint_eq(lifecycle_promised_generation(&life), FIRST_GENERATION);
        }
}
END_TEST

START_TEST(s7_a_wish_is_in_force_before_any_step_is_done) {
        lifecycle_start(&life);
        ck_assert_uint_eq(lifecycle_promised_generation(&life), FIRST_GENERATION);
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_READY, FIRST_GENERATION), WAIT_PENDING);

        lifecycle_stop(&life, REASON_REQUESTED, false);
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_READY, FIRST_GENERATION), WAIT_NOT_RUNNING);
        ck_assert_str_eq(settle(), "");
}
END_TEST

START_TEST(a_start_is_promised_the_current_generation_if_it_is_up_else_the_next) {
        for (Far far = FAR_INACTIVE; far < _FAR_MAX; far++) {
                bool is_up = far >= FAR_REQUESTED && far <= FAR_READY;
                uint64_t next;

                go(far);
                next = far == FAR_INACTIVE ? FIRST_GENERATION : FIRST_GENERATION + 1;
                lifecycle_start(&life);
                ck_assert_uint_eq(lifecycle_promised_generation(&life),
                                  is_up ? FIRST_GENERATION : next);
        }
}
END_TEST

START_TEST(a_start_during_a_stop_begins_when_the_tree_is_empty) {
        go(FAR_STOPPING);
        ck_assert_str_eq(start(), "");
        ck_assert_str_eq(end_main(CLD_EXITED, 0), "rest");
        ck_assert_str_eq(empty_tree(), "spawn Starting/spawning");
        ck_assert_uint_eq(life.generation, FIRST_GENERATION + 1);

        /* Before there was a pid, too. */
        go(FAR_REQUESTED);
        ck_assert_str_eq(stop(), "Starting/stopping");
        ck_assert_str_eq(start(), "");
        ck_assert_str_eq(fork_main(), "main");
}
END_TEST

START_TEST(r1_probes_begin_at_exec_and_keep_their_interval) {
        go(FAR_FORKED);
        ck_assert_str_eq(exec_main(), "Starting/probing probe");
        ck_assert_str_eq(pass(USEC_PER_SEC), "");
        ck_assert_str_eq(probe(false), "");
        ck_assert_uint_eq(asleep_until, now + spec.readiness.interval_usec);
        ck_assert_str_eq(pass(spec.readiness.interval_usec - 1), "");
        ck_assert_str_eq(pass(1), "probe");
}
END_TEST

START_TEST(r1_no_probe_overruns_the_start_timeout) {
        uint64_t deadline;
        Step step;

        go(FAR_PROBING);
        deadline = now + spec.start_timeout_usec;
        (void) pass(spec.start_timeout_usec - 2);
        life.probing = false;
        step = lifecycle_next(&life, now);
        ck_assert_int_eq(step.kind, STEP_PROBE);
        ck_assert_uint_eq(step.until, deadline);

        /* The next one would be due after it: what comes then is the deadline. */
        ck_assert_str_eq(probe(false), "");
        ck_assert_uint_eq(asleep_until, deadline);
}
END_TEST

START_TEST(r4_an_exit_while_starting_is_told_at_once) {
        for (Far far = FAR_FORKED; far <= FAR_PROBING; far++) {
                go(far);
                ck_assert_str_eq(end_main(CLD_EXITED, 1), "Starting/backoff rest");
                ck_assert_int_eq(lifecycle_reason_code(&life), REASON_EXIT_CODE);
        }
}
END_TEST

START_TEST(r5_what_is_not_ready_in_time_is_ended_and_tried_again) {
        go(FAR_PROBING);
        ck_assert_str_eq(pass(spec.start_timeout_usec - 1), "");
        ck_assert_uint_eq(asleep_until, now + 1);
        ck_assert_str_eq(pass(1), "Starting/backoff main");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_START_TIMEOUT);

        /* What answers now is too late. */
        ck_assert_str_eq(probe(true), "");
        ck_assert_str_eq(end_main(CLD_KILLED, SIGTERM), "rest");
        ck_assert_str_eq(empty_tree(), "");
        ck_assert_str_eq(pass(spec.restart.delay_usec), "spawn Starting/spawning");
}
END_TEST

START_TEST(r5_the_start_timeout_counts_from_exec) {
        go(FAR_FORKED);
        (void) pass(spec.start_timeout_usec - 1);
        (void) exec_main();
        ck_assert_str_eq(pass(spec.start_timeout_usec - 1), "");
        ck_assert_str_eq(pass(1), "Starting/backoff main");

        /* An exec that never comes back has the same time. */
        go(FAR_FORKED);
        ck_assert_str_eq(pass(spec.start_timeout_usec), "Starting/backoff main");
}
END_TEST

START_TEST(x1_an_exit_is_told_while_others_of_the_tree_live_on) {
        go(FAR_READY);
        ck_assert_str_eq(end_main(CLD_KILLED, SIGKILL), "Starting/backoff rest");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_SIGNAL);
}
END_TEST

START_TEST(x2_each_policy_restarts_what_it_says) {
        static const struct {
                RestartPolicy policy;
                int code, status;
                const char *steps;
                ReasonCode reason;
        } cases[] = {
                { RESTART_POLICY_NO, CLD_EXITED, 0, "Running/stopping rest", REASON_NONE },
                { RESTART_POLICY_NO, CLD_EXITED, 1, "Failed/failed rest", REASON_EXIT_CODE },
                { RESTART_POLICY_ON_FAILURE, CLD_EXITED, 0, "Running/stopping rest", REASON_NONE },
                { RESTART_POLICY_ON_FAILURE, CLD_EXITED, 3, "Running/stopping rest", REASON_NONE },
                { RESTART_POLICY_ON_FAILURE, CLD_EXITED, 1, "Starting/backoff rest",
                  REASON_EXIT_CODE },
                { RESTART_POLICY_ON_FAILURE, CLD_KILLED, SIGTERM, "Starting/backoff rest",
                  REASON_SIGNAL },
                { RESTART_POLICY_ON_FAILURE, CLD_DUMPED, SIGSEGV, "Starting/backoff rest",
                  REASON_CORE_DUMP },
                { RESTART_POLICY_ON_FAILURE, 0, 0, "Starting/backoff rest", REASON_LOST },
                { RESTART_POLICY_ALWAYS, CLD_EXITED, 0, "Starting/backoff rest", REASON_EXIT_CODE },
                { RESTART_POLICY_ALWAYS, CLD_KILLED, SIGKILL, "Starting/backoff rest",
                  REASON_SIGNAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                go(FAR_READY);
                spec.restart.policy = cases[i].policy;
                spec_succeed_on(&spec, 3);
                ck_assert_str_eq(end_main(cases[i].code, cases[i].status), cases[i].steps);
                ck_assert_int_eq(lifecycle_reason_code(&life), cases[i].reason);
        }
}
END_TEST

START_TEST(x2_an_end_with_success_stays_so) {
        go(FAR_READY);
        (void) end_main(CLD_EXITED, 0);
        ck_assert_str_eq(empty_tree(), "Stopped/exited");
        ck_assert_uint_eq(asleep_until, USEC_INFINITY);
        ck_assert_str_eq(stop(), "");
        ck_assert_str_eq(start(), "spawn Starting/spawning");
}
END_TEST

START_TEST(x2_success_before_ready_is_a_failure_where_there_is_a_probe) {
        go(FAR_PROBING);
        ck_assert_str_eq(end_main(CLD_EXITED, 0), "Starting/backoff rest");
        ck_assert(life.cause.before_ready);

        go(FAR_INACTIVE);
        spec.readiness.kind = PROBE_NONE;
        (void) start();
        (void) fork_main();
        (void) exec_main();
        (void) end_main(CLD_EXITED, 0);
        ck_assert_str_eq(empty_tree(), "Stopped/exited");
}
END_TEST

/* One life that ends with code 1 right after exec; answers the pause until the next, 0: none. */
static uint64_t live_and_fail(void) {
        (void) fork_main();
        (void) exec_main();
        (void) end_main(CLD_EXITED, 1);
        (void) empty_tree();
        return asleep_until == USEC_INFINITY ? 0 : asleep_until - now;
}

START_TEST(x3_x4_six_failures_in_a_row_end_in_a_crash_loop) {
        static const uint64_t pauses_ms[] = { 500, 1000, 2000, 4000, 8000 };

        (void) start();
        for (size_t i = 0; i < ELEMENTSOF(pauses_ms); i++) {
                uint64_t pause = live_and_fail();

                ck_assert_uint_eq(pause, pauses_ms[i] * USEC_PER_MSEC);
                ck_assert_uint_eq(life.n_restarts, i + 1);
                ck_assert_str_eq(pass(pause - 1), "");
                ck_assert_str_eq(pass(1), "spawn Starting/spawning");
        }

        ck_assert_uint_eq(live_and_fail(), 0);
        ck_assert_int_eq(life.status, STATUS_FAILED);
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_CRASH_LOOP);
        ck_assert_uint_eq(life.cause.attempts, 5);
        ck_assert_int_eq(life.cause.last, REASON_EXIT_CODE);
        ck_assert_str_eq(pass(USEC_PER_HOUR), "");
        ck_assert_uint_eq(life.generation, FIRST_GENERATION + 5);
}
END_TEST

START_TEST(x3_the_jitter_of_a_retry_is_what_was_rolled) {
        go(FAR_READY);
        spec.restart.jitter = 0.1;
        lifecycle_on_exit(&life, CLD_EXITED, 1, now, UINT32_MAX);
        ck_assert_uint_eq(life.retry_at, now + 550 * USEC_PER_MSEC);
}
END_TEST

START_TEST(x3_reset_after_of_running_is_a_fresh_start) {
        for (uint64_t short_of = 0; short_of <= 1; short_of++) {
                go(FAR_BACKOFF);
                (void) pass(spec.restart.delay_usec);
                (void) fork_main();
                (void) exec_main();
                (void) pass(USEC_PER_SEC);
                (void) probe(true);
                (void) pass(spec.restart.reset_after_usec - short_of);
                (void) end_main(CLD_EXITED, 1);
                (void) empty_tree();
                ck_assert_uint_eq(asleep_until - now, spec.restart.delay_usec << short_of);
                ck_assert_uint_eq(life.n_restarts, 2);
        }
}
END_TEST

START_TEST(x3_a_start_and_a_stop_begin_the_count_anew) {
        static const char *(*const wishes[])(void) = { start, restart };

        for (size_t i = 0; i < ELEMENTSOF(wishes); i++) {
                go(FAR_BACKOFF);
                (void) wishes[i]();
                ck_assert_uint_eq(life.n_restarts, 0);
                (void) pass(spec.restart.delay_usec);
                ck_assert_uint_eq(live_and_fail(), spec.restart.delay_usec);
        }

        go(FAR_BACKOFF);
        (void) stop();
        ck_assert_uint_eq(life.n_restarts, 0);
        (void) start();
        ck_assert_uint_eq(live_and_fail(), spec.restart.delay_usec);
}
END_TEST

START_TEST(a_start_in_backoff_waits_and_a_restart_does_not) {
        go(FAR_BACKOFF);
        ck_assert_str_eq(start(), "");
        ck_assert_uint_eq(asleep_until, now + spec.restart.delay_usec);
        ck_assert_str_eq(restart(), "spawn Starting/spawning");
}
END_TEST

START_TEST(x6_leftovers_are_gone_before_the_next_generation) {
        go(FAR_BACKOFF_LEFTOVERS);
        ck_assert_str_eq(pass(USEC_PER_SEC), "kill");
        ck_assert_str_eq(pass(USEC_PER_MINUTE), "kill");
        ck_assert_str_eq(restart(), "Starting/stopping");
        ck_assert_str_eq(empty_tree(), "spawn Starting/spawning");
}
END_TEST

START_TEST(a_restart_ends_what_is_there_and_starts_what_is_not) {
        static const char *const steps[_FAR_MAX] = {
                [FAR_INACTIVE] = "spawn Starting/spawning",
                [FAR_REQUESTED] = "Starting/stopping",
                [FAR_FORKED] = "Starting/stopping main",
                [FAR_PROBING] = "Starting/stopping main",
                [FAR_READY] = "Running/stopping main",
                [FAR_STOPPING] = "",
                [FAR_LEFTOVERS] = "",
                [FAR_BACKOFF_LEFTOVERS] = "Starting/stopping",
                [FAR_BACKOFF] = "spawn Starting/spawning",
                [FAR_FAILED_LEFTOVERS] = "Starting/stopping",
                [FAR_FAILED] = "spawn Starting/spawning",
                [FAR_STOPPED] = "spawn Starting/spawning",
        };

        for (Far far = FAR_INACTIVE; far < _FAR_MAX; far++) {
                go(far);
                ck_assert_str_eq(restart(), steps[far]);
                if (life.process == PROCESS_REQUESTED && life.restart)
                        (void) fork_main();
                if (life.process == PROCESS_FORKED || life.process == PROCESS_RUNNING)
                        (void) end_main(CLD_EXITED, 0);
                (void) empty_tree();
                ck_assert_int_eq(life.sub_state, SUB_STATE_SPAWNING);
                ck_assert_uint_eq(life.generation,
                                  FIRST_GENERATION + (far == FAR_INACTIVE ? 0 : 1));
        }
}
END_TEST

START_TEST(s4_what_trying_again_cannot_help_has_failed_at_once) {
        go(FAR_REQUESTED);
        ck_assert_str_eq(fail_spawn(REASON_BINARY_MISSING, ENOENT, true), "Failed/failed");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_BINARY_MISSING);
        ck_assert_uint_eq(asleep_until, USEC_INFINITY);

        /* A process that could not exec still owes its exit. */
        go(FAR_FORKED);
        ck_assert_str_eq(fail_spawn(REASON_EXEC_FAILED, ENOEXEC, true), "Failed/failed main");
        ck_assert_str_eq(end_main(CLD_EXITED, 127), "rest");
        ck_assert_str_eq(empty_tree(), "");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_EXEC_FAILED);
}
END_TEST

START_TEST(s4_what_is_short_for_the_moment_goes_through_backoff) {
        go(FAR_REQUESTED);
        ck_assert_str_eq(fail_spawn(REASON_RESOURCES, EAGAIN, false), "Starting/backoff");
        ck_assert_str_eq(pass(spec.restart.delay_usec), "spawn Starting/spawning");

        (void) fork_main();
        ck_assert_str_eq(fail_spawn(REASON_RESOURCES, ETXTBSY, false), "Starting/backoff main");
        (void) end_main(CLD_EXITED, 127);
        (void) empty_tree();
        ck_assert_str_eq(pass(2 * spec.restart.delay_usec), "spawn Starting/spawning");
        ck_assert_uint_eq(life.n_restarts, 2);
}
END_TEST

START_TEST(a_failed_start_is_told_even_if_no_delay_follows_it) {
        go(FAR_REQUESTED);
        spec.restart.delay_usec = 0;
        ck_assert_str_eq(fail_spawn(REASON_RESOURCES, EAGAIN, false), "Starting/backoff");
        /* Nor is it tried again in the same turn, for ever. */
        ck_assert_str_eq(pass(99 * USEC_PER_MSEC), "");
        ck_assert_str_eq(pass(1 * USEC_PER_MSEC), "spawn Starting/spawning");
}
END_TEST

START_TEST(a_start_that_reached_nobody_is_made_again_under_its_number) {
        for (Far far = FAR_INACTIVE; far < _FAR_MAX; far++) {
                const char *steps = far == FAR_REQUESTED ? "spawn" : "";

                go(far);
                lifecycle_on_never_spawned(&life);
                ck_assert_str_eq(settle(), steps);
                ck_assert_uint_eq(life.generation, far == FAR_INACTIVE ? 0 : FIRST_GENERATION);
        }
}
END_TEST

START_TEST(a_start_that_reached_nobody_does_not_take_back_a_promise) {
        uint64_t promised;

        go(FAR_REQUESTED);
        ck_assert_str_eq(restart(), "Starting/stopping");
        promised = lifecycle_promised_generation(&life);
        lifecycle_on_never_spawned(&life);
        ck_assert_str_eq(settle(), "spawn Starting/spawning");
        ck_assert_uint_eq(life.generation, promised);
}
END_TEST

START_TEST(an_exec_that_fails_after_its_start_timeout_is_one_failure) {
        go(FAR_FORKED);
        (void) pass(spec.start_timeout_usec);
        ck_assert_uint_eq(life.n_restarts, 1);
        ck_assert_str_eq(fail_spawn(REASON_RESOURCES, ETXTBSY, false), "");
        ck_assert_uint_eq(life.n_restarts, 1);
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_START_TIMEOUT);
}
END_TEST

START_TEST(failed_is_final_until_a_start_or_a_stop) {
        for (Far far = FAR_FAILED_LEFTOVERS; far <= FAR_FAILED; far++) {
                go(far);
                (void) pass(USEC_PER_HOUR);
                ck_assert_int_eq(life.status, STATUS_FAILED);
        }

        go(FAR_FAILED);
        ck_assert_str_eq(start(), "spawn Starting/spawning");
        go(FAR_FAILED);
        ck_assert_str_eq(stop(), "Stopped/stopped");

        go(FAR_FAILED_LEFTOVERS);
        ck_assert_str_eq(start(), "Starting/stopping");
        ck_assert_str_eq(empty_tree(), "spawn Starting/spawning");
        go(FAR_FAILED_LEFTOVERS);
        ck_assert_str_eq(stop(), "");
        ck_assert_str_eq(empty_tree(), "Stopped/stopped");
}
END_TEST

TEST_MAIN("lifecycle",
          life_setup,
          NULL,
          a_start_goes_through_spawning_and_probing_to_ready,
          without_a_probe_what_is_executed_is_ready,
          spawning_is_announced_with_the_number_of_its_generation,
          s2_two_starts_at_once_give_one_process,
          s7_a_wish_is_in_force_before_any_step_is_done,
          a_start_is_promised_the_current_generation_if_it_is_up_else_the_next,
          a_start_during_a_stop_begins_when_the_tree_is_empty,
          r1_probes_begin_at_exec_and_keep_their_interval,
          r1_no_probe_overruns_the_start_timeout,
          r4_an_exit_while_starting_is_told_at_once,
          r5_what_is_not_ready_in_time_is_ended_and_tried_again,
          r5_the_start_timeout_counts_from_exec,
          x1_an_exit_is_told_while_others_of_the_tree_live_on,
          x2_each_policy_restarts_what_it_says,
          x2_an_end_with_success_stays_so,
          x2_success_before_ready_is_a_failure_where_there_is_a_probe,
          x3_x4_six_failures_in_a_row_end_in_a_crash_loop,
          x3_the_jitter_of_a_retry_is_what_was_rolled,
          x3_reset_after_of_running_is_a_fresh_start,
          x3_a_start_and_a_stop_begin_the_count_anew,
          a_start_in_backoff_waits_and_a_restart_does_not,
          x6_leftovers_are_gone_before_the_next_generation,
          a_restart_ends_what_is_there_and_starts_what_is_not,
          s4_what_trying_again_cannot_help_has_failed_at_once,
          s4_what_is_short_for_the_moment_goes_through_backoff,
          a_failed_start_is_told_even_if_no_delay_follows_it,
          a_start_that_reached_nobody_is_made_again_under_its_number,
          a_start_that_reached_nobody_does_not_take_back_a_promise,
          an_exec_that_fails_after_its_start_timeout_is_one_failure,
          failed_is_final_until_a_start_or_a_stop)
