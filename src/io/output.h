/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Output
 *
 * The reading ends of a sidecar's stdout and stderr. Each turn of the loop reads a bounded piece
 * into the ring, from which the file is written too. While the file is behind, the pipe is left
 * unread, for 200 ms at most: then the file loses bytes, and says how many. So a flood is slowed
 * as a terminal slows it, and neither memory grows nor does another sidecar wait (contract G4).
 */

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "io/log-file.h"
#include "model/log-ring.h"

typedef struct Output Output;

/*
 * New lines are in the ring: from this number on. At most once a turn, and at the end of
 * output_drain() and output_close(), from within them.
 */
typedef void (*output_lines_handler_t)(uint64_t first_number, void *userdata);

/* The memory that all of it is in was just made, and is to be kept over our death. Borrowed. */
typedef void (*output_memory_handler_t)(int memory_fd, void *userdata);

/* ring is borrowed; file may be NULL, or is borrowed too. */
int output_new(Output **ret,
               sd_event *event,
               LogRing *ring,
               LogFile *file,
               output_lines_handler_t on_lines,
               output_memory_handler_t on_memory,
               void *userdata);
Output *output_free(Output *output);
DEFINE_CLEANUP(Output, output_free);

typedef struct OutputEnds {
        int stdout_fd, stderr_fd; /* to write to; the caller's, to be closed once handed on */
        int kept_stdout_fd, kept_stderr_fd; /* where they are read; borrowed */
} OutputEnds;

/*
 * Makes the two pipes for a new generation. What a grandchild of the former generation still
 * writes into the old pipes is read on until it ends, and counts as the former generation's.
 */
int output_open(Output *output, uint64_t generation, OutputEnds *ret);

/*
 * Goes on where an earlier brain was killed, in the midst of anything: not a byte is lost or
 * doubled, in the ring and in the file. Before anything else; takes all three over, -1: none.
 * generation: whose pipes these are. What waits for a newline of any other pipe becomes a line.
 * -EBADMSG: the memory is of a form that this version does not know, or damaged. That is all that
 * is wrong then: the pipes are read into a new one.
 */
int output_adopt(Output *output, uint64_t generation, int memory_fd, int stdout_fd, int stderr_fd);

/*
 * Reads what is in the pipes right now, and no more (FIONREAD once a pipe): called when the main
 * process has ended, so that its last words are in the ring before its end is told.
 */
void output_drain(Output *output);

/* The tree is empty: nobody can write any more. Drains, ends the last lines, closes the pipes. */
void output_close(Output *output);

/* The log file has room again: reading goes on. For the file's on_room. */
void output_resume(Output *output);
