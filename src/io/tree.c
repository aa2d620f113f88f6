/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tree: its life, and orders
 *
 * A tree that an earlier brain has spawned is taken up by telling its news once more, from what
 * the keeper has kept. What comes of orders is in tree-news.c.
 */

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/payload.h"
#include "io/processes.h"
#include "io/tree-news.h"
#include "util/crashpoint.h"

#define NSEC_PER_USEC 1000

/* It has no slot yet. */
static int make_tree(Tree **ret, const char *name, const TreeObserver *observer, void *userdata) {
        _cleanup_(tree_freep) Tree *tree = calloc(1, sizeof(*tree));

        if (!tree)
                return -ENOMEM;
        tree->observer = observer;
        tree->userdata = userdata;
        tree->main_pidfd = tree->guardian_fd = -1;
        tree->name = name ? strdup(name) : NULL;
        if (name && !tree->name)
                return -ENOMEM;
        *ret = TAKE_PTR(tree);
        return 0;
}

int tree_new(Tree **ret,
             KeeperClient *client,
             const char *name,
             const TreeObserver *observer,
             void *userdata) {
        _cleanup_(tree_freep) Tree *tree = NULL;
        int r;

        r = make_tree(&tree, name, observer, userdata);
        if (r < 0)
                return r;
        r = keeper_client_claim_slot(client, tree_on_news, tree, &tree->slot);
        if (r < 0)
                return r;
        tree->client = client;
        *ret = TAKE_PTR(tree);
        return 0;
}

int tree_new_guest(Tree **ret, Tree *host, const TreeObserver *observer, void *userdata) {
        _cleanup_(tree_freep) Tree *tree = NULL;
        int r;

        r = make_tree(&tree, NULL, observer, userdata);
        if (r < 0)
                return r;
        r = keeper_client_claim_guest_slot(host->client, tree_on_news, tree, &tree->slot);
        if (r < 0)
                return r;
        tree->client = host->client;
        *ret = TAKE_PTR(tree);
        return 0;
}

int tree_new_at(Tree **ret,
                KeeperClient *client,
                const char *name,
                uint32_t slot,
                const TreeObserver *observer,
                void *userdata) {
        _cleanup_(tree_freep) Tree *tree = NULL;
        KeptSlot *kept;
        int r;

        r = keeper_client_find_kept_slot(client, slot, &kept);
        if (r != -ENOENT || slot >= WIRE_SLOTS_MAX)
                return -EBUSY;
        r = make_tree(&tree, name, observer, userdata);
        if (r < 0)
                return r;

        keeper_client_claim_kept_slot(client, slot, tree_on_news, tree);
        tree->client = client;
        tree->slot = slot;
        *ret = TAKE_PTR(tree);
        return 0;
}

static void give_back(Tree *tree) {
        tree_acknowledge(tree);
        keeper_client_release_slot(tree->client, tree->slot);
        CRASHPOINT("slot-released");
        if (tree->cgroup)
                (void) cgroup_remove(tree->cgroup);
}

Tree *tree_free(Tree *tree) {
        if (!tree)
                return NULL;

        (void) guests_free(tree->guests);
        if (tree->client && tree->state == TREE_EMPTY)
                give_back(tree);
        else if (tree->client)
                keeper_client_leave_slot(tree->client, tree->slot);
        tree_forget_cgroup(tree);
        tree_forget_guardian(tree);
        safe_close(tree->main_pidfd);
        free(tree->name);
        free(tree);
        return NULL;
}

/* Adoption */

static void leaf_prefix(char ret[static NAME_MAX + 1], uint32_t slot) {
        (void) snprintf(ret, NAME_MAX + 1, "%u-", slot);
}

static void leaf_name(char ret[static NAME_MAX + 1], uint32_t slot, const char *name) {
        (void) snprintf(ret, NAME_MAX + 1, "%u-%.200s", slot, name);
}

