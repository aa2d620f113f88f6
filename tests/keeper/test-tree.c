/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Trees over a real keeper, in whatever containment CONTAINMENT says.
 */

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "rig.h"
#include "test.h"
#include "util/clock.h"
#include "util/strv.h"

#define GENERATIONS 200
#define ASK_PAUSE_USEC 1000
#define KEEPER_LOSS_MSEC 3000 /* contract D3 */
#define TURN_MSEC 10

START_TEST(reports_how_a_main_process_ended) {
        rig_start();

        (void) rig_spawn_child("a", "sleeper 7");
        (void) rig_wait("output a pid ");
        rig_expect("exited a %d 7", CLD_EXITED);
        rig_expect("emptied a");

        (void) rig_spawn_child("a", "sleeper");
        (void) rig_wait("output a pid ");
        rig_do("signal-main a %d", SIGUSR1);
        rig_expect("exited a %d %d", CLD_KILLED, SIGUSR1);
        rig_expect("emptied a");
        ck_assert_int_eq(rig_ask("signal-main a %d", SIGUSR1), -ESRCH);
}
END_TEST

static const char *make_file(const char *name, mode_t mode) {
        static char path[128];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/%s", rig.directory, name);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, "?", 1), 1);
        safe_close(fd);
        return path;
}

static void expect_exec_error(const char *path, int error) {
        rig_do("spawn a %s", path);
        (void) rig_wait("forked a ");
        rig_expect("exec a %d", error);
        rig_expect("exited a %d 127", CLD_EXITED);
        rig_expect("emptied a");
}

START_TEST(answers_the_errno_of_a_failed_exec_and_then_its_exit) {
        rig_start();

        expect_exec_error("/nonexistent/program", ENOENT);
        expect_exec_error(make_file("not-executable", 0644), EACCES);
        expect_exec_error(make_file("no-format", 0755), ENOEXEC);
}
END_TEST

START_TEST(one_generation_at_a_time) {
        rig_start();

        (void) rig_spawn_child("a", "sleeper");
        ck_assert_int_eq(rig_ask("spawn a /bin/true"), -EBUSY);
        rig_do("kill a");
        (void) rig_wait("emptied a");
        /* A cgroup that was killed once kills whoever is born into it, on some kernels. */
        (void) rig_spawn_child("a", "sleeper 4");
        rig_expect("exited a %d 4", CLD_EXITED);
        rig_expect("emptied a");
}
END_TEST

START_TEST(a_generation_is_spawned_once) {
        rig_start();

        (void) rig_spawn_child("a", "sleeper 0");
        (void) rig_wait("emptied a");
        rig_do("same-generation a");
        rig_do("spawn a %s", child_path("sleeper 0"));
        /* Orders are read in turn, so when b is through the one for a has been read too. */
        rig_do("spawn b %s", child_path("sleeper 0"));
        ck_assert_int_gt(rig_wait_number("forked b "), 0);
        ck_assert_int_eq(rig_ask("pids a"), 0);
}
END_TEST

START_TEST(a_freed_slot_is_as_good_as_new) {
        rig_start();

        /* All trees have the name and the generation in common, and some two have the slot. */
        for (int i = 0; i < 1100; i++) {
                if (i == 0 || i > 1020) {
                        (void) rig_spawn_child("a", "sleeper 0");
                        (void) rig_wait("emptied a");
                }
                rig_do("reset a");
        }
}
END_TEST

START_TEST(a_daemonised_grandchild_is_gone_after_the_kill) {
        int main_pidfd, grandchild, grandchild_pidfd;

        rig_start();
        main_pidfd = pin(rig_spawn_child("a", "stubborn"));
        grandchild = rig_wait_number("output a grandchild ");
        grandchild_pidfd = pin(grandchild);

        rig_do("signal-main a %d", SIGTERM);
        rig_expect("exited a %d %d", CLD_KILLED, SIGTERM);
        ck_assert(is_gone(main_pidfd, 0));
        ck_assert_int_eq(rig_ask("pids a"), 1);
        rig_expect("has a %d", grandchild);

        /* It ignores this one, so the tree must not be told empty by it. */
        rig_do("signal-all a %d", SIGTERM);
        ck_assert_int_eq(rig_ask("spawn a /bin/true"), -EBUSY);
        ck_assert(!is_gone(grandchild_pidfd, 0));

        rig_do("kill a");
        rig_expect("emptied a");
        ck_assert(is_gone(grandchild_pidfd, 0));
}
END_TEST

