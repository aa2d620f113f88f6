/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a sidecar says of itself, and what nobody is to blame for: readiness that is told, loading,
 * the watchdog, time that was lost, a stranger on the port.
 */

#include "test.h"

#include "life.h"
#include "model/reason.h"

/* Nobody asks it: it says READY=1 itself. */
static void go_to_probing_by_notify(void) {
        life_setup();
        spec.readiness.kind = PROBE_NOTIFY;
        (void) start();
        (void) fork_main();
        (void) exec_main();
}

static const char *say_ready(void) {
        lifecycle_on_said_ready(&life, now);
        return settle();
}

static void go_to_watchdog(uint64_t usec) {
        life_setup();
        spec.watchdog_usec = usec;
        go_to_ready();
}

static void assert_reason(const char *wanted) {
        _cleanup_free_ char *said = reason_text(&spec, &life, NULL);

        ck_assert_str_eq(said, wanted);
}

START_TEST(r6_who_tells_is_not_asked) {
        go_to_probing_by_notify();
        ck_assert_uint_eq(asleep_until, now + spec.start_timeout_usec);
        ck_assert_str_eq(pass(USEC_PER_SEC), "");
        ck_assert_str_eq(say_ready(), "Running/ready");
        ck_assert_str_eq(say_ready(), "");
        ck_assert_uint_eq(asleep_until, USEC_INFINITY);
}
END_TEST

START_TEST(r6_what_is_said_before_the_exec_is_known_is_remembered) {
        life_setup();
        spec.readiness.kind = PROBE_LOG;
        (void) start();
        ck_assert_str_eq(say_ready(), "");
        ck_assert_str_eq(fork_main(), "");
        ck_assert_str_eq(exec_main(), "Running/ready");

        /* ... and not by the next generation. */
        (void) restart();
        (void) end_main(CLD_EXITED, 0);
        ck_assert_str_eq(empty_tree(), "spawn Starting/spawning");
        (void) fork_main();
        ck_assert_str_eq(exec_main(), "Starting/probing");
}
END_TEST

START_TEST(what_is_ending_does_not_become_ready_by_a_word) {
        go_to_probing_by_notify();
        (void) stop();
        ck_assert_str_eq(say_ready(), "");
        (void) end_main(CLD_EXITED, 0);
        ck_assert_str_eq(say_ready(), "");
}
END_TEST

START_TEST(x2_an_exit_before_it_said_ready_is_a_failure) {
        go_to_probing_by_notify();
        ck_assert_str_eq(end_main(CLD_EXITED, 0), "Starting/backoff rest");
}
END_TEST

static const char *say_loading(void) {
        lifecycle_on_loading(&life, now);
        return settle();
}

START_TEST(r5_who_says_that_it_is_loading_has_load_timeout) {
        uint64_t started;

        go(FAR_PROBING);
        spec.load_timeout_usec = 10 * USEC_PER_MINUTE;
        started = now;
        while (now < started + spec.load_timeout_usec - USEC_PER_SEC) {
                ck_assert_str_eq(say_loading(), "");
                ck_assert_str_eq(pass(spec.readiness.interval_usec), "probe");
        }
        ck_assert_str_eq(probe(true), "Running/ready");
}
END_TEST

START_TEST(r5_and_not_more_than_that) {
        uint64_t started;

        go(FAR_PROBING);
        spec.load_timeout_usec = USEC_PER_MINUTE;
        spec.restart.policy = RESTART_POLICY_NO;
        started = now;
        while (life.process == PROCESS_RUNNING && !life.failed) {
                (void) say_loading();
                (void) pass(spec.readiness.interval_usec);
        }
        ck_assert_uint_eq(now, started + USEC_PER_MINUTE);
        assert_reason("web did not become ready within 1m");
}
END_TEST

START_TEST(r5_who_stops_to_answer_while_it_loads_has_the_start_timeout_again) {
        go(FAR_PROBING);
        spec.load_timeout_usec = 10 * USEC_PER_MINUTE;
        (void) pass(20 * USEC_PER_SEC);
        (void) say_loading();
        (void) pass(spec.readiness.interval_usec);
        (void) probe(false);
        (void) pass(spec.start_timeout_usec - spec.readiness.interval_usec - 1);
        ck_assert_int_eq(life.cause.code, REASON_NONE);
        (void) pass(1);
        ck_assert_int_eq(life.cause.code, REASON_START_TIMEOUT);
        assert_reason("web did not become ready within 50 s");
}
END_TEST

START_TEST(r5_a_load_timeout_is_never_shorter_than_the_start_timeout) {
        go(FAR_PROBING);
        spec.load_timeout_usec = USEC_PER_SEC;
        (void) say_loading();
        (void) pass(spec.start_timeout_usec - 1);
        ck_assert_int_eq(life.cause.code, REASON_NONE);
}
END_TEST

