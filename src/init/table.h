/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Table
 *
 * What outlives a brain: an entry a slot, the pidfds of holders, the ledger. The brain orders what
 * is kept and what is dropped; nothing in here is understood by the keeper. All of it is static,
 * and its pages are touched only as far as slots are used.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/entry.h"
#include "init/guardian.h"
#include "init/spawn.h"
#include "init/wire.h"

typedef struct Table {
        int epoll_fd;                  /* borrowed; exec pipes are watched in it by their slot */
        GuardianFacts *guardian_facts; /* by slot */
        int ledger_fd;
        uint32_t n_entries; /* none above this one has been used */
        Entry entries[WIRE_SLOTS_MAX];
        int holders[WIRE_HOLDERS_MAX]; /* pidfds; -1: none */
} Table;

/* Makes an empty ledger, and the memory that is shared with guardians. */
int table_open(Table *table, int epoll_fd);

uint32_t table_slot(const Table *table, const Entry *entry);

/* The entry whose process this is, not reaped yet; NULL: none. */
Entry *table_find_running(Table *table, pid_t pid);

/*
 * Obeys a SPAWN, and takes what is to be kept of its descriptors out of fds. Answers the entry,
 * which has news, or NULL: this generation has been spawned before.
 */
Entry *table_spawn(
        Table *table, const Session *session, const WireMessage *message, int *fds, size_t n_fds);

void table_acknowledge(Table *table, const WireMessage *message);
void table_release(Table *table, const WireMessage *message);

/* The descriptor is taken out of *fd, in place of the former one. */
void table_keep_memory(Table *table, uint32_t slot, int *fd);
void table_keep_ledger(Table *table, int *fd);
/* -1: none from now on. */
void table_keep_sockets(Table *table, uint32_t slot, int *fd);
/* -1: none from now on. */
void table_keep_stdin(Table *table, const WireMessage *message, int *fd);
/* -1: none from now on. */
void table_keep_holder(Table *table, uint32_t index, int *fd);

/* Looks whether the exec of this entry has come to something. */
void table_read_exec_result(Table *table, Entry *entry);

/* ... now that the child has been reaped: if not, it never will, and nothing is lent any more. */
void table_read_last_exec_result(Table *table, Entry *entry);
