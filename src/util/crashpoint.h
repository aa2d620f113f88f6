/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Crashpoint
 *
 * A place between two steps at which what is written down, what the keeper knows and what is can
 * differ. In a build with -Dfaults=true a test may have the brain die right there; in any other
 * build there is nothing.
 */

#ifdef SIDECARD_FAULTS

/*
 * Dies of SIGKILL if SIDECARD_CRASHPOINT is ID:N:FILE and this is the N-th time that a brain comes
 * to that point: FILE, which is not there at first, gets a line each time, so one brain alone dies
 * so. With :list:FILE nobody dies, and the ids of all points that were passed are in the file.
 */
void crashpoint_reach(const char *id);

#define CRASHPOINT(id) crashpoint_reach(id)

#else

#define CRASHPOINT(id) ((void) 0)

#endif
