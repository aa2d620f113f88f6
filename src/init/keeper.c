/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Keeper
 *
 * One loop over signals, the brain's socket, exec pipes and the trees' cgroup. Events change the
 * table; after each turn keeper_step() looks at what is, and does what that asks for.
 *
 * A brain's death changes nothing but who decides: what it had ordered is obeyed, then the next
 * one is started and told of everything. Only when there is to be no next one all that is left is
 * ended, and then we are.
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "init/brain.h"
#include "init/keeper.h"
#include "init/post.h"
#include "init/table.h"
#include "init/watchdog.h"

#define REAP_MAX 256    /* of a flood, before anything else is looked at again */
#define RECEIVE_MAX 128 /* likewise */
#define RETRY_MSEC 10   /* for news that has no room although the socket is writable */
#define KILL_PAUSE_MSEC 50

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
        pid_t brain_pid; /* 0: there is none */
        BrainRecord record;
        BrainVerdict verdict; /* on the last brain */
        Watchdog watchdog;
        uint64_t oom_kills; /* when the brain was started */
        uint64_t start_at;  /* in milliseconds: the next brain, not before */
        bool terminating;   /* we were asked to end */
        bool ending;        /* there will be no brain any more, what is left is being ended */
        bool reap_more;     /* a flood of ends was left in the middle */
        bool strangers;     /* in reaper containment: children that are in no slot may be there */
        Post post;
        Table table;
} Keeper;

static uint64_t now_msec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

static void watch(const Keeper *k, int fd, uint32_t events, uint32_t what) {
        struct epoll_event event = { .events = events, .data.u32 = what };

        (void) epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* Orders */

static void begin_terminate(Keeper *k) {
        k->terminating = true;
        post_terminate(&k->post);
}

/* Our own child, and not reaped as long as it is the brain: the pid is its. */
static void kill_brain(const Keeper *k) {
        if (k->brain_pid != 0)
                (void) kill(k->brain_pid, SIGKILL);
}

static void upgrade(Keeper *k) {
        brain_record_upgrade(&k->record);
        k->start_at = 0;
        kill_brain(k);
}

static void on_spawn(Keeper *k, const WireMessage *message, int *fds, size_t n_fds) {
        Entry *entry = table_spawn(&k->table, k->setup->session, message, fds, n_fds);

        if (entry)
                post_tell_entry(&k->post, entry);
}

static void on_keep(Keeper *k, const WireMessage *message, int *fd) {
        switch (message->kind) {
        case WIRE_KEEP_MEMORY:
                table_keep_memory(&k->table, message->slot, fd);
                break;
        case WIRE_KEEP_HOLDER:
                table_keep_holder(&k->table, message->slot, fd);
                break;
        case WIRE_KEEP_STDIN:
                table_keep_stdin(&k->table, message, fd);
                break;
        case WIRE_KEEP_SOCKETS:
                table_keep_sockets(&k->table, message->slot, fd);
                break;
        case WIRE_KEEP_LEDGER:
                table_keep_ledger(&k->table, fd);
                break;
        default:
                break;
        }
}

static void on_message(Keeper *k, const WireMessage *message, int *fds, size_t n_fds) {
        int none = -1;

        if (message->slot >= WIRE_SLOTS_MAX)
                return;
        switch (message->kind) {
        case WIRE_SPAWN:
                on_spawn(k, message, fds, n_fds);
                break;
        case WIRE_ACKNOWLEDGE:
                table_acknowledge(&k->table, message);
                break;
        case WIRE_RELEASE:
                table_release(&k->table, message);
                break;
        case WIRE_DROP_HOLDER:
                table_keep_holder(&k->table, message->slot, &none);
                break;
        case WIRE_DROP_STDIN:
                table_keep_stdin(&k->table, message, &none);
                break;
        case WIRE_DROP_SOCKETS:
                table_keep_sockets(&k->table, message->slot, &none);
                break;
        case WIRE_READY:
                brain_record_ready(&k->record);
                notify_send(k->setup->notify_socket, "READY=1");
                break;
        case WIRE_SUMMARY:
                notify_send_summary(k->setup->notify_socket, message->code, message->status,
                                    k->record.safe);
                break;
        case WIRE_TERMINATE:
                begin_terminate(k);
                break;
        case WIRE_UPGRADE:
                upgrade(k);
                break;
        default:
                /* Without it (we ran out of descriptors) what is kept already is better. */
                if (n_fds == 1)
                        on_keep(k, message, fds);
        }
}

/* Answers as wire_receive(), of the last message. */
static int receive(Keeper *k, int socket_fd) {
        WireMessage message = { 0 };
        int fds[WIRE_FDS_MAX], r;
        size_t n_fds = 0;

        r = wire_receive(socket_fd, &message, fds, &n_fds);
        if (r > 0) {
                watchdog_feed(&k->watchdog, now_msec());
                on_message(k, &message, fds, n_fds);
                wire_close_fds(fds, n_fds);
        }
        return r;
}

static void on_brain_socket(Keeper *k) {
        int r = 1;

        for (int i = 0; i < RECEIVE_MAX && r > 0 && k->post.socket_fd >= 0; i++)
                r = receive(k, k->post.socket_fd);
        /* The other end is closed but its process lives: only its death is an event for us. */
        if (r == 0)
                post_unwatch(&k->post);
        else if (k->post.waits)
                post_tell_all(&k->post);
}

/*
 * What a brain has ordered is obeyed, be it dead: its successor counts on that. Whoever else may
 * have its end of the socket is not waited for.
 */
static void obey_the_dead(Keeper *k) {
        _cleanup_close_ int socket_fd = post_close(&k->post);
        int r;

        do
                r = receive(k, socket_fd);
        while (r > 0 || r == -EBADMSG);
}

/* The brain's life */

static void start_brain(Keeper *k) {
        _cleanup_close_ int own_end = -1, brain_end = -1;
        uint64_t now = now_msec();
        int r, pair[2];

        k->start_at = now + BRAIN_RESTART_DELAY_MSEC; /* if this comes to nothing */
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
                say("cannot make a socket for the brain (errno %d), trying again", errno);
                return;
        }
        own_end = pair[0];
        brain_end = pair[1];
        k->oom_kills = brain_count_oom_kills();
        r = brain_start(k->setup->brain_argv, brain_end, &k->brain_pid);
        if (r < 0) {
                say("cannot fork the brain (errno %d), trying again", -r);
                return;
        }
        brain_record_start(&k->record);
        watchdog_feed(&k->watchdog, now);
        post_open(&k->post, TAKE_FD(own_end),
                  (k->record.was_ready ? 0 : WIRE_HELLO_FIRST) |
                          (k->record.safe ? WIRE_HELLO_SAFE : 0));
        if (k->terminating)
                post_terminate(&k->post);
}

