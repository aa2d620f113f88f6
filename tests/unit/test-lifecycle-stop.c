/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How a sidecar is ended (failures.md, section 3), and what Wait answers. Names begin with the
 * rule of the contract that they are about.
 */

#include "test.h"

#include "life.h"
#include "util/strv.h"

START_TEST(t1_the_main_process_then_the_rest_then_the_kill) {
        go(FAR_READY);
        ck_assert_str_eq(stop(), "Running/stopping main");
        ck_assert_str_eq(pass(spec.stop_timeout_usec - 1), "");
        ck_assert_str_eq(pass(1), "rest");
        ck_assert_str_eq(pass(USEC_PER_SEC - 1), "");
        ck_assert_str_eq(pass(1), "kill");
        ck_assert_str_eq(end_main(CLD_KILLED, SIGKILL), "");
        ck_assert_str_eq(empty_tree(), "Stopped/stopped");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_REQUESTED);
}
END_TEST

START_TEST(t1_the_end_of_the_main_process_ends_its_grace) {
        go(FAR_STOPPING);
        (void) pass(USEC_PER_SEC);
        ck_assert_str_eq(end_main(CLD_EXITED, 0), "rest");
        ck_assert_str_eq(pass(USEC_PER_SEC), "kill");
}
END_TEST

START_TEST(t1_a_main_process_that_ends_late_gets_the_rest_no_second_grace) {
        go(FAR_STOPPING);
        (void) pass(spec.stop_timeout_usec);
        ck_assert_str_eq(pass(USEC_PER_SEC / 2), "");
        ck_assert_str_eq(end_main(CLD_EXITED, 0), "");
        ck_assert_str_eq(pass(USEC_PER_SEC / 2), "kill");
}
END_TEST

START_TEST(a_stop_with_kill_knows_no_grace) {
        go(FAR_READY);
        lifecycle_stop(&life, REASON_REQUESTED, true);
        ck_assert_str_eq(settle(), "Running/stopping kill");

        /* In the middle of a gentle one, too. */
        for (Far far = FAR_STOPPING; far <= FAR_LEFTOVERS; far++) {
                go(far);
                lifecycle_stop(&life, REASON_REQUESTED, true);
                ck_assert_str_eq(settle(), "kill");
        }
}
END_TEST

START_TEST(a_kill_does_not_outlive_its_generation) {
        go(FAR_READY);
        lifecycle_stop(&life, REASON_REQUESTED, true);
        (void) settle();
        (void) end_main(CLD_KILLED, SIGKILL);
        (void) empty_tree();

        /* Of what is down there is nothing to kill. */
        lifecycle_stop(&life, REASON_REQUESTED, true);
        ck_assert_str_eq(settle(), "");

        go_to_ready();
        ck_assert_str_eq(stop(), "Running/stopping main");
}
END_TEST

START_TEST(kills_come_ever_slower_until_the_proof) {
        static const uint64_t pauses_ms[] = { 1, 1, 2, 4, 8, 16, 32, 50, 50 };

        go(FAR_STOPPING);
        (void) pass(spec.stop_timeout_usec);
        ck_assert_str_eq(pass(USEC_PER_SEC), "kill");
        for (size_t i = 0; i < ELEMENTSOF(pauses_ms); i++) {
                ck_assert_uint_eq(asleep_until - now, pauses_ms[i] * USEC_PER_MSEC);
                ck_assert_str_eq(pass(asleep_until - now), "kill");
        }
}
END_TEST

START_TEST(what_ten_seconds_of_kills_do_not_end_is_unkillable_and_blocks_its_slot) {
        go(FAR_STOPPING);
        (void) start();
        (void) pass(spec.stop_timeout_usec);
        (void) pass(USEC_PER_SEC);
        ck_assert_str_eq(pass(10 * USEC_PER_SEC - 1), "kill");
        ck_assert(!lifecycle_is_unkillable(&life, now));
        ck_assert_str_eq(pass(USEC_PER_SEC), "kill");
        ck_assert(lifecycle_is_unkillable(&life, now));
        ck_assert_uint_eq(asleep_until - now, USEC_PER_SEC);
        ck_assert_str_eq(pass(USEC_PER_SEC), "kill");

        (void) end_main(CLD_KILLED, SIGKILL);
        ck_assert_str_eq(empty_tree(), "spawn Starting/spawning");
        ck_assert(!lifecycle_is_unkillable(&life, now));
}
END_TEST

