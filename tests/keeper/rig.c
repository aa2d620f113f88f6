/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Rig
 *
 * The keeper is a copy in the rig's folder, because it looks for its brain beside itself.
 */

#include <check.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "rig.h"
#include "util/strv.h"

#define NEWS_MAX 4096
#define NOBODY 65534

Rig rig;

/*
 * News that was not waited for yet. What the programs print comes by their pipes, and in no order
 * with what the keeper says of them: two kinds, each in its own order.
 */
static struct {
        char *text;
        bool taken;
} news[NEWS_MAX];
static size_t n_news;

static void forget_news(void) {
        while (n_news > 0)
                free(news[--n_news].text);
}

static const char *containment(void) {
        const char *wanted = getenv("CONTAINMENT");

        return wanted ? wanted : "cgroup";
}

bool rig_is_cgroup(void) {
        return streq(containment(), "cgroup") || rig_is_delegated();
}

bool rig_is_delegated(void) {
        return streq(containment(), "delegated");
}

static bool rig_is_nobody(void) {
        return streq(containment(), "user") || rig_is_delegated();
}

const char *cgroup_file(const char *cgroup, const char *file) {
        static char path[8192];
        const char *mounted = access("/sys/fs/cgroup/unified", F_OK) == 0 ? "/sys/fs/cgroup/unified"
                                                                          : "/sys/fs/cgroup";

        (void) snprintf(path, sizeof(path), "%s%s%s", mounted, cgroup, file);
        return path;
}

void write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
        ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
        safe_close(fd);
}

/* The cgroup that is given to the ordinary user, with the files that systemd gives along. */
static void delegate_cgroup(void) {
        static const char *const files[] = { "", "/cgroup.procs", "/cgroup.threads",
                                             "/cgroup.subtree_control" };
        const char *name = strrchr(rig.directory, '/');

        ck_assert_int_eq(mkdir(cgroup_file(name, ""), 0755), 0);
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                ck_assert_int_eq(chown(cgroup_file(name, files[i]), NOBODY, NOBODY), 0);
}

bool rig_is_possible(void) {
        if (geteuid() == 0)
                return true;
        printf("skipped: only root can set up the containment \"%s\"\n", containment());
        return false;
}

static void copy_program(const char *from, const char *to) {
        _cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC);
        _cleanup_close_ int out = openat(AT_FDCWD, to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
        struct stat st;

        ck_assert_msg(in >= 0 && out >= 0, "cannot copy %s to %s", from, to);
        ck_assert_int_eq(fstat(in, &st), 0);
        while (st.st_size > 0) {
                ssize_t n = sendfile(out, in, NULL, (size_t) st.st_size);

                ck_assert_int_gt(n, 0);
                st.st_size -= n;
        }
}

static void listen_for_brains(void) {
        struct sockaddr_un at = { .sun_family = AF_UNIX };

        (void) snprintf(at.sun_path, sizeof(at.sun_path), "%.70s/run/control", rig.directory);
        rig.listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(rig.listen_fd, (const struct sockaddr *) &at, sizeof(at)), 0);
        ck_assert_int_eq(listen(rig.listen_fd, 8), 0);
        ck_assert_int_eq(chmod(at.sun_path, 0777), 0);
}

