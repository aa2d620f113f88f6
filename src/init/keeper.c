/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Keeper
 *
 * One loop over signals, the brain's socket, exec pipes and the trees' cgroup. Events change the
 * table; after each turn keeper_step() looks at what is, and does what that asks for.
 *
 * Ending is one path: whenever a brain dies, all that it had started is ended, and only when
 * nothing of it is left comes the next brain, or our own end.
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "init/brain.h"
#include "init/entry.h"
#include "init/guardian.h"
#include "init/keeper.h"
#include "init/wire.h"

#define REAP_MAX 256    /* of a flood, before anything else is looked at again */
#define RECEIVE_MAX 128 /* likewise */
#define RETRY_MSEC 10   /* for news that has no room although the socket is writable */
#define KILL_PAUSE_MSEC 50
#define NO_TIMEOUT (-1)

/* What epoll tells of a descriptor; below these it is the exec pipe of a slot. */
enum {
        EVENT_SIGNAL = WIRE_SLOTS_MAX,
        EVENT_BRAIN,
        EVENT_TREES,
};

typedef struct Keeper {
        const KeeperSetup *setup;
        int epoll_fd;
        int signal_fd;
        int brain_fd; /* -1: there is no brain */
        pid_t brain_pid;
        BrainRecord record;
        BrainVerdict verdict; /* on the last brain */
        uint64_t start_at;    /* in milliseconds: the next brain, not before */
        bool ending;          /* what the last brain had is being ended */
        bool owes_terminate;  /* TERMINATE had no room yet */
        bool news_waits;      /* some entry's news had no room */
        bool retry;           /* ... though the socket is writable */
        bool reap_more;       /* a flood of ends was left in the middle */
        bool strangers;       /* in reaper containment: children that are in no slot may be there */
        uint32_t n_entries;   /* none above this one has been used */
        Entry entries[WIRE_SLOTS_MAX]; /* all zero: free */
} Keeper;

static uint64_t now_msec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

static void watch(Keeper *k, int op, int fd, uint32_t events, uint32_t what) {
        struct epoll_event event = { .events = events, .data.u32 = what };

        (void) epoll_ctl(k->epoll_fd, op, fd, &event);
}

