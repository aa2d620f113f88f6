/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the keeper keeps over a brain's death and tells the next one, message by message.
 */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "raw.h"
#include "test.h"
#include "util/clock.h"

#define SLOTS 300
#define ORDERS_BEFORE 150 /* more than the keeper reads in a turn */
#define REAP_PAUSE_MSEC 5

static int output[3];

static int make_file(void) {
        int fd = memfd_create("kept", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

static void signal_main(int pidfd, int number) {
        ck_assert_int_eq(syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0), 0);
}

/* A process that was reaped can be sent nothing, a zombie can. */
static void wait_until_reaped(int pidfd) {
        uint64_t until = clock_monotonic_usec() + UINT64_C(1000) * RIG_PATIENCE_MSEC;

        while (syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0) {
                ck_assert_msg(clock_monotonic_usec() < until, "it is not reaped");
                (void) poll(NULL, 0, REAP_PAUSE_MSEC);
        }
        ck_assert_int_eq(errno, ESRCH);
}

/* The next brain, up to the one entry that there is. */
static const WireMessage *expect_entry(uint32_t slot, uint64_t generation) {
        raw_accept_brain();
        raw_expect_hello(0);
        raw_expect(WIRE_ENTRY, slot);
        ck_assert_uint_eq(raw_news.message.generation, generation);
        return &raw_news.message;
}

START_TEST(orders_in_a_dead_brains_socket_are_obeyed_once) {
        int memory_fd = make_file(), ledger_fd = make_file();
        int holder_fd = pin(getpid());
        pid_t pid;

        raw_start();
        raw_stop_keeper();
        for (uint32_t i = 0; i < ORDERS_BEFORE; i++)
                raw_order(WIRE_DROP_HOLDER, i, 0);
        raw_order_with(WIRE_KEEP_LEDGER, 0, ledger_fd);
        raw_spawn(0, 7, "sleeper", output);
        raw_order_with(WIRE_KEEP_MEMORY, 0, memory_fd);
        raw_order_with(WIRE_KEEP_HOLDER, 200, holder_fd);
        raw_kill_brain();
        raw_continue_keeper();

        raw_accept_brain();
        raw_expect_hello(0);
        ck_assert(raw_is_same_file(raw_news.fds[0], ledger_fd));
        raw_expect(WIRE_ENTRY, 0);
        ck_assert_uint_eq(raw_news.message.generation, 7);
        ck_assert(raw_news.message.flags & WIRE_ENTRY_THERE);
        ck_assert_uint_eq(raw_news.n_fds, 5);
        ck_assert(raw_is_same_file(raw_news.fds[3], memory_fd));
        pid = raw_news.message.pid;
        raw_expect(WIRE_HOLDER, 200);
        ck_assert(raw_is_same_file(raw_news.fds[0], holder_fd));
        raw_expect(WIRE_TABLE_END, 0);

        /* The successor cannot know that it came through, and orders it again. */
        raw_spawn(0, 7, "sleeper", output);
        raw_kill_brain();
        ck_assert_int_eq(expect_entry(0, 7)->pid, pid);
        raw_expect(WIRE_HOLDER, 200);
        raw_expect(WIRE_TABLE_END, 0);
}
END_TEST

START_TEST(a_spawn_that_was_seen_is_not_obeyed_again) {
        raw_start();
        raw_spawn(0, 5, "sleeper", output);
        (void) raw_expect_started(0, 5);
        raw_spawn(0, 5, "sleeper", output);
        raw_spawn(0, 4, "sleeper", output);
        /* A later one is, but not beside the one that runs. */
        raw_spawn(0, 6, "sleeper", output);
        raw_expect(WIRE_FORK_FAILED, 0);
        ck_assert_uint_eq(raw_news.message.generation, 6);
        ck_assert_int_eq(raw_news.message.error, EBUSY);
}
END_TEST

START_TEST(what_failed_for_a_dead_brain_is_not_told_to_the_next) {
        raw_start();
        raw_spawn(0, 5, "sleeper", output);
        (void) raw_expect_started(0, 5);
        raw_stop_keeper();
        raw_spawn(0, 6, "sleeper", output);
        raw_kill_brain();
        raw_continue_keeper();
        (void) expect_entry(0, 5);
        raw_expect(WIRE_TABLE_END, 0);
        raw_spawn(0, 7, "sleeper", output);
        raw_expect(WIRE_FORK_FAILED, 0);
        ck_assert_uint_eq(raw_news.message.generation, 7);
}
END_TEST

START_TEST(an_exit_while_no_brain_is_there_is_told_to_the_next) {
        RawTree tree;

        raw_start();
        raw_spawn(0, 3, "sleeper", output);
        tree = raw_expect_started(0, 3);
        raw_stop_keeper();
        raw_kill_brain();
        signal_main(tree.main_fd, SIGUSR1);
        ck_assert(is_gone(tree.child_fd, RIG_PATIENCE_MSEC));
        raw_continue_keeper();

        ck_assert(expect_entry(0, 3)->flags & WIRE_ENTRY_ENDED);
        ck_assert(raw_news.message.flags & WIRE_ENTRY_EXEC);
        ck_assert_int_eq(raw_news.message.error, 0);
        ck_assert_int_eq(raw_news.message.code, CLD_KILLED);
        ck_assert_int_eq(raw_news.message.status, SIGUSR1);
        raw_expect(WIRE_TABLE_END, 0);
        /* And once: what comes next is this. */
        raw_spawn(1, 1, "sleeper", output);
        (void) raw_expect_started(1, 1);
}
END_TEST

START_TEST(what_is_kept_comes_back_as_the_same_files) {
        int memory_fd = make_file(), ledger_fd, main_fd;
        RawTree tree;

        rig_start();
        raw_take_socket();
        raw_expect_hello(WIRE_HELLO_FIRST);
        ledger_fd = TAKE_FD(raw_news.fds[0]);
        raw_expect(WIRE_TABLE_END, 0);
        raw_spawn(2, 9, "sleeper", output);
        tree = raw_expect_started(2, 9);
        main_fd = tree.pair_fd < 0 ? tree.main_fd : tree.pair_fd;
        raw_order_with(WIRE_KEEP_MEMORY, 2, memory_fd);

        /* Not only once. */
        for (int i = 0; i < 3; i++) {
                raw_kill_brain();
                raw_accept_brain();
                raw_expect_hello(0);
                ck_assert(raw_is_same_file(raw_news.fds[0], ledger_fd));
                raw_expect(WIRE_ENTRY, 2);
                ck_assert_uint_eq(raw_news.message.flags & ~(uint32_t) WIRE_ENTRY_EXEC,
                                  WIRE_ENTRY_THERE | WIRE_ENTRY_MAIN_FD | WIRE_ENTRY_OUTPUT |
                                          WIRE_ENTRY_MEMORY | WIRE_ENTRY_NOTIFY |
                                          (tree.pair_fd < 0 ? 0 : WIRE_ENTRY_GUARDED));
                ck_assert_uint_eq(raw_news.n_fds, 5);
                ck_assert(raw_is_same_file(raw_news.fds[0], main_fd));
                ck_assert(raw_is_same_file(raw_news.fds[1], output[0]));
                ck_assert(raw_is_same_file(raw_news.fds[2], output[1]));
                ck_assert(raw_is_same_file(raw_news.fds[3], memory_fd));
                ck_assert(raw_is_same_file(raw_news.fds[4], output[2]));
                raw_expect(WIRE_TABLE_END, 0);
        }
}
END_TEST

/* The end of stdin is seen when the writing end, here ours and the keeper's, is closed by all. */
START_TEST(stdin_stays_open_over_a_death_until_it_is_dropped) {
        int ends[2], other[2];
        RawTree tree;

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(other, O_CLOEXEC), 0);
        raw_start();
        raw_keep_stdin(1, 4, ends[1]);
        raw_spawn_fed(1, 4, "/bin/cat", ends[0], output);
        tree = raw_expect_started(1, 4);
        /* What that generation reads is never replaced. */
        raw_keep_stdin(1, 4, other[1]);
        for (int i = 0; i < 2; i++) {
                raw_kill_brain();
                ck_assert(expect_entry(1, 4)->flags & WIRE_ENTRY_STDIN);
                ck_assert_uint_eq(raw_news.n_fds, 5);
                ck_assert(raw_is_same_file(raw_news.fds[4], ends[1]));
                ck_assert_int_eq(write(raw_news.fds[4], "fed\n", 4), 4);
                raw_expect(WIRE_TABLE_END, 0);
        }
        safe_close(ends[1]);
        ck_assert(!is_gone(tree.child_fd, 0));
        raw_order(WIRE_DROP_STDIN, 1, 4);
        raw_wait_for_end(1);
        ck_assert_int_eq(raw_news.message.code, CLD_EXITED);
        ck_assert_int_eq(raw_news.message.status, 0);
}
END_TEST

