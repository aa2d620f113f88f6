/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The keeper's own life: the lock, what it says to whoever started it, its brains, its end.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "rig.h"
#include "test.h"
#include "util/cgroup-dir.h"
#include "util/strv.h"

#define KEEPERS 20

START_TEST(of_twenty_keepers_one_acts) {
        pid_t keepers[KEEPERS];
        char line[512];
        int ends[2], n_lines = 0;
        FILE *said;

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        for (size_t i = 0; i < KEEPERS; i++)
                keepers[i] = rig_fork_keeper(ends[1]);
        rig_accept_brain();
        rig.keeper_pid = parent_of(rig.brain_pid);

        /* The one that acts goes on; the others end by themselves. */
        for (size_t i = 0; i < KEEPERS; i++)
                if (keepers[i] != rig.keeper_pid)
                        ck_assert_int_eq(exit_status_of(keepers[i]), 0);
        rig_do("leave 0");
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 0);

        safe_close(ends[1]);
        said = fdopen(ends[0], "re");
        for (; fgets(line, sizeof(line), said); n_lines++)
                ck_assert_ptr_nonnull(strstr(line, "supervises already"));
        (void) fclose(said);
        ck_assert_int_eq(n_lines, KEEPERS - 1);
}
END_TEST

START_TEST(without_a_runtime_directory_it_says_so) {
        char line[512] = "", path[128];
        int ends[2];
        pid_t pid;

        (void) snprintf(path, sizeof(path), "%s/sidecard-init", rig.directory);
        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                (void) dup2(ends[1], STDERR_FILENO);
                (void) unsetenv("XDG_RUNTIME_DIR");
                (void) execl(path, path, NULL);
                _exit(99);
        }
        ck_assert_int_eq(exit_status_of(pid), 1);
        ck_assert_int_gt(read(ends[0], line, sizeof(line) - 1), 0);
        ck_assert_ptr_nonnull(strstr(line, "XDG_RUNTIME_DIR"));
        safe_close(ends[0]);
        safe_close(ends[1]);
}
END_TEST

/* What sd_notify(3) of the keeper will reach. */
static int make_notify_socket(void) {
        struct sockaddr_un at = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        char name[64];

        (void) snprintf(name, sizeof(name), "@sidecard-test-%d", (int) getpid());
        (void) strcpy(at.sun_path, name);
        at.sun_path[0] = '\0';
        ck_assert_int_eq(bind(fd, (const struct sockaddr *) &at,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                         0);
        (void) setenv("NOTIFY_SOCKET", name, true);
        return fd;
}

START_TEST(says_ready_when_the_brain_is_and_when_it_is_second) {
        int fd = make_notify_socket();
        char text[64] = "";

        rig_start();
        ck_assert_int_eq(recv(fd, text, sizeof(text), 0), strlen("READY=1"));
        ck_assert_int_eq(memcmp(text, "READY=1", strlen("READY=1")), 0);

        ck_assert_int_eq(exit_status_of(rig_fork_keeper(open("/dev/null", O_WRONLY))), 0);
        ck_assert_int_eq(recv(fd, text, sizeof(text), MSG_DONTWAIT), strlen("READY=1"));
        safe_close(fd);
}
END_TEST

START_TEST(the_lock_names_its_holder) {
        char path[128], text[16] = "";
        struct stat st;
        int fd;

        rig_start();
        (void) snprintf(path, sizeof(path), "%s/run/sidecard/lock", rig.directory);
        fd = open(path, O_RDWR | O_CLOEXEC);
        ck_assert_int_lt(flock(fd, LOCK_EX | LOCK_NB), 0);
        ck_assert_int_eq(errno, EWOULDBLOCK);
        ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
        ck_assert_int_eq(atoi(text), rig.keeper_pid);
        safe_close(fd);
        *strrchr(path, '/') = '\0';
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
}
END_TEST

/* The child that is between clone and exec must not hold what its keeper held. */
START_TEST(a_killed_keeper_has_a_successor_at_once) {
        for (int i = 0; i < 20; i++) {
                rig_start();
                rig_do("spawn a %s", child_path("sleeper"));
                ck_assert_int_eq(kill(rig.keeper_pid, SIGKILL), 0);
                (void) exit_status_of(rig.keeper_pid);
        }
        rig_start();
}
END_TEST

START_TEST(a_folder_that_is_a_file_is_refused) {
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/run/sidecard", rig.directory);
        safe_close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        ck_assert_int_eq(exit_status_of(rig_fork_keeper(open("/dev/null", O_WRONLY))), 1);
        ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(a_signal_to_the_keeper_is_an_order_to_the_brain) {
        rig_start();
        ck_assert_int_eq(kill(rig.keeper_pid, SIGTERM), 0);
        rig_expect("terminate");
        rig_do("leave 0");
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 0);
}
END_TEST

START_TEST(a_signal_to_the_brain_goes_up_and_comes_down) {
        rig_start();
        rig_do("terminate");
        rig_expect("terminate");
        rig_do("leave 0");
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 0);
}
END_TEST