START_TEST(t2_a_stop_is_done_when_the_tree_is_proven_empty) {
        for (Far far = FAR_REQUESTED; far <= FAR_LEFTOVERS; far++) {
                go(far);
                (void) stop();
                if (far == FAR_REQUESTED)
                        (void) fork_main();
                if (far < FAR_LEFTOVERS)
                        (void) end_main(CLD_EXITED, 0);
                ck_assert_int_eq(life.sub_state, SUB_STATE_STOPPING);
                ck_assert_int_eq(life.status, far >= FAR_READY ? STATUS_RUNNING : STATUS_STARTING);
                ck_assert_str_eq(empty_tree(), "Stopped/stopped");
        }
}
END_TEST

START_TEST(x5_a_stop_is_never_followed_by_a_restart) {
        static const char *const steps[_FAR_MAX] = {
                [FAR_INACTIVE] = "",
                [FAR_REQUESTED] = "Starting/stopping",
                [FAR_FORKED] = "Starting/stopping main",
                [FAR_PROBING] = "Starting/stopping main",
                [FAR_READY] = "Running/stopping main",
                [FAR_STOPPING] = "",
                [FAR_LEFTOVERS] = "",
                [FAR_BACKOFF_LEFTOVERS] = "Starting/stopping",
                [FAR_BACKOFF] = "Stopped/stopped",
                [FAR_FAILED_LEFTOVERS] = "",
                [FAR_FAILED] = "Stopped/stopped",
                [FAR_STOPPED] = "",
        };

        for (Far far = FAR_INACTIVE; far < _FAR_MAX; far++) {
                go(far);
                ck_assert_str_eq(stop(), steps[far]);
                (void) fork_main();
                if (life.process == PROCESS_FORKED || life.process == PROCESS_RUNNING)
                        (void) end_main(CLD_EXITED, 1);
                (void) empty_tree();
                ck_assert_str_eq(pass(USEC_PER_HOUR), "");
                ck_assert_int_eq(life.status, STATUS_STOPPED);
                ck_assert_uint_eq(asleep_until, USEC_INFINITY);
        }
}
END_TEST

START_TEST(x5_a_stop_takes_back_a_restart) {
        go(FAR_READY);
        (void) restart();
        (void) stop();
        (void) end_main(CLD_EXITED, 0);
        ck_assert_str_eq(empty_tree(), "Stopped/stopped");
}
END_TEST

START_TEST(x5_a_spawn_that_fails_after_a_stop_is_no_failure) {
        go(FAR_REQUESTED);
        (void) stop();
        ck_assert_str_eq(fail_spawn(REASON_RESOURCES, EAGAIN, false), "Stopped/stopped");

        go(FAR_FORKED);
        (void) stop();
        ck_assert_str_eq(fail_spawn(REASON_EXEC_FAILED, EACCES, true), "");
        (void) end_main(CLD_EXITED, 127);
        ck_assert_str_eq(empty_tree(), "Stopped/stopped");
}
END_TEST

START_TEST(what_was_stopped_before_it_was_ready_does_not_become_so) {
        go(FAR_PROBING);
        (void) stop();
        ck_assert_str_eq(probe(true), "");

        go(FAR_INACTIVE);
        spec.readiness.kind = PROBE_NONE;
        (void) start();
        (void) fork_main();
        (void) stop();
        ck_assert_str_eq(exec_main(), "");
}
END_TEST

START_TEST(a_stop_is_told_by_who_wished_it) {
        go(FAR_READY);
        lifecycle_stop(&life, REASON_SHUTDOWN, false);
        (void) settle();
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_SHUTDOWN);
        (void) end_main(CLD_EXITED, 1);
        (void) empty_tree();
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_SHUTDOWN);
}
END_TEST