static void run_to_its_end(uint32_t slot, uint64_t generation) {
        raw_spawn(slot, generation, "sleeper 3", output);
        (void) raw_expect_started(slot, generation);
        raw_wait_for_end(slot);
        ck_assert_int_eq(raw_news.message.code, CLD_EXITED);
        ck_assert_int_eq(raw_news.message.status, 3);
}

START_TEST(stdin_of_a_generation_ends_with_it) {
        int ends[2];

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        raw_start();
        raw_keep_stdin(1, 4, ends[1]);
        safe_close(ends[1]);
        run_to_its_end(1, 4);
        raw_order(WIRE_ACKNOWLEDGE, 1, 4);
        raw_kill_brain();
        ck_assert_uint_eq(expect_entry(1, 4)->flags & WIRE_ENTRY_STDIN, 0);
        /* Nobody has the writing end any more. */
        ck_assert_int_eq(read(ends[0], (char[1]){ 0 }, 1), 0);
}
END_TEST

/* They are the slot's: before its first generation, between two of them, and until its release. */
START_TEST(sockets_are_kept_over_generations_and_deaths_until_they_are_dropped) {
        int sockets_fd = make_file(), other_fd = make_file();

        raw_start();
        raw_order_with(WIRE_KEEP_SOCKETS, 1, sockets_fd);
        raw_kill_brain();
        ck_assert_uint_eq(expect_entry(1, 0)->flags, WIRE_ENTRY_SOCKETS);
        ck_assert(raw_is_same_file(raw_news.fds[0], sockets_fd));
        raw_expect(WIRE_TABLE_END, 0);

        run_to_its_end(1, 4);
        raw_order(WIRE_ACKNOWLEDGE, 1, 4);
        raw_kill_brain();
        ck_assert_uint_eq(expect_entry(1, 4)->flags, WIRE_ENTRY_SOCKETS);
        ck_assert(raw_is_same_file(raw_news.fds[0], sockets_fd));
        raw_expect(WIRE_TABLE_END, 0);

        raw_order_with(WIRE_KEEP_SOCKETS, 1, other_fd);
        raw_kill_brain();
        ck_assert_uint_eq(expect_entry(1, 4)->flags, WIRE_ENTRY_SOCKETS);
        ck_assert(raw_is_same_file(raw_news.fds[0], other_fd));
        raw_expect(WIRE_TABLE_END, 0);

        raw_order(WIRE_DROP_SOCKETS, 1, 0);
        raw_kill_brain();
        ck_assert_uint_eq(expect_entry(1, 4)->flags, 0);
        raw_expect(WIRE_TABLE_END, 0);

        raw_order_with(WIRE_KEEP_SOCKETS, 1, sockets_fd);
        raw_order(WIRE_RELEASE, 1, 0);
        raw_kill_brain();
        raw_accept_brain();
        raw_expect_hello(0);
        raw_expect(WIRE_TABLE_END, 0);
}
END_TEST

