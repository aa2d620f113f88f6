/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tree
 *
 * One sidecar's process tree: the main process and all that came from it, in whatever session or
 * group, through all generations of the sidecar. Contained by a cgroup, or by a guardian where no
 * cgroup is writable; nobody above has to know which. There is no timer and no policy in here:
 * core asks for each step of an ending, and the proof of emptiness is reported as it comes.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/keeper-client.h"

typedef struct Tree Tree;

/* What to run. Everything is borrowed, and only while tree_spawn() runs. */
typedef struct SpawnSpec {
        uint64_t generation;
        const char *path; /* absolute, PATH is not searched */
        char *const *argv;
        char *const *envp;
        const char *working_directory; /* absolute */
        int stdin_fd;                  /* -1: /dev/null */
        int stdout_fd;
        int stderr_fd;
        int kept_stdout_fd; /* their reading ends, which the keeper keeps for the next brain */
        int kept_stderr_fd;
        int kept_notify_fd; /* where it says how it is, kept likewise; -1: nowhere */
        int kept_stdin_fd;  /* where its stdin is fed, kept likewise; -1: nowhere */
} SpawnSpec;

/*
 * News, each at most once a generation, in this order, from the event loop or tree_resume(). No
 * Tree is to be freed from within.
 */
typedef struct TreeObserver {
        /* A main process exists; its exec is still under way. pid 0: it has ended since. */
        void (*on_forked)(void *userdata, pid_t pid);
        /* There is none: clone failed with error (positive errno). Nothing else will follow. */
        void (*on_fork_failed)(void *userdata, int error);
        /* 0, or the positive errno of the step of exec that failed: then on_exited follows. */
        void (*on_exec)(void *userdata, int error);
        /* The main process was reaped; code and status as in siginfo_t, code 0: not known. */
        void (*on_exited)(void *userdata, int code, int status);
        /*
         * Nothing of the tree is left: proven. Only after on_exited, maybe in the same turn. When
         * this returns the keeper forgets the generation: no later brain is told of it.
         */
        void (*on_emptied)(void *userdata);
} TreeObserver;

/* name: of the sidecar, for the cgroup's directory. The observer is borrowed for the Tree's life.
 */
int tree_new(Tree **ret,
             KeeperClient *client,
             const char *name,
             const TreeObserver *observer,
             void *userdata);

/*
 * Takes up the slot that an earlier brain had for this sidecar, with whatever of this generation
 * is there. Nothing is told before tree_resume(). -ENOENT: the keeper has nothing of that slot,
 * -EBUSY: it is somebody else's, or another generation is in it; then there is no Tree. name: NULL
 * where nobody knows it; nothing can be spawned then.
 */
int tree_adopt(Tree **ret,
               KeeperClient *client,
               const char *name,
               uint32_t slot,
               uint64_t generation,
               const TreeObserver *observer,
               void *userdata);

/* Before all others are made: a new one in a slot that the keeper has nothing of. -EBUSY. */
int tree_new_at(Tree **ret,
                KeeperClient *client,
                const char *name,
                uint32_t slot,
                const TreeObserver *observer,
                void *userdata);

/* What was kept with it, the caller's now; -1: none. Before tree_resume(). */
typedef struct TreeKept {
        int stdout_fd;
        int stderr_fd;
        int memory_fd;
        int notify_fd;
        int stdin_fd;
} TreeKept;
void tree_take_kept(Tree *tree, TreeKept *ret);

/*
 * Tells the observer all that is known of the generation by now, from the beginning and in the
 * usual order, whether or not it was told to an earlier brain. 0: the keeper never heard of this
 * generation, or has forgotten it (its end was acknowledged), and nothing is told; else 1. News
 * of what a guardian has comes later, from the loop.
 */
int tree_resume(Tree *tree);

/* The place by which an adoption finds it. */
uint32_t tree_slot(const Tree *tree);

/* The memory of its output, which the keeper keeps from now on; borrowed. */
int tree_keep_memory(Tree *tree, int memory_fd);

/* The keeper does not keep this generation's stdin open any more. */
void tree_drop_stdin(Tree *tree);

/*
 * Of an empty tree; gives the slot and the cgroup back. Or when the daemon ends: what is in there
 * stays, for the next brain.
 */
Tree *tree_free(Tree *tree);
DEFINE_CLEANUP(Tree, tree_free);

/* Negative errno: nothing was sent, no news will come. -EBUSY: the former generation is not gone.
 */
int tree_spawn(Tree *tree, const SpawnSpec *spec);

/*
 * The signal, then SIGCONT, to the main process alone; -ESRCH once it is reaped. 1: it follows as
 * soon as a guardian that was adopted has told of that process, just before on_forked().
 */
int tree_signal_main(Tree *tree, int signal);
/* To every process of the tree, each proven to belong before it is signalled. */
int tree_signal_all(Tree *tree, int signal);
/* One round of SIGKILL; to be repeated until on_emptied. */
int tree_kill(Tree *tree);

/* Processes of the tree right now: the number of them, and a new array. */
int tree_list_pids(const Tree *tree, pid_t **ret);

/* Whether a process is in there right now: whoever spoke has ended where it is not. */
bool tree_has(const Tree *tree, pid_t pid);

/* Of the directory, by which the kernel tells in which cgroup a socket was made; 0: none. */
uint64_t tree_cgroup_id(const Tree *tree);
/* Borrowed; -1: none. */
int tree_cgroup_fd(const Tree *tree);

/* Below the cgroup mount, such as /user.slice/.../trees/3-redis; NULL without a cgroup. */
const char *tree_cgroup(const Tree *tree);

/*
 * The kernel has killed a process of this generation for lack of memory. *ret_limit: of the tree's
 * memory in bytes, UINT64_MAX: it has none of its own. False also where nobody counts. Which
 * process that was nobody tells: a main that somebody else killed later is taken for one of them.
 */
bool tree_ran_out_of_memory(const Tree *tree, uint64_t *ret_limit);

/* -ENODATA where nobody counts. */
int tree_memory_bytes(const Tree *tree, uint64_t *ret);
int tree_cpu_nsec(const Tree *tree, uint64_t *ret);
