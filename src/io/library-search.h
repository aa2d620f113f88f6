/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LibrarySearch
 *
 * Which library of a program ld.so(8) will not find. A guess, made without ld.so: it is only good
 * to explain a failure that took place. Whatever is not plain is taken for found: another loader
 * than glibc's, a $LIB or $PLATFORM, a relative folder, a program with rights of its own.
 */

#include "io/elf-file.h"

/*
 * path: of the program; interpreter: its PT_INTERP; env: what it is started with, for
 * LD_LIBRARY_PATH. *ret is a new string, or NULL where none is missing or it is in doubt. Looks
 * only at what the program itself needs, not at what its libraries need.
 */
int library_find_missing(const ElfFile *elf,
                         const char *path,
                         const char *interpreter,
                         char *const *env,
                         char **ret);