START_TEST(an_end_stays_until_it_is_acknowledged) {
        raw_start();
        raw_order_with(WIRE_KEEP_MEMORY, 0, make_file());
        run_to_its_end(0, 1);
        for (int i = 0; i < 2; i++) {
                raw_kill_brain();
                ck_assert(expect_entry(0, 1)->flags & WIRE_ENTRY_ENDED);
                ck_assert_uint_eq(raw_news.n_fds, 5);
                raw_expect(WIRE_TABLE_END, 0);
        }
        /* Of a generation that is not the one it does not mean anything. */
        raw_order(WIRE_ACKNOWLEDGE, 0, 2);
        raw_kill_brain();
        ck_assert(expect_entry(0, 1)->flags & WIRE_ENTRY_ENDED);
        raw_expect(WIRE_TABLE_END, 0);

        raw_order(WIRE_ACKNOWLEDGE, 0, 1);
        raw_kill_brain();
        ck_assert_uint_eq(expect_entry(0, 1)->flags, WIRE_ENTRY_MEMORY);
        ck_assert_uint_eq(raw_news.n_fds, 1);
        raw_expect(WIRE_TABLE_END, 0);

        raw_order(WIRE_RELEASE, 0, 0);
        raw_kill_brain();
        raw_accept_brain();
        raw_expect_hello(0);
        raw_expect(WIRE_TABLE_END, 0);
}
END_TEST

