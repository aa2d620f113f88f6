/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tree: its news
 *
 * With a cgroup, the proof of emptiness is populated 0, read at once at the main's end and then
 * whenever the kernel says that it has changed. Under a guardian the news of the main comes on
 * the guardian's pair, and the proof is the guardian's end as the keeper tells it.
 *
 * The same news may come more than once: in the table and after it, read by an earlier brain and
 * resent. So each is taken only in the state that it ends. The keeper is told to forget a
 * generation when the observer knows that nothing of it is left, and not before: until then the
 * next brain is told all of it again.
 */

#include <sys/epoll.h>

#include "io/tree-news.h"
#include "util/crashpoint.h"

#define EXEC_NOT_KNOWN (-1)

void tree_forget_cgroup(Tree *tree) {
        tree->events_source = sd_event_source_disable_unref(tree->events_source);
        tree->cgroup = cgroup_free(tree->cgroup);
}

void tree_forget_guardian(Tree *tree) {
        tree->guardian_source = sd_event_source_disable_unref(tree->guardian_source);
        tree->guardian_fd = safe_close(tree->guardian_fd);
        tree->guardian_pid = 0;
}

void tree_acknowledge(Tree *tree) {
        WireMessage message = {
                .kind = WIRE_ACKNOWLEDGE,
                .slot = tree->slot,
                .generation = tree->generation,
        };

        if (!TAKE(tree->owes_acknowledge, false))
                return;
        (void) keeper_client_send(tree->client, &message, NULL, 0);
        CRASHPOINT("acknowledged");
}

static void settle_empty(Tree *tree) {
        if (tree->events_source)
                (void) sd_event_source_set_enabled(tree->events_source, SD_EVENT_OFF);
        tree->state = TREE_EMPTY;
        tree->owes_acknowledge = true;
        tree->observer->on_emptied(tree->userdata);
        tree_acknowledge(tree);
}

/* A guest is told of by itself, even where its cgroup is within the tree's. */
static bool has_guest(const Tree *tree) {
        const Tree *guest = guests_tree(tree->guests);

        return guest && guest->state != TREE_EMPTY;
}

/* Nobody can be in a directory that is gone: the kernel removes no other. */
void tree_settle_if_empty(Tree *tree) {
        if (tree->state == TREE_LEFTOVERS && tree->guardian_pid == 0 && !has_guest(tree) &&
            (!tree->cgroup || cgroup_is_populated(tree->cgroup) == 0))
                settle_empty(tree);
}

static int on_cgroup_events(_unused_ sd_event_source *source,
                            _unused_ int fd,
                            _unused_ uint32_t revents,
                            void *userdata) {
        tree_settle_if_empty(userdata);
        return 0;
}

/* The source is off while a main process is there: its end is told by the keeper. */
static void watch_leftovers(Tree *tree) {
        if (tree->events_source)
                (void) sd_event_source_set_enabled(tree->events_source, SD_EVENT_ON);
        else if (tree->cgroup)
                (void) sd_event_add_io(keeper_client_event(tree->client), &tree->events_source,
                                       cgroup_events_fd(tree->cgroup), EPOLLPRI, on_cgroup_events,
                                       tree);
        tree_settle_if_empty(tree);
}

static void on_forked(Tree *tree, pid_t pid, int *pidfd) {
        if (tree->state != TREE_REQUESTED)
                return;
        tree->state = TREE_RUNNING;
        tree->exec_was_told = false;
        tree->main_pidfd = TAKE_FD(*pidfd);
        if (tree->awaited_signal != 0)
                (void) tree_signal_main(tree, TAKE(tree->awaited_signal, 0));
        tree->observer->on_forked(tree->userdata, pid);
}

static void on_fork_failed(Tree *tree, int error) {
        if (tree->state != TREE_REQUESTED)
                return;
        tree->state = TREE_EMPTY;
        tree->observer->on_fork_failed(tree->userdata, error);
        tree_acknowledge(tree);
}

static void on_exec(Tree *tree, int error) {
        if (tree->state != TREE_RUNNING || tree->exec_was_told)
                return;
        tree->exec_was_told = true;
        tree->observer->on_exec(tree->userdata, error);
}

static void on_main_exited(Tree *tree, int code, int status) {
        if (tree->state != TREE_RUNNING)
                return;
        tree->state = TREE_LEFTOVERS;
        tree->main_pidfd = safe_close(tree->main_pidfd);
        tree->observer->on_exited(tree->userdata, code, status);
        tree_end_guests(tree);
}

