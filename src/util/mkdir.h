/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mkdir
 *
 * A folder with all that is missing above it, as `mkdir -p` makes them.
 */

#include <sys/types.h>

int mkdir_parents(const char *path, mode_t mode);