/* Before the close: a child that has not yet come to its exec still holds a copy. */
static void unwatch(Keeper *k, int fd) {
        if (fd >= 0)
                (void) epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static Entry *find_running(Keeper *k, pid_t pid) {
        for (size_t i = 0; i < k->n_entries; i++)
                if (k->entries[i].state == ENTRY_RUNNING && k->entries[i].pid == pid)
                        return &k->entries[i];

        return NULL;
}

/* News */

static void set_room_wanted(Keeper *k, bool wanted) {
        if (k->news_waits != wanted)
                watch(k, EPOLL_CTL_MOD, k->brain_fd, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN,
                      EVENT_BRAIN);
        k->news_waits = wanted;
}

static void note_no_room(Keeper *k, int r) {
        if (r == -ETOOMANYREFS)
                k->retry = true;
        else if (r == -EAGAIN)
                set_room_wanted(k, true);
        /* Any other error: the brain is gone, and its death will be told. */
}

static void send_news(Keeper *k, Entry *entry) {
        if (k->brain_fd >= 0 && entry->news != 0 && !k->news_waits)
                note_no_room(k,
                             entry_send_news(entry, (uint32_t) (entry - k->entries), k->brain_fd));
}

static void send_terminate(Keeper *k) {
        WireMessage message = { .kind = WIRE_TERMINATE };
        int r = 0;

        if (k->brain_fd >= 0 && k->owes_terminate && !k->news_waits) {
                r = wire_send(k->brain_fd, &message, NULL, 0);
                k->owes_terminate = r < 0;
                note_no_room(k, r);
        }
}

static void send_all_news(Keeper *k) {
        k->retry = false;
        set_room_wanted(k, false);
        send_terminate(k);
        for (size_t i = 0; i < k->n_entries; i++)
                send_news(k, &k->entries[i]);
}

/* Orders */

static bool order_from_fds(SpawnOrder *ret, uint32_t flags, int *fds, size_t n_fds) {
        size_t n_wanted = 3 + !!(flags & WIRE_SPAWN_STDIN) + !!(flags & WIRE_SPAWN_CGROUP);
        size_t n = 3;

        if (n_fds != n_wanted)
                return false;
        ret->payload_fd = fds[0];
        ret->stdout_fd = fds[1];
        ret->stderr_fd = fds[2];
        ret->stdin_fd = flags & WIRE_SPAWN_STDIN ? fds[n++] : -1;
        ret->cgroup_fd = flags & WIRE_SPAWN_CGROUP ? fds[n] : -1;
        return true;
}

static int spawn_guarded(Keeper *k, Entry *entry, const SpawnOrder *order, uint64_t generation) {
        uint32_t slot = (uint32_t) (entry - k->entries);
        int r, brain_end;
        pid_t pid;

        r = guardian_start(k->setup->session, order, slot, generation, &pid, &brain_end);
        if (r >= 0)
                entry_set_guarded(entry, generation, pid, brain_end);
        return r;
}

static int spawn(Keeper *k, Entry *entry, const SpawnOrder *order, uint64_t generation) {
        int r, pidfd, exec_fd;
        pid_t pid;

        if (order->cgroup_fd < 0)
                return spawn_guarded(k, entry, order, generation);

        r = spawn_main(k->setup->session, order, &pid, &pidfd, &exec_fd);
        /* We have been moved out of our subtree, so its directories are out of our reach. */
        if (r == -EACCES)
                return spawn_guarded(k, entry, order, generation);
        if (r < 0)
                return r;
        entry_set_forked(entry, generation, pid, pidfd, exec_fd);
        watch(k, EPOLL_CTL_ADD, exec_fd, EPOLLIN, (uint32_t) (entry - k->entries));
        return 0;
}

static void on_spawn(Keeper *k, const WireMessage *message, int *fds, size_t n_fds) {
        Entry *entry = &k->entries[message->slot];
        SpawnOrder order;
        int r;

        if (entry->generation == message->generation)
                return; /* seen: a generation is spawned once */

        if (message->slot >= k->n_entries)
                k->n_entries = message->slot + 1;
        if (entry->state != ENTRY_FREE)
                r = -EBUSY;
        else if (!order_from_fds(&order, message->flags, fds, n_fds))
                r = -EMFILE; /* the kernel drops what we have no numbers for */
        else
                r = spawn(k, entry, &order, message->generation);
        if (r < 0)
                entry_set_refused(entry, message->generation, -r);
        send_news(k, entry);
}

static void drop_entry(Keeper *k, Entry *entry) {
        unwatch(k, entry->exec_fd);
        entry_drop(entry);
}

static void on_acknowledge(Keeper *k, const WireMessage *message) {
        Entry *entry = &k->entries[message->slot];

        if (entry->state == ENTRY_ENDED && entry->generation == message->generation)
                drop_entry(k, entry);
}

static void begin_terminate(Keeper *k) {
        k->record.terminating = true;
        k->owes_terminate = true;
        send_terminate(k);
}

static void on_message(Keeper *k, const WireMessage *message, int *fds, size_t n_fds) {
        if (message->slot >= WIRE_SLOTS_MAX)
                return;
        switch (message->kind) {
        case WIRE_SPAWN:
                on_spawn(k, message, fds, n_fds);
                break;
        case WIRE_ACKNOWLEDGE:
                on_acknowledge(k, message);
                break;
        case WIRE_RELEASE:
                if (k->entries[message->slot].state == ENTRY_FREE)
                        k->entries[message->slot].generation = 0;
                break;
        case WIRE_READY:
                brain_record_ready(&k->record);
                notify_send(k->setup->notify_socket, "READY=1");
                break;
        case WIRE_TERMINATE:
                begin_terminate(k);
                break;
        default:
                break;
        }
}

static void on_brain_socket(Keeper *k) {
        WireMessage message = { 0 };
        int fds[WIRE_FDS_MAX], r = 1;
        size_t n_fds = 0;

        for (int i = 0; i < RECEIVE_MAX && r > 0 && k->brain_fd >= 0; i++) {
                r = wire_receive(k->brain_fd, &message, fds, &n_fds);
                if (r > 0) {
                        on_message(k, &message, fds, n_fds);
                        wire_close_fds(fds, n_fds);
                }
        }
        /* The other end is closed but its process lives: only its death is an event for us. */
        if (r == 0)
                unwatch(k, k->brain_fd);
        else if (k->news_waits)
                send_all_news(k);
}

/* The brain's life */

static void start_brain(Keeper *k) {
        _cleanup_close_ int own_end = -1, brain_end = -1;
        WireMessage hello = { .kind = WIRE_HELLO, .version = WIRE_VERSION };
        int r, pair[2];

        k->start_at = now_msec() + BRAIN_RESTART_DELAY_MSEC; /* if this comes to nothing */
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
                say("cannot make a socket for the brain (errno %d), trying again", errno);
                return;
        }
        own_end = pair[0];
        brain_end = pair[1];
        (void) wire_send(own_end, &hello, NULL, 0);
        r = brain_start(k->setup->brain_argv, brain_end, &k->brain_pid);
        if (r < 0) {
                say("cannot fork the brain (errno %d), trying again", -r);
                return;
        }
        k->brain_fd = TAKE_FD(own_end);
        watch(k, EPOLL_CTL_ADD, k->brain_fd, EPOLLIN, EVENT_BRAIN);
}