static void on_guardian_message(Tree *tree, const WireMessage *message, int *pidfd) {
        switch (message->kind) {
        case WIRE_FORKED:
                on_forked(tree, message->pid, pidfd);
                break;
        case WIRE_FORK_FAILED:
                /* Told when the guardian has ended too: only then the slot is free again. */
                tree->fork_error = message->error;
                break;
        case WIRE_EXEC:
                on_exec(tree, message->error);
                break;
        case WIRE_EXITED:
                on_main_exited(tree, message->code, message->status);
                break;
        default:
                break;
        }
}

static int
on_guardian(sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents, void *userdata) {
        Tree *tree = userdata;
        int fds[WIRE_FDS_MAX] = { -1 }, r;
        WireMessage message = { 0 };
        size_t n_fds = 0;

        while ((r = wire_receive(tree->guardian_fd, &message, fds, &n_fds)) > 0) {
                if (message.generation == tree->generation)
                        on_guardian_message(tree, &message, fds);
                wire_close_fds(fds, n_fds);
        }
        if (r != -EAGAIN)
                tree->guardian_source = sd_event_source_disable_unref(tree->guardian_source);
        else if (source)
                (void) sd_event_source_set_priority(source, SD_EVENT_PRIORITY_NORMAL);
        return 0;
}

static void start_guarded(Tree *tree, const WireMessage *message, int *pair_fd) {
        if (tree->state != TREE_REQUESTED || tree->guardian_pid != 0)
                return;
        /* A cgroup was asked for, and its tree is not born in it. */
        if (tree->cgroup) {
                (void) cgroup_remove(tree->cgroup);
                tree_forget_cgroup(tree);
                keeper_client_drop_cgroups(tree->client);
        }
        tree->fork_error = 0;
        tree->exec_error = EXEC_NOT_KNOWN;
        tree->guardian_pid = message->pid;
        tree->guardian_fd = TAKE_FD(*pair_fd);
        (void) sd_event_add_io(keeper_client_event(tree->client), &tree->guardian_source,
                               tree->guardian_fd, EPOLLIN, on_guardian, tree);
}

/* What an earlier brain has read from the pair of a guardian that cannot be asked any more. */
static void tell_what_the_keeper_knows(Tree *tree, int code, int status) {
        int no_pidfd = -1;

        if (tree->exec_error != EXEC_NOT_KNOWN || code != 0)
                on_forked(tree, 0, &no_pidfd);
        if (tree->exec_error != EXEC_NOT_KNOWN)
                on_exec(tree, tree->exec_error);
        on_main_exited(tree, code, status);
}

/* All that it had to say is in its pair, and is told before its end is taken for the proof. */
static void on_guardian_end(Tree *tree, const WireMessage *message) {
        /* To a keeper of version 1 it is the guardian itself that ended with this code. */
        bool is_mains = keeper_client_has_table(tree->client);

        (void) on_guardian(NULL, -1, 0, tree);
        tree_forget_guardian(tree);
        tell_what_the_keeper_knows(tree, is_mains ? message->code : 0,
                                   is_mains ? message->status : 0);
        if (tree->state == TREE_REQUESTED) {
                tree->owes_acknowledge = true;
                on_fork_failed(tree, tree->fork_error > 0 ? tree->fork_error : EIO);
        } else
                tree_settle_if_empty(tree);
}

static void on_guarded_news(Tree *tree, const WireMessage *message) {
        if (message->kind == WIRE_EXEC)
                tree->exec_error = message->error;
        else if (message->kind == WIRE_EXITED)
                on_guardian_end(tree, message);
}

static void on_unguarded_news(Tree *tree, const WireMessage *message, int *fd) {
        switch (message->kind) {
        case WIRE_FORKED:
                on_forked(tree, message->pid, fd);
                break;
        case WIRE_GUARDIAN:
                start_guarded(tree, message, fd);
                break;
        case WIRE_FORK_FAILED:
                on_fork_failed(tree, message->error);
                break;
        case WIRE_EXEC:
                on_exec(tree, message->error);
                break;
        case WIRE_EXITED:
                on_main_exited(tree, message->code, message->status);
                watch_leftovers(tree);
                break;
        default:
                break;
        }
}

void tree_on_news(const WireMessage *message, int descriptor, void *userdata) {
        _cleanup_close_ int fd = descriptor;
        Tree *tree = userdata;

        if (message->generation != tree->generation || tree->state == TREE_EMPTY)
                return;
        if (tree->guardian_pid != 0)
                on_guarded_news(tree, message);
        else
                on_unguarded_news(tree, message, &fd);
}
