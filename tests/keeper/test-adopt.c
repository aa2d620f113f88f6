/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Trees outlive their brain: it is killed while they are in each state, and the next one takes
 * them up, in whatever containment CONTAINMENT says.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "rig.h"
#include "test.h"
#include "util/clock.h"
#include "util/strv.h"

#define MANY 1000
#define KILLS 100
#define KILL_AFTER_MAX_USEC 4000
#define RESPAWNS 50
#define ASK_PAUSE_USEC 1000

/* After one that has killed itself, or was killed. */
static void await_next_brain(void) {
        pid_t old = rig.brain_pid;

        rig_accept_brain();
        ck_assert_int_ne(rig.brain_pid, old);
        rig_do("ready"); /* else the keeper thinks that it does not come up, and pauses */
}

/* It has done all that it was about to do: acknowledged what it has told, above all. */
static void kill_brain(void) {
        (void) rig_ask("descriptors");
        ck_assert_int_eq(kill(rig.brain_pid, SIGKILL), 0);
        await_next_brain();
}

/* A command that is not answered. */
static void die_with(const char *command) {
        ck_assert_int_gt(send(rig.control_fd, command, strlen(command), MSG_NOSIGNAL), 0);
        await_next_brain();
}

/* The very next news, nothing is skipped; answers what follows. */
static const char *expect_next(const char *beginning) {
        const char *news = rig_wait("");

        ck_assert_msg(startswith(news, beginning), "%s rather than %s", news, beginning);
        return news + strlen(beginning);
}

static void expect_begun(const char *name, pid_t pid) {
        rig_expect("forked %s %d", name, (int) pid);
        rig_expect("exec %s 0", name);
}

/* The tree works: nothing of the former generation is told any more, only of this one. */
static void expect_usable(const char *name) {
        char forked[64];

        (void) snprintf(forked, sizeof(forked), "forked %s ", name);
        rig_do("spawn %s %s", name, child_path("sleeper 5"));
        (void) expect_next(forked);
        rig_expect("exec %s 0", name);
        rig_expect("exited %s %d 5", name, CLD_EXITED);
        rig_expect("emptied %s", name);
        ck_assert_int_eq(rig_ask("pids %s", name), 0);
}

START_TEST(a_running_tree_is_taken_up_as_it_was) {
        int slot, pidfd;
        pid_t pid;

        rig_start();
        pid = rig_spawn_child("a", "sleeper");
        pidfd = pin(pid);
        (void) rig_wait("output a pid ");
        slot = rig_ask("slot a");

        for (int i = 0; i < 3; i++) {
                kill_brain();
                ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 1);
                expect_begun("a", pid);
                ck_assert_int_eq(rig_ask("pids a"), 1);
                rig_expect("has a %d", (int) pid);
                ck_assert_int_eq(rig_ask("spawn a /bin/true"), -EBUSY);
        }
        ck_assert(!is_gone(pidfd, 0));
        rig_do("signal-main a %d", SIGUSR1);
        rig_expect("exited a %d %d", CLD_KILLED, SIGUSR1);
        rig_expect("emptied a");
        (void) rig_wait("closed a");

        kill_brain();
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 0);
        expect_usable("a");
}
END_TEST

/* The main may have ended under a guardian that took its pid along. */
static void expect_whole_life(int error, int status) {
        (void) expect_next("forked a ");
        rig_expect("exec a %d", error);
        rig_expect("exited a %d %d", CLD_EXITED, status);
        rig_expect("emptied a");
}

