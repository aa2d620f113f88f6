/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Limits, as the kernel gives them
 *
 * Those of memory, CPU and tasks are files of a cgroup, if its controllers are there; the others
 * are the process's own, and set between clone and exec (init/spawn.c). A limit that cannot be had
 * is no failure, and is told: what it is that a process has is read from the process.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "model/limit.h"

/* Whether a leaf that has the first will do for the second. */
bool limits_are_same_for_cgroup(const Limits *a, const Limits *b);

/*
 * Writes the files of a new leaf, after it has turned on the controllers that this takes, from
 * where the keeper was started downwards. What cannot be had is left out.
 */
void limits_give_cgroup(const Limits *limits, int trees_fd, int leaf_fd);

/*
 * Why what is asked is not in force, a new clause; NULL: it is, or nothing is asked. leaf_fd: -1
 * without a cgroup; pid: 0 without a process. limit_find_obstacle() answers before there is any:
 * why this machine, or this process and its children, cannot be given it, as far as is known.
 */
int limit_find_fault(const Limits *limits, Limit limit, int leaf_fd, pid_t pid, char **ret);
int limit_find_obstacle(const Limits *limits, Limit limit, char **ret);

/* "memory", "cpu" or "pids": leaves have that controller, or would as soon as one is to. */
bool limits_have_controller(int trees_fd, const char *controller);