/* Where a guardian contains, or nothing was ever spawned, there is none. */
static int find_cgroup(Tree *tree, const KeeperClient *client, uint32_t slot) {
        int trees_fd = keeper_client_trees_fd(client), r = 0;
        char leaf[NAME_MAX + 1], prefix[NAME_MAX + 1];

        if (trees_fd < 0)
                return 0;
        leaf_prefix(prefix, slot);
        if (tree->name)
                leaf_name(leaf, slot, tree->name);
        else
                r = cgroup_find_leaf(trees_fd, prefix, leaf);
        if (r >= 0)
                r = cgroup_open(&tree->cgroup, trees_fd, keeper_client_trees_cgroup(client), leaf);
        return r == -ENOENT ? 0 : r;
}

static bool is_there(const KeptSlot *kept, uint64_t generation) {
        return kept->entry.flags & WIRE_ENTRY_THERE && kept->entry.generation == generation;
}

static bool is_another_alive(const KeptSlot *kept, uint64_t generation) {
        return kept->entry.flags & WIRE_ENTRY_THERE && !(kept->entry.flags & WIRE_ENTRY_ENDED) &&
               kept->entry.generation != generation;
}

int tree_adopt(Tree **ret,
               KeeperClient *client,
               const char *name,
               uint32_t slot,
               uint64_t generation,
               const TreeObserver *observer,
               void *userdata) {
        _cleanup_(tree_freep) Tree *tree = NULL;
        KeptSlot *kept = NULL;
        int r;

        r = keeper_client_find_kept_slot(client, slot, &kept);
        if (r < 0)
                return r;
        if (is_another_alive(kept, generation))
                return -EBUSY;
        r = make_tree(&tree, name, observer, userdata);
        if (r < 0)
                return r;
        r = find_cgroup(tree, client, slot);
        if (r < 0)
                return r;
        guests_end_former(tree);

        keeper_client_claim_kept_slot(client, slot, tree_on_news, tree);
        tree->client = client;
        tree->slot = slot;
        tree->generation = generation;
        tree->state = is_there(kept, generation) ? TREE_REQUESTED : TREE_EMPTY;
        *ret = TAKE_PTR(tree);
        return 0;
}

void tree_take_kept(Tree *tree, TreeKept *ret) {
        KeptSlot *kept = keeper_client_kept_slot(tree->client, tree->slot);

        *ret = (TreeKept){ -1, -1, -1, -1, -1 };
        if (!kept)
                return;
        ret->memory_fd = TAKE_FD(kept->memory_fd);
        if (is_there(kept, tree->generation)) {
                ret->stdout_fd = TAKE_FD(kept->stdout_fd);
                ret->stderr_fd = TAKE_FD(kept->stderr_fd);
                ret->notify_fd = TAKE_FD(kept->notify_fd);
                ret->stdin_fd = TAKE_FD(kept->stdin_fd);
        }
}

/* A later one was wanted, so the end of that one has been taken. */
static void forget_former(Tree *tree, const KeptSlot *kept) {
        if (!(kept->entry.flags & WIRE_ENTRY_THERE))
                return;
        tree->generation = kept->entry.generation;
        tree->owes_acknowledge = true;
        tree_acknowledge(tree);
}

static void resume_news(Tree *tree, KeptSlot *kept) {
        WireMessage message = kept->entry, resend = { .kind = WIRE_RESEND, .slot = tree->slot };
        bool is_guarded = kept->entry.flags & WIRE_ENTRY_GUARDED;

        message.kind = is_guarded ? WIRE_GUARDIAN : WIRE_FORKED;
        tree_on_news(&message, TAKE_FD(kept->main_fd), tree);
        if (is_guarded) {
                (void) wire_send(tree->guardian_fd, &resend, NULL, 0);
                /* A thousand answer at once: to be on the bus comes first. */
                (void) sd_event_source_set_priority(tree->guardian_source, SD_EVENT_PRIORITY_IDLE);
        }
        if (kept->entry.flags & WIRE_ENTRY_EXEC) {
                message.kind = WIRE_EXEC;
                tree_on_news(&message, -1, tree);
        }
        if (kept->entry.flags & WIRE_ENTRY_ENDED) {
                message.kind = WIRE_EXITED;
                tree_on_news(&message, -1, tree);
        }
}

