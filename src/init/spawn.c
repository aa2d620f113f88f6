/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Spawn
 *
 * clone3(2) rather than fork(2): the child is born inside its cgroup and with a pidfd, so there
 * is no instant at which it is elsewhere or nameless. The child calls nothing but the kernel.
 *
 * Copying the table of descriptors, and closing the copies at the exec, is what a start would cost
 * most with a thousand sidecars. With CLONE_FILES nothing is copied, and CLOSE_RANGE_UNSHARE copies
 * only what is below the range: close_range(2), and dup_fd() of the kernel's fs/file.c. Until then
 * the child finds its descriptors in our table, where they must stay what they are: it may be in a
 * frozen cgroup and not run for hours. So its first word to us is that it has a table of its own.
 */

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "init/spawn.h"
#include "init/wire.h"
#include "util/cgroup-dir.h"
#include "util/macro.h"

/* A sidecar goes before keeper and brain when memory runs out. */
#define OOM_SCORE_ADJ_ABOVE_OURS 200
#define OOM_SCORE_ADJ_MAX 1000
#define EXIT_EXEC_FAILED 127

/* Below it is room for what is open for long and for what is lent to some 150 children. */
#define KEPT_FROM 1024
#define KEPT_MAX (4 * WIRE_SIDECARS_MAX + WIRE_SLOTS_MAX + WIRE_HOLDERS_MAX)

/*
 * Children inherit dispositions, so making ours the default once saves 64 calls a spawn. Blocked
 * signals do to us what ignored ones would, and the mask is one call to undo.
 */
static void settle_signals(void) {
        static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
        sigset_t blocked;

        for (int number = 1; number < NSIG; number++)
                (void) signal(number, SIG_DFL);

        (void) sigfillset(&blocked);
        for (size_t i = 0; i < ELEMENTSOF(faults); i++)
                (void) sigdelset(&blocked, faults[i]);
        (void) sigprocmask(SIG_SETMASK, &blocked, NULL);
}

int spawn_unblock_signals(void) {
        sigset_t none;

        (void) sigemptyset(&none);
        return sigprocmask(SIG_SETMASK, &none, NULL);
}

static void read_oom_score_adj(Session *session) {
        char text[16];
        long score;

        if (kernel_file_read(AT_FDCWD, "/proc/self/oom_score_adj", text, sizeof(text)) < 0)
                return;
        score = strtol(text, NULL, 10) + OOM_SCORE_ADJ_ABOVE_OURS;
        if (score > OOM_SCORE_ADJ_MAX)
                score = OOM_SCORE_ADJ_MAX;
        (void) snprintf(session->oom_score_adj, sizeof(session->oom_score_adj), "%hd",
                        (short) score);
}

/*
 * A table that grows while it is shared waits for all other processors (expand_fdtable() of the
 * kernel's fs/file.c), which takes longer than many starts. It never shrinks.
 */
static void make_room(const Session *session, rlim_t limit) {
        rlim_t last = KEPT_FROM + KEPT_MAX;

        if (last >= limit)
                last = limit - 1;
        safe_close(fcntl(session->null_fd, F_DUPFD_CLOEXEC, (int) last));
}

