/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lives
 *
 * The sidecars of a storm as they themselves saw it: what tests/children/numberer stamps at the
 * beginning and the end of each life. It is the measure for all that the daemon says. Here it is
 * checked against itself (no two lives at a time, no generation twice) and against what was asked
 * for: an asked end needs somebody who asked, and each who asks is good for one end at most.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "numbered.h"

#define N_SIDECARS 20

/* Of the manifest; a sidecar that was asked takes some milliseconds. */
#define LIVES_STOP_TIMEOUT_USEC (20 * USEC_PER_SEC)

typedef struct Life {
        uint64_t generation;
        pid_t pid;
        uint64_t began_usec; /* monotonic */
        uint64_t ended_usec; /* 0: it lives */
        bool is_to_exit;     /* by a command that is under way until it has ended */
        bool was_told;       /* its end: by an exit code, not by SIGTERM */
        int code;
        bool is_counted;     /* the next two are in force: it has ended, or is quiet */
        uint64_t n_lines[2]; /* stdout, stderr: that it has written */
        uint64_t n_found[2]; /* that were found in the files */
        size_t n_exits_told; /* by events */
} Life;

/* Somebody who asked for its end, and from when to when he may have been heard. */
typedef struct Ask {
        uint64_t began_usec;
        uint64_t done_usec; /* 0: not yet */
        bool may_be_late;   /* a death, of which the daemon may hear much later */
        bool is_owed;       /* it was answered: what lived before it has to end */
        bool is_spent;
} Ask;

typedef struct Lives {
        char name[16];
        FILE *stamps;
        Life *lives; /* oldest first */
        size_t n_lives;
        size_t n_ends_checked;
        Ask *asks;
        size_t n_asks;
        size_t n_wishes; /* that may have started it */
} Lives;

extern Lives sidecars[N_SIDECARS];

/* Makes the files that the sidecars stamp into; afterwards the names are set. */
void lives_open(Lives *lives, const char *folder, const char *name);
void lives_close(Lives *lives);

/* Reads what was stamped since the last time. */
void lives_read(Lives *lives);

/* The one that was started last; NULL if there is none, or it has ended. */
Life *lives_current(const Lives *lives);
Life *lives_find(const Lives *lives, uint64_t generation);

/* Somebody asks for its end since then; all but the late ones have been heard, or all. */
void lives_ask_end(Lives *lives, uint64_t since_usec, bool may_be_late);
void lives_asks_done(Lives *lives, bool all);

/* The last one that asked was answered: now it may not be forgotten. */
void lives_ask_answered(Lives *lives);

/*
 * Checks the ends since the last time, the number of starts, and that what was answered is done:
 * nothing may be under way.
 */
void lives_check(Lives *lives);

/* A command for the current life; false if there is none. */
bool lives_command(Lives *lives, int command, int value);

/* Waits until each of them has said how much it wrote. */
void lives_make_quiet(void);