/* One round; is_all_ended() sees when it has come to its end. */
static void end_everything(const Keeper *k) {
        if (k->setup->containment)
                (void) containment_kill(k->setup->containment);
        for (size_t i = 0; i < k->table.n_entries; i++) {
                const Entry *entry = &k->table.entries[i];

                if (entry->state != ENTRY_RUNNING)
                        continue;
                /* Not reaped, so the pid is theirs; a main may have left its cgroup. */
                (void) kill(entry->pid, entry->is_guarded ? SIGTERM : SIGKILL);
                (void) kill(entry->pid, SIGCONT);
        }
}

static void begin_ending(Keeper *k) {
        k->ending = true;
        if (k->setup->containment)
                watch(k, k->setup->containment->events_fd, EPOLLPRI, EVENT_TREES);
        end_everything(k);
}

static const char *what_follows(const Keeper *k) {
        switch (k->verdict) {
        case BRAIN_GIVE_UP:
                return "giving up";
        case BRAIN_AGAIN_LATER:
                return "starting the next in a second";
        default:
                return k->record.safe ? "starting the next in safe mode" : "starting the next";
        }
}

static void on_brain_death(Keeper *k, int code, int status) {
        BrainDeath death = {
                .code = code,
                .status = status,
                .oom = brain_count_oom_kills() > k->oom_kills,
                .now_msec = now_msec(),
        };

        k->brain_pid = 0;
        obey_the_dead(k);
        k->verdict = brain_record_death(&k->record, &death);
        k->start_at = death.now_msec;
        if (k->verdict == BRAIN_AGAIN_LATER)
                k->start_at += BRAIN_RESTART_DELAY_MSEC;
        if (k->verdict != BRAIN_ALL_OVER)
                say("the brain ended (%s %d): %s", code == CLD_EXITED ? "exit code" : "signal",
                    status, what_follows(k));
        if (k->verdict == BRAIN_ALL_OVER || k->verdict == BRAIN_GIVE_UP)
                begin_ending(k);
}

static void look_after_brain(Keeper *k) {
        switch (watchdog_look(&k->watchdog, now_msec())) {
        case WATCHDOG_ASK:
                post_ping(&k->post);
                break;
        case WATCHDOG_HUNGRY:
                say("the brain has said nothing for a minute and more: killing it");
                k->record.is_hungry = true;
                kill_brain(k);
                break;
        default:
                break;
        }
}

/* Reaping */

