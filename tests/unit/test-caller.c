/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "child.h"
#include "io/caller.h"
#include "test.h"
#include "util/strv.h"

static int pidfd_of(pid_t pid) {
        int fd = (int) syscall(SYS_pidfd_open, pid, 0);

        ck_assert_int_ge(fd, 0);
        return fd;
}

static CallerKind identify(pid_t pid, const char *label) {
        _cleanup_close_ int pidfd = pidfd_of(pid);

        return caller_identify(pid, pidfd, label);
}

START_TEST(this_process_is_a_host) {
        ck_assert_int_eq(identify(getpid(), NULL), CALLER_HOST);
}
END_TEST

START_TEST(snaps_are_told_by_their_label) {
        static const struct {
                const char *label;
                CallerKind kind;
        } cases[] = {
                { "snap.firefox.firefox (enforce)", CALLER_SNAP },
                { "snap.firefox.firefox", CALLER_SNAP },
                { "snap.lxd.hook.configure (enforce)", CALLER_SNAP },
                { "snap.firefox_2.geckodriver (kill)", CALLER_SNAP },
                { "snap.code.code (complain)", CALLER_HOST },
                { "unconfined", CALLER_HOST },
                { "", CALLER_HOST },
                { "/usr/bin/evince (enforce)", CALLER_HOST },
                { "unconfined_u:unconfined_r:unconfined_t:s0", CALLER_HOST },
                { "snapd-desktop (enforce)", CALLER_HOST },
                { "snap. (enforce)", CALLER_UNKNOWN },
                { "snap.firefox", CALLER_UNKNOWN },
                { "snap..app (enforce)", CALLER_UNKNOWN },
                { "snap.name. (enforce)", CALLER_UNKNOWN },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                ck_assert_msg(identify(getpid(), cases[i].label) == cases[i].kind, "\"%s\"",
                              cases[i].label);
}
END_TEST

START_TEST(the_dead_and_the_unpinned_are_unknown) {
        pid_t pid = fork();
        siginfo_t how;
        int pidfd;

        ck_assert_int_ge(pid, 0);
        if (pid == 0)
                _exit(0);
        pidfd = pidfd_of(pid);

        /* A zombie, then nothing. */
        ck_assert_int_eq(waitid(P_PID, (id_t) pid, &how, WEXITED | WNOWAIT), 0);
        ck_assert_int_eq(caller_identify(pid, pidfd, NULL), CALLER_UNKNOWN);
        ck_assert_int_eq(caller_identify(pid, pidfd, "snap.a.b (enforce)"), CALLER_UNKNOWN);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        ck_assert_int_eq(caller_identify(pid, pidfd, NULL), CALLER_UNKNOWN);

        /* As if the pid had been given to another process meanwhile. */
        ck_assert_int_eq(caller_identify(getpid(), pidfd, NULL), CALLER_UNKNOWN);
        close(pidfd);

        ck_assert_int_eq(caller_identify(getpid(), -1, NULL), CALLER_UNKNOWN);
        ck_assert_int_eq(caller_identify(getpid(), pidfd, NULL), CALLER_UNKNOWN);
}
END_TEST

/* What a process is whose root has this .flatpak-info: `source` as bwrap takes it. */
static CallerKind identify_in_sandbox(const char *how, const char *source, const char *target) {
        const char *argv[] = { "/usr/bin/bwrap",
                               "--ro-bind",
                               "/usr",
                               "/usr",
                               "--symlink",
                               "usr/lib",
                               "/lib",
                               "--symlink",
                               "usr/lib64",
                               "/lib64",
                               "--symlink",
                               "usr/bin",
                               "/bin",
                               "--proc",
                               "/proc",
                               how,
                               source,
                               target,
                               "--die-with-parent",
                               "/bin/sh",
                               "-c",
                               "echo $$; exec sleep infinity",
                               NULL };
        Child child = child_run(argv);
        CallerKind kind;
        char line[64];

        /* bwrap itself stays outside. */
        kind = identify((pid_t) atoi(child_read_line(&child, line, sizeof(line))), NULL);
        child_end(&child);
        return kind;
}

static CallerKind identify_with_info(const char *info, size_t n_info) {
        char path[] = "/tmp/test-caller-XXXXXX";
        int fd = mkostemp(path, O_CLOEXEC);
        CallerKind kind;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, info, n_info), (ssize_t) n_info);
        close(fd);
        kind = identify_in_sandbox("--ro-bind", path, "/.flatpak-info");
        unlink(path);
        return kind;
}

