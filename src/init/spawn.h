/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Spawn
 *
 * From an order to a process that is about to exec. Used by the keeper, and by a guardian for
 * the one tree below it; whoever spawns is the parent, and its death is the main's (SIGKILL).
 *
 * Nobody waits for an exec: a frozen cgroup or a program on a dead NFS would stop everything.
 * What came of it is read from a close-on-exec pipe when that speaks.
 */

#include <sys/resource.h>
#include <sys/types.h>

/* What the session gave the keeper, and a sidecar gets back (contract S5). */
typedef struct Session {
        struct rlimit nofile;
        char oom_score_adj[8]; /* what a sidecar's is to be; "": leave it */
        int null_fd;
} Session;

/* The descriptors of a SPAWN, all of them owned; -1: none. */
typedef struct SpawnOrder {
        int payload_fd;
        int stdout_fd;
        int stderr_fd;
        int stdin_fd;  /* -1: /dev/null */
        int cgroup_fd; /* -1: the spawner's own */
} SpawnOrder;

/*
 * Reads what the session gave, then makes this process fit to be a spawner: dispositions as a
 * child is to inherit them, all signals blocked but those of faults, limit of descriptors raised.
 */
int session_take(Session *ret);

void spawn_order_close(SpawnOrder *order);

/* The errno of clone3(2) goes up. exec_fd is for spawn_exec_result(), once it is readable. */
int spawn_main(const Session *session,
               const SpawnOrder *order,
               pid_t *ret_pid,
               int *ret_pidfd,
               int *ret_exec_fd);

/* -EAGAIN: not known yet; else 0, and *ret_error is 0 or the errno of the step that failed. */
int spawn_exec_result(int exec_fd, int *ret_error);

/* For any child of ours: no signal blocked. Answers 0 or -1, as sigprocmask(2). */
int spawn_unblock_signals(void);
