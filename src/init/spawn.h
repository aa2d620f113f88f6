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
 *
 * What a sidecar costs must not depend on how much is kept for the others. So what is kept has high
 * numbers, and a child shares the table of descriptors until it has made its own, of the low ones.
 */

#include <stdbool.h>
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
        int stdin_fd;   /* -1: /dev/null */
        int cgroup_fd;  /* -1: the spawner's own */
        int sockets_fd; /* packed; -1: none are handed over */
        int exec_fd;    /* where the child tells of its exec; made with the child */
        int pair_fd;    /* a guardian's end of its pair */
} SpawnOrder;

#define SPAWN_ORDER_NONE                                                            \
        {                                                                           \
                .payload_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .stdin_fd = -1, \
                .cgroup_fd = -1, .sockets_fd = -1, .exec_fd = -1, .pair_fd = -1,    \
        }

/*
 * Reads what the session gave, then makes this process fit to be a spawner: dispositions as a
 * child is to inherit them, all signals blocked but those of faults, limit of descriptors raised.
 */
int session_take(Session *ret);

void spawn_order_close(SpawnOrder *order);

/* Answers the same descriptor, close-on-exec, under a number that children do not copy. */
int spawn_keep(int fd);

/*
 * Answers as fork(2), and the errno of clone3(2) as a negative one. exec_fd is for
 * spawn_exec_result(), once it is readable. What is left in *order then is lent to the child, which
 * finds it in our table by its numbers: it is to be closed no sooner than spawn_exec_result() does
 * it, or the child has been reaped. The child has a table of its own, with copies of what is lent
 * to others: it closes those, and then tells a 0.
 */
int spawn_clone(SpawnOrder *order, int *ret_pidfd, int *ret_exec_fd);
bool spawn_tell(const SpawnOrder *order, int error);

/* The same for a main, which is about to exec. */
int spawn_main(const Session *session,
               SpawnOrder *order,
               pid_t *ret_pid,
               int *ret_pidfd,
               int *ret_exec_fd);

/* -EAGAIN: not known yet; else 0, and *ret_error is 0 or the errno of the step that failed. */
int spawn_exec_result(int exec_fd, SpawnOrder *lent, int *ret_error);

/* For any child of ours: no signal blocked. Answers 0 or -1, as sigprocmask(2). */
int spawn_unblock_signals(void);
