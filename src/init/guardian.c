/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Guardian
 *
 * Why killing to ECHILD ends: a process that has been sent SIGKILL cannot fork any more, and
 * whoever is reparented to us comes below a child of ours, by whose death we are told (SIGCHLD)
 * after the arrival. So a round of kills after each reaping misses nobody for long.
 */

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "init/entry.h"
#include "init/guardian.h"
#include "init/wire.h"
#include "util/children.h"
#include "util/macro.h"

#define REAP_MAX 256       /* of a flood, before anything else is looked at again */
#define KILL_ROUNDS_MAX 64 /* likewise */
#define KILL_PAUSE_MSEC 50
#define RETRY_MSEC 10

typedef struct Guardian {
        Entry entry;
        GuardianFacts *facts;
        uint32_t slot;
        int pair_fd; /* -1: of no use any more */
        int signal_fd;
        bool killing;
        bool empty;
} Guardian;

typedef struct Killing {
        bool (*is_spared)(pid_t pid, void *userdata);
        void *userdata;
        int n_killed;
} Killing;

static int kill_child(pid_t pid, void *userdata) {
        Killing *killing = userdata;

        if (killing->is_spared && killing->is_spared(pid, killing->userdata))
                return 0;
        (void) kill(pid, SIGKILL);
        killing->n_killed++;
        return 0;
}

int children_kill(bool (*is_spared)(pid_t pid, void *userdata), void *userdata) {
        Killing killing = { .is_spared = is_spared, .userdata = userdata };
        int r;

        r = pids_read(AT_FDCWD, CHILDREN_OF_THIS_THREAD, kill_child, &killing);
        return r < 0 ? r : killing.n_killed;
}

static void read_exec_result(Guardian *g) {
        int error;

        if (g->entry.exec_fd < 0 || spawn_exec_result(g->entry.exec_fd, &g->entry.lent, &error) < 0)
                return;
        entry_set_exec(&g->entry, error);
        g->facts->exec_error = error;
        g->facts->has_exec = true;
}

static void note_main_end(Guardian *g, const siginfo_t *info) {
        spawn_order_close(&g->entry.lent);
        read_exec_result(g);
        entry_set_ended(&g->entry, info->si_code, info->si_status);
        g->facts->status = info->si_status;
        g->facts->code = info->si_code;
}

/* Answers how many were reaped. */
static int reap(Guardian *g) {
        siginfo_t info;
        int n;

        for (n = 0; n < REAP_MAX; n++) {
                info.si_pid = 0;
                if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0) {
                        g->empty = errno == ECHILD;
                        break;
                }
                if (info.si_pid == 0)
                        break;
                if (g->entry.state == ENTRY_RUNNING && info.si_pid == g->entry.pid)
                        note_main_end(g, &info);
        }
        return n;
}

static void kill_and_reap(Guardian *g) {
        for (int i = 0; i < KILL_ROUNDS_MAX && !g->empty; i++) {
                (void) children_kill(NULL, NULL);
                if (reap(g) == 0)
                        return;
        }
}

static void read_orders(Guardian *g) {
        WireMessage message = { 0 };
        int fds[WIRE_FDS_MAX], r;
        size_t n_fds = 0;

        while (g->pair_fd >= 0) {
                r = wire_receive(g->pair_fd, &message, fds, &n_fds);
                if (r == -EAGAIN)
                        return;
                if (r <= 0) {
                        g->pair_fd = safe_close(g->pair_fd);
                        return;
                }
                wire_close_fds(fds, n_fds);
                g->killing = g->killing || message.kind == WIRE_KILL;
                if (message.kind == WIRE_RESEND)
                        entry_tell_again(&g->entry);
        }
}

static void read_signals(Guardian *g) {
        struct signalfd_siginfo info;

        while (read(g->signal_fd, &info, sizeof(info)) == sizeof(info))
                g->killing = g->killing || info.ssi_signo == SIGTERM;
}

