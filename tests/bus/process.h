/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Process
 *
 * What a test needs to know of processes: to start one that dies with the test, to hold one by
 * its pidfd, to see it gone, and to find all that belong to a world. "Gone" is the pidfd that has
 * become readable: a zombie that PID 1 has not reaped yet is gone, and a pid alone may mean
 * somebody else by now. What is in the midst of its exit is gone as well.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

typedef struct Process {
        pid_t pid; /* 0: none, or reaped */
        int pidfd;
} Process;

#define PROCESS_NONE ((Process){ 0, -1 })

/* How and where it runs; what is left out is as in the test itself. */
typedef struct ProcessSpec {
        const char *const *argv;
        char *const *envp;
        int output_fd; /* of stdout; 0: as the test's */
        int error_fd;
} ProcessSpec;

Process process_spawn(const ProcessSpec *spec);

/* Waits for the end of one that process_spawn() made, and answers waitpid(2)'s status. */
int process_reap(Process *process);

/* Runs to the end, and answers the status and what it wrote to stdout and stderr. */
int process_run(const char *const argv[], char *const envp[], char **ret_output);

int process_open(pid_t pid);
void process_signal(int pidfd, int signal_number);
/* Or so far on its way through exit that it runs no more, whoever is to reap it. */
bool process_is_gone(int pidfd, uint64_t timeout_usec);

/*
 * Those that carry NAME=VALUE in their first environment, or whose directory is folder or below:
 * the second for programs that write their title over the first. Answers their number.
 */
size_t processes_find(const char *mark, const char *folder, pid_t *ret, size_t max);

/* Its cgroup of the v2 hierarchy, as a directory; NULL where there is none. */
char *process_cgroup(pid_t pid);

/* Waits until there is none, one pidfd after the other; false: something is still there. */
bool processes_are_gone(const char *mark, const char *folder, uint64_t timeout_usec);
