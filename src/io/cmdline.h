/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Command line
 *
 * How a process was called, for people. For display only: a process can write there what it likes.
 */

#include <sys/types.h>

/* Arguments with spaces between, valid UTF-8; [comm] where there are none; a new string. */
int process_cmdline(char **ret, pid_t pid);
