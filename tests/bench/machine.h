/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Machine
 *
 * What the kernel says of time, and of the time, memory and wakeups of a process: proc(5).
 */

#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

/* A bench that cannot measure says why, and ends. */
_Noreturn _printf_(1, 2) void fail(const char *format, ...);

uint64_t machine_now_nsec(void);

/* CPU time of all threads. */
uint64_t process_cpu_nsec(pid_t pid);
/* How often some thread of it went to sleep by itself, and so was woken. */
uint64_t process_n_wakeups(pid_t pid);
/* A line of smaps_rollup, such as "Pss". */
uint64_t process_memory_kib(pid_t pid, const char *what);
/* Its first child; ends the program when there is none. */
pid_t process_first_child(pid_t pid);