START_TEST(whatever_news_it_dies_of_is_told_to_the_next) {
        static const char *const news[] = { "forked", "exec", "exited", "emptied" };
        int slot, generation = 0;

        rig_start();
        slot = rig_ask("slot a");
        for (size_t i = 0; i < 2 * ELEMENTSOF(news); i++) {
                bool fails = i % 2 == 1;

                rig_do("die-on %s", news[i / 2]);
                rig_do("spawn a %s", fails ? "/nonexistent" : child_path("sleeper 7"));
                generation++;
                await_next_brain();
                ck_assert_int_eq(rig_ask("adopt a %d %d", slot, generation), 1);
                expect_whole_life(fails ? ENOENT : 0, fails ? 127 : 7);

                kill_brain();
                ck_assert_int_eq(rig_ask("adopt a %d %d", slot, generation), 0);
                expect_usable("a");
                generation++;
        }
}
END_TEST

START_TEST(what_it_dies_of_again_and_again_is_told_to_the_last) {
        int slot;

        rig_start();
        slot = rig_ask("slot a");
        rig_do("die-on exited");
        rig_do("spawn a %s", child_path("sleeper 9"));
        await_next_brain();
        for (int i = 0; i < 5; i++) {
                char adopt[64];

                rig_do("die-on %s", i % 2 == 0 ? "emptied" : "exited");
                (void) snprintf(adopt, sizeof(adopt), "adopt a %d 1", slot);
                die_with(adopt);
        }
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 1);
        expect_whole_life(0, 9);
        expect_usable("a");
}
END_TEST

/* Killed anywhere between the order and the acknowledgement, whichever news it was about to read.
 */
START_TEST(at_whatever_instant_it_is_killed_the_exit_is_right) {
        unsigned seed = (unsigned) clock_realtime_usec();
        int slot;

        printf("seed %u\n", seed);
        rig_start();
        slot = rig_ask("slot a");
        for (int generation = 1; generation <= KILLS; generation++) {
                int status = rand_r(&seed) % 256;
                _cleanup_close_ int brain_pidfd = pin(rig.brain_pid);

                rig_do("die-on emptied");
                rig_do("spawn a %s %d", child_path("sleeper"), status);
                (void) usleep((useconds_t) rand_r(&seed) % KILL_AFTER_MAX_USEC);
                (void) syscall(SYS_pidfd_send_signal, brain_pidfd, SIGKILL, NULL, 0);
                await_next_brain();
                ck_assert_int_eq(rig_ask("adopt a %d %d", slot, generation), 1);
                expect_whole_life(0, status);
        }
        expect_usable("a");
}
END_TEST

START_TEST(leftovers_are_still_guarded) {
        int slot, grandchild, pidfd;

        rig_start();
        (void) rig_spawn_child("a", "stubborn 3");
        grandchild = rig_wait_number("output a grandchild ");
        pidfd = pin(grandchild);
        rig_expect("exited a %d 3", CLD_EXITED);
        slot = rig_ask("slot a");

        kill_brain();
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 1);
        (void) expect_next("forked a ");
        rig_expect("exec a 0");
        rig_expect("exited a %d 3", CLD_EXITED);
        ck_assert_int_eq(rig_ask("spawn a /bin/true"), -EBUSY);
        ck_assert_int_eq(rig_ask("pids a"), 1);
        rig_expect("has a %d", grandchild);

        rig_do("kill a");
        rig_expect("emptied a");
        ck_assert(is_gone(pidfd, 0));
        expect_usable("a");
}
END_TEST

START_TEST(a_kill_under_way_comes_to_its_end) {
        int slot, main_pidfd, generation = 0;

        rig_start();
        slot = rig_ask("slot a");
        for (int i = 0; i < 3; i++) {
                main_pidfd = pin(rig_spawn_child("a", "reforker 8"));
                (void) rig_wait("output a running");
                generation++;

                die_with("kill-and-die a");
                ck_assert_int_eq(rig_ask("adopt a %d %d", slot, generation), 1);
                (void) expect_next("forked a ");
                rig_expect("exec a 0");
                rig_expect("exited a %d %d", CLD_KILLED, SIGKILL);
                rig_expect("emptied a");
                ck_assert(is_gone(main_pidfd, 0));
                ck_assert_int_eq(rig_ask("pids a"), 0);
        }
}
END_TEST