/* One round; keeper_step() sees when it has come to its end. */
static void end_everything(Keeper *k) {
        if (k->setup->containment)
                (void) containment_kill(k->setup->containment);
        for (size_t i = 0; i < k->n_entries; i++) {
                const Entry *entry = &k->entries[i];

                if (entry->state != ENTRY_RUNNING)
                        continue;
                /* Not reaped, so the pid is theirs; a main may have left its cgroup. */
                (void) kill(entry->pid, entry->is_guarded ? SIGTERM : SIGKILL);
                (void) kill(entry->pid, SIGCONT);
        }
}

static void on_brain_death(Keeper *k, int code, int status) {
        uint64_t now = now_msec();

        unwatch(k, k->brain_fd);
        k->brain_fd = safe_close(k->brain_fd);
        k->brain_pid = 0;
        k->news_waits = k->retry = false;
        k->ending = true;
        k->verdict = brain_record_death(&k->record, code, status, now);
        k->start_at = k->verdict == BRAIN_AGAIN_LATER ? now + BRAIN_RESTART_DELAY_MSEC : now;
        if (k->verdict != BRAIN_ALL_OVER)
                say("the brain ended (%s %d): %s", code == CLD_EXITED ? "exit code" : "signal",
                    status,
                    k->verdict == BRAIN_GIVE_UP ? "giving up"
                                                : "ending what it started, "
                                                  "then starting the next");
        if (k->setup->containment)
                watch(k, EPOLL_CTL_ADD, k->setup->containment->events_fd, EPOLLPRI, EVENT_TREES);
        end_everything(k);
}

/* Reaping */

static void read_exec_result(Keeper *k, Entry *entry) {
        int error;

        if (entry->exec_fd < 0 || spawn_exec_result(entry->exec_fd, &error) < 0)
                return;
        unwatch(k, entry->exec_fd);
        entry_set_exec(entry, error);
}

static void on_child_end(Keeper *k, const siginfo_t *info) {
        Entry *entry = find_running(k, info->si_pid);

        if (info->si_pid == k->brain_pid) {
                on_brain_death(k, info->si_code, info->si_status);
                return;
        }
        if (!entry) {
                /* An orphan. With cgroups its tree's end is its own; else a guardian has died. */
                k->strangers = k->strangers || !k->setup->containment;
                return;
        }
        read_exec_result(k, entry);
        entry_set_ended(entry, info->si_code, info->si_status);
        /* Any other end of a guardian is no proof, and what it had is ours now. */
        if (entry->is_guarded && (info->si_code != CLD_EXITED || info->si_status != 0)) {
                entry->state = ENTRY_LOST;
                k->strangers = true;
        } else
                send_news(k, entry);
}

static void reap(Keeper *k) {
        siginfo_t info;

        k->reap_more = false;
        for (int i = 0; i < REAP_MAX; i++) {
                info.si_pid = 0;
                if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                        return;
                on_child_end(k, &info);
        }
        k->reap_more = true;
}

/* Where cgroups contain, an orphan in one of them belongs to that tree, not to a guardian's. */
static bool is_known_child(pid_t pid, void *userdata) {
        Keeper *k = userdata;

        return pid == k->brain_pid || find_running(k, pid) ||
               (k->setup->containment && containment_has(k->setup->containment, pid));
}

