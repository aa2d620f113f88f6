/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * KeptSlot
 *
 * What the keeper kept of one slot over the death of an earlier brain, as it came with the table,
 * and what became known of it since. It waits here until a Tree takes the slot up.
 */

#include <stddef.h>

#include "init/wire.h"

typedef struct KeptSlot {
        WireMessage entry; /* kind ENTRY */
        int main_fd;       /* pidfd of the main, or our end of the guardian's pair; -1: none */
        int stdout_fd;     /* reading ends; -1: none */
        int stderr_fd;
        int memory_fd;  /* -1: none */
        int notify_fd;  /* -1: none */
        int stdin_fd;   /* writing end; -1: none */
        int sockets_fd; /* packed; -1: none */
} KeptSlot;

/*
 * Of an ENTRY; takes those descriptors over that are set to -1. -EMFILE: some were lost on the
 * way, since we have no numbers for them.
 */
int kept_slot_new(KeptSlot **ret, const WireMessage *entry, int *fds, size_t n_fds);
KeptSlot *kept_slot_free(KeptSlot *kept);
DEFINE_CLEANUP(KeptSlot, kept_slot_free);

/* What is told after the table: of what an earlier brain spawned, that can be EXEC and EXITED. */
void kept_slot_add_news(KeptSlot *kept, const WireMessage *message);