START_TEST(whatever_kills_the_brain_the_stopping_goes_on) {
        rig_start();
        ck_assert_int_eq(kill(rig.keeper_pid, SIGTERM), 0);
        rig_expect("terminate");
        ck_assert_int_eq(kill(rig.brain_pid, SIGKILL), 0);
        rig_accept_brain();
        rig_expect("terminate");
        rig_do("leave 3");
        rig_accept_brain();
        rig_expect("terminate");
        rig_do("leave 0");
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 0);
}
END_TEST

START_TEST(what_the_brain_leaves_behind_is_ended_at_the_end) {
        int main_pidfd, grandchild_pidfd;

        rig_start();
        main_pidfd = pin(rig_spawn_child("a", "stubborn"));
        grandchild_pidfd = pin(rig_wait_number("output a grandchild "));
        rig_do("leave 0");
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 0);
        ck_assert(is_gone(main_pidfd, 0));
        ck_assert(is_gone(grandchild_pidfd, 0));
}
END_TEST

START_TEST(a_brain_that_does_not_come_up_ends_the_keeper) {
        rig.keeper_pid = rig_fork_keeper(open("/dev/null", O_WRONLY | O_CLOEXEC));
        rig_accept_brain();
        rig_do("leave 3");
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 1);
}
END_TEST

START_TEST(six_faults_end_the_keeper) {
        rig_start();
        for (int i = 0; i < 6; i++) {
                if (i > 0)
                        rig_accept_brain();
                rig_do("leave 3");
        }
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 1);
}
END_TEST

START_TEST(losing_the_bus_is_no_fault) {
        rig_start();
        for (int i = 0; i < 8; i++) {
                rig_do("leave 75");
                rig_accept_brain();
        }
        rig_do("leave 0");
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 0);
}
END_TEST

static int count_cgroups(const char *path) {
        DIR *dir = opendir(path);
        const struct dirent *entry;
        int n = 0;

        while (dir && (entry = readdir(dir)))
                n += entry->d_type == DT_DIR && entry->d_name[0] != '.';
        if (dir)
                (void) closedir(dir);
        return n;
}

START_TEST(its_cgroups_go_with_it) {
        char path[8192];

        if (!rig_is_cgroup())
                return;
        rig_start();
        (void) rig_spawn_child("a", "sleeper 0");
        (void) rig_wait("emptied a");
        rig_do("cgroup a");
        (void) snprintf(path, sizeof(path), "%s", cgroup_file(rig_wait("cgroup "), ""));
        *strrchr(path, '/') = '\0';
        ck_assert_int_eq(count_cgroups(path), 1);
        *strrchr(path, '/') = '\0';
        ck_assert_int_eq(count_cgroups(path), 2);

        rig_do("leave 0");
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 0);
        ck_assert_int_lt(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_start_sweeps_what_keeper_and_brain_left_that_died_at_once) {
        int grandchild_pidfd;

        if (!rig_is_cgroup())
                return;
        rig_start();
        (void) rig_spawn_child("a", "stubborn");
        grandchild_pidfd = pin(rig_wait_number("output a grandchild "));
        /* Stopped, it cannot act on its keeper's death before its own. */
        ck_assert_int_eq(kill(rig.brain_pid, SIGSTOP), 0);
        ck_assert_int_eq(kill(rig.keeper_pid, SIGKILL), 0);
        (void) exit_status_of(rig.keeper_pid);
        ck_assert(!is_gone(grandchild_pidfd, 0));

        rig_start();
        ck_assert(is_gone(grandchild_pidfd, 0));
}
END_TEST

/* Where this process is in the unified hierarchy, and a name below that. */
static const char *place(const char *name) {
        static char path[PATH_MAX];
        char text[PATH_MAX], *own;

        ck_assert_int_gt(kernel_file_read(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)), 0);
        own = strstr(text, "0::/");
        ck_assert_ptr_nonnull(own);
        own[strcspn(own, "\n")] = '\0';
        (void) snprintf(path, sizeof(path), "%s%s", streq(own, "0::/") ? "" : own + 3, name);
        return path;
}

static void move_into(const char *cgroup, pid_t pid) {
        char text[16];

        (void) snprintf(text, sizeof(text), "%d", (int) pid);
        write_file(cgroup_file(cgroup, "/cgroup.procs"), text);
}

