/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a switch of modes does next (contract M1), for whatever those that it waits for have come
 * to. The lives in here are real ones, lived by the lifecycle itself.
 */

#include "test.h"

#include "life.h"
#include "model/mode-switch.h"
#include "util/strv.h"

static ModeResult next_with(ModeResult result, const Lifecycle *other) {
        ModeFacts facts = { 0 };

        mode_facts_add_awaited(&facts, &life);
        mode_facts_add_any(&facts, &life);
        if (other)
                mode_facts_add_awaited(&facts, other);
        return mode_switch_next(result, &facts);
}

static void assert_next(ModeResult there, ModeResult back) {
        ck_assert_int_eq(next_with(MODE_SWITCHING, NULL), there);
        ck_assert_int_eq(next_with(MODE_ROLLING_BACK, NULL), back);
}

static void assert_waits(void) {
        assert_next(MODE_SWITCHING, MODE_ROLLING_BACK);
}

static void assert_ends_well(void) {
        assert_next(MODE_DONE, MODE_ROLLED_BACK);
}

static void assert_fails(void) {
        assert_next(MODE_ROLLING_BACK, MODE_DEGRADED);
}

START_TEST(m1_it_waits_until_all_that_it_added_is_ready) {
        for (Far far = FAR_REQUESTED; far < FAR_READY; far++) {
                go(far);
                assert_waits();
        }
        go(FAR_READY);
        assert_ends_well();
}
END_TEST

START_TEST(m1_a_failure_that_is_tried_again_is_waited_for) {
        go(FAR_BACKOFF_LEFTOVERS);
        assert_waits();
        go(FAR_BACKOFF);
        assert_waits();
}
END_TEST

START_TEST(m1_the_first_that_fails_for_good_decides_whatever_the_others_are) {
        Lifecycle other;

        go(FAR_REQUESTED);
        other = life;
        go(FAR_FAILED_LEFTOVERS);
        assert_fails();
        go(FAR_FAILED);
        assert_fails();
        ck_assert_int_eq(next_with(MODE_SWITCHING, &other), MODE_ROLLING_BACK);
        ck_assert_int_eq(next_with(MODE_ROLLING_BACK, &other), MODE_DEGRADED);
}
END_TEST

START_TEST(what_ended_with_success_is_not_waited_for) {
        go(FAR_READY);
        (void) end_main(CLD_EXITED, 0);
        (void) empty_tree();
        ck_assert(life.exited);
        assert_ends_well();
}
END_TEST

START_TEST(what_somebody_has_stopped_is_waited_for_until_it_is_gone) {
        go(FAR_READY);
        (void) stop();
        assert_waits();
        (void) end_main(CLD_EXITED, 0);
        assert_waits();
        (void) empty_tree();
        assert_ends_well();
}
END_TEST

START_TEST(the_words_are_those_of_the_contract) {
        ck_assert_str_eq(mode_result_to_string(MODE_DONE), "done");
        ck_assert_str_eq(mode_result_to_string(MODE_SWITCHING), "switching");
        ck_assert_str_eq(mode_result_to_string(MODE_ROLLING_BACK), "switching");
        ck_assert_str_eq(mode_result_to_string(MODE_ROLLED_BACK), "rolled-back");
        ck_assert_str_eq(mode_result_to_string(MODE_DEGRADED), "degraded");
        for (ModeResult result = MODE_DONE; result < _MODE_RESULT_MAX; result++)
                ck_assert_int_eq(mode_result_is_under_way(result),
                                 streq(mode_result_to_string(result), "switching"));
}
END_TEST

TEST_MAIN("mode-switch",
          life_setup,
          NULL,
          m1_it_waits_until_all_that_it_added_is_ready,
          m1_a_failure_that_is_tried_again_is_waited_for,
          m1_the_first_that_fails_for_good_decides_whatever_the_others_are,
          what_ended_with_success_is_not_waited_for,
          what_somebody_has_stopped_is_waited_for_until_it_is_gone,
          the_words_are_those_of_the_contract)