START_TEST(what_was_adopted_can_be_killed) {
        int slot, main_pidfd, grandchild_pidfd;

        rig_start();
        main_pidfd = pin(rig_spawn_child("a", "stubborn"));
        grandchild_pidfd = pin(rig_wait_number("output a grandchild "));
        slot = rig_ask("slot a");
        kill_brain();
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 1);
        rig_do("signal-all a %d", SIGTERM);
        rig_do("kill a");
        (void) rig_wait("exited a ");
        rig_expect("emptied a");
        ck_assert(is_gone(main_pidfd, 0) && is_gone(grandchild_pidfd, 0));
        expect_usable("a");
}
END_TEST

START_TEST(an_exec_under_way_is_told_when_it_is_over) {
        char cgroup[4096];
        int slot, pid;

        if (!rig_is_cgroup())
                return;
        rig_start();
        (void) rig_spawn_child("b", "sleeper");
        rig_do("cgroup b");
        (void) snprintf(cgroup, sizeof(cgroup), "%s", rig_wait("cgroup "));

        /* All trees stand still, and who is born among them. */
        write_file(cgroup_file(cgroup, "/../cgroup.freeze"), "1");
        rig_do("spawn a %s", child_path("sleeper 3"));
        pid = rig_wait_number("forked a ");
        slot = rig_ask("slot a");
        kill_brain();
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 1);
        rig_expect("forked a %d", pid);
        ck_assert_int_eq(rig_ask("pids a"), 1);
        rig_expect("has a %d", pid);

        write_file(cgroup_file(cgroup, "/../cgroup.freeze"), "0");
        rig_expect("exec a 0");
        rig_expect("exited a %d 3", CLD_EXITED);
        rig_expect("emptied a");
}
END_TEST

START_TEST(an_order_that_was_sent_is_obeyed_once) {
        char command[256];
        int slot, pid;

        rig_start();
        slot = rig_ask("slot a");
        (void) snprintf(command, sizeof(command), "spawn-and-die a %s", child_path("sleeper"));
        die_with(command);
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 1);
        pid = atoi(expect_next("forked a "));
        rig_expect("exec a 0");
        ck_assert_int_eq(rig_ask("pids a"), 1);
        rig_expect("has a %d", pid);
        rig_do("kill a");
        (void) rig_wait("emptied a");
}
END_TEST

START_TEST(an_order_that_was_not_sent_is_for_the_next) {
        int slot;

        rig_start();
        (void) rig_spawn_child("a", "sleeper 0");
        (void) rig_wait("emptied a");
        slot = rig_ask("slot a");
        kill_brain();

        /* As if the second had been written down, and the order not sent. */
        ck_assert_int_eq(rig_ask("adopt a %d 2", slot), 0);
        rig_do("same-generation a");
        expect_usable("a");
}
END_TEST

START_TEST(the_end_of_a_former_generation_is_forgotten) {
        int slot;

        rig_start();
        slot = rig_ask("slot a");
        rig_do("die-on emptied");
        rig_do("spawn a %s", child_path("sleeper 0"));
        await_next_brain();
        ck_assert_int_eq(rig_ask("adopt a %d 2", slot), 0);
        kill_brain();
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 0);
        expect_usable("a");
}
END_TEST

START_TEST(a_slot_is_taken_up_by_one) {
        int slot;

        rig_start();
        (void) rig_spawn_child("a", "sleeper");
        slot = rig_ask("slot a");
        kill_brain();
        /* It is not for new trees. */
        ck_assert_int_ne(rig_ask("slot c"), slot);
        ck_assert_int_eq(rig_ask("adopt a 1023 1"), -ENOENT);
        ck_assert_int_eq(rig_ask("adopt a 100000 1"), -ENOENT);
        /* What runs is another generation. */
        ck_assert_int_eq(rig_ask("adopt a %d 2", slot), -EBUSY);
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 1);
        ck_assert_int_eq(rig_ask("adopt b %d 1", slot), -EBUSY);
        ck_assert_int_ne(rig_ask("slot b"), slot);
        rig_do("kill a");
        (void) rig_wait("emptied a");
}
END_TEST

