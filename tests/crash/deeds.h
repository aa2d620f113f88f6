/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Deeds
 *
 * What a storm does to its app between two deaths of the brain, one thing at a time and without
 * waiting for the answer, and what has to be so afterwards. Twenty sidecars in three parts, so that
 * what is wanted is always known: the first are started and stopped by hand, the next ones belong
 * to modes, the last ones are up while some client holds them.
 *
 * A call that died with the brain is made once more with the next one, as the interface allows it;
 * only a Restart is not, and then it may have been or not.
 */

#include <stdbool.h>
#include <stddef.h>

#include "world.h"

typedef enum DeedKind {
        DEED_START,
        DEED_STOP,
        DEED_RESTART,
        DEED_MODE,
        DEED_EXIT,
        DEED_HOLD,          /* by a connection of the test */
        DEED_RELEASE,       /* likewise */
        DEED_HOLDER_BEGINS, /* a process that holds */
        DEED_HOLDER_DIES,
        DEED_FLOOD_ON,
        DEED_FLOOD_OFF,
        DEED_NOTHING,
        _DEED_KIND_MAX,
} DeedKind;

extern size_t deed_counts[_DEED_KIND_MAX];
const char *deed_name(DeedKind kind);

/* Writes the manifest, and opens the stamps of all sidecars. */
void deeds_setup(World *w);

/* The hold that there is all the time; the daemon runs. */
void deeds_begin(World *w);

/* Something at random. */
void deeds_do(World *w);

/* Hears what there is to hear, and what comes until that time. */
void deeds_turn_until(World *w, uint64_t until_usec);

/* Waits until the brain that is there now has taken it; a Restart may have been, or not. */
void deeds_finish(World *w);

/* What has to be in the end: sidecars (bit i: sidecar i), mode and holds. */
unsigned int deeds_wanted(void);
const char *deeds_mode(void);
size_t deeds_count_holds(void);
bool deeds_hold_stands(World *w, const char *owner, pid_t pid);

/* Ends what the deeds have started beside the daemon. */
void deeds_end(void);
