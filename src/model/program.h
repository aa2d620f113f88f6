/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Program
 *
 * Where a sidecar's program may be: contract S3 as a list of paths, in the order in which they
 * are tried. Whether one is there is for whoever may touch the file system.
 */

#include "model/manifest.h"

/* By which a shell, env(1) and the loader say that they could not execute what they were to. */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

/*
 * program: command[0] filled in. path: the value of $PATH, or NULL. The paths are absolute, free
 * of "..", and none is there twice; a program of no name has none, and *ret is NULL.
 */
int program_candidates(char ***ret, const SidecarSpec *spec, const char *program, const char *path);
