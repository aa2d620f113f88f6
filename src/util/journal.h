/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Journal
 *
 * Entries with fields for systemd's journal, by its native protocol: a datagram an entry, see
 * systemd.io/JOURNAL_NATIVE_PROTOCOL. Not sd_journal_sendv(3), which waits for room where journald
 * does not come round: here nothing waits, and what is not taken is the caller's to count.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct JournalEntry {
        int priority; /* LOG_ERR ... LOG_DEBUG */
        const char *identifier;
        const char *message_id; /* of the catalog; NULL: none */
        const char *app;        /* SIDECARD_APP, SIDECARD_NAME; NULL: of no sidecar */
        const char *name;
        uint64_t generation; /* 0: none */
        const char *bytes;   /* any */
        size_t n_bytes;
} JournalEntry;

/* Whether there is one to write to. */
bool journal_is_there(void);

/* -EAGAIN: journald is behind; other negative errno: it is not there. */
int journal_send(const JournalEntry *entry);