START_TEST(output_waits_for_the_next_brain) {
        int slot;

        rig_start();
        slot = rig_ask("slot a");
        rig_do("deaf");
        rig_do("die-on exited");
        rig_do("spawn a %s", child_path("sleeper 4"));
        await_next_brain();
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 1);
        ck_assert_int_gt(rig_wait_number("output a pid "), 0);
        (void) rig_wait("closed a");
        expect_whole_life(0, 4);
}
END_TEST

START_TEST(a_respawn_acknowledges_what_was_before) {
        rig_start();
        rig_do("respawn a %d", RESPAWNS);
        rig_do("spawn a /bin/true");
        for (int i = 0; i < RESPAWNS; i++) {
                (void) rig_wait("emptied a");
                rig_expect("respawn a 0");
                (void) expect_next("forked a ");
        }
        (void) rig_wait("emptied a");
        expect_usable("a");
}
END_TEST

START_TEST(memory_ledger_and_holders_are_kept) {
        int slot;

        rig_start();
        ck_assert_int_eq(rig_ask("first"), 1);
        slot = rig_ask("slot a");
        rig_do("keep-memory a first");
        rig_do("keep-memory a second");
        rig_do("ledger-write one");
        rig_do("keep-holder 7 %d", (int) getpid());
        rig_do("keep-holder 8 %d", (int) getpid());
        rig_do("keep-holder 255 %d", (int) rig.keeper_pid);
        rig_do("drop-holder 8");

        kill_brain();
        ck_assert_int_eq(rig_ask("first"), 0);
        ck_assert_int_eq(rig_ask("safe-mode"), 0);
        rig_do("ledger");
        rig_expect("ledger one");
        rig_do("ledger-swap two");
        ck_assert_int_eq(rig_ask("holder 7"), getpid());
        ck_assert_int_eq(rig_ask("holder 7"), -EBADF);
        ck_assert_int_eq(rig_ask("holder 8"), -EBADF);
        /* Nothing was ever spawned in it. */
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 0);
        rig_do("memory a");
        rig_expect("memory second");
        /* Nobody took the last one. */
        rig_do("end-unclaimed");

        kill_brain();
        rig_do("ledger");
        rig_expect("ledger two");
        ck_assert_int_eq(rig_ask("holder 7"), getpid());
        ck_assert_int_eq(rig_ask("holder 255"), -EBADF);
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 0);
        rig_do("memory a");
        rig_expect("memory second");
}
END_TEST

static void await_given_back(int slot) {
        uint64_t until = clock_monotonic_usec() + RIG_PATIENCE_MSEC * UINT64_C(1000);

        while (rig_ask("kept %d", slot) != -ENOENT) {
                ck_assert_msg(clock_monotonic_usec() < until, "slot %d is not given back", slot);
                (void) usleep(ASK_PAUSE_USEC);
        }
}

