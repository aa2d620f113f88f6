/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tree
 *
 * With a cgroup, the proof of emptiness is populated 0, read at once at the main's end and then
 * whenever the kernel says that it has changed. Under a guardian the news of the main comes on
 * the guardian's pair, and the proof is the guardian's end as the keeper tells it.
 */

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "io/cgroup.h"
#include "io/keeper-wire-client.h"
#include "io/payload.h"
#include "io/processes.h"
#include "io/tree.h"

#define NSEC_PER_USEC 1000

typedef enum TreeState {
        TREE_EMPTY,
        TREE_REQUESTED, /* the keeper was asked */
        TREE_RUNNING,   /* a main process exists */
        TREE_LEFTOVERS, /* it was reaped, what came from it may be there */
} TreeState;

struct Tree {
        KeeperClient *client;
        char *name;
        const TreeObserver *observer;
        void *userdata;
        uint32_t slot;
        TreeState state;
        uint64_t generation;
        pid_t main_pid;
        int main_pidfd;
        Cgroup *cgroup; /* NULL: none was made yet, or guardians contain */
        sd_event_source *events_source;
        pid_t guardian_pid; /* 0: none */
        int guardian_fd;
        sd_event_source *guardian_source;
        int fork_error; /* what a guardian said that is still there itself */
};

static void on_news(const WireMessage *message, int descriptor, void *userdata);

int tree_new(Tree **ret,
             KeeperClient *client,
             const char *name,
             const TreeObserver *observer,
             void *userdata) {
        _cleanup_(tree_freep) Tree *tree = NULL;
        int r;

        tree = calloc(1, sizeof(*tree));
        if (!tree)
                return -ENOMEM;
        tree->observer = observer;
        tree->userdata = userdata;
        tree->main_pidfd = tree->guardian_fd = -1;
        tree->name = strdup(name);
        if (!tree->name)
                return -ENOMEM;
        r = keeper_client_claim_slot(client, on_news, tree, &tree->slot);
        if (r < 0)
                return r;
        tree->client = client;
        *ret = TAKE_PTR(tree);
        return 0;
}

static void forget_cgroup(Tree *tree) {
        tree->events_source = sd_event_source_disable_unref(tree->events_source);
        tree->cgroup = cgroup_free(tree->cgroup);
}

static void forget_guardian(Tree *tree) {
        tree->guardian_source = sd_event_source_disable_unref(tree->guardian_source);
        tree->guardian_fd = safe_close(tree->guardian_fd);
        tree->guardian_pid = 0;
}

Tree *tree_free(Tree *tree) {
        if (!tree)
                return NULL;

        if (tree->client)
                keeper_client_release_slot(tree->client, tree->slot);
        if (tree->cgroup)
                (void) cgroup_remove(tree->cgroup);
        forget_cgroup(tree);
        forget_guardian(tree);
        safe_close(tree->main_pidfd);
        free(tree->name);
        free(tree);
        return NULL;
}

/* News */

static void settle_empty(Tree *tree) {
        if (tree->events_source)
                (void) sd_event_source_set_enabled(tree->events_source, SD_EVENT_OFF);
        tree->state = TREE_EMPTY;
        tree->observer->on_emptied(tree->userdata);
}

static void settle_if_empty(Tree *tree) {
        if (tree->state == TREE_LEFTOVERS && cgroup_is_populated(tree->cgroup) == 0)
                settle_empty(tree);
}

static int on_cgroup_events(_unused_ sd_event_source *source,
                            _unused_ int fd,
                            _unused_ uint32_t revents,
                            void *userdata) {
        settle_if_empty(userdata);
        return 0;
}

/* The source is off while a main process is there: its end is told by the keeper. */
static void watch_leftovers(Tree *tree) {
        if (!tree->events_source)
                (void) sd_event_add_io(keeper_client_event(tree->client), &tree->events_source,
                                       cgroup_events_fd(tree->cgroup), EPOLLPRI, on_cgroup_events,
                                       tree);
        else
                (void) sd_event_source_set_enabled(tree->events_source, SD_EVENT_ON);
        settle_if_empty(tree);
}

static void on_forked(Tree *tree, const WireMessage *message, int *pidfd) {
        tree->state = TREE_RUNNING;
        tree->main_pid = message->pid;
        tree->main_pidfd = TAKE_FD(*pidfd);
        tree->observer->on_forked(tree->userdata, tree->main_pid);
}

static void on_fork_failed(Tree *tree, int error) {
        tree->state = TREE_EMPTY;
        tree->observer->on_fork_failed(tree->userdata, error);
}