void rig_setup(void) {
        char path[128];

        rig = (Rig){ .listen_fd = -1, .control_fd = -1, .keeper_pidfd = -1 };
        (void) strcpy(rig.directory, "/tmp/sidecard-rig-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(rig.directory));
        (void) snprintf(path, sizeof(path), "%s/sidecard-init", rig.directory);
        copy_program(KEEPER_PATH, path);
        (void) snprintf(path, sizeof(path), "%s/sidecard", rig.directory);
        copy_program(BRAIN_PATH, path);
        ck_assert_int_eq(chmod(rig.directory, 0755), 0);
        (void) snprintf(path, sizeof(path), "%s/run", rig.directory);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        if (rig_is_nobody())
                ck_assert_int_eq(chown(path, NOBODY, NOBODY), 0);
        if (rig_is_delegated())
                delegate_cgroup();
        listen_for_brains();
}

/* A keeper that starts here finds what the killed one has left, and ends with its brain. */
static void sweep(void) {
        pid_t pid = rig_fork_keeper(open("/dev/null", O_WRONLY | O_CLOEXEC));

        rig_accept_brain();
        (void) send(rig.control_fd, "leave 0", 7, MSG_NOSIGNAL);
        (void) exit_status_of(pid);
}

static void remove_directory(void) {
        pid_t pid = fork();

        if (pid == 0) {
                (void) execlp("rm", "rm", "-rf", rig.directory, NULL);
                _exit(EXIT_FAILURE);
        }
        (void) exit_status_of(pid);
}

void rig_teardown(void) {
        if (rig.keeper_pid > 0) {
                (void) kill(rig.keeper_pid, SIGKILL);
                (void) exit_status_of(rig.keeper_pid);
        }
        rig.control_fd = safe_close(rig.control_fd);
        sweep();
        rig.listen_fd = safe_close(rig.listen_fd);
        forget_news();
        if (rig_is_delegated())
                (void) rmdir(cgroup_file(strrchr(rig.directory, '/'), ""));
        remove_directory();
}

/* As containers have it: the mounts are there, and nothing in them can be written. */
static void hide_cgroups(void) {
        static const char *const mounts[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                _exit(99);
        for (size_t i = 0; i < ELEMENTSOF(mounts); i++)
                (void) mount(NULL, mounts[i], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
}

static void become_nobody(void) {
        if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
                _exit(99);
}

pid_t rig_fork_keeper(int stderr_fd) {
        char path[128];
        pid_t test = getpid(), pid = fork();

        if (pid != 0)
                return pid;
        if (streq(containment(), "reaper"))
                hide_cgroups();
        if (rig_is_delegated())
                write_file(cgroup_file(strrchr(rig.directory, '/'), "/cgroup.procs"), "0");
        if (rig_is_nobody())
                become_nobody();
        /* Whatever becomes of the test, nothing is to be left of it. */
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != test)
                _exit(99);
        if (stderr_fd >= 0)
                (void) dup2(stderr_fd, STDERR_FILENO);
        (void) snprintf(path, sizeof(path), "%s/run", rig.directory);
        (void) setenv("XDG_RUNTIME_DIR", path, true);
        (void) unsetenv("DBUS_SESSION_BUS_ADDRESS");
        (void) snprintf(path, sizeof(path), "%s/sidecard-init", rig.directory);
        (void) execl(path, path, NULL);
        _exit(99);
}

static bool is_readable(int fd, int patience_msec) {
        struct pollfd event = { .fd = fd, .events = POLLIN };

        return poll(&event, 1, patience_msec) == 1;
}

void rig_accept_brain(void) {
        char folder[64], kind[16], notify[16];
        int pid;

        ck_assert_msg(is_readable(rig.listen_fd, RIG_PATIENCE_MSEC), "no brain was started");
        rig.control_fd = safe_close(rig.control_fd);
        forget_news();
        rig.control_fd = accept4(rig.listen_fd, NULL, NULL, SOCK_CLOEXEC);
        ck_assert_int_ge(rig.control_fd, 0);
        ck_assert_int_eq(
                sscanf(rig_wait("hello "), "%d %63s %15s %15s", &pid, folder, kind, notify), 4);
        ck_assert_str_eq(folder, "sidecard");
        ck_assert_str_eq(kind, rig_is_cgroup() ? "cgroup" : "reaper");
        ck_assert_str_eq(notify, "quiet");
        rig.brain_pid = pid;
}

void rig_start(void) {
        rig.keeper_pid = rig_fork_keeper(-1);
        rig.keeper_pidfd = pin(rig.keeper_pid);
        rig_accept_brain();
        rig_do("ready");
}

/* The next message of the brain, not looked at by anybody yet. */
static char *receive(void) {
        static char text[8192];
        ssize_t n;

        ck_assert_msg(is_readable(rig.control_fd, RIG_PATIENCE_MSEC), "the brain says nothing");
        n = recv(rig.control_fd, text, sizeof(text) - 1, 0);
        ck_assert_msg(n > 0, "the brain is gone");
        text[n] = '\0';
        return text;
}

static void keep(const char *text) {
        ck_assert_uint_lt(n_news, NEWS_MAX);
        news[n_news].text = strdup(text);
        news[n_news++].taken = false;
}

_printf_(1, 0) static int command(const char *format, va_list args) {
        char text[4096];
        const char *answer;

        (void) vsnprintf(text, sizeof(text), format, args);
        ck_assert_int_gt(send(rig.control_fd, text, strlen(text), MSG_NOSIGNAL), 0);
        while (!startswith(answer = receive(), "did "))
                keep(answer);
        return atoi(answer + strlen("did "));
}

int rig_ask(const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = command(format, args);
        va_end(args);
        return r;
}

void rig_do(const char *format, ...) {
        va_list args;
        int r;

        va_start(args, format);
        r = command(format, args);
        va_end(args);
        ck_assert_msg(r == 0, "%s: %s", format, strerror(-r));
}

static bool is_printed(const char *text) {
        return startswith(text, "output ") || startswith(text, "closed ");
}

/* The next of one kind; it stays allocated as long as this brain lives. */
static const char *next(bool printed) {
        for (size_t i = 0;; i++) {
                if (i == n_news)
                        keep(receive());
                if (news[i].taken || is_printed(news[i].text) != printed)
                        continue;
                news[i].taken = true;
                return news[i].text;
        }
}

void rig_expect(const char *format, ...) {
        char text[4096];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        ck_assert_str_eq(next(is_printed(text)), text);
}

const char *rig_wait(const char *beginning) {
        const char *text;

        while (!startswith(text = next(is_printed(beginning)), beginning))
                ;
        return text + strlen(beginning);
}

int rig_wait_number(const char *beginning) {
        return atoi(rig_wait(beginning));
}

const char *child_path(const char *program) {
        static char path[512];

        (void) snprintf(path, sizeof(path), "%s/%s", CHILDREN_DIR, program);
        return path;
}

pid_t rig_spawn_child(const char *name, const char *program_and_arguments) {
        char beginning[64];
        pid_t pid;

        rig_do("spawn %s %s", name, child_path(program_and_arguments));
        (void) snprintf(beginning, sizeof(beginning), "forked %s ", name);
        pid = rig_wait_number(beginning);
        rig_expect("exec %s 0", name);
        return pid;
}

int pin(pid_t pid) {
        int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);

        ck_assert_msg(pidfd >= 0, "no process %d: %s", (int) pid, strerror(errno));
        return pidfd;
}

bool is_gone(int pidfd, int patience_msec) {
        return is_readable(pidfd, patience_msec);
}

int exit_status_of(pid_t pid) {
        int status = 0;

        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

pid_t parent_of(pid_t pid) {
        char path[64], line[512];
        pid_t parent = 0;
        FILE *file;

        (void) snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
        file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        while (fgets(line, sizeof(line), file) && sscanf(line, "PPid: %d", &parent) != 1)
                ;
        (void) fclose(file);
        return parent;
}