START_TEST(r5_extend_timeout_gives_a_start_more_time_and_never_less) {
        go_to_probing_by_notify();
        lifecycle_on_extended(&life, USEC_PER_SEC, now);
        (void) settle();
        ck_assert_uint_eq(asleep_until, now + spec.start_timeout_usec);

        (void) pass(29 * USEC_PER_SEC);
        lifecycle_on_extended(&life, 20 * USEC_PER_SEC, now);
        (void) settle();
        ck_assert_uint_eq(asleep_until, now + 20 * USEC_PER_SEC);
        ck_assert_str_eq(pass(20 * USEC_PER_SEC), "Starting/backoff main");
        assert_reason("web did not become ready within 49 s");

        /* Whatever number comes from outside. */
        go_to_probing_by_notify();
        lifecycle_on_extended(&life, UINT64_MAX, now);
        ck_assert_str_eq(pass(USEC_PER_HOUR), "");
}
END_TEST

START_TEST(l3_a_watchdog_that_is_not_fed_is_a_failure) {
        go_to_watchdog(10 * USEC_PER_SEC);
        ck_assert_uint_eq(asleep_until, now + 10 * USEC_PER_SEC);
        (void) pass(9 * USEC_PER_SEC);
        lifecycle_on_fed(&life, now);
        ck_assert_str_eq(pass(10 * USEC_PER_SEC - 1), "");
        ck_assert_str_eq(pass(1), "Starting/backoff main");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_WATCHDOG);
        assert_reason("said nothing to its watchdog within 10 s");
}
END_TEST

START_TEST(l3_it_begins_when_it_is_ready_and_ends_with_the_process) {
        life_setup();
        spec.watchdog_usec = USEC_PER_SEC;
        (void) start();
        (void) fork_main();
        (void) exec_main();
        lifecycle_on_fed(&life, now);
        ck_assert_str_eq(pass(5 * USEC_PER_SEC), "");
        (void) probe(true);
        ck_assert_uint_eq(asleep_until, now + USEC_PER_SEC);

        (void) stop();
        (void) pass(2 * USEC_PER_SEC);
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_REQUESTED);
}
END_TEST

START_TEST(l3_it_may_set_and_pull_its_watchdog_itself) {
        go_to_watchdog(0);
        ck_assert_str_eq(pass(USEC_PER_HOUR), "");
        lifecycle_on_watchdog_set(&life, USEC_PER_SEC, now);
        (void) settle();
        ck_assert_uint_eq(asleep_until, now + USEC_PER_SEC);
        lifecycle_on_watchdog_set(&life, 0, now);
        ck_assert_str_eq(pass(USEC_PER_HOUR), "");

        lifecycle_on_watchdog_triggered(&life, now);
        ck_assert_str_eq(settle(), "Starting/backoff main");
        assert_reason("said of itself that it hangs (WATCHDOG=trigger)");

        go_to_watchdog(USEC_PER_MINUTE);
        lifecycle_on_watchdog_triggered(&life, now);
        ck_assert_str_eq(settle(), "Starting/backoff main");
        assert_reason("said of itself that it hangs (WATCHDOG=trigger)");
}
END_TEST

START_TEST(l3_one_that_is_pulled_before_the_exec_is_known_is_a_failure_then) {
        life_setup();
        spec.readiness.kind = PROBE_NOTIFY;
        spec.watchdog_usec = USEC_PER_MINUTE;
        (void) start();
        (void) fork_main();
        ck_assert_str_eq(say_ready(), "");
        lifecycle_on_watchdog_triggered(&life, now);
        ck_assert_str_eq(settle(), "");
        lifecycle_on_fed(&life, now);
        lifecycle_on_watchdog_set(&life, USEC_PER_HOUR, now);
        ck_assert_str_eq(exec_main(), "Starting/backoff main");
        assert_reason("said of itself that it hangs (WATCHDOG=trigger)");

        /* ... and not of the next generation. */
        (void) end_main(CLD_KILLED, SIGTERM);
        (void) empty_tree();
        (void) pass(USEC_PER_MINUTE);
        (void) fork_main();
        (void) exec_main();
        ck_assert_str_eq(say_ready(), "Running/ready");
        ck_assert_uint_eq(asleep_until, now + USEC_PER_MINUTE);
}
END_TEST

START_TEST(l3_nobody_listened_while_there_was_no_brain) {
        go_to_watchdog(10 * USEC_PER_SEC);
        now += USEC_PER_MINUTE;
        lifecycle_on_adopted(&life, &spec, now);
        ck_assert_str_eq(settle(), "");
        ck_assert_uint_eq(asleep_until, now + 10 * USEC_PER_SEC);
}
END_TEST