START_TEST(waits_are_answered_in_each_state) {
        static const struct {
                WaitVerdict ready, stopped, settled;
        } verdicts[_FAR_MAX] = {
                [FAR_INACTIVE] = { WAIT_NOT_RUNNING, WAIT_NOT_RUNNING, WAIT_NOT_RUNNING },
                [FAR_REQUESTED] = { WAIT_PENDING, WAIT_PENDING, WAIT_PENDING },
                [FAR_FORKED] = { WAIT_PENDING, WAIT_PENDING, WAIT_PENDING },
                [FAR_PROBING] = { WAIT_PENDING, WAIT_PENDING, WAIT_PENDING },
                [FAR_READY] = { WAIT_HOLDS, WAIT_PENDING, WAIT_HOLDS },
                [FAR_STOPPING] = { WAIT_NOT_RUNNING, WAIT_PENDING, WAIT_PENDING },
                [FAR_LEFTOVERS] = { WAIT_NOT_RUNNING, WAIT_PENDING, WAIT_PENDING },
                [FAR_BACKOFF_LEFTOVERS] = { WAIT_PENDING, WAIT_PENDING, WAIT_PENDING },
                [FAR_BACKOFF] = { WAIT_PENDING, WAIT_PENDING, WAIT_PENDING },
                [FAR_FAILED_LEFTOVERS] = { WAIT_START_FAILED, WAIT_PENDING, WAIT_HOLDS },
                [FAR_FAILED] = { WAIT_START_FAILED, WAIT_HOLDS, WAIT_HOLDS },
                [FAR_STOPPED] = { WAIT_NOT_RUNNING, WAIT_HOLDS, WAIT_HOLDS },
        };

        for (Far far = FAR_INACTIVE; far < _FAR_MAX; far++) {
                uint64_t generation = FIRST_GENERATION;

                go(far);
                ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_READY, generation),
                                 verdicts[far].ready);
                ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_STOPPED, generation),
                                 verdicts[far].stopped);
                ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_SETTLED, generation),
                                 verdicts[far].settled);
        }
}
END_TEST

START_TEST(a_wait_for_the_next_generation_is_not_held_by_this_one) {
        go(FAR_READY);
        (void) restart();
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_READY, FIRST_GENERATION), WAIT_PENDING);
        (void) end_main(CLD_EXITED, 0);
        (void) empty_tree();
        (void) fork_main();
        (void) exec_main();
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_READY, FIRST_GENERATION + 1), WAIT_PENDING);
        (void) probe(true);
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_READY, FIRST_GENERATION + 1), WAIT_HOLDS);
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_READY, FIRST_GENERATION), WAIT_HOLDS);
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_READY, FIRST_GENERATION + 2), WAIT_PENDING);
}
END_TEST

START_TEST(a_wait_ends_when_its_generation_was_called_off) {
        for (WaitCondition condition = 0; condition < _WAIT_CONDITION_MAX; condition++) {
                uint64_t promised;

                go(FAR_BACKOFF);
                lifecycle_start(&life);
                promised = lifecycle_promised_generation(&life);
                (void) stop();
                ck_assert_int_eq(lifecycle_wait(&life, condition, promised), WAIT_NOT_RUNNING);
        }
}
END_TEST

START_TEST(a_stop_of_what_has_failed_is_settled_when_it_is_stopped) {
        go(FAR_FAILED_LEFTOVERS);
        (void) stop();
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_SETTLED, FIRST_GENERATION), WAIT_PENDING);
        (void) empty_tree();
        ck_assert_int_eq(lifecycle_wait(&life, WAIT_FOR_SETTLED, FIRST_GENERATION), WAIT_HOLDS);
}
END_TEST

START_TEST(conditions_are_three_words) {
        ck_assert_int_eq(wait_condition_from_string("ready"), WAIT_FOR_READY);
        ck_assert_int_eq(wait_condition_from_string("stopped"), WAIT_FOR_STOPPED);
        ck_assert_int_eq(wait_condition_from_string("settled"), WAIT_FOR_SETTLED);
        ck_assert_int_eq(wait_condition_from_string("Ready"), _WAIT_CONDITION_INVALID);
        ck_assert_int_eq(wait_condition_from_string(""), _WAIT_CONDITION_INVALID);
}
END_TEST

TEST_MAIN("lifecycle-stop",
          life_setup,
          NULL,
          t1_the_main_process_then_the_rest_then_the_kill,
          t1_the_end_of_the_main_process_ends_its_grace,
          t1_a_main_process_that_ends_late_gets_the_rest_no_second_grace,
          a_stop_with_kill_knows_no_grace,
          a_kill_does_not_outlive_its_generation,
          kills_come_ever_slower_until_the_proof,
          what_ten_seconds_of_kills_do_not_end_is_unkillable_and_blocks_its_slot,
          t2_a_stop_is_done_when_the_tree_is_proven_empty,
          x5_a_stop_is_never_followed_by_a_restart,
          x5_a_stop_takes_back_a_restart,
          x5_a_spawn_that_fails_after_a_stop_is_no_failure,
          what_was_stopped_before_it_was_ready_does_not_become_so,
          a_stop_is_told_by_who_wished_it,
          waits_are_answered_in_each_state,
          a_wait_for_the_next_generation_is_not_held_by_this_one,
          a_wait_ends_when_its_generation_was_called_off,
          a_stop_of_what_has_failed_is_settled_when_it_is_stopped,
          conditions_are_three_words)