START_TEST(an_exit_is_told_although_a_grandchild_stays) {
        rig_start();
        (void) rig_spawn_child("a", "stubborn 0");
        (void) rig_wait("exited a 1 0");
        ck_assert_int_eq(rig_ask("spawn a /bin/true"), -EBUSY);
        rig_do("kill a");
        (void) rig_wait("emptied a");
}
END_TEST

START_TEST(a_bomb_of_forks_is_ended) {
        rig_start();
        for (int i = 0; i < 5; i++) {
                (void) rig_spawn_child("a", "reforker 8");
                (void) rig_wait("output a running");
                rig_do("kill a");
                (void) rig_wait("emptied a");
                ck_assert_int_eq(rig_ask("pids a"), 0);
        }
}
END_TEST

START_TEST(a_stopped_tree_takes_its_signal) {
        int pid;

        rig_start();
        pid = rig_spawn_child("a", "sleeper");
        (void) rig_wait("output a pid ");
        ck_assert_int_eq(kill(pid, SIGSTOP), 0);
        rig_do("signal-main a %d", SIGTERM);
        rig_expect("exited a %d %d", CLD_KILLED, SIGTERM);
        rig_expect("emptied a");
}
END_TEST

START_TEST(a_bootloader_can_forward_and_clean_up) {
        char directory[64];
        int worker_pidfd;

        rig_start();
        (void) rig_spawn_child("a", "bootloader");
        worker_pidfd = pin(rig_wait_number("output a worker "));
        (void) snprintf(directory, sizeof(directory), "%s", rig_wait("output a directory "));

        rig_do("signal-main a %d", SIGTERM);
        rig_expect("exited a %d %d", CLD_EXITED, 128 + SIGTERM);
        rig_expect("emptied a");
        ck_assert(is_gone(worker_pidfd, 0));
        ck_assert_int_lt(access(directory, F_OK), 0);
}
END_TEST

START_TEST(a_signal_for_all_reaches_all_and_nobody_else) {
        int worker_pidfd, main_pidfd, stranger_pidfd;
        char directory[64];
        pid_t stranger = fork();

        if (stranger == 0) {
                (void) execl(child_path("sleeper"), "sleeper", NULL);
                _exit(EXIT_FAILURE);
        }
        stranger_pidfd = pin(stranger);
        rig_start();
        main_pidfd = pin(rig_spawn_child("a", "bootloader"));
        worker_pidfd = pin(rig_wait_number("output a worker "));
        (void) snprintf(directory, sizeof(directory), "%s", rig_wait("output a directory "));
        (void) rig_spawn_child("b", "sleeper");

        ck_assert_int_eq(rig_ask("pids a"), 2);
        rig_do("signal-all a %d", SIGUSR1);
        ck_assert(is_gone(worker_pidfd, RIG_PATIENCE_MSEC));
        ck_assert(is_gone(main_pidfd, RIG_PATIENCE_MSEC));
        (void) rig_wait("emptied a");
        ck_assert_int_eq(rig_ask("pids b"), 1);
        rig_do("kill b");
        (void) rig_wait("emptied b");

        ck_assert(!is_gone(stranger_pidfd, 0));
        (void) kill(stranger, SIGKILL);
        (void) exit_status_of(stranger);
        (void) rmdir(directory);
}
END_TEST

static int count_descriptors(pid_t pid) {
        char path[64];
        DIR *dir;
        int n = 0;

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);
        dir = opendir(path);
        ck_assert_ptr_nonnull(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n;
}

/* A guardian tells that its main runs before the keeper has closed what it had lent for that. */
static void await_descriptors(pid_t pid, int n_max) {
        uint64_t until = clock_monotonic_usec() + RIG_PATIENCE_MSEC * UINT64_C(1000);

        while (count_descriptors(pid) > n_max) {
                ck_assert_msg(clock_monotonic_usec() < until, "%d has more than %d descriptors",
                              (int) pid, n_max);
                (void) usleep(ASK_PAUSE_USEC);
        }
}

START_TEST(no_descriptor_stays_behind) {
        int keeper = 0, brain = 0;

        rig_start();
        for (int i = 0; i <= GENERATIONS; i++) {
                (void) rig_spawn_child("a", "sleeper");
                /* While this one runs, the end of the last one has been acknowledged. */
                if (i == 1) {
                        keeper = count_descriptors(rig.keeper_pid);
                        brain = rig_ask("descriptors");
                }
                if (i == GENERATIONS) {
                        await_descriptors(rig.keeper_pid, keeper);
                        ck_assert_int_eq(rig_ask("descriptors"), brain);
                }
                rig_do("signal-main a %d", SIGUSR1);
                (void) rig_wait("emptied a");
                (void) rig_wait("closed a");
        }
}
END_TEST

