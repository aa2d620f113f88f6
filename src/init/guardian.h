/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Guardian
 *
 * Containment where no cgroup is writable: a fork of the keeper, without exec, above one sidecar.
 * It is the subreaper of that tree, so every orphan comes to it and to nobody else, and ECHILD
 * from its wait(2) proves that nothing of the tree is left; then it exits with 0, and with
 * nothing else. It speaks to the brain on a pair of its own, whose other end the keeper keeps, so
 * that the next brain may go on listening and be told everything again.
 *
 * SIGTERM, which is also what it gets when the keeper dies, makes it kill to ECHILD.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/spawn.h"

/*
 * What it knows of its main, in memory that it shares with the keeper, for when it has ended: a
 * brain may have read it from the pair and died before it had written it down.
 */
typedef struct GuardianFacts {
        bool has_exec;
        int exec_error;
        int code; /* as in siginfo_t; 0: not ended */
        int status;
} GuardianFacts;

/* exec_fd and what is left in *order: as of spawn_clone(). */
int guardian_start(const Session *session,
                   SpawnOrder *order,
                   uint32_t slot,
                   uint64_t generation,
                   GuardianFacts *facts,
                   pid_t *ret_pid,
                   int *ret_brain_end,
                   int *ret_exec_fd);

/*
 * SIGKILL to every child of this process that is_spared does not name; answers how many. They
 * are our own and not reaped meanwhile, so their pids are theirs.
 */
int children_kill(bool (*is_spared)(pid_t pid, void *userdata), void *userdata);