START_TEST(a_flatpak_is_told_by_its_info) {
        static const struct {
                const char *info;
                CallerKind kind;
        } cases[] = {
                { "[Application]\nname=org.example.App\nruntime=x\n\n[Instance]\ninstance-id=7\n",
                  CALLER_FLATPAK },
                { "[Instance]\nname=a\n[Application]\nruntime=x\nname=org.example.App",
                  CALLER_FLATPAK },
                { "", CALLER_UNKNOWN },
                { "[Instance]\nname=org.example.App\n", CALLER_UNKNOWN },
                { "[Application]\nname=\n", CALLER_UNKNOWN },
                { "[Application]\nname=../host\n", CALLER_UNKNOWN },
                { "[Application]\nname=org.example.App \n", CALLER_UNKNOWN },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                ck_assert_msg(identify_with_info(cases[i].info, strlen(cases[i].info)) ==
                                      cases[i].kind,
                              "case %zu", i);
}
END_TEST

START_TEST(an_info_that_is_no_such_file_makes_a_stranger) {
        static char big[64 * 1024 + 1] = "[Application]\nname=org.example.App\n";

        memset(big + strlen(big), '\n', sizeof(big) - strlen(big));
        ck_assert_int_eq(identify_with_info(big, sizeof(big)), CALLER_UNKNOWN);
        ck_assert_int_eq(identify_with_info(big, sizeof(big) - 1), CALLER_FLATPAK);

        ck_assert_int_eq(identify_in_sandbox("--ro-bind", "/usr/share", "/.flatpak-info"),
                         CALLER_UNKNOWN);
        ck_assert_int_eq(identify_in_sandbox("--dev-bind", "/dev/null", "/.flatpak-info"),
                         CALLER_UNKNOWN);

        /* Such a sandbox without any: namespaces are not looked at yet. */
        ck_assert_int_eq(identify_in_sandbox("--ro-bind", "/usr/share", "/elsewhere"), CALLER_HOST);
}
END_TEST

/* What would do as a file, behind a link and in a pipe. */
START_TEST(an_info_is_not_taken_from_elsewhere) {
        static const char info[] = "[Application]\nname=org.example.App\n";
        char folder[] = "/tmp/test-caller-XXXXXX", file[64], pipe_path[64];
        int fd;

        ck_assert_ptr_nonnull(mkdtemp(folder));
        (void) snprintf(file, sizeof(file), "%s/file", folder);
        (void) snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", folder);

        fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_eq(write(fd, info, strlen(info)), (ssize_t) strlen(info));
        close(fd);
        ck_assert_int_eq(identify_in_sandbox("--ro-bind", file, "/.flatpak-info"), CALLER_FLATPAK);
        ck_assert_int_eq(identify_in_sandbox("--symlink", file, "/.flatpak-info"), CALLER_UNKNOWN);

        ck_assert_int_eq(mkfifo(pipe_path, 0600), 0);
        fd = open(pipe_path, O_RDWR | O_CLOEXEC);
        ck_assert_int_eq(write(fd, info, strlen(info)), (ssize_t) strlen(info));
        ck_assert_int_eq(identify_in_sandbox("--ro-bind", pipe_path, "/.flatpak-info"),
                         CALLER_UNKNOWN);
        close(fd);

        unlink(file);
        unlink(pipe_path);
        rmdir(folder);
}
END_TEST

START_TEST(a_process_that_one_may_not_look_at_is_unknown) {
        pid_t root = getpid(), pid;
        int status;

        if (geteuid() != 0) {
                puts("SKIP: being two users takes root");
                return;
        }

        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                if (setgid(65534) < 0 || setuid(65534) < 0)
                        _exit(100);
                _exit((int) identify(root, NULL));
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), CALLER_UNKNOWN);
}
END_TEST

/* A process of a mount namespace of its own, which it changes before it says so. */
static CallerKind identify_after(int (*change)(void)) {
        int ready[2];
        CallerKind kind;
        char byte;
        pid_t pid;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (unshare(CLONE_NEWNS) < 0 ||
                    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || change() < 0)
                        _exit(1);
                (void) !write(ready[1], "", 1);
                for (;;)
                        (void) pause();
        }

        close(ready[1]);
        ck_assert_msg(read(ready[0], &byte, 1) == 1, "the child could not change its mounts");
        kind = identify(pid, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        close(ready[0]);
        return kind;
}

static int change_nothing(void) {
        return 0;
}

/* Nobody ever serves it: who opened it would wait until the descriptor is closed. */
static int mount_fuse_on_root(void) {
        char options[128];
        int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

        (void) snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
        return mount("test", "/", "fuse.test", 0, options);
}

static int mount_tmpfs_on_root(void) {
        return mount("test", "/", "tmpfs", 0, NULL);
}

static int change_root(void) {
        return chroot("/usr");
}

START_TEST(a_root_that_may_hang_is_never_opened) {
        if (geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) < 0) {
                puts("SKIP: a FUSE root takes root and /dev/fuse");
                return;
        }

        ck_assert_int_eq(identify_after(change_nothing), CALLER_HOST);
        ck_assert_int_eq(identify_after(mount_tmpfs_on_root), CALLER_HOST);
        ck_assert_int_eq(identify_after(mount_fuse_on_root), CALLER_UNKNOWN);
        ck_assert_int_eq(identify_after(change_root), CALLER_UNKNOWN);
}
END_TEST

TEST_MAIN("caller",
          NULL,
          NULL,
          this_process_is_a_host,
          snaps_are_told_by_their_label,
          the_dead_and_the_unpinned_are_unknown,
          a_flatpak_is_told_by_its_info,
          an_info_that_is_no_such_file_makes_a_stranger,
          an_info_is_not_taken_from_elsewhere,
          a_process_that_one_may_not_look_at_is_unknown,
          a_root_that_may_hang_is_never_opened)