START_TEST(the_child_is_born_clean) {
        struct rlimit nofile = { .rlim_cur = 512, .rlim_max = 1024 };
        const char *line;
        int n_fds = 0;
        sigset_t set;

        /* All that must not come through, or must. */
        (void) signal(SIGHUP, SIG_IGN);
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGUSR1);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
        (void) umask(027);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &nofile), 0);
        ck_assert_int_ge(dup2(STDERR_FILENO, 77), 0);
        rig_start();

        (void) rig_spawn_child("a", "envdump first second");
        (void) rig_wait("output a argument first");
        rig_expect("output a argument second");
        (void) rig_wait("output a directory /tmp");
        while (startswith(line = rig_wait("output a "), "fd "))
                ck_assert_int_eq(atoi(line + strlen("fd ")), n_fds++);
        ck_assert_int_eq(n_fds, 3);
        ck_assert_str_eq(line, "nofile 512");
        rig_expect("output a umask 027");
        rig_expect("output a pdeathsig %d", SIGKILL);
        rig_expect("output a session own");
        ck_assert_int_ge(rig_wait_number("output a oom_score_adj "), 200);
        rig_expect("output a end");
        (void) rig_wait("emptied a");
}
END_TEST

/* By the time that the machine has for us: a turn that took a second is a turn. */
static bool is_gone_with_the_keeper(int pidfd) {
        for (int i = 0; i < KEEPER_LOSS_MSEC / TURN_MSEC; i++)
                if (is_gone(pidfd, TURN_MSEC))
                        return true;

        return false;
}

START_TEST(nothing_outlives_a_killed_keeper) {
        int pinned[6];
        char directory[64];

        rig_start();
        pinned[0] = pin(rig_spawn_child("a", "stubborn"));
        pinned[1] = pin(rig_wait_number("output a grandchild "));
        pinned[2] = pin(rig_spawn_child("b", "bootloader"));
        pinned[3] = pin(rig_wait_number("output b worker "));
        (void) snprintf(directory, sizeof(directory), "%s", rig_wait("output b directory "));
        (void) rig_spawn_child("c", "stubborn 0");
        pinned[4] = pin(rig_wait_number("output c grandchild "));
        pinned[5] = pin(rig.brain_pid);

        ck_assert_int_eq(kill(rig.keeper_pid, SIGKILL), 0);
        for (size_t i = 0; i < ELEMENTSOF(pinned); i++)
                ck_assert_msg(is_gone_with_the_keeper(pinned[i]), "number %zu is there", i);
        (void) rmdir(directory);
}
END_TEST

START_TEST(nothing_outlives_a_keeper_killed_under_load) {
        int pinned[16], guardian_pidfd;
        pid_t pid;

        rig_start();
        pid = rig_spawn_child("bomb", "reforker 4");
        (void) rig_wait("output bomb running");
        /* With cgroups it is the keeper; else it goes when there is nothing left to guard. */
        guardian_pidfd = pin(parent_of(pid));
        for (size_t i = 0; i < ELEMENTSOF(pinned); i++) {
                char name[16], beginning[64];

                (void) snprintf(name, sizeof(name), "s%zu", i);
                (void) snprintf(beginning, sizeof(beginning), "output %s grandchild ", name);
                (void) rig_spawn_child(name, "stubborn");
                pinned[i] = pin(rig_wait_number(beginning));
        }
        ck_assert_int_eq(kill(rig.keeper_pid, SIGKILL), 0);
        for (size_t i = 0; i < ELEMENTSOF(pinned); i++)
                ck_assert_msg(is_gone_with_the_keeper(pinned[i]), "number %zu is there", i);
        ck_assert(is_gone_with_the_keeper(guardian_pidfd));
}
END_TEST

/* Waits until the keeper has a child that runs the brain's program, and no longer its own. */
static pid_t await_exec_of_brain(void) {
        uint64_t until = clock_monotonic_usec() + RIG_PATIENCE_MSEC * UINT64_C(1000);
        char brain[128], path[64], program[128];

        (void) snprintf(brain, sizeof(brain), "%s/sidecard", rig.directory);
        while (clock_monotonic_usec() < until) {
                FILE *children;
                int pid;

                (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
                                (int) rig.keeper_pid, (int) rig.keeper_pid);
                children = fopen(path, "re");
                ck_assert_ptr_nonnull(children);
                while (fscanf(children, "%d", &pid) == 1) {
                        ssize_t n;

                        (void) snprintf(path, sizeof(path), "/proc/%d/exe", pid);
                        n = readlink(path, program, sizeof(program) - 1);
                        program[n > 0 ? n : 0] = '\0';
                        if (pid != rig.brain_pid && streq(program, brain)) {
                                (void) fclose(children);
                                return pid;
                        }
                }
                (void) fclose(children);
                (void) usleep(ASK_PAUSE_USEC);
        }
        ck_abort_msg("no brain was started");
        return 0;
}

