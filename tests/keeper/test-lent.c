/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A child finds its descriptors in the keeper's table until it has one of its own, and it may be
 * long until it runs: they must be its own all the same, and nobody else's are held up by it.
 */

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "raw.h"
#include "test.h"

#define OTHERS 50
#define FROZEN 300     /* more than there are low numbers for */
#define KEPT_FROM 1024 /* as in init/spawn.c */

static int output[FROZEN][3];

static int make_input(uint32_t slot) {
        int ends[2];

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        ck_assert_int_gt(dprintf(ends[1], "what slot %u was given\n", slot), 0);
        safe_close(ends[1]);
        return ends[0];
}

static void spawn_echo(uint32_t slot) {
        raw_spawn_fed(slot, 1, "/bin/cat", make_input(slot), output[slot]);
}

/* Its whole output up to its end: so nobody else can write to it any more. */
static void expect_echo(uint32_t slot) {
        struct pollfd event = { .fd = output[slot][0], .events = POLLIN };
        char expected[64], text[64];
        size_t used = 0;
        ssize_t n;

        (void) snprintf(expected, sizeof(expected), "what slot %u was given\n", slot);
        do {
                ck_assert_msg(poll(&event, 1, RIG_PATIENCE_MSEC) == 1, "no end of slot %u", slot);
                n = read(event.fd, text + used, sizeof(text) - 1 - used);
                ck_assert_int_ge(n, 0);
                used += (size_t) n;
        } while (n > 0);
        text[used] = '\0';
        ck_assert_str_eq(text, expected);
}

/* Of the keeper; those that it keeps have higher numbers. */
static int count_low_descriptors(void) {
        const struct dirent *entry;
        char path[32];
        DIR *directory;
        int n = 0;

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) rig.keeper_pid);
        directory = opendir(path);
        ck_assert_ptr_nonnull(directory);
        while ((entry = readdir(directory)))
                n += entry->d_name[0] != '.' && atoi(entry->d_name) < KEPT_FROM;
        (void) closedir(directory);
        return n;
}

/*
 * Once it has told of a child's end, the keeper is beyond the start of its brain: what it had open
 * for that is closed.
 */
static int start_and_count(void) {
        raw_start();
        raw_spawn(FROZEN, 1, "sleeper 0", (int[3]){ 0 });
        raw_wait_for_end(FROZEN);
        return count_low_descriptors();
}

static void expect_ends(uint32_t first, uint32_t n) {
        bool has_ended[FROZEN] = { false };

        while (n > 0) {
                raw_receive(raw_socket);
                ck_assert_uint_ne(raw_news.message.kind, WIRE_FORK_FAILED);
                if (raw_news.message.kind != WIRE_EXITED)
                        continue;
                ck_assert_uint_ge(raw_news.message.slot, first);
                ck_assert(!has_ended[raw_news.message.slot]);
                ck_assert_int_eq(raw_news.message.code, CLD_EXITED);
                ck_assert_int_eq(raw_news.message.status, 0);
                has_ended[raw_news.message.slot] = true;
                n--;
        }
}

START_TEST(each_of_many_at_once_has_its_own_descriptors) {
        int n_before;

        n_before = start_and_count();
        raw_stop_keeper();
        for (uint32_t slot = 0; slot < OTHERS; slot++)
                spawn_echo(slot);
        raw_continue_keeper();
        for (uint32_t slot = 0; slot < OTHERS; slot++)
                expect_echo(slot);
        expect_ends(0, OTHERS);
        ck_assert_int_eq(count_low_descriptors(), n_before);
}
END_TEST

START_TEST(a_frozen_child_finds_its_own_descriptors_after_fifty_others) {
        int n_before;

        if (!rig_is_cgroup())
                return;
        n_before = start_and_count();
        raw_write_leaf(0, "cgroup.freeze", "1");
        spawn_echo(0);
        raw_expect(WIRE_FORKED, 0);
        for (uint32_t slot = 1; slot <= OTHERS; slot++) {
                spawn_echo(slot);
                expect_echo(slot);
        }
        expect_ends(1, OTHERS);

        raw_write_leaf(0, "cgroup.freeze", "0");
        expect_echo(0);
        expect_ends(0, 1);
        ck_assert_int_eq(count_low_descriptors(), n_before);
}
END_TEST

START_TEST(more_frozen_children_than_low_numbers_find_their_own) {
        int n_before;

        if (!rig_is_cgroup())
                return;
        n_before = start_and_count();
        raw_write_trees("cgroup.freeze", "1");
        for (uint32_t slot = 0; slot < FROZEN; slot++) {
                spawn_echo(slot);
                raw_expect(WIRE_FORKED, slot);
        }
        raw_write_trees("cgroup.freeze", "0");
        for (uint32_t slot = 0; slot < FROZEN; slot++)
                expect_echo(slot);
        expect_ends(0, FROZEN);
        ck_assert_int_eq(count_low_descriptors(), n_before);
}
END_TEST

START_TEST(a_child_that_is_killed_before_it_ran_leaves_nothing_open) {
        int n_before;
        char byte;

        if (!rig_is_cgroup())
                return;
        n_before = start_and_count();
        raw_write_leaf(0, "cgroup.freeze", "1");
        spawn_echo(0);
        raw_expect(WIRE_FORKED, 0);
        raw_write_leaf(0, "cgroup.kill", "1");
        raw_wait_for_end(0);
        ck_assert_int_eq(raw_news.message.code, CLD_KILLED);
        ck_assert_int_eq(raw_news.message.status, SIGKILL);
        ck_assert_int_eq(count_low_descriptors(), n_before);
        ck_assert_int_eq(read(output[0][0], &byte, 1), 0);
}
END_TEST

/* It has a part in all that the dead keeper had open, and nobody ends it before the next does. */
START_TEST(a_killed_keeper_has_a_successor_whatever_is_frozen) {
        int main_fd;

        if (!rig_is_cgroup())
                return;
        raw_start();
        raw_write_leaf(0, "cgroup.freeze", "1");
        spawn_echo(0);
        raw_expect(WIRE_FORKED, 0);
        main_fd = TAKE_FD(raw_news.fds[0]);
        ck_assert_int_eq(kill(rig.keeper_pid, SIGKILL), 0);
        (void) exit_status_of(TAKE(rig.keeper_pid, 0));
        ck_assert(!is_gone(main_fd, 0));

        raw_start();
        ck_assert(is_gone(main_fd, 0));
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                each_of_many_at_once_has_its_own_descriptors,
                a_frozen_child_finds_its_own_descriptors_after_fifty_others,
                more_frozen_children_than_low_numbers_find_their_own,
                a_child_that_is_killed_before_it_ran_leaves_nothing_open,
                a_killed_keeper_has_a_successor_whatever_is_frozen,
        };

        if (!rig_is_possible())
                return RIG_SKIPPED;
        return test_run("lent", 120, rig_setup, rig_teardown, tests, ELEMENTSOF(tests));
}