/* Its pair may have been read by a brain that is dead, so what it knew is the entry's now. */
static void on_guardian_end(Keeper *k, Entry *entry, const siginfo_t *info) {
        const GuardianFacts *facts = &k->table.guardian_facts[table_slot(&k->table, entry)];

        if (facts->has_exec)
                entry_set_exec(entry, facts->exec_error);
        entry->code = facts->code;
        entry->status = facts->status;
        if (info->si_code == CLD_EXITED && info->si_status == 0) {
                entry_set_ended(entry, facts->code, facts->status);
                return;
        }
        /* Any other end of a guardian is no proof, and what it had is ours now. */
        entry->state = ENTRY_LOST;
        k->strangers = true;
}

static void on_child_end(Keeper *k, const siginfo_t *info) {
        Entry *entry = table_find_running(&k->table, info->si_pid);

        if (info->si_pid == k->brain_pid) {
                on_brain_death(k, info->si_code, info->si_status);
                return;
        }
        if (!entry) {
                /* An orphan. With cgroups its tree's end is its own; else a guardian has died. */
                k->strangers = k->strangers || !k->setup->containment;
                return;
        }
        table_read_last_exec_result(&k->table, entry);
        if (entry->is_guarded)
                on_guardian_end(k, entry, info);
        else
                entry_set_ended(entry, info->si_code, info->si_status);
        post_tell_entry(&k->post, entry);
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

        return pid == k->brain_pid || table_find_running(&k->table, pid) ||
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
        for (size_t i = 0; i < k->table.n_entries; i++) {
                Entry *entry = &k->table.entries[i];

                if (entry->state != ENTRY_LOST)
                        continue;
                entry_set_ended(entry, entry->code, entry->status);
                post_tell_entry(&k->post, entry);
        }
}

/* The loop */

static bool is_all_ended(const Keeper *k) {
        if (k->setup->containment && containment_is_populated(k->setup->containment))
                return false;
        for (size_t i = 0; i < k->table.n_entries; i++)
                if (k->table.entries[i].state == ENTRY_RUNNING ||
                    k->table.entries[i].state == ENTRY_LOST)
                        return false;

        return !k->strangers;
}

/* Answers whether all is over. */
static bool keeper_step(Keeper *k) {
        if (k->strangers)
                end_strangers(k);
        if (k->ending)
                return is_all_ended(k);
        if (k->brain_pid == 0 && now_msec() >= k->start_at)
                start_brain(k);
        return false;
}

static int next_timeout(const Keeper *k) {
        uint64_t now;

        if (k->reap_more)
                return 0;
        if (k->post.retry)
                return RETRY_MSEC;
        if (k->strangers || k->ending)
                return KILL_PAUSE_MSEC;
        now = now_msec();
        if (k->brain_pid != 0)
                return (int) watchdog_wait_msec(&k->watchdog, now);
        return k->start_at > now ? (int) (k->start_at - now) : 0;
}

/* Only now, when nothing is left to be read, is silence silence. */
static void on_timeout(Keeper *k) {
        if (k->ending)
                end_everything(k);
        else if (k->brain_pid != 0)
                look_after_brain(k);
}

static void on_signal(Keeper *k) {
        struct signalfd_siginfo info;

        while (read(k->signal_fd, &info, sizeof(info)) == sizeof(info))
                switch (info.ssi_signo) {
                case SIGCHLD:
                        break;
                case SIGHUP:
                        upgrade(k);
                        break;
                default:
                        begin_terminate(k);
                }
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
                table_read_exec_result(&k->table, &k->table.entries[event->data.u32]);
                post_tell_entry(&k->post, &k->table.entries[event->data.u32]);
        }
}

static int keeper_open(Keeper *k) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (k->signal_fd < 0 || k->epoll_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                return -errno;

        watch(k, k->signal_fd, EPOLLIN, EVENT_SIGNAL);
        k->post = (Post){
                .epoll_fd = k->epoll_fd,
                .event = EVENT_BRAIN,
                .table = &k->table,
                .socket_fd = -1,
        };
        return table_open(&k->table, k->epoll_fd);
}

int keeper_run(const KeeperSetup *setup) {
        static Keeper keeper; /* its pages are touched only as far as slots are used */
        Keeper *k = &keeper;
        struct epoll_event events[16];
        int r;

        k->setup = setup;
        r = keeper_open(k);
        if (r < 0) {
                say("cannot set up signals, events and the ledger (errno %d)", -r);
                return EXIT_FAILURE;
        }

        while (!keeper_step(k)) {
                int n = epoll_wait(k->epoll_fd, events, ELEMENTSOF(events), next_timeout(k));

                if (n == 0)
                        on_timeout(k);
                if (k->post.retry)
                        post_tell_all(&k->post);
                if (k->reap_more)
                        reap(k);
                for (int i = 0; i < n; i++)
                        dispatch(k, &events[i]);
        }
        /* Else the last one would stand there for as long as the unit is down. */
        notify_send(setup->notify_socket, "STATUS=");
        return k->verdict == BRAIN_GIVE_UP ? EXIT_FAILURE : EXIT_SUCCESS;
}