/*
 * Only we take children off our list, by reaping, and we do not while it is read: so no stranger
 * on it is a proof that nothing of any lost guardian's tree is left.
 */
static void end_strangers(Keeper *k) {
        int n = children_kill(is_known_child, k);

        if (n != 0)
                return;
        k->strangers = false;
        for (size_t i = 0; i < k->n_entries; i++)
                if (k->entries[i].state == ENTRY_LOST) {
                        k->entries[i].state = ENTRY_ENDED;
                        send_news(k, &k->entries[i]);
                }
}

/* The loop */

static bool is_all_ended(const Keeper *k) {
        if (k->setup->containment && containment_is_populated(k->setup->containment))
                return false;
        for (size_t i = 0; i < k->n_entries; i++)
                if (k->entries[i].state == ENTRY_RUNNING || k->entries[i].state == ENTRY_LOST)
                        return false;

        return !k->strangers;
}

static void forget_everything(Keeper *k) {
        for (size_t i = 0; i < k->n_entries; i++) {
                if (k->entries[i].state != ENTRY_FREE)
                        drop_entry(k, &k->entries[i]);
                k->entries[i].generation = 0;
                k->entries[i].news = 0;
        }
        k->n_entries = 0;
        if (!k->setup->containment)
                return;
        unwatch(k, k->setup->containment->events_fd);
        containment_clear(k->setup->containment);
}

/* Answers whether all is over. */
static bool keeper_step(Keeper *k) {
        if (k->strangers)
                end_strangers(k);
        if (k->ending) {
                if (!is_all_ended(k))
                        return false;
                forget_everything(k);
                k->ending = false;
        }
        if (k->brain_pid != 0)
                return false;
        if (k->record.terminating || k->verdict == BRAIN_ALL_OVER || k->verdict == BRAIN_GIVE_UP)
                return true;
        if (now_msec() >= k->start_at)
                start_brain(k);
        return false;
}

static int next_timeout(const Keeper *k) {
        uint64_t now;

        if (k->reap_more)
                return 0;
        if (k->retry)
                return RETRY_MSEC;
        if (k->strangers || k->ending)
                return KILL_PAUSE_MSEC;
        if (k->brain_pid != 0)
                return NO_TIMEOUT;
        now = now_msec();
        return k->start_at > now ? (int) (k->start_at - now) : 0;
}

static void on_signal(Keeper *k) {
        struct signalfd_siginfo info;

        while (read(k->signal_fd, &info, sizeof(info)) == sizeof(info))
                if (info.ssi_signo != SIGCHLD)
                        begin_terminate(k);
        reap(k);
}

static void dispatch(Keeper *k, const struct epoll_event *event) {
        switch (event->data.u32) {
        case EVENT_SIGNAL:
                on_signal(k);
                break;
        case EVENT_BRAIN:
                on_brain_socket(k);
                break;
        case EVENT_TREES:
                break; /* keeper_step() reads it */
        default:
                read_exec_result(k, &k->entries[event->data.u32]);
                send_news(k, &k->entries[event->data.u32]);
        }
}

static int keeper_open(Keeper *k) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (k->signal_fd < 0 || k->epoll_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                return -errno;

        watch(k, EPOLL_CTL_ADD, k->signal_fd, EPOLLIN, EVENT_SIGNAL);
        return 0;
}

int keeper_run(const KeeperSetup *setup) {
        static Keeper keeper; /* its pages are touched only as far as slots are used */
        Keeper *k = &keeper;
        struct epoll_event events[16];
        int r;

        k->setup = setup;
        k->brain_fd = -1;
        r = keeper_open(k);
        if (r < 0) {
                say("cannot set up signals and events (errno %d)", -r);
                return EXIT_FAILURE;
        }

        while (!keeper_step(k)) {
                int n = epoll_wait(k->epoll_fd, events, ELEMENTSOF(events), next_timeout(k));

                if (n == 0 && k->ending)
                        end_everything(k);
                if (k->retry)
                        send_all_news(k);
                if (k->reap_more)
                        reap(k);
                for (int i = 0; i < n; i++)
                        dispatch(k, &events[i]);
        }
        return k->verdict == BRAIN_GIVE_UP ? EXIT_FAILURE : EXIT_SUCCESS;
}
