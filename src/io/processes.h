/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Processes
 *
 * Lists of pids, and the one safe way from a pid to a signal: a pidfd is opened first, then it is
 * asked whether the process belongs, then the signal goes through the pidfd. A pid that meanwhile
 * came to mean another process fails the question, or the pidfd is of the dead one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/macro.h"

/* All zero at first. */
typedef struct PidList {
        pid_t *pids;
        size_t n;
} PidList;

void pid_list_done(PidList *list);

/* Appends; a pid_handler_t of util/children.h, with a PidList as its userdata. */
int pid_list_add(pid_t pid, void *list);

/* All that descend from ancestor, which is not among them. */
int pid_list_add_descendants(PidList *list, pid_t ancestor);

/* Along the chain of parents. */
bool process_descends_from(pid_t pid, pid_t ancestor);

/* The signal to each that belongs, then SIGCONT: what is stopped could not act on it. */
int pid_list_signal(const PidList *list,
                    int signal,
                    bool (*belongs)(pid_t pid, void *userdata),
                    void *userdata);

/* -ESRCH: it is gone. */
int pidfd_signal(int pidfd, int signal);
int pidfd_signal_and_continue(int pidfd, int signal);