/* It may have come to say hello before it was told. */
static void forget_hello(void) {
        struct pollfd event = { .fd = rig.listen_fd, .events = POLLIN };

        if (poll(&event, 1, 0) == 1)
                safe_close(accept4(rig.listen_fd, NULL, NULL, SOCK_CLOEXEC));
}

START_TEST(a_keeper_that_is_lost_while_a_brain_begins_leaves_nothing) {
        int main_pidfd, grandchild_pidfd, brain_pidfd;
        char path[128];

        rig_start();
        main_pidfd = pin(rig_spawn_child("a", "stubborn"));
        grandchild_pidfd = pin(rig_wait_number("output a grandchild "));
        (void) snprintf(path, sizeof(path), "%s/run/hold", rig.directory);
        ck_assert_int_eq(mkfifo(path, 0777), 0);
        ck_assert_int_eq(chmod(path, 0777), 0);
        ck_assert_int_eq(kill(rig.brain_pid, SIGKILL), 0);
        brain_pidfd = pin(await_exec_of_brain());

        ck_assert_int_eq(kill(rig.keeper_pid, SIGKILL), 0);
        ck_assert(is_gone(rig.keeper_pidfd, RIG_PATIENCE_MSEC));
        safe_close(open(path, O_WRONLY | O_CLOEXEC));
        ck_assert_int_eq(unlink(path), 0);
        ck_assert(is_gone(main_pidfd, RIG_PATIENCE_MSEC));
        ck_assert(is_gone(grandchild_pidfd, RIG_PATIENCE_MSEC));
        ck_assert(is_gone(brain_pidfd, RIG_PATIENCE_MSEC));
        forget_hello();
}
END_TEST

/* Cgroups alone */

START_TEST(sub_cgroups_are_ended_and_removed) {
        char cgroup[4096], pid[16];
        struct stat st;
        int pidfd;

        if (!rig_is_cgroup())
                return;
        rig_start();
        (void) rig_spawn_child("a", "stubborn");
        (void) snprintf(pid, sizeof(pid), "%d", rig_wait_number("output a grandchild "));
        pidfd = pin(atoi(pid));
        rig_do("cgroup a");
        (void) snprintf(cgroup, sizeof(cgroup), "%s", rig_wait("cgroup "));

        for (int depth = 0; depth < 10; depth++) {
                (void) strcat(cgroup, "/below");
                ck_assert_int_eq(mkdir(cgroup_file(cgroup, ""), 0755), 0);
                /* As if the tree had made it. */
                ck_assert_int_eq(stat(cgroup_file(cgroup, "/.."), &st), 0);
                ck_assert_int_eq(chown(cgroup_file(cgroup, ""), st.st_uid, st.st_gid), 0);
        }
        write_file(cgroup_file(cgroup, "/cgroup.procs"), pid);

        ck_assert_int_eq(rig_ask("pids a"), 2);
        rig_do("kill a");
        (void) rig_wait("emptied a");
        ck_assert(is_gone(pidfd, 0));
        (void) rig_spawn_child("a", "sleeper 0");
        (void) rig_wait("emptied a");
        ck_assert_int_lt(access(cgroup_file(cgroup, ""), F_OK), 0);
}
END_TEST

START_TEST(a_frozen_cgroup_is_not_used_again) {
        char cgroup[4096];

        if (!rig_is_cgroup())
                return;
        rig_start();
        (void) rig_spawn_child("a", "sleeper 0");
        (void) rig_wait("emptied a");
        rig_do("cgroup a");
        (void) snprintf(cgroup, sizeof(cgroup), "%s", rig_wait("cgroup "));
        write_file(cgroup_file(cgroup, "/cgroup.freeze"), "1");
        (void) rig_spawn_child("a", "sleeper 3");
        (void) rig_wait("exited a 1 3");
        rig_expect("emptied a");
}
END_TEST

START_TEST(a_frozen_tree_is_killed) {
        char cgroup[4096];

        if (!rig_is_cgroup())
                return;
        rig_start();
        (void) rig_spawn_child("a", "stubborn");
        (void) rig_wait("output a grandchild ");
        rig_do("cgroup a");
        (void) snprintf(cgroup, sizeof(cgroup), "%s", rig_wait("cgroup "));
        write_file(cgroup_file(cgroup, "/cgroup.freeze"), "1");
        rig_do("kill a");
        (void) rig_wait("emptied a");
}
END_TEST