int tree_resume(Tree *tree) {
        _cleanup_(kept_slot_freep) KeptSlot *kept =
                keeper_client_take_kept_slot(tree->client, tree->slot);

        if (!kept)
                return 0;
        if (!is_there(kept, tree->generation)) {
                forget_former(tree, kept);
                return 0;
        }
        resume_news(tree, kept);
        return 1;
}

uint32_t tree_slot(const Tree *tree) {
        return tree->slot;
}

int tree_keep_memory(Tree *tree, int memory_fd) {
        WireMessage message = { .kind = WIRE_KEEP_MEMORY, .slot = tree->slot };

        return keeper_client_send(tree->client, &message, &memory_fd, 1);
}

void tree_drop_stdin(Tree *tree) {
        WireMessage message = {
                .kind = WIRE_DROP_STDIN,
                .slot = tree->slot,
                .generation = tree->generation,
        };

        if (keeper_client_has_table(tree->client))
                (void) keeper_client_send(tree->client, &message, NULL, 0);
}

/* Orders */

/* Before the spawn: else a brain that dies between the two would be the end of that stdin. */
static int keep_stdin(Tree *tree, const SpawnSpec *spec) {
        WireMessage message = {
                .kind = WIRE_KEEP_STDIN,
                .slot = tree->slot,
                .generation = spec->generation,
        };

        if (spec->kept_stdin_fd < 0 || !keeper_client_has_table(tree->client))
                return 0;

        return keeper_client_send(tree->client, &message, &spec->kept_stdin_fd, 1);
}

static int prepare_cgroup(Tree *tree) {
        char leaf[NAME_MAX + 1];
        int r;

        if (!keeper_client_uses_cgroups(tree->client) ||
            (tree->cgroup && cgroup_is_pristine(tree->cgroup)))
                return 0;
        if (tree->cgroup) {
                r = cgroup_remove(tree->cgroup);
                if (r < 0)
                        return r;
                tree_forget_cgroup(tree);
        }
        leaf_name(leaf, tree->slot, tree->name);
        return cgroup_new(&tree->cgroup, keeper_client_trees_fd(tree->client),
                          keeper_client_trees_cgroup(tree->client), leaf);
}

int tree_send_spawn(Tree *tree, const SpawnSpec *spec, int payload_fd) {
        WireMessage message = {
                .kind = WIRE_SPAWN,
                .slot = tree->slot,
                .generation = spec->generation,
        };
        int fds[WIRE_FDS_MAX] = { payload_fd, spec->stdout_fd, spec->stderr_fd }, r;
        size_t n_fds = 3;

        if (spec->stdin_fd >= 0) {
                message.flags |= WIRE_SPAWN_STDIN;
                fds[n_fds++] = spec->stdin_fd;
        }
        if (tree->cgroup) {
                message.flags |= WIRE_SPAWN_CGROUP;
                fds[n_fds++] = cgroup_fd(tree->cgroup);
        }
        if (spec->kept_stdout_fd >= 0 && spec->kept_stderr_fd >= 0 &&
            keeper_client_has_table(tree->client)) {
                message.flags |= WIRE_SPAWN_KEEP;
                fds[n_fds++] = spec->kept_stdout_fd;
                fds[n_fds++] = spec->kept_stderr_fd;
        }
        if (spec->kept_notify_fd >= 0 && keeper_client_has_table(tree->client)) {
                message.flags |= WIRE_SPAWN_NOTIFY;
                fds[n_fds++] = spec->kept_notify_fd;
        }
        /* The order says it too, but not to a keeper of version 1. */
        if (!keeper_client_has_table(tree->client))
                tree_acknowledge(tree);
        r = keep_stdin(tree, spec);
        CRASHPOINT("stdin-kept");
        if (r >= 0)
                r = keeper_client_send(tree->client, &message, fds, n_fds);
        if (r < 0)
                return r;
        tree->owes_acknowledge = false;
        tree->generation = spec->generation;
        tree->state = TREE_REQUESTED;
        if (tree->cgroup)
                cgroup_mark(tree->cgroup);
        return 0;
}

