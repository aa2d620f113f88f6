/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Containment
 *
 * The keeper's own cgroup subtree, wherever one can be made: BASE/sidecard.MARK/ with supervisor/
 * for keeper and brain, and trees/ for all sidecars, whose leaves are the brain's business.
 * Where it cannot be made, guardians contain, and there is no Containment.
 *
 * Where it is stands in a file, the record, as long as it may be there: a keeper and a brain that
 * die at once leave it with all that is in it, and the next keeper may be started elsewhere.
 */

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "util/macro.h"

typedef struct Containment {
        int base_fd; /* where we were started */
        int root_fd; /* BASE/sidecard.MARK */
        int trees_fd;
        int events_fd;        /* cgroup.events of trees: EPOLLPRI is news */
        char name[32];        /* sidecard.MARK */
        char trees[PATH_MAX]; /* absolute path, for the brain */
} Containment;

#define CONTAINMENT_NONE \
        { .base_fd = -1, .root_fd = -1, .trees_fd = -1, .events_fd = -1 }

/*
 * Where cgroup v2 is mounted (mountinfo: the text of /proc/self/mountinfo, a line of it) and
 * where in it the process is that has this /proc/PID/cgroup. -ENOENT: the line is of no use.
 */
int containment_parse_mount(char ret_path[static PATH_MAX],
                            const char *mountinfo,
                            const char *cgroup);

/*
 * Ends and removes what a dead keeper of this mark has left in the place that the record names, if
 * that is proven to be ours. 0: nothing is left there, or it is not ours, or we are in it
 * ourselves. May wait at most ten seconds for the dead.
 */
int containment_sweep(const char *record, const char *mark);

/*
 * Makes the subtree, ends and removes what a dead keeper of the same mark has left there, and
 * moves this process in. May wait at most ten seconds for the dead. Any error: nothing is
 * changed, or only directories are left.
 */
int containment_open(Containment *ret, const char *record, const char *mark);

/* SIGKILL for all in trees/, children included: atomic, by cgroup.kill. */
int containment_kill(const Containment *containment);

/* Is anybody in trees/? An answer that cannot be had is no. */
bool containment_is_populated(const Containment *containment);

/* Is this process in some tree? */
bool containment_has(const Containment *containment, pid_t pid);

/* Moves this process back up and removes the subtree as far as that can be done. */
void containment_close(Containment *containment, const char *record);
