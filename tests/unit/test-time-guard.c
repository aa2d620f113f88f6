/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/time-guard.h"
#include "test.h"
#include "util/duration.h"

#define START (1000 * USEC_PER_SEC)
#define INTERVAL (10 * USEC_PER_SEC)

static TimeGuard guard;

static void set_up(void) {
        guard = (TimeGuard){ 0 };
}

/* A turn at which no timer was late. */
static bool turn(uint64_t monotonic, uint64_t boottime) {
        return time_guard_turn(&guard, monotonic, boottime, monotonic, INTERVAL);
}

static bool late_turn(uint64_t late, uint64_t interval) {
        return time_guard_turn(&guard, START, START, START - late, interval);
}

START_TEST(time_that_passes_for_both_clocks_is_no_gap) {
        ck_assert(!turn(START, START));
        ck_assert(!turn(START + USEC_PER_HOUR, START + USEC_PER_HOUR));
        /* Read one after the other they are never quite alike. */
        ck_assert(!turn(START + USEC_PER_HOUR + 9, START + USEC_PER_HOUR + 7));
        ck_assert(!turn(START + 2 * USEC_PER_HOUR, START + 2 * USEC_PER_HOUR + 40));
}
END_TEST

START_TEST(a_suspend_is_seen_once) {
        ck_assert(!turn(START, START));
        ck_assert(turn(START + 1, START + 1 + USEC_PER_MINUTE));
        ck_assert(!turn(START + 2, START + 2 + USEC_PER_MINUTE));
        /* And the next one again. */
        ck_assert(turn(START + 3, START + 3 + USEC_PER_MINUTE + 3 * USEC_PER_SEC));
        ck_assert(!turn(START + 4, START + 4 + USEC_PER_MINUTE + 3 * USEC_PER_SEC));
}
END_TEST

START_TEST(what_was_slept_before_the_first_turn_is_nobodys_gap) {
        ck_assert(!turn(START, START + 30 * 24 * USEC_PER_HOUR));
        ck_assert(!turn(START + 1, START + 30 * 24 * USEC_PER_HOUR + 1));
}
END_TEST

START_TEST(two_seconds_of_sleep_are_forgiven) {
        ck_assert(!turn(START, START));
        ck_assert(!turn(START, START + 2 * USEC_PER_SEC));
        ck_assert(turn(START, START + 4 * USEC_PER_SEC + 1));
}
END_TEST

START_TEST(a_timer_that_is_late_tells_that_we_were_not_run) {
        ck_assert(!late_turn(0, USEC_PER_SEC));
        ck_assert(!late_turn(5 * USEC_PER_SEC, USEC_PER_SEC));
        ck_assert(late_turn(5 * USEC_PER_SEC + 1, USEC_PER_SEC));
        ck_assert(!late_turn(20 * USEC_PER_SEC, INTERVAL));
        ck_assert(late_turn(20 * USEC_PER_SEC + 1, INTERVAL));

        /* One that is still to come is not late. */
        ck_assert(!time_guard_turn(&guard, START, START, START + USEC_PER_HOUR, USEC_PER_SEC));
        ck_assert(!time_guard_turn(&guard, START, START, USEC_INFINITY, USEC_PER_SEC));
}
END_TEST

START_TEST(the_text_of_the_kernel_is_read) {
        static const struct {
                const char *text;
                unsigned some;
        } cases[] = {
                { "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", 0 },
                { "some avg10=50.01 avg60=1.00 avg300=0.00 total=9\nfull avg10=99.99 avg60=0\n",
                  5001 },
                { "some avg10=100.00 avg60=100.00 avg300=100.00 total=12345678\n", 10000 },
                { "some avg10=7.05 avg60=0.00 avg300=0.00 total=0\n", 705 },
        };
        static const char *const wrong[] = {
                "",          "some",           "some avg10=",       "full avg10=1.00 avg60=0",
                "avg10=1.0", "some avg10=1.x", "some avg10=-1.00 ", "some avg10=101.00 ",
        };
        unsigned some = 42;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                ck_assert_msg(pressure_parse(&some, wrong[i]) == -EBADMSG, "%s", wrong[i]);
        ck_assert_uint_eq(some, 42);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ck_assert_int_eq(pressure_parse(&some, cases[i].text), 0);
                ck_assert_uint_eq(some, cases[i].some);
        }
}
END_TEST

START_TEST(a_miss_under_pressure_is_excused_for_two_minutes) {
        Starvation starvation = { 0 };

        ck_assert(!starvation_excuses_miss(&starvation, 0, START));
        ck_assert(!starvation_excuses_miss(&starvation, 5000, START));
        ck_assert(starvation_excuses_miss(&starvation, 5001, START));
        ck_assert(starvation_excuses_miss(&starvation, 9000, START + USEC_PER_MINUTE));
        ck_assert(starvation_excuses_miss(&starvation, 9000, START + 2 * USEC_PER_MINUTE - 1));
        ck_assert(!starvation_excuses_miss(&starvation, 9000, START + 2 * USEC_PER_MINUTE));
        ck_assert(!starvation_excuses_miss(&starvation, 9000, START + USEC_PER_HOUR));
}
END_TEST

START_TEST(an_answer_or_an_idle_machine_begins_anew) {
        Starvation starvation = { 0 };

        ck_assert(starvation_excuses_miss(&starvation, 9000, START));
        ck_assert(!starvation_excuses_miss(&starvation, 9000, START + USEC_PER_HOUR));
        starvation_end(&starvation);
        ck_assert(starvation_excuses_miss(&starvation, 9000, START + USEC_PER_HOUR));

        ck_assert(!starvation_excuses_miss(&starvation, 100, START + 2 * USEC_PER_HOUR));
        ck_assert(starvation_excuses_miss(&starvation, 9000, START + 3 * USEC_PER_HOUR));
}
END_TEST

TEST_MAIN("time-guard",
          set_up,
          NULL,
          time_that_passes_for_both_clocks_is_no_gap,
          a_suspend_is_seen_once,
          what_was_slept_before_the_first_turn_is_nobodys_gap,
          two_seconds_of_sleep_are_forgiven,
          a_timer_that_is_late_tells_that_we_were_not_run,
          the_text_of_the_kernel_is_read,
          a_miss_under_pressure_is_excused_for_two_minutes,
          an_answer_or_an_idle_machine_begins_anew)
