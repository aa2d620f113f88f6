/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Programs beside the main process of a tree: their end is told, they are ended with all that came
 * from them, and neither touches the tree, in whatever containment CONTAINMENT says.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "init/wire.h"
#include "rig.h"
#include "test.h"

typedef struct Pets {
        int main_fd;  /* of the tree */
        int guest_fd; /* of the guest that stays */
        int grandchild_fd;
} Pets;

static const char *in_rig(const char *name) {
        static char path[128];

        (void) snprintf(path, sizeof(path), "%s/%s", rig.directory, name);
        return path;
}

/* A guest's output is nobody's, so it tells its pids by another way. */
static void write_staying_guest(void) {
        _cleanup_close_ int fd = -1;

        ck_assert_int_eq(mkfifo(in_rig("told"), 0600), 0);
        ck_assert_int_eq(chmod(in_rig("told"), 0666), 0);
        fd = open(in_rig("stay"), O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
        ck_assert_int_gt(dprintf(fd, "#!/bin/sh\nexec %s", child_path("stubborn")), 0);
        ck_assert_int_gt(dprintf(fd, " > %s\n", in_rig("told")), 0);
        ck_assert_int_eq(fchmod(fd, 0755), 0);
}

static void let_one_stay(Pets *pets) {
        _cleanup_close_ int fd = open(in_rig("told"), O_RDWR | O_CLOEXEC);
        struct pollfd event = { .fd = fd, .events = POLLIN };
        int guest = 0, grandchild = 0;
        char text[128] = "";
        size_t used = 0;

        rig_do("guest a 0 %s", in_rig("stay"));
        rig_expect("guest-started a 0");
        while (sscanf(text, "grandchild %d stays main process %d\n", &grandchild, &guest) != 2 ||
               text[used - 1] != '\n') {
                ssize_t n;

                ck_assert_msg(poll(&event, 1, RIG_PATIENCE_MSEC) == 1, "the guest says nothing");
                n = read(fd, text + used, sizeof(text) - used - 1);
                ck_assert_int_gt(n, 0);
                used += (size_t) n;
        }
        pets->guest_fd = pin(guest);
        pets->grandchild_fd = pin(grandchild);
}

static Pets start_with_guest(void) {
        Pets pets;

        rig_start();
        write_staying_guest();
        pets.main_fd = pin(rig_spawn_child("a", "sleeper"));
        (void) rig_wait("output a pid ");
        let_one_stay(&pets);
        return pets;
}

static void expect_guest_gone(const Pets *pets) {
        ck_assert(is_gone(pets->guest_fd, RIG_PATIENCE_MSEC));
        ck_assert(is_gone(pets->grandchild_fd, RIG_PATIENCE_MSEC));
}

/* Another may come, and the main process is all that there is but for it. */
static void expect_tree_as_before(const Pets *pets) {
        rig_do("guest a 1 /bin/true");
        (void) rig_wait("guest-started a 1");
        rig_expect("guest-ended a 1 0 %d 0", CLD_EXITED);
        ck_assert(!is_gone(pets->main_fd, 0));
        ck_assert_int_ge(rig_ask("pids a"), 1);
        rig_do("signal-main a %d", SIGUSR1);
        (void) rig_wait("exited a 2 10");
        (void) rig_wait("emptied a");
        ck_assert_int_eq(rig_ask("pids a"), 0);
        /* The slot and the cgroup are fit for another generation. */
        (void) rig_spawn_child("a", "sleeper 4");
        (void) rig_wait("exited a 1 4");
        (void) rig_wait("emptied a");
}

START_TEST(the_end_of_a_guest_is_told_and_is_not_the_mains) {
        int main_fd;

        rig_start();
        main_fd = pin(rig_spawn_child("a", "sleeper"));
        (void) rig_wait("output a pid ");
        for (int i = 0; i < 3; i++) {
                rig_do("guest a 0 /bin/false");
                rig_expect("guest-started a 0");
                rig_expect("guest-ended a 0 0 %d 1", CLD_EXITED);
                rig_do("guest a 0 /bin/true");
                (void) rig_wait("guest-started a 0");
                rig_expect("guest-ended a 0 0 %d 0", CLD_EXITED);
                rig_do("guest a 0 /nonexistent/program");
                (void) rig_wait("guest-started a 0");
                rig_expect("guest-ended a 0 %d %d 127", ENOENT, CLD_EXITED);
        }
        ck_assert(!is_gone(main_fd, 0));
        rig_do("kill a");
        rig_expect("exited a %d %d", CLD_KILLED, SIGKILL);
        rig_expect("emptied a");
        ck_assert_int_eq(rig_ask("guest a 0 /bin/true"), -ESRCH);
}
END_TEST

START_TEST(a_guest_is_ended_with_all_that_came_from_it_and_nothing_else_is) {
        Pets pets = start_with_guest();

        ck_assert_int_ge(rig_ask("pids a"), 3);
        rig_do("end-guest a 0");
        expect_guest_gone(&pets);
        expect_tree_as_before(&pets);
}
END_TEST

START_TEST(a_guest_that_is_ended_as_soon_as_it_was_asked_for_is_gone) {
        Pets pets = start_with_guest();

        rig_do("end-guest a 0");
        for (int i = 0; i < 20; i++) {
                rig_do("guest a 0 %s", in_rig("stay"));
                rig_do("end-guest a 0");
        }
        expect_guest_gone(&pets);
        expect_tree_as_before(&pets);
}
END_TEST

START_TEST(guests_wait_for_their_turn) {
        Pets pets = start_with_guest();

        rig_do("guest a 1 /bin/false");
        rig_do("guest a 2 /bin/false");
        rig_do("guest a 3 /bin/true");
        rig_do("end-guest a 2");
        rig_do("end-guest a 0");
        rig_expect("guest-started a 1");
        ck_assert(is_gone(pets.guest_fd, 0));
        ck_assert(is_gone(pets.grandchild_fd, 0));
        rig_expect("guest-ended a 1 0 %d 1", CLD_EXITED);
        rig_expect("guest-started a 3");
        rig_expect("guest-ended a 3 0 %d 0", CLD_EXITED);
        expect_tree_as_before(&pets);
}
END_TEST

START_TEST(what_ends_the_tree_ends_its_guests) {
        Pets pets = start_with_guest();

        rig_do("guest a 1 /bin/true");
        rig_do("kill a");
        (void) rig_wait("exited a ");
        (void) rig_wait("emptied a");
        ck_assert(is_gone(pets.main_fd, 0));
        ck_assert(is_gone(pets.guest_fd, 0));
        ck_assert(is_gone(pets.grandchild_fd, 0));
}
END_TEST

START_TEST(the_end_of_the_main_ends_its_guests) {
        Pets pets = start_with_guest();

        rig_do("guest a 1 /bin/true");
        rig_do("signal-main a %d", SIGUSR1);
        rig_expect("exited a %d %d", CLD_KILLED, SIGUSR1);
        rig_expect("guest-ended a 0 %d 0 0", ECANCELED);
        rig_expect("guest-ended a 1 %d 0 0", ECANCELED);
        rig_expect("emptied a");
        ck_assert(is_gone(pets.guest_fd, 0));
        ck_assert(is_gone(pets.grandchild_fd, 0));
}
END_TEST

static void await_next_brain(void) {
        rig_accept_brain();
        rig_do("ready"); /* else the keeper thinks that it does not come up, and pauses */
}

START_TEST(a_brain_that_takes_a_tree_up_ends_the_guest_and_nothing_else) {
        Pets pets = start_with_guest();
        int slot = rig_ask("slot a");

        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(kill(rig.brain_pid, SIGKILL), 0);
                await_next_brain();
                ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 1);
                rig_do("end-unclaimed");
                rig_do("guest a 3 /bin/true");
                (void) rig_wait("guest-started a 3");
                rig_expect("guest-ended a 3 0 %d 0", CLD_EXITED);
                expect_guest_gone(&pets);
                let_one_stay(&pets);
        }
        rig_do("end-guest a 0");
        expect_guest_gone(&pets);
        expect_tree_as_before(&pets);
}
END_TEST