START_TEST(what_nobody_claims_is_ended_and_given_back) {
        static const char *const others[] = { "a", "c", "d" };
        int pinned[4], slots[4], kept_pidfd;
        pid_t kept;

        rig_start();
        pinned[0] = pin(rig_spawn_child("a", "stubborn"));
        pinned[1] = pin(rig_wait_number("output a grandchild "));
        kept = rig_spawn_child("b", "sleeper");
        kept_pidfd = pin(kept);
        (void) rig_spawn_child("c", "stubborn 0");
        pinned[2] = pin(rig_wait_number("output c grandchild "));
        (void) rig_wait("exited c ");
        rig_do("keep-memory e text"); /* it has no process */
        slots[3] = rig_ask("slot e");
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                slots[i] = rig_ask("slot %s", others[i]);
        rig_do("die-on emptied");
        rig_do("spawn d %s", child_path("sleeper 0"));

        await_next_brain();
        ck_assert_int_eq(rig_ask("adopt b 1 1"), 1);
        expect_begun("b", kept);
        rig_do("end-unclaimed");
        for (size_t i = 0; i < 3; i++)
                ck_assert(is_gone(pinned[i], RIG_PATIENCE_MSEC));
        for (size_t i = 0; i < ELEMENTSOF(slots); i++)
                await_given_back(slots[i]);
        ck_assert(!is_gone(kept_pidfd, 0));

        kill_brain();
        for (size_t i = 0; i < ELEMENTSOF(slots); i++)
                ck_assert_int_eq(rig_ask("adopt x %d 1", slots[i]), -ENOENT);
        ck_assert_int_eq(rig_ask("adopt b 1 1"), 1);
        expect_begun("b", kept);
        rig_do("kill b");
        (void) rig_wait("emptied b");
}
END_TEST

START_TEST(a_brain_that_dies_while_it_ends_the_unclaimed_is_followed) {
        int main_pidfd;

        rig_start();
        main_pidfd = pin(rig_spawn_child("a", "reforker 8"));
        (void) rig_wait("output a running");
        for (int i = 0; i < 5; i++) {
                kill_brain();
                rig_do("end-unclaimed");
        }
        ck_assert(is_gone(main_pidfd, RIG_PATIENCE_MSEC));
        await_given_back(0);
}
END_TEST

/* No limit is tested: it is what a machine can do, not what it must. */
START_TEST(a_thousand_trees_are_taken_up) {
        static pid_t pids[MANY];
        uint64_t begin, ready;

        if (!rig_is_cgroup() || rig_is_delegated())
                return;
        rig_start();
        for (int i = 0; i < MANY; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "s%d", i);
                pids[i] = rig_spawn_child(name, "sleeper");
                ck_assert_int_eq(rig_ask("slot s%d", i), i);
        }
        (void) rig_ask("descriptors");

        begin = clock_monotonic_usec();
        ck_assert_int_eq(kill(rig.brain_pid, SIGKILL), 0);
        await_next_brain();
        ready = clock_monotonic_usec();
        for (int i = 0; i < MANY; i++)
                ck_assert_int_eq(rig_ask("adopt s%d %d 1", i, i), 1);
        printf("%d trees: table read after %.1f ms, all adopted after %.1f ms\n", MANY,
               (double) (ready - begin) / 1000, (double) (clock_monotonic_usec() - begin) / 1000);
        for (int i = 0; i < MANY; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "s%d", i);
                expect_begun(name, pids[i]);
        }
        /* The others are ended with the keeper. */
        rig_do("kill s999");
        (void) rig_wait("emptied s999");
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_running_tree_is_taken_up_as_it_was,
                whatever_news_it_dies_of_is_told_to_the_next,
                at_whatever_instant_it_is_killed_the_exit_is_right,
                what_it_dies_of_again_and_again_is_told_to_the_last,
                leftovers_are_still_guarded,
                a_kill_under_way_comes_to_its_end,
                what_was_adopted_can_be_killed,
                an_exec_under_way_is_told_when_it_is_over,
                an_order_that_was_sent_is_obeyed_once,
                an_order_that_was_not_sent_is_for_the_next,
                the_end_of_a_former_generation_is_forgotten,
                a_slot_is_taken_up_by_one,
                output_waits_for_the_next_brain,
                a_respawn_acknowledges_what_was_before,
                memory_ledger_and_holders_are_kept,
                what_nobody_claims_is_ended_and_given_back,
                a_brain_that_dies_while_it_ends_the_unclaimed_is_followed,
                a_thousand_trees_are_taken_up,
        };

        if (!rig_is_possible())
                return RIG_SKIPPED;
        return test_run("adopt", 120, rig_setup, rig_teardown, tests, ELEMENTSOF(tests));
}
