/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lines
 *
 * The numbered lines of all sidecars of a storm, where they are read: over the bus, page after
 * page through all lives of the daemon, and in the files. Each byte is compared.
 */

#include "lives.h"
#include "world.h"

/* Goes on reading by GetLog where the last call has ended. */
void lines_follow(World *w);

/* What is in the rings now, from its beginning to the last line written; all have to be quiet. */
void lines_check_rings(World *w);

/* The files with all their rotations; the daemon has to be gone. */
void lines_check_files(const World *w);

/*
 * What was compared; overwritten: before they were asked for; mixed: lines in the files that end
 * while one of the other stream is not whole yet.
 */
typedef struct LineFigures {
        size_t n_followed, n_overwritten, n_in_files, n_mixed;
        uint64_t n_bytes_in_files;
} LineFigures;

extern LineFigures line_figures;