START_TEST(what_is_not_ours_is_not_killed) {
        char cgroup[4096], text[16];
        pid_t stranger;

        if (!rig_is_cgroup())
                return;
        rig_start();
        (void) rig_spawn_child("a", "sleeper");
        rig_do("cgroup a");
        (void) snprintf(cgroup, sizeof(cgroup), "%s", rig_wait("cgroup "));

        /* The brain itself, put inside by somebody: a kill would be the end of more than a. */
        (void) snprintf(text, sizeof(text), "%d", (int) rig.brain_pid);
        write_file(cgroup_file(cgroup, "/cgroup.procs"), text);
        ck_assert_int_eq(rig_ask("kill a"), -EPERM);
        stranger = rig.brain_pid;
        ck_assert(!is_gone(pin(stranger), 0));
}
END_TEST

START_TEST(a_keeper_that_was_moved_away_uses_guardians) {
        char pid[16];
        int main_pidfd, grandchild_pidfd;
        pid_t main_pid;

        if (!rig_is_delegated())
                return;
        rig_start();
        (void) rig_spawn_child("a", "stubborn");
        (void) rig_wait("output a grandchild ");
        (void) rig_spawn_child("c", "stubborn 0");
        grandchild_pidfd = pin(rig_wait_number("output c grandchild "));
        (void) rig_wait("exited c ");

        /* Out of its subtree it may not put anybody in there either, clone3(2) EACCES. */
        (void) snprintf(pid, sizeof(pid), "%d", (int) rig.keeper_pid);
        write_file(cgroup_file("/", "cgroup.procs"), pid);
        main_pid = rig_spawn_child("b", "stubborn");
        main_pidfd = pin(main_pid);
        (void) rig_wait("output b grandchild ");
        ck_assert_int_eq(rig_ask("pids b"), 2);
        ck_assert_int_eq(rig_ask("pids a"), 2);

        /* A lost guardian is the end of its own tree alone: c's orphan is in a cgroup. */
        ck_assert_int_eq(kill(parent_of(main_pid), SIGKILL), 0);
        (void) rig_wait("emptied b");
        ck_assert(is_gone(main_pidfd, 0));
        ck_assert(!is_gone(grandchild_pidfd, 0));
        rig_do("kill a");
        (void) rig_wait("emptied a");
}
END_TEST

/* Guardians alone */

START_TEST(a_guardians_death_is_its_trees_end) {
        int main_pidfd, grandchild_pidfd;
        pid_t pid;

        if (rig_is_cgroup())
                return;
        rig_start();
        (void) rig_spawn_child("b", "sleeper");
        pid = rig_spawn_child("a", "stubborn");
        main_pidfd = pin(pid);
        grandchild_pidfd = pin(rig_wait_number("output a grandchild "));
        ck_assert_int_ne(parent_of(pid), rig.keeper_pid);

        ck_assert_int_eq(kill(parent_of(pid), SIGKILL), 0);
        rig_expect("exited a 0 0");
        rig_expect("emptied a");
        ck_assert(is_gone(main_pidfd, 0));
        ck_assert(is_gone(grandchild_pidfd, 0));

        ck_assert_int_eq(rig_ask("pids b"), 1);
        (void) rig_spawn_child("a", "sleeper 0");
        (void) rig_wait("emptied a");
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                reports_how_a_main_process_ended,
                answers_the_errno_of_a_failed_exec_and_then_its_exit,
                one_generation_at_a_time,
                a_generation_is_spawned_once,
                a_freed_slot_is_as_good_as_new,
                a_daemonised_grandchild_is_gone_after_the_kill,
                an_exit_is_told_although_a_grandchild_stays,
                a_bomb_of_forks_is_ended,
                a_stopped_tree_takes_its_signal,
                a_bootloader_can_forward_and_clean_up,
                a_signal_for_all_reaches_all_and_nobody_else,
                no_descriptor_stays_behind,
                the_child_is_born_clean,
                nothing_outlives_a_killed_keeper,
                nothing_outlives_a_keeper_killed_under_load,
                a_keeper_that_is_lost_while_a_brain_begins_leaves_nothing,
                sub_cgroups_are_ended_and_removed,
                a_frozen_cgroup_is_not_used_again,
                a_frozen_tree_is_killed,
                what_is_not_ours_is_not_killed,
                a_keeper_that_was_moved_away_uses_guardians,
                a_guardians_death_is_its_trees_end,
        };

        if (!rig_is_possible())
                return RIG_SKIPPED;
        return test_run("tree", 120, rig_setup, rig_teardown, tests, ELEMENTSOF(tests));
}
