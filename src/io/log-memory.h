/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogMemory
 *
 * The memfd that a sidecar's output is in, mapped. It costs what is touched of it. The event loop
 * and the thread that writes files each hold a reference, since a file is written to its end after
 * the sidecar is gone.
 */

#include "model/log-store.h"
#include "util/macro.h"

typedef struct LogMemory LogMemory;

/* *ret_fd: the memfd, the caller's; it is needed by nobody but the next brain. */
int log_memory_new(LogMemory **ret, int *ret_fd);
/* fd is borrowed, and need not stay open. -EBADMSG: that is not of the right size. */
int log_memory_open(LogMemory **ret, int fd);

LogMemory *log_memory_ref(LogMemory *memory);
LogMemory *log_memory_unref(LogMemory *memory);
DEFINE_CLEANUP(LogMemory, log_memory_unref);

const LogStore *log_memory_store(const LogMemory *memory);

/* Gives back what is more than LOG_RING_BYTES before that position, at which the ring ends. */
void log_memory_trim(const LogMemory *memory, uint64_t position);
