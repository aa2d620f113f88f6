/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The old keeper of the tests is as old as it says: it hands nothing over.
 */

#include "raw.h"
#include "test.h"

static void expect_old_hello(void) {
        raw_expect(WIRE_HELLO, 0);
        ck_assert_uint_eq(raw_news.message.version, WIRE_VERSION_WITHOUT_TABLE);
        ck_assert_uint_eq(raw_news.message.flags, 0);
        ck_assert_uint_eq(raw_news.n_fds, 0);
}

START_TEST(an_old_keeper_ends_what_a_killed_brain_had) {
        RawTree tree;

        rig_start();
        raw_take_socket();
        expect_old_hello();
        raw_spawn(0, 1, "sleeper", NULL);
        tree = raw_expect_started(0, 1);
        raw_kill_brain();
        raw_accept_brain();
        ck_assert(is_gone(tree.main_fd, 0));
        expect_old_hello();

        /* And what comes after is no table. */
        raw_spawn(0, 1, "sleeper 3", NULL);
        tree = raw_expect_started(0, 1);
        raw_expect_from(tree.pair_fd, WIRE_EXITED);
        ck_assert_int_eq(raw_news.message.status, 3);
        raw_expect(WIRE_EXITED, 0);
}
END_TEST

START_TEST(an_old_keeper_knows_no_orders_of_today) {
        int output[3];

        rig_start();
        raw_take_socket();
        expect_old_hello();
        raw_order(WIRE_UPGRADE, 0, 0);
        raw_order(WIRE_KEEP_LEDGER, 0, 0);
        raw_spawn(0, 1, "sleeper", output);
        raw_expect(WIRE_FORK_FAILED, 0);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                an_old_keeper_ends_what_a_killed_brain_had,
                an_old_keeper_knows_no_orders_of_today,
        };

        if (!rig_is_possible())
                return RIG_SKIPPED;
        return test_run("keeper-v1", 120, rig_setup, rig_teardown, tests, ELEMENTSOF(tests));
}
