/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The brain of today under a keeper of wire version 1: an upgrade finds it until the next login.
 * Nothing outlives a brain there, and everything else is as ever.
 */

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "rig.h"
#include "test.h"

#define RESPAWNS 20

START_TEST(generations_begin_and_end) {
        rig_start();
        ck_assert_int_eq(rig_ask("first"), 1);
        for (int i = 0; i < 3; i++) {
                (void) rig_spawn_child("a", "sleeper 7");
                rig_expect("exited a %d 7", CLD_EXITED);
                rig_expect("emptied a");
        }
        (void) rig_spawn_child("a", "stubborn 3");
        rig_expect("exited a %d 3", CLD_EXITED);
        rig_do("kill a");
        rig_expect("emptied a");
        rig_do("reset a");
        (void) rig_spawn_child("a", "sleeper 0");
        (void) rig_wait("emptied a");
}
END_TEST

/* Such a keeper refuses to spawn in a slot whose end it was not told to forget. */
START_TEST(a_generation_follows_another_at_once) {
        rig_start();
        rig_do("respawn a %d", RESPAWNS);
        rig_do("spawn a /bin/true");
        for (int i = 0; i < RESPAWNS; i++) {
                (void) rig_wait("exited a 1 0");
                rig_expect("emptied a");
                rig_expect("respawn a 0");
        }
        (void) rig_wait("exited a 1 0");
        rig_expect("emptied a");
}
END_TEST

START_TEST(a_lost_guardians_exit_is_not_taken_for_its_mains) {
        pid_t pid;

        rig_start();
        pid = rig_spawn_child("a", "sleeper");
        ck_assert_int_eq(kill(parent_of(pid), SIGKILL), 0);
        rig_expect("exited a 0 0");
        rig_expect("emptied a");
}
END_TEST

START_TEST(nothing_is_handed_over) {
        int slot, main_pidfd;

        rig_start();
        main_pidfd = pin(rig_spawn_child("a", "sleeper"));
        slot = rig_ask("slot a");
        rig_do("keep-memory a text");
        rig_do("ledger-swap text");
        ck_assert_int_eq(kill(rig.brain_pid, SIGKILL), 0);

        rig_accept_brain();
        ck_assert(is_gone(main_pidfd, 0));
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), -ENOENT);
        ck_assert_int_eq(rig_ask("ledger"), -EBADF);
        rig_do("end-unclaimed");
        (void) rig_spawn_child("a", "sleeper 5");
        rig_expect("exited a %d 5", CLD_EXITED);
        rig_expect("emptied a");
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                generations_begin_and_end,
                a_generation_follows_another_at_once,
                a_lost_guardians_exit_is_not_taken_for_its_mains,
                nothing_is_handed_over,
        };

        if (!rig_is_possible())
                return RIG_SKIPPED;
        return test_run("old-keeper", 120, rig_setup, rig_teardown, tests, ELEMENTSOF(tests));
}