int session_take(Session *ret) {
        Session session = { .null_fd = -1 };
        struct rlimit raised;

        /* With 0, 1 or 2 closed, a descriptor of ours would become some child's output. */
        do {
                session.null_fd = open("/dev/null", O_RDWR);
                if (session.null_fd < 0)
                        return -errno;
        } while (session.null_fd <= STDERR_FILENO);
        if (fcntl(session.null_fd, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;

        if (getrlimit(RLIMIT_NOFILE, &session.nofile) < 0)
                return -errno;
        raised = session.nofile;
        raised.rlim_cur = raised.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &raised);
        make_room(&session, raised.rlim_cur);

        read_oom_score_adj(&session);
        settle_signals();
        *ret = session;
        return 0;
}

void spawn_order_close(SpawnOrder *order) {
        order->payload_fd = safe_close(order->payload_fd);
        order->stdout_fd = safe_close(order->stdout_fd);
        order->stderr_fd = safe_close(order->stderr_fd);
        order->stdin_fd = safe_close(order->stdin_fd);
        order->cgroup_fd = safe_close(order->cgroup_fd);
        order->sockets_fd = safe_close(order->sockets_fd);
        order->exec_fd = safe_close(order->exec_fd);
        order->pair_fd = safe_close(order->pair_fd);
}

int spawn_keep(int fd) {
        int kept_fd = fcntl(fd, F_DUPFD_CLOEXEC, KEPT_FROM);

        /* With so few allowed, where it is does not matter. */
        if (kept_fd < 0)
                return fd;
        safe_close(fd);
        return kept_fd;
}

static WirePayload *map_payload(int fd) {
        struct stat st;
        void *base;

        if (fstat(fd, &st) < 0)
                return NULL;
        base = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        return base == MAP_FAILED ? NULL : base;
}

/* Adds the address to each offset, in place: the mapping is private. */
static char **vector_at(WirePayload *payload, uint64_t offset) {
        char *base = (char *) payload;
        uint64_t *vector = (uint64_t *) (void *) (base + offset);

        for (uint64_t *entry = vector; *entry != 0; entry++)
                *entry += (uint64_t) (uintptr_t) base;

        return (char **) vector;
}

bool spawn_tell(const SpawnOrder *order, int error) {
        return write(order->exec_fd, &error, sizeof(error)) == sizeof(error);
}

static _Noreturn void give_up(const SpawnOrder *order) {
        (void) spawn_tell(order, errno);
        _exit(EXIT_EXEC_FAILED);
}

static bool close_from_to(unsigned first, unsigned last) {
        return first > last || close_range(first, last, 0) >= 0;
}

/*
 * Closes all else: among what we have got a copy of is what is lent to others, and nobody is to
 * wait for the end of a pipe because our program's disk does not answer.
 */
static bool settle_descriptors(const Session *session, const SpawnOrder *order) {
        unsigned exec_fd = (unsigned) order->exec_fd;
        unsigned sockets_fd = order->sockets_fd < 0 ? exec_fd : (unsigned) order->sockets_fd;
        unsigned low = exec_fd < sockets_fd ? exec_fd : sockets_fd;
        unsigned high = exec_fd < sockets_fd ? sockets_fd : exec_fd;

        return dup2(order->stdin_fd < 0 ? session->null_fd : order->stdin_fd, STDIN_FILENO) >= 0 &&
               dup2(order->stdout_fd, STDOUT_FILENO) >= 0 &&
               dup2(order->stderr_fd, STDERR_FILENO) >= 0 &&
               close_from_to(STDERR_FILENO + 1, low - 1) && close_from_to(low + 1, high - 1) &&
               close_from_to(high + 1, ~0U);
}

static bool move_above_sockets(int *fd) {
        int moved_fd = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1 + WIRE_SOCKETS_MAX);

        if (moved_fd < 0)
                return false;
        safe_close(*fd);
        *fd = moved_fd;
        return true;
}

/*
 * From 3 on in their order, and open over the exec: sd_listen_fds(3). What is received takes the
 * lowest numbers that are free, and by now all of them are.
 */
static bool take_sockets(SpawnOrder *order) {
        int fds[WIRE_SOCKETS_MAX], r;
        size_t n_fds;

        if (order->sockets_fd < 0)
                return true;
        if (!move_above_sockets(&order->exec_fd) || !move_above_sockets(&order->sockets_fd))
                return false;
        r = wire_unpack_sockets(order->sockets_fd, 0, fds, &n_fds);
        errno = -r;
        return r >= 0;
}

/* Only now is it known: sd_listen_fds(3) of any other process is to find nothing. */
static void write_listen_pid(WirePayload *payload) {
        if (wire_payload_is_long(payload) && payload->listen_pid != 0)
                (void) snprintf((char *) payload + payload->listen_pid, WIRE_PID_MAX + 1, "%d",
                                (int) getpid());
}

/* More than the session may have: then as much as it may. */
static bool settle_open_files(const Session *session, rlim_t open_files) {
        struct rlimit wanted = { open_files, open_files };
        struct rlimit most = { session->nofile.rlim_max, session->nofile.rlim_max };

        if (open_files == 0)
                return setrlimit(RLIMIT_NOFILE, &session->nofile) >= 0;
        return setrlimit(RLIMIT_NOFILE, &wanted) >= 0 ||
               (errno == EPERM && setrlimit(RLIMIT_NOFILE, &most) >= 0);
}

