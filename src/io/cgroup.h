/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cgroup
 *
 * The leaf of one sidecar below the keeper's trees/, made at its first spawn and kept over its
 * generations. It may have sub-cgroups that the sidecar made itself.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/processes.h"
#include "util/macro.h"

typedef struct Cgroup Cgroup;

/* Makes the directory leaf; an old one of that name goes first. */
int cgroup_new(Cgroup **ret, int trees_fd, const char *trees_path, const char *leaf);
/* The one that an earlier brain made, marked; it is not pristine. -EPERM: it is somebody else's. */
int cgroup_open(Cgroup **ret, int trees_fd, const char *trees_path, const char *leaf);
/* Some leaf whose name begins so; -ENOENT: none. */
int cgroup_find_leaf(int trees_fd, const char *prefix, char ret_leaf[static NAME_MAX + 1]);
/* Marks it as ours, for cgroup_kill(): once, and apart, since no start need wait for it. */
void cgroup_mark(Cgroup *cgroup);
Cgroup *cgroup_free(Cgroup *cgroup); /* the directory stays */
DEFINE_CLEANUP(Cgroup, cgroup_free);

/* With all sub-cgroups; -EBUSY: somebody is in there. */
int cgroup_remove(Cgroup *cgroup);

int cgroup_fd(const Cgroup *cgroup);
/* cgroup.events: EPOLLPRI, until cgroup_is_populated() reads it. Borrowed. */
int cgroup_events_fd(const Cgroup *cgroup);
/* As in tree_cgroup(). */
const char *cgroup_path(const Cgroup *cgroup);

/*
 * Nobody is in there, nothing below it, it is not frozen, was never killed and never ran out of
 * memory: fit for another generation.
 */
bool cgroup_is_pristine(const Cgroup *cgroup);
/* 1, 0, or negative errno. */
int cgroup_is_populated(const Cgroup *cgroup);

/* Processes in there that the kernel has killed for lack of memory; 0 where nobody counts. */
uint64_t cgroup_count_oom_kills(const Cgroup *cgroup);

/* SIGKILL to all in there, once it is sure that it is ours; -EPERM: it is not, or we are inside. */
int cgroup_kill(Cgroup *cgroup);

int cgroup_list_pids(const Cgroup *cgroup, PidList *list);
bool cgroup_has(const Cgroup *cgroup, pid_t pid);

/* A number from a file; key: at the beginning of its line, NULL: it is all. -ENODATA: none. */
int cgroup_read_number(const Cgroup *cgroup, const char *file, const char *key, uint64_t *ret);

/* The path, below the mount, of the cgroup name that is beside this process's own. */
int cgroup_path_beside_own(char **ret, const char *name);