static void make_cgroup(const char *cgroup) {
        ck_assert_int_eq(mkdir(cgroup_file(cgroup, ""), 0755), 0);
}

static const char *record_path(void) {
        static char path[128];

        (void) snprintf(path, sizeof(path), "%s/run/sidecard/containment", rig.directory);
        return path;
}

static void write_record(const char *text) {
        safe_close(open(record_path(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        write_file(record_path(), text);
}

START_TEST(a_start_elsewhere_sweeps_too) {
        char here[PATH_MAX], elsewhere[PATH_MAX];
        int grandchild_pidfd;

        if (!rig_is_cgroup() || rig_is_delegated())
                return;
        (void) strcpy(here, place(""));
        (void) strcpy(elsewhere, place(strrchr(rig.directory, '/')));
        make_cgroup(elsewhere);
        move_into(elsewhere, getpid());
        rig_start();
        move_into(here, getpid());

        (void) rig_spawn_child("a", "stubborn");
        grandchild_pidfd = pin(rig_wait_number("output a grandchild "));
        ck_assert_int_eq(kill(rig.brain_pid, SIGSTOP), 0);
        ck_assert_int_eq(kill(rig.keeper_pid, SIGKILL), 0);
        (void) exit_status_of(rig.keeper_pid);
        ck_assert(!is_gone(grandchild_pidfd, 0));

        rig_start();
        ck_assert(is_gone(grandchild_pidfd, 0));
        ck_assert_int_eq(rmdir(cgroup_file(elsewhere, "")), 0);
        rig_do("leave 0");
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 0);
        ck_assert_int_lt(access(record_path(), F_OK), 0);
}
END_TEST

static pid_t fork_sleeper(void) {
        pid_t test = getpid(), pid = fork();

        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                while (getppid() == test)
                        pause();
                _exit(EXIT_FAILURE);
        }
        return pid;
}

static void start_and_leave(void) {
        rig_start();
        rig_do("leave 0");
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 0);
}

/* What the record names has our name and our uid, and then our mark too. */
START_TEST(a_sweep_takes_only_what_bears_the_mark) {
        char elsewhere[PATH_MAX], root[PATH_MAX], text[PATH_MAX];
        const char *name, *mark;
        pid_t pid;

        if (!rig_is_cgroup() || rig_is_delegated())
                return;
        rig_start();
        ck_assert_int_gt(kernel_file_read(AT_FDCWD, record_path(), text, sizeof(text)), 0);
        rig_do("leave 0");
        ck_assert_int_eq(exit_status_of(TAKE(rig.keeper_pid, 0)), 0);
        name = strrchr(text, '/');
        mark = strrchr(text, '.') + 1;

        (void) strcpy(elsewhere, place(strrchr(rig.directory, '/')));
        make_cgroup(elsewhere);
        (void) snprintf(root, sizeof(root), "%.2000s%.100s", elsewhere, name);
        make_cgroup(root);
        pid = fork_sleeper();
        move_into(root, pid);
        write_record(cgroup_file(root, ""));
        start_and_leave();
        ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);

        write_record(cgroup_file(root, ""));
        ck_assert_int_eq(
                setxattr(cgroup_file(root, ""), "user.sidecard.instance", mark, strlen(mark), 0),
                0);
        start_and_leave();
        ck_assert_int_eq(exit_status_of(pid), 128 + SIGKILL);
        ck_assert_int_lt(access(cgroup_file(root, ""), F_OK), 0);
        ck_assert_int_eq(rmdir(cgroup_file(elsewhere, "")), 0);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                of_twenty_keepers_one_acts,
                without_a_runtime_directory_it_says_so,
                says_ready_when_the_brain_is_and_when_it_is_second,
                the_lock_names_its_holder,
                a_killed_keeper_has_a_successor_at_once,
                a_folder_that_is_a_file_is_refused,
                a_signal_to_the_keeper_is_an_order_to_the_brain,
                a_signal_to_the_brain_goes_up_and_comes_down,
                whatever_kills_the_brain_the_stopping_goes_on,
                what_the_brain_leaves_behind_is_ended_at_the_end,
                a_brain_that_does_not_come_up_ends_the_keeper,
                six_faults_end_the_keeper,
                losing_the_bus_is_no_fault,
                its_cgroups_go_with_it,
                a_start_sweeps_what_keeper_and_brain_left_that_died_at_once,
                a_start_elsewhere_sweeps_too,
                a_sweep_takes_only_what_bears_the_mark,
        };

        if (!rig_is_possible())
                return RIG_SKIPPED;
        return test_run("keeper", 120, rig_setup, rig_teardown, tests, ELEMENTSOF(tests));
}