/* What the kernel refuses stays as it is here, which is as near as it can be. */
static bool settle_limits(const Session *session, const WirePayload *payload) {
        bool has_limits = wire_payload_is_long(payload);
        const char *score = session->oom_score_adj;

        if (has_limits && payload->oom_score_adj != 0)
                score = (const char *) payload + payload->oom_score_adj;
        if (score[0] != '\0')
                (void) kernel_file_write(AT_FDCWD, "/proc/self/oom_score_adj", score);
        if (has_limits && payload->nice != WIRE_NICE_NONE)
                (void) setpriority(PRIO_PROCESS, 0, (int) payload->nice);

        return settle_open_files(session, has_limits ? payload->open_files : 0);
}

static _Noreturn void run_child(const Session *session, SpawnOrder *order, pid_t parent) {
        WirePayload *payload = map_payload(order->payload_fd);

        if (!payload || !settle_descriptors(session, order) || !take_sockets(order) ||
            !spawn_tell(order, 0))
                give_up(order);

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* The parent may have died before it was told to take us along. */
        if (getppid() != parent)
                _exit(EXIT_EXEC_FAILED);

        write_listen_pid(payload);
        if (setsid() >= 0 && spawn_unblock_signals() >= 0 && settle_limits(session, payload) &&
            chdir((char *) payload + payload->working_directory) >= 0)
                (void) execve((char *) payload + payload->path, vector_at(payload, payload->argv),
                              vector_at(payload, payload->envp));

        give_up(order);
}

/* All that a child has to find by its number is below what it does not copy. */
static bool is_low(const SpawnOrder *order) {
        return order->payload_fd < KEPT_FROM && order->stdout_fd < KEPT_FROM &&
               order->stderr_fd < KEPT_FROM && order->stdin_fd < KEPT_FROM &&
               order->sockets_fd < KEPT_FROM && order->exec_fd < KEPT_FROM &&
               order->pair_fd < KEPT_FROM;
}

/* Answers as spawn_clone(). */
static int clone_child(struct clone_args *args, SpawnOrder *order) {
        bool shares = is_low(order);
        long pid;

        if (shares)
                args->flags |= CLONE_FILES;
        pid = syscall(SYS_clone3, args, sizeof(*args));
        if (pid < 0)
                return -errno;
        if (pid > 0) {
                order->cgroup_fd = safe_close(order->cgroup_fd);
                if (!shares)
                        spawn_order_close(order);
        } else if (shares && close_range(KEPT_FROM, ~0U, CLOSE_RANGE_UNSHARE) < 0)
                give_up(order);
        return (int) pid;
}

int spawn_clone(SpawnOrder *order, int *ret_pidfd, int *ret_exec_fd) {
        _cleanup_close_ int exec_read = -1;
        int pidfd = -1, pipe_fds[2], pid;
        struct clone_args args = {
                .flags = CLONE_PIDFD,
                .pidfd = (uint64_t) (uintptr_t) &pidfd,
                .exit_signal = SIGCHLD,
        };

        if (order->cgroup_fd >= 0) {
                args.flags |= CLONE_INTO_CGROUP;
                args.cgroup = (uint64_t) order->cgroup_fd;
        }
        if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        exec_read = pipe_fds[0];
        order->exec_fd = pipe_fds[1];

        pid = clone_child(&args, order);
        if (pid < 0) /* pidfd means nothing then, whatever it holds */
                order->exec_fd = safe_close(order->exec_fd);
        if (pid > 0) {
                *ret_pidfd = pidfd;
                *ret_exec_fd = TAKE_FD(exec_read);
        }
        return pid;
}

int spawn_main(const Session *session,
               SpawnOrder *order,
               pid_t *ret_pid,
               int *ret_pidfd,
               int *ret_exec_fd) {

        pid_t parent = getpid();
        int pid = spawn_clone(order, ret_pidfd, ret_exec_fd);

        if (pid < 0)
                return pid;
        if (pid == 0)
                run_child(session, order, parent);
        *ret_pid = pid;
        return 0;
}

int spawn_exec_result(int exec_fd, SpawnOrder *lent, int *ret_error) {
        int error;
        ssize_t n;

        do {
                error = 0;
                n = read(exec_fd, &error, sizeof(error));
                if (n < 0 && errno == EAGAIN)
                        return -EAGAIN;
                spawn_order_close(lent);
        } while (n > 0 && error == 0);

        *ret_error = n < 0 ? errno : error;
        return 0;
}
