/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Rig
 *
 * A real keeper over a brain by remote control, in a runtime directory of its own. What the brain
 * says is waited for by poll(2); that a process is gone is told by its pidfd and nothing else.
 *
 * The environment variable CONTAINMENT says how the keeper is set up: "cgroup" as it comes,
 * "reaper" in a mount namespace where cgroups are read-only, "user" as an ordinary user,
 * "delegated" as one who was given a cgroup, as service managers do it.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "util/macro.h"

#define RIG_PATIENCE_MSEC 30000 /* for an event that must come, on a machine that is busy */

typedef struct Rig {
        char directory[64];
        int listen_fd;
        int control_fd; /* to the brain */
        pid_t keeper_pid;
        int keeper_pidfd;
        pid_t brain_pid;
} Rig;

extern Rig rig;

/* Fixture of every test: the folder, without a keeper; and the end of all that is left. */
void rig_setup(void);
void rig_teardown(void);

bool rig_is_cgroup(void);
bool rig_is_delegated(void);
/* Of a cgroup's path below the mount, or of a file in it. */
const char *cgroup_file(const char *cgroup, const char *file);
void write_file(const char *path, const char *text);

/* Says why if it is not; then the program is to exit with RIG_SKIPPED. */
bool rig_is_possible(void);
#define RIG_SKIPPED 77

/* Forks and runs the keeper with its standard error at stderr_fd (-1: ours). */
pid_t rig_fork_keeper(int stderr_fd);
/* ... waits for its brain, and for that to be ready. */
void rig_start(void);
/* Waits for a brain to say hello. */
void rig_accept_brain(void);

/* One command; fails the test unless it is answered by "did 0". News that comes before is kept. */
void rig_do(const char *format, ...) _printf_(1, 2);
/* ... answers the number instead. */
int rig_ask(const char *format, ...) _printf_(1, 2);

/* The next news of a tree, or line of its programs, must be just that. */
void rig_expect(const char *format, ...) _printf_(1, 2);
/* Skips those of that kind until one that begins so; answers what follows that beginning. */
const char *rig_wait(const char *beginning);
int rig_wait_number(const char *beginning);

/* Spawns a program of tests/children, with its arguments, and answers the pid of the main. */
pid_t rig_spawn_child(const char *name, const char *program_and_arguments);
const char *child_path(const char *program);

pid_t parent_of(pid_t pid);
int pin(pid_t pid);                         /* a pidfd, in time */
bool is_gone(int pidfd, int patience_msec); /* waits for it */
int exit_status_of(pid_t pid);              /* of a child of the test; waits for it */
