/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ProgramIdentity
 *
 * Which file a program is, and in which state: equal identities, the same program. What an
 * interpreter of it is counts for nothing: a script is the program itself.
 */

#include <stdbool.h>
#include <stdint.h>

typedef struct ProgramIdentity {
        uint64_t device;
        uint64_t inode;
        uint64_t mtime_nsec; /* CLOCK_REALTIME, as the file system has it */
        uint64_t size;
        uint32_t mode; /* 0: there is no file */
} ProgramIdentity;

/* All zero where nothing can be found out. */
ProgramIdentity program_identify(const char *path);
bool program_identity_equal(const ProgramIdentity *a, const ProgramIdentity *b);
