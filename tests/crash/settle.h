/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Settle
 *
 * Quiet in a storm: waits until sidecars, mode and holds are what the deeds have made them, as the
 * daemon tells it and as the sidecars stamped it, and then reads and checks all that has happened
 * since the last time.
 */

#include <stdbool.h>

#include "world.h"

/* False: it never got to be so; what is missing has been told. */
bool settle(World *w);

/* The longest that it took, and what was waited for to the last. */
extern uint64_t settle_longest_usec;
extern char settle_longest_text[160];