START_TEST(a_brain_that_dies_of_the_end_of_a_guest_leaves_the_tree_as_it_was) {
        Pets pets;
        int slot;

        rig_start();
        pets.main_fd = pin(rig_spawn_child("a", "sleeper"));
        (void) rig_wait("output a pid ");
        slot = rig_ask("slot a");
        rig_do("die-on guest-ended");
        rig_do("guest a 0 /bin/false");
        await_next_brain();
        ck_assert_int_eq(rig_ask("adopt a %d 1", slot), 1);
        (void) rig_wait("exec a 0");
        rig_do("end-unclaimed");
        rig_do("guest a 3 /bin/false");
        (void) rig_wait("guest-started a 3");
        rig_expect("guest-ended a 3 0 %d 1", CLD_EXITED);
        expect_tree_as_before(&pets);
}
END_TEST

START_TEST(there_is_a_slot_for_a_guest_where_all_sidecars_have_one) {
        rig_start();
        (void) rig_spawn_child("a", "sleeper");
        (void) rig_wait("output a pid ");
        for (int i = 1; i < WIRE_SIDECARS_MAX; i++)
                ck_assert_int_ge(rig_ask("slot t%d", i), 1);
        ck_assert_int_eq(rig_ask("reset more"), -EUSERS);
        rig_do("guest a 0 /bin/true");
        (void) rig_wait("guest-started a 0");
        rig_expect("guest-ended a 0 0 %d 0", CLD_EXITED);
        rig_do("kill a");
        (void) rig_wait("emptied a");
}
END_TEST

TEST_MAIN_TIMEOUT("guest",
                  120,
                  rig_setup,
                  rig_teardown,
                  the_end_of_a_guest_is_told_and_is_not_the_mains,
                  a_guest_is_ended_with_all_that_came_from_it_and_nothing_else_is,
                  a_guest_that_is_ended_as_soon_as_it_was_asked_for_is_gone,
                  guests_wait_for_their_turn,
                  what_ends_the_tree_ends_its_guests,
                  the_end_of_the_main_ends_its_guests,
                  a_brain_that_takes_a_tree_up_ends_the_guest_and_nothing_else,
                  a_brain_that_dies_of_the_end_of_a_guest_leaves_the_tree_as_it_was,
                  there_is_a_slot_for_a_guest_where_all_sidecars_have_one)