START_TEST(a_later_spawn_acknowledges_an_end) {
        raw_start();
        run_to_its_end(0, 1);
        run_to_its_end(0, 2);
        raw_kill_brain();
        ck_assert(expect_entry(0, 2)->flags & WIRE_ENTRY_ENDED);
}
END_TEST

START_TEST(a_release_drops_an_end) {
        raw_start();
        run_to_its_end(0, 1);
        raw_order(WIRE_RELEASE, 0, 0);
        raw_kill_brain();
        raw_accept_brain();
        raw_expect_hello(0);
        raw_expect(WIRE_TABLE_END, 0);
        run_to_its_end(0, 1);
}
END_TEST

START_TEST(a_brain_that_reads_slowly_stops_nobody) {
        int memory_fd = make_file(), holder_fd = pin(getpid());
        bool has_notify;
        RawTree tree;

        raw_start();
        raw_spawn(1, 1, "sleeper", output);
        tree = raw_expect_started(1, 1);
        for (uint32_t i = 0; i < SLOTS; i++)
                raw_order_with(WIRE_KEEP_MEMORY, i, memory_fd);
        for (uint32_t i = 0; i < WIRE_HOLDERS_MAX; i++)
                raw_order_with(WIRE_KEEP_HOLDER, i, holder_fd);

        /* The next one reads nothing yet, and its socket does not hold the half of it. */
        raw_kill_brain();
        raw_accept_brain();
        signal_main(tree.main_fd, SIGKILL);
        wait_until_reaped(tree.child_fd);

        raw_expect_hello(0);
        for (uint32_t i = 0; i < SLOTS; i++) {
                raw_expect(WIRE_ENTRY, i);
                ck_assert(raw_news.message.flags & WIRE_ENTRY_MEMORY);
                has_notify = raw_news.message.flags & WIRE_ENTRY_NOTIFY;
                ck_assert(
                        raw_is_same_file(raw_news.fds[raw_news.n_fds - 1 - has_notify], memory_fd));
        }
        for (uint32_t i = 0; i < WIRE_HOLDERS_MAX; i++)
                raw_expect(WIRE_HOLDER, i);
        raw_expect(WIRE_TABLE_END, 0);
        /* What had been told as running has ended meanwhile, and that comes after the table. */
        raw_wait_for_end(1);
        ck_assert_int_eq(raw_news.message.code, CLD_KILLED);
        ck_assert_int_eq(raw_news.message.status, SIGKILL);
}
END_TEST

START_TEST(the_third_fault_brings_safe_mode_and_the_sixth_the_end) {
        RawTree tree;

        raw_start();
        raw_spawn(0, 1, "sleeper", output);
        tree = raw_expect_started(0, 1);
        for (int i = 1; i <= 6; i++) {
                rig_do("leave 75"); /* never counts */
                raw_accept_brain();
                raw_expect_hello(i > 3 ? WIRE_HELLO_SAFE : 0);
                raw_expect(WIRE_ENTRY, 0);
                ck_assert(!(raw_news.message.flags & WIRE_ENTRY_ENDED));
                rig_do("ready");
                rig_do("leave 1");
                if (i < 6)
                        raw_accept_brain();
        }
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 1);
        ck_assert(is_gone(tree.main_fd, 0));
}
END_TEST

static void fail_into_safe_mode(void) {
        for (int i = 1; i <= 3; i++) {
                rig_do("leave 1");
                raw_accept_brain();
                raw_expect_hello(i == 3 ? WIRE_HELLO_SAFE : 0);
                rig_do("ready");
        }
}

START_TEST(a_hangup_replaces_the_brain_and_ends_safe_mode) {
        int brain_fd;

        raw_start();
        fail_into_safe_mode();
        brain_fd = pin(rig.brain_pid);
        ck_assert_int_eq(kill(rig.keeper_pid, SIGHUP), 0);
        raw_accept_brain();
        raw_expect_hello(0);
        ck_assert(is_gone(brain_fd, 0));
        rig_do("ready");
        fail_into_safe_mode();
}
END_TEST

