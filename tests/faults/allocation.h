/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Allocation
 *
 * Makes one allocation of a program fail. What allocates is replaced by the linker (ld(1),
 * --wrap), so only the program's own calls count, and not those of shared libraries.
 */

/* That of this number from now on, once; 0: none. */
void fail_allocation(unsigned number);