START_TEST(l3_what_was_pulled_is_known_to_the_next_brain) {
        life_setup();
        spec.readiness.kind = PROBE_NOTIFY;
        (void) start();
        (void) fork_main();
        (void) say_ready();
        lifecycle_on_watchdog_triggered(&life, now);
        ck_assert_str_eq(settle(), "");
        life.watchdog_until = 0; /* which is not in its record */
        lifecycle_on_adopted(&life, &spec, now);
        ck_assert_str_eq(exec_main(), "Starting/backoff main");
        assert_reason("said of itself that it hangs (WATCHDOG=trigger)");
}
END_TEST

static void go_to_health(void) {
        life_setup();
        spec.liveness = liveness_make(2, true);
        go_to_ready();
}

static const char *miss(void) {
        (void) pass(asleep_until - now);
        return probe(false);
}

START_TEST(l2_a_probe_that_is_dropped_counts_neither_way) {
        go_to_health();
        (void) miss();
        (void) pass(asleep_until - now);
        lifecycle_on_probe_dropped(&life, now + 3 * USEC_PER_SEC);
        ck_assert_str_eq(settle(), "");
        ck_assert_uint_eq(asleep_until, now + 3 * USEC_PER_SEC);
        ck_assert_uint_eq(life.n_misses, 1);
        ck_assert_str_eq(miss(), "Starting/backoff main");
}
END_TEST

START_TEST(d7_time_that_was_lost_is_given_again) {
        go(FAR_PROBING);
        now += USEC_PER_HOUR;
        lifecycle_on_time_lost(&life, now);
        life.probing = false;
        ck_assert_str_eq(settle(), "probe");
        ck_assert_str_eq(pass(spec.start_timeout_usec - 1), "");
        ck_assert_str_eq(pass(1), "Starting/backoff main");

        go_to_watchdog(10 * USEC_PER_SEC);
        now += USEC_PER_HOUR;
        lifecycle_on_time_lost(&life, now);
        ck_assert_str_eq(settle(), "");
        ck_assert_uint_eq(asleep_until, now + 10 * USEC_PER_SEC);
}
END_TEST

START_TEST(misses_do_not_count_while_it_says_that_it_is_busy) {
        go_to_health();
        lifecycle_on_said_busy(&life, true, now);
        (void) miss();
        (void) miss();
        ck_assert_uint_eq(life.n_misses, 0);
        lifecycle_on_said_busy(&life, false, now);
        (void) miss();
        ck_assert_uint_eq(life.n_misses, 1);

        /* As long as a start may take, and no longer. */
        lifecycle_on_said_busy(&life, true, now);
        now += spec.start_timeout_usec;
        (void) settle();
        ck_assert_str_eq(probe(false), "Starting/backoff main");
}
END_TEST

START_TEST(r3_a_stranger_on_the_port_is_a_failure_before_and_after_ready) {
        go(FAR_PROBING);
        (void) pass(USEC_PER_SEC);
        lifecycle_on_stranger(&life, now, ROLL);
        ck_assert_str_eq(settle(), "Starting/backoff main");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_PORT_IN_USE);
        assert_reason("who answers in its place is none of its processes: its port is held by"
                      " another program");

        go(FAR_READY);
        (void) pass(USEC_PER_SEC);
        lifecycle_on_stranger(&life, now, ROLL);
        ck_assert_str_eq(settle(), "Starting/backoff main");

        go(FAR_STOPPING);
        lifecycle_on_stranger(&life, now, ROLL);
        ck_assert_str_eq(settle(), "");
        ck_assert_int_eq(lifecycle_reason_code(&life), REASON_REQUESTED);
}
END_TEST

TEST_MAIN("lifecycle-said",
          life_setup,
          NULL,
          r6_who_tells_is_not_asked,
          r6_what_is_said_before_the_exec_is_known_is_remembered,
          what_is_ending_does_not_become_ready_by_a_word,
          x2_an_exit_before_it_said_ready_is_a_failure,
          r5_who_says_that_it_is_loading_has_load_timeout,
          r5_and_not_more_than_that,
          r5_who_stops_to_answer_while_it_loads_has_the_start_timeout_again,
          r5_a_load_timeout_is_never_shorter_than_the_start_timeout,
          r5_extend_timeout_gives_a_start_more_time_and_never_less,
          l3_a_watchdog_that_is_not_fed_is_a_failure,
          l3_it_begins_when_it_is_ready_and_ends_with_the_process,
          l3_it_may_set_and_pull_its_watchdog_itself,
          l3_one_that_is_pulled_before_the_exec_is_known_is_a_failure_then,
          l3_nobody_listened_while_there_was_no_brain,
          l3_what_was_pulled_is_known_to_the_next_brain,
          l2_a_probe_that_is_dropped_counts_neither_way,
          d7_time_that_was_lost_is_given_again,
          misses_do_not_count_while_it_says_that_it_is_busy,
          r3_a_stranger_on_the_port_is_a_failure_before_and_after_ready)