START_TEST(an_upgrade_replaces_the_brain_and_ends_safe_mode) {
        raw_start();
        fail_into_safe_mode();
        raw_order(WIRE_UPGRADE, 0, 0);
        raw_accept_brain();
        raw_expect_hello(0);
}
END_TEST

START_TEST(terminating_is_told_to_every_brain_after_the_table) {
        raw_start();
        run_to_its_end(0, 1);
        ck_assert_int_eq(kill(rig.keeper_pid, SIGTERM), 0);
        raw_expect(WIRE_TERMINATE, 0);
        for (int i = 0; i < 3; i++) {
                raw_kill_brain();
                (void) expect_entry(0, 1);
                raw_expect(WIRE_TABLE_END, 0);
                raw_expect(WIRE_TERMINATE, 0);
        }
        rig_do("leave 0");
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 0);
}
END_TEST

/* Guardians alone */

START_TEST(a_guardian_tells_the_next_brain_again) {
        WireMessage resend = { .kind = WIRE_RESEND };
        RawTree tree;
        int pair_fd;

        if (rig_is_cgroup())
                return;
        raw_start();
        raw_spawn(0, 1, "sleeper", output);
        tree = raw_expect_started(0, 1);
        raw_kill_brain();
        safe_close(tree.pair_fd);

        ck_assert(expect_entry(0, 1)->flags & WIRE_ENTRY_GUARDED);
        pair_fd = TAKE_FD(raw_news.fds[0]);
        raw_expect(WIRE_TABLE_END, 0);
        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(wire_send(pair_fd, &resend, NULL, 0), 0);
                raw_expect_from(pair_fd, WIRE_FORKED);
                ck_assert(raw_is_same_file(raw_news.fds[0], tree.main_fd));
                raw_expect_from(pair_fd, WIRE_EXEC);
        }
        signal_main(tree.main_fd, SIGUSR2);
        raw_expect_from(pair_fd, WIRE_EXITED);
        ck_assert_int_eq(raw_news.message.status, SIGUSR2);
}
END_TEST

START_TEST(an_exit_that_only_a_dead_brain_has_read_is_not_lost) {
        RawTree tree;

        if (rig_is_cgroup())
                return;
        raw_start();
        raw_spawn(0, 1, "sleeper 3", output);
        tree = raw_expect_started(0, 1);
        raw_expect_from(tree.pair_fd, WIRE_EXITED);
        ck_assert_int_eq(raw_news.message.status, 3);
        /* The guardian ends, since all that it knew was told; and then the brain. */
        ck_assert(is_gone(tree.child_fd, RIG_PATIENCE_MSEC));
        raw_kill_brain();

        (void) expect_entry(0, 1);
        ck_assert(raw_news.message.flags & WIRE_ENTRY_ENDED);
        ck_assert_int_eq(raw_news.message.code, CLD_EXITED);
        ck_assert_int_eq(raw_news.message.status, 3);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                orders_in_a_dead_brains_socket_are_obeyed_once,
                a_spawn_that_was_seen_is_not_obeyed_again,
                what_failed_for_a_dead_brain_is_not_told_to_the_next,
                an_exit_while_no_brain_is_there_is_told_to_the_next,
                what_is_kept_comes_back_as_the_same_files,
                stdin_stays_open_over_a_death_until_it_is_dropped,
                stdin_of_a_generation_ends_with_it,
                sockets_are_kept_over_generations_and_deaths_until_they_are_dropped,
                an_end_stays_until_it_is_acknowledged,
                a_later_spawn_acknowledges_an_end,
                a_release_drops_an_end,
                a_brain_that_reads_slowly_stops_nobody,
                the_third_fault_brings_safe_mode_and_the_sixth_the_end,
                a_hangup_replaces_the_brain_and_ends_safe_mode,
                an_upgrade_replaces_the_brain_and_ends_safe_mode,
                terminating_is_told_to_every_brain_after_the_table,
                a_guardian_tells_the_next_brain_again,
                an_exit_that_only_a_dead_brain_has_read_is_not_lost,
        };

        if (!rig_is_possible())
                return RIG_SKIPPED;
        return test_run("handover", 120, rig_setup, rig_teardown, tests, ELEMENTSOF(tests));
}
