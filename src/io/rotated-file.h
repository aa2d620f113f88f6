/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * RotatedFile
 *
 * One file on disk that is moved aside when it is full: PATH to PATH.1, that to PATH.2, and so on.
 * Every call may block for as long as the disk does. Not for several threads at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

typedef struct RotatedFile RotatedFile;

/* max_files counts PATH too. Nothing is opened yet. -ENAMETOOLONG. */
int rotated_file_new(RotatedFile **ret,
                     const char *path,
                     uint64_t max_size_bytes,
                     uint32_t max_files);
RotatedFile *rotated_file_free(RotatedFile *file);
DEFINE_CLEANUP(RotatedFile, rotated_file_free);

/* By which a later life recognizes a file, and what was added to it. */
typedef struct RotatedFilePlace {
        uint64_t device, inode, size;
} RotatedFilePlace;

/* What is at PATH right now; negative errno: nothing that can be looked at. */
int rotated_file_find(const RotatedFile *file, RotatedFilePlace *ret);

/*
 * Answers how many of the bytes, at least one, belong into the file that is open then, and where
 * they come to be. Moves a full file aside; opens the file and makes its folders (0700) where they
 * are not there, or not any more. After an error the next call begins with opening again.
 */
ssize_t rotated_file_prepare(RotatedFile *file,
                             const char *bytes,
                             size_t n_bytes,
                             RotatedFilePlace *ret_place);

/* Writes what rotated_file_prepare() allowed, or some of it: at least one byte. */
ssize_t rotated_file_write(RotatedFile *file, const char *bytes, size_t n_bytes);

/* Whether what is written next begins a line. */
bool rotated_file_is_at_line_start(const RotatedFile *file);
