/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A keeper of wire version 1, as it was before it could hand anything over: what an upgrade of the
 * brain finds until the next login (failures.md, case 8). It keeps nothing, and ends every tree
 * when its brain dies. Guardians contain; it takes no lock, and waits for a brain that does not
 * read.
 *
 * It shares the spawning with the keeper of today, but its wire is its own: what it says and
 * understands here is not to change any more.
 */

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "init/brain.h"
#include "init/guardian.h"
#include "init/keeper.h"
#include "init/wire.h"

typedef struct Slot {
        pid_t guardian_pid; /* 0: none that is not reaped */
        uint64_t generation;
        bool ended; /* and not acknowledged */
} Slot;

static Session session;
static Slot slots[WIRE_SLOTS_MAX];
static uint32_t n_slots;
static GuardianFacts facts; /* each guardian has a copy, and nobody reads it */
static const char *notify_socket;
static char brain_path[PATH_MAX];
static int brain_fd = -1;
static pid_t brain_pid;
static bool was_ready;
static bool terminating;

static void tell_with(const WireMessage *message, const int *fds, size_t n_fds) {
        struct pollfd room = { .fd = brain_fd, .events = POLLOUT };

        while (wire_send(brain_fd, message, fds, n_fds) == -EAGAIN)
                (void) poll(&room, 1, -1);
}

static void tell(const WireMessage *message) {
        tell_with(message, NULL, 0);
}

static bool read_order(SpawnOrder *ret, uint32_t flags, int *fds, size_t n_fds) {
        if (n_fds != 3 + !!(flags & WIRE_SPAWN_STDIN))
                return false;
        ret->payload_fd = TAKE_FD(fds[0]);
        ret->stdout_fd = TAKE_FD(fds[1]);
        ret->stderr_fd = TAKE_FD(fds[2]);
        if (flags & WIRE_SPAWN_STDIN)
                ret->stdin_fd = TAKE_FD(fds[3]);
        return true;
}

/* It may wait, unlike the real one. */
static void wait_until_unshared(int exec_fd, SpawnOrder *lent) {
        struct pollfd event = { .fd = exec_fd, .events = POLLIN };
        int error;

        while (spawn_exec_result(exec_fd, lent, &error) == -EAGAIN)
                (void) poll(&event, 1, -1);
        safe_close(exec_fd);
}

static void on_spawn(const WireMessage *message, int *fds, size_t n_fds) {
        WireMessage news = *message;
        Slot *slot = &slots[message->slot];
        _cleanup_(spawn_order_close) SpawnOrder order = SPAWN_ORDER_NONE;
        int r, brain_end, exec_fd;

        if (slot->generation == message->generation)
                return;
        if (slot->guardian_pid != 0 || slot->ended)
                r = -EBUSY;
        else if (!read_order(&order, message->flags, fds, n_fds))
                r = -EMFILE;
        else
                r = guardian_start(&session, &order, message->slot, message->generation, &facts,
                                   &slot->guardian_pid, &brain_end, &exec_fd);
        news.flags = 0;
        if (r < 0) {
                news.kind = WIRE_FORK_FAILED;
                news.error = -r;
                tell(&news);
                return;
        }
        wait_until_unshared(exec_fd, &order);
        slot->generation = message->generation;
        if (n_slots <= message->slot)
                n_slots = message->slot + 1;
        news.kind = WIRE_GUARDIAN;
        news.pid = slot->guardian_pid;
        tell_with(&news, &brain_end, 1);
        safe_close(brain_end);
}

static void on_message(const WireMessage *message, int *fds, size_t n_fds) {
        Slot *slot = &slots[message->slot % WIRE_SLOTS_MAX];

        switch (message->kind) {
        case WIRE_SPAWN:
                on_spawn(message, fds, n_fds);
                break;
        case WIRE_ACKNOWLEDGE:
                slot->ended = slot->ended && slot->generation != message->generation;
                break;
        case WIRE_RELEASE:
                if (slot->guardian_pid == 0 && !slot->ended)
                        slot->generation = 0;
                break;
        case WIRE_READY:
                was_ready = true;
                notify_send(notify_socket, "READY=1");
                break;
        case WIRE_TERMINATE:
                terminating = true;
                tell(&(WireMessage){ .kind = WIRE_TERMINATE });
                break;
        default:
                break; /* of a later version */
        }
}

