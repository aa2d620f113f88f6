/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Run
 *
 * One story in a world and a process of its own, in which the brain dies at a point, or nowhere.
 * What it printed, how it ended and which points it passed are read once it is over.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "stories.h"

typedef struct Run {
        const Story *story;
        char point[32];      /* empty: nobody dies, and all points are listed */
        unsigned int number; /* at which passing */
        pid_t pid;           /* 0: not begun, or over */
        int output_fd, end_fd, passed_fd;
} Run;

void run_begin(Run *run);

/* waitpid(2) has answered its pid. */
void run_close(Run *run);

/* What it printed; how all stood at its end; the points, a line each. Freed by the caller. */
char *run_output(const Run *run);
char *run_end(const Run *run);
char *run_passed(const Run *run);