/* Answers for how long to wait at most for the next event; -1: for ever. */
static int turn(Guardian *g) {
        int n_reaped, r = 0;

        read_signals(g);
        read_orders(g);
        read_exec_result(g);
        n_reaped = reap(g);
        if (g->killing)
                kill_and_reap(g);
        if (g->pair_fd >= 0)
                r = entry_send_news(&g->entry, g->slot, g->pair_fd);
        if (r < 0 && r != -EAGAIN && !wire_is_to_be_repeated(r))
                g->pair_fd = safe_close(g->pair_fd);
        if (n_reaped == REAP_MAX)
                return 0;
        if (wire_is_to_be_repeated(r))
                return RETRY_MSEC;
        return g->killing && !g->empty ? KILL_PAUSE_MSEC : -1;
}

static void serve(Guardian *g) {
        for (;;) {
                int timeout = turn(g);
                struct pollfd events[] = {
                        { .fd = g->signal_fd, .events = POLLIN },
                        { .fd = g->entry.exec_fd, .events = POLLIN },
                        { .fd = g->pair_fd, .events = POLLIN },
                };

                if (g->empty && (g->pair_fd < 0 || g->entry.news == 0))
                        return;
                if (g->entry.news != 0 && timeout != RETRY_MSEC)
                        events[2].events |= POLLOUT;
                (void) poll(events, ELEMENTSOF(events), timeout);
        }
}

static int compare_fds(const void *a, const void *b) {
        return *(const int *) a - *(const int *) b;
}

/* keep is sorted; its -1 go first and keep nothing. */
static void close_all_but(int *keep, size_t n_keep) {
        unsigned from = STDERR_FILENO + 1;

        qsort(keep, n_keep, sizeof(*keep), compare_fds);
        for (size_t i = 0; i < n_keep; i++)
                if (keep[i] >= (int) from) {
                        if (keep[i] > (int) from)
                                (void) close_range(from, (unsigned) keep[i] - 1, 0);
                        from = (unsigned) keep[i] + 1;
                }
        (void) close_range(from, ~0U, 0);
}

static int make_signal_fd(void) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGCHLD);
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void guardian_main(Guardian *g, const Session *session, SpawnOrder *order, pid_t keeper) {
        int keep[] = { g->pair_fd,       session->null_fd, order->payload_fd, order->stdin_fd,
                       order->stdout_fd, order->stderr_fd, order->sockets_fd, order->exec_fd };
        uint64_t generation = g->entry.generation;
        int r, pidfd, exec_fd;
        pid_t pid;

        close_all_but(keep, ELEMENTSOF(keep));
        /* From now on the keeper may close what was lent to us. */
        (void) spawn_tell(order, 0);
        order->exec_fd = safe_close(order->exec_fd);
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != keeper)
                return;
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        /* What is sent to the keeper's whole group must not end those who clean up after it. */
        (void) setsid();
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                (void) dup2(session->null_fd, fd);

        g->signal_fd = make_signal_fd();
        r = g->signal_fd < 0 ? -errno : 0;
        if (r >= 0)
                r = spawn_main(session, order, &pid, &pidfd, &exec_fd);
        if (r < 0)
                entry_set_refused(&g->entry, generation, -r);
        else
                entry_set_forked(&g->entry, generation, pid, pidfd, exec_fd, order);
        spawn_order_close(order);
        serve(g);
}

int guardian_start(const Session *session,
                   SpawnOrder *order,
                   uint32_t slot,
                   uint64_t generation,
                   GuardianFacts *facts,
                   pid_t *ret_pid,
                   int *ret_brain_end,
                   int *ret_exec_fd) {

        _cleanup_close_ int brain_end = -1, pidfd = -1;
        Guardian guardian = {
                .entry = ENTRY_NONE,
                .facts = facts,
                .slot = slot,
                .signal_fd = -1,
        };
        pid_t keeper = getpid();
        int pair[2], pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return -errno;
        order->pair_fd = pair[0];
        brain_end = pair[1];

        *facts = (GuardianFacts){ 0 };
        pid = spawn_clone(order, &pidfd, ret_exec_fd);
        if (pid < 0)
                return pid;
        if (pid == 0) {
                guardian.pair_fd = TAKE_FD(order->pair_fd);
                guardian.entry.generation = generation;
                guardian_main(&guardian, session, order, keeper);
                _exit(EXIT_SUCCESS);
        }
        *ret_pid = pid;
        *ret_brain_end = TAKE_FD(brain_end);
        return 0;
}
