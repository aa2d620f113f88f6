/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * History
 *
 * GetEvents through all lives of the daemon: read on and on, each event numbered one above the one
 * before, the last ones read twice to see that they have stayed what they were. Exits are noted
 * with the lives that they ended.
 */

#include "lives.h"
#include "world.h"

typedef struct HistoryFigures {
        size_t n_events, n_exits, n_adopted, n_brain_restarted, n_log_dropped;
} HistoryFigures;

extern HistoryFigures history_figures;

/* What has happened since the last time; with a wait for the next event where there is none. */
void history_read(World *w, uint64_t wait_usec);

/* Each exit that was told to a sidecar has been told by one event, with that code. */
void history_check_exits(void);
