/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Complain
 *
 * What went wrong, for the person at the keyboard, and what the shell is told of it. Everywhere in
 * ctl a negative answer is an errno that nobody has told yet, a positive one is the exit status
 * of something that has been told, and 0 means to go on.
 */

#include "util/macro.h"

typedef enum ExitStatus {
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_NOT_RUNNING = 3,
        EXIT_NOT_FOUND = 4, /* no such app or sidecar */
        EXIT_NO_DAEMON = 5, /* or no bus */
        EXIT_TIMED_OUT = 124,
} ExitStatus;

/* Prints a line on standard error and answers status. */
int complain(ExitStatus status, const char *format, ...) _printf_(2, 3);

/* A line on standard error that is no failure. */
void remark(const char *format, ...) _printf_(1, 2);