int tree_spawn(Tree *tree, const SpawnSpec *spec) {
        _cleanup_close_ int payload_fd = -1;
        int r;

        if (tree->state != TREE_EMPTY)
                return -EBUSY;
        if (spec->generation == 0)
                return -EINVAL;
        r = prepare_cgroup(tree);
        if (r < 0)
                return r;
        CRASHPOINT("leaf-made");
        r = payload_new(spec, &payload_fd);
        return r < 0 ? r : tree_send_spawn(tree, spec, payload_fd);
}

/* A guardian that was adopted tells of its main a moment later: the signal waits for that. */
static bool is_awaited(const Tree *tree) {
        return tree->guardian_pid != 0 && tree->state == TREE_REQUESTED;
}

int tree_signal_main(Tree *tree, int signal) {
        if (is_awaited(tree)) {
                tree->awaited_signal = signal;
                return 1;
        }

        return tree->main_pidfd < 0 ? -ESRCH : pidfd_signal_and_continue(tree->main_pidfd, signal);
}

/* A guest's cgroup is within the tree's, its guardian is beside that of the tree. */
static int list_pids(const Tree *tree, PidList *list) {
        const Tree *guest = guests_tree(tree->guests);
        int r = 0;

        if (tree->guardian_pid != 0)
                r = pid_list_add_descendants(list, tree->guardian_pid);
        else if (tree->cgroup)
                r = cgroup_list_pids(tree->cgroup, list);
        if (r >= 0 && guest && guest->guardian_pid != 0)
                r = pid_list_add_descendants(list, guest->guardian_pid);
        return r;
}

/* Its end of the pair closes before its pid can come to mean another process. */
static bool is_guardian_there(const Tree *tree) {
        struct pollfd pair = { .fd = tree->guardian_fd };

        return poll(&pair, 1, 0) == 0;
}

static bool guards(const Tree *tree, pid_t pid) {
        return tree->guardian_pid != 0 && process_descends_from(pid, tree->guardian_pid) &&
               is_guardian_there(tree);
}

bool tree_has(const Tree *tree, pid_t pid) {
        const Tree *guest = guests_tree(tree->guests);

        return guards(tree, pid) || (guest && guards(guest, pid)) ||
               (tree->cgroup && cgroup_has(tree->cgroup, pid));
}

static bool belongs(pid_t pid, void *userdata) {
        return tree_has(userdata, pid);
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
        Tree *guest = guests_tree(tree->guests);
        int r;

        if (guest)
                (void) tree_kill(guest);
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

uint64_t tree_cgroup_id(const Tree *tree) {
        struct stat st;

        return tree->cgroup && fstat(cgroup_fd(tree->cgroup), &st) >= 0 ? st.st_ino : 0;
}

int tree_cgroup_fd(const Tree *tree) {
        return tree->cgroup ? cgroup_fd(tree->cgroup) : -1;
}

const char *tree_cgroup(const Tree *tree) {
        return tree->cgroup ? cgroup_path(tree->cgroup) : NULL;
}

int tree_memory_bytes(const Tree *tree, uint64_t *ret) {
        return tree->cgroup ? cgroup_read_number(tree->cgroup, "memory.current", NULL, ret)
                            : -ENODATA;
}

bool tree_ran_out_of_memory(const Tree *tree, uint64_t *ret_limit) {
        uint64_t limit;

        /* A leaf in which that has happened is never used again: all of it is this generation's. */
        if (!tree->cgroup || cgroup_count_oom_kills(tree->cgroup) == 0)
                return false;
        /* Without a limit of its own there stands "max". */
        *ret_limit = cgroup_read_number(tree->cgroup, "memory.max", NULL, &limit) < 0 ? UINT64_MAX
                                                                                      : limit;
        return true;
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