static void read_brain(void) {
        WireMessage message = { 0 };
        int fds[WIRE_FDS_MAX], r;
        size_t n_fds = 0;

        while ((r = wire_receive(brain_fd, &message, fds, &n_fds)) > 0) {
                on_message(&message, fds, n_fds);
                wire_close_fds(fds, n_fds);
        }
        if (r == 0)
                brain_fd = safe_close(brain_fd);
}

static void start_brain(void) {
        static char keeper_fd[] = "--keeper-fd=3", folder[] = "--folder=sidecard";
        char *const argv[] = { brain_path, keeper_fd, folder, NULL };
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
            brain_start(argv, pair[1], &brain_pid) < 0)
                exit(EXIT_FAILURE);
        safe_close(pair[1]);
        brain_fd = pair[0];
        tell(&(WireMessage){ .kind = WIRE_HELLO, .version = WIRE_VERSION_WITHOUT_TABLE });
}

static void end_all_trees(void) {
        for (size_t i = 0; i < n_slots; i++)
                if (slots[i].guardian_pid != 0) {
                        (void) kill(slots[i].guardian_pid, SIGTERM);
                        (void) kill(slots[i].guardian_pid, SIGCONT);
                }
        for (size_t i = 0; i < n_slots; i++) {
                if (slots[i].guardian_pid != 0)
                        (void) waitpid(slots[i].guardian_pid, NULL, 0);
                slots[i] = (Slot){ 0 };
        }
}

static void on_brain_end(const siginfo_t *info) {
        bool success = info->si_code == CLD_EXITED && info->si_status == 0;

        brain_fd = safe_close(brain_fd);
        end_all_trees();
        if (success || terminating)
                exit(EXIT_SUCCESS);
        if (!was_ready && info->si_code == CLD_EXITED)
                exit(EXIT_FAILURE);
        start_brain();
}

static void on_guardian_end(const siginfo_t *info) {
        for (uint32_t i = 0; i < n_slots; i++)
                if (slots[i].guardian_pid == info->si_pid) {
                        slots[i].guardian_pid = 0;
                        slots[i].ended = true;
                        tell(&(WireMessage){ .kind = WIRE_EXITED,
                                             .slot = i,
                                             .generation = slots[i].generation,
                                             .code = info->si_code,
                                             .status = info->si_status });
                }
}

static void reap(void) {
        siginfo_t info = { 0 };

        while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) >= 0 && info.si_pid != 0) {
                if (info.si_pid == brain_pid)
                        on_brain_end(&info);
                else
                        on_guardian_end(&info);
                info.si_pid = 0;
        }
}

static void read_signals(int signal_fd) {
        struct signalfd_siginfo info;

        while (read(signal_fd, &info, sizeof(info)) == sizeof(info))
                if (info.ssi_signo != SIGCHLD)
                        on_message(&(WireMessage){ .kind = WIRE_TERMINATE }, NULL, 0);
        reap();
}

static void find_brain(void) {
        ssize_t n = readlink("/proc/self/exe", brain_path, sizeof(brain_path) - 16);

        if (n < 0)
                exit(EXIT_FAILURE);
        (void) strcpy(strrchr(brain_path, '/'), "/sidecard");
}

int main(void) {
        char directory[PATH_MAX];
        sigset_t set;
        int signal_fd;

        notify_socket = getenv("NOTIFY_SOCKET");
        (void) snprintf(directory, sizeof(directory), "%s/sidecard", getenv("XDG_RUNTIME_DIR"));
        (void) mkdir(directory, 0700);
        find_brain();
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        (void) sigaddset(&set, SIGTERM);
        signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signal_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || session_take(&session) < 0)
                return EXIT_FAILURE;
        (void) unsetenv("NOTIFY_SOCKET");

        start_brain();
        for (;;) {
                struct pollfd events[] = { { .fd = signal_fd, .events = POLLIN },
                                           { .fd = brain_fd, .events = POLLIN } };

                (void) poll(events, ELEMENTSOF(events), -1);
                if (events[1].revents != 0)
                        read_brain();
                if (events[0].revents != 0)
                        read_signals(signal_fd);
        }
}
