/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stamps
 *
 * The file that the children of one contender write their stamps to, read from its beginning to
 * its end once. Whoever waits looks each millisecond: a stamp has its time in it, so that costs
 * no accuracy, and little of the machine.
 */

#include <limits.h>
#include <stddef.h>

#include "tests/stamp.h"
#include "util/macro.h"

typedef struct Stamps {
        char path[PATH_MAX];
        int fd;
} Stamps;

void stamps_open(Stamps *ret, const char *folder, const char *name);
void stamps_close(Stamps *stamps);

/* The next stamp; ends the program when there is none for a long time. */
Stamp stamps_next(Stamps *stamps);
/* The next of that child; others are passed over. */
Stamp stamps_next_of(Stamps *stamps, unsigned id);
/* Passes over what is there, and answers how many those were. */
size_t stamps_skip(Stamps *stamps);
