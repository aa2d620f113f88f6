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
 * Dies of SIGKILL if SIDECARD_CRASHPOINT is ID:N:FILE, this is the N-th time that this process
 * comes to that point, and FILE is not there yet; it is made, so that one brain alone dies so.
 */
void crashpoint_reach(const char *id);

#define CRASHPOINT(id) crashpoint_reach(id)

#else

#define CRASHPOINT(id) ((void) 0)

#endif