static void on_main_exited(Tree *tree, int code, int status) {
        tree->state = TREE_LEFTOVERS;
        tree->main_pid = 0;
        tree->main_pidfd = safe_close(tree->main_pidfd);
        tree->observer->on_exited(tree->userdata, code, status);
}

static void on_guardian_message(Tree *tree, const WireMessage *message, int *pidfd) {
        switch (message->kind) {
        case WIRE_FORKED:
                on_forked(tree, message, pidfd);
                break;
        case WIRE_FORK_FAILED:
                /* Told when the guardian has ended too: only then the slot is free again. */
                tree->fork_error = message->error;
                break;
        case WIRE_EXEC:
                tree->observer->on_exec(tree->userdata, message->error);
                break;
        case WIRE_EXITED:
                on_main_exited(tree, message->code, message->status);
                break;
        default:
                break;
        }
}

static int on_guardian(_unused_ sd_event_source *source,
                       _unused_ int fd,
                       _unused_ uint32_t revents,
                       void *userdata) {
        Tree *tree = userdata;
        int fds[WIRE_FDS_MAX], r;
        WireMessage message = { 0 };
        size_t n_fds = 0;

        while ((r = wire_receive(tree->guardian_fd, &message, fds, &n_fds)) > 0) {
                if (message.generation == tree->generation)
                        on_guardian_message(tree, &message, fds);
                wire_close_fds(fds, n_fds);
        }
        if (r != -EAGAIN)
                tree->guardian_source = sd_event_source_disable_unref(tree->guardian_source);
        return 0;
}

static void start_guarded(Tree *tree, const WireMessage *message, int *pair_fd) {
        /* A cgroup was asked for, and its tree is not born in it. */
        if (tree->cgroup) {
                (void) cgroup_remove(tree->cgroup);
                forget_cgroup(tree);
                keeper_client_drop_cgroups(tree->client);
        }
        tree->fork_error = 0;
        tree->guardian_pid = message->pid;
        tree->guardian_fd = TAKE_FD(*pair_fd);
        (void) sd_event_add_io(keeper_client_event(tree->client), &tree->guardian_source,
                               tree->guardian_fd, EPOLLIN, on_guardian, tree);
}

static void acknowledge(Tree *tree) {
        WireMessage message = {
                .kind = WIRE_ACKNOWLEDGE,
                .slot = tree->slot,
                .generation = tree->generation,
        };

        (void) keeper_client_send(tree->client, &message, NULL, 0);
}

/* All that it had to say is in its pair, and is told before its end is taken for the proof. */
static void on_guardian_end(Tree *tree) {
        (void) on_guardian(NULL, -1, 0, tree);
        forget_guardian(tree);
        acknowledge(tree);
        if (tree->state == TREE_RUNNING)
                on_main_exited(tree, 0, 0);
        if (tree->state == TREE_REQUESTED)
                on_fork_failed(tree, tree->fork_error > 0 ? tree->fork_error : EIO);
        else
                settle_empty(tree);
}

static void on_news(const WireMessage *message, int descriptor, void *userdata) {
        _cleanup_close_ int fd = descriptor;
        Tree *tree = userdata;

        if (message->generation != tree->generation || tree->state == TREE_EMPTY)
                return;
        switch (message->kind) {
        case WIRE_FORKED:
                on_forked(tree, message, &fd);
                break;
        case WIRE_GUARDIAN:
                start_guarded(tree, message, &fd);
                break;
        case WIRE_FORK_FAILED:
                on_fork_failed(tree, message->error);
                break;
        case WIRE_EXEC:
                tree->observer->on_exec(tree->userdata, message->error);
                break;
        case WIRE_EXITED:
                if (tree->guardian_pid != 0) {
                        on_guardian_end(tree);
                        break;
                }
                on_main_exited(tree, message->code, message->status);
                acknowledge(tree);
                watch_leftovers(tree);
                break;
        default:
                break;
        }
}

/* Orders */

static int prepare_cgroup(Tree *tree) {
        char leaf[NAME_MAX + 1];
        int r;

        if (keeper_client_trees_fd(tree->client) < 0 ||
            (tree->cgroup && cgroup_is_pristine(tree->cgroup)))
                return 0;
        if (tree->cgroup) {
                r = cgroup_remove(tree->cgroup);
                if (r < 0)
                        return r;
                forget_cgroup(tree);
        }
        (void) snprintf(leaf, sizeof(leaf), "%u-%.200s", tree->slot, tree->name);
        return cgroup_new(&tree->cgroup, keeper_client_trees_fd(tree->client),
                          keeper_client_trees_cgroup(tree->client), leaf);
}

int tree_spawn(Tree *tree, const SpawnSpec *spec) {
        _cleanup_close_ int payload_fd = -1;
        WireMessage message = {
                .kind = WIRE_SPAWN,
                .slot = tree->slot,
                .generation = spec->generation,
        };
        int fds[WIRE_FDS_MAX], r;
        size_t n_fds = 0;

        if (tree->state != TREE_EMPTY)
                return -EBUSY;
        if (spec->generation == 0)
                return -EINVAL;
        r = prepare_cgroup(tree);
        if (r < 0)
                return r;
        r = payload_new(spec, &payload_fd);
        if (r < 0)
                return r;

        fds[n_fds++] = payload_fd;
        fds[n_fds++] = spec->stdout_fd;
        fds[n_fds++] = spec->stderr_fd;
        if (spec->stdin_fd >= 0) {
                message.flags |= WIRE_SPAWN_STDIN;
                fds[n_fds++] = spec->stdin_fd;
        }
        if (tree->cgroup) {
                message.flags |= WIRE_SPAWN_CGROUP;
                fds[n_fds++] = cgroup_fd(tree->cgroup);
        }
        r = keeper_client_send(tree->client, &message, fds, n_fds);
        if (r < 0)
                return r;
        tree->generation = spec->generation;
        tree->state = TREE_REQUESTED;
        if (tree->cgroup)
                cgroup_mark(tree->cgroup);
        return 0;
}

int tree_signal_main(Tree *tree, int signal) {
        return tree->main_pidfd < 0 ? -ESRCH : pidfd_signal_and_continue(tree->main_pidfd, signal);
}

static int list_pids(const Tree *tree, PidList *list) {
        if (tree->guardian_pid != 0)
                return pid_list_add_descendants(list, tree->guardian_pid);
        if (tree->cgroup)
                return cgroup_list_pids(tree->cgroup, list);
        return 0;
}

/* Its end of the pair closes before its pid can come to mean another process. */
static bool is_guardian_there(const Tree *tree) {
        struct pollfd pair = { .fd = tree->guardian_fd };

        return poll(&pair, 1, 0) == 0;
}

static bool belongs(pid_t pid, void *userdata) {
        const Tree *tree = userdata;

        if (tree->guardian_pid != 0)
                return process_descends_from(pid, tree->guardian_pid) && is_guardian_there(tree);
        return cgroup_has(tree->cgroup, pid);
}

int tree_signal_all(Tree *tree, int signal) {
        _cleanup_(pid_list_done) PidList list = { 0 };
        int r;

        /* As most often when a main has ended: one read instead of a walk through directories. */
        if (tree->cgroup && cgroup_is_populated(tree->cgroup) == 0)
                return 0;
        r = list_pids(tree, &list);
        if (r < 0)
                return r;
        return pid_list_signal(&list, signal, belongs, tree);
}

int tree_kill(Tree *tree) {
        WireMessage message = { .kind = WIRE_KILL, .slot = tree->slot };
        int r;

        if (tree->guardian_pid != 0) {
                r = wire_send(tree->guardian_fd, &message, NULL, 0);
                /* No room: it has not read the last one yet. No reader: it is about to end. */
                return r == -EAGAIN || r == -EPIPE ? 0 : r;
        }
        return tree->cgroup ? cgroup_kill(tree->cgroup) : 0;
}

int tree_list_pids(const Tree *tree, pid_t **ret) {
        _cleanup_(pid_list_done) PidList list = { 0 };
        int r;

        r = list_pids(tree, &list);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list.pids);
        return (int) list.n;
}

const char *tree_cgroup(const Tree *tree) {
        return tree->cgroup ? cgroup_path(tree->cgroup) : NULL;
}

int tree_memory_bytes(const Tree *tree, uint64_t *ret) {
        return tree->cgroup ? cgroup_read_number(tree->cgroup, "memory.current", NULL, ret)
                            : -ENODATA;
}

int tree_cpu_nsec(const Tree *tree, uint64_t *ret) {
        uint64_t usec;
        int r;

        if (!tree->cgroup)
                return -ENODATA;
        r = cgroup_read_number(tree->cgroup, "cpu.stat", "usage_usec", &usec);
        if (r >= 0)
                *ret = usec * NSEC_PER_USEC;
        return r;
}
