/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogRing
 *
 * The newest lines of one sidecar, in 256 KiB that are taken as they fill (contract G1, G2).
 * Lines are stored as bytes, whatever they are; the oldest go first, and every line has a number
 * by which a reader can tell what it missed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

#define LOG_RING_BYTES (256u * 1024u)
#define LOG_LINE_BYTES_MAX (8u * 1024u)

typedef enum LogStream {
        LOG_STDOUT,
        LOG_STDERR,
        LOG_SUPERVISOR, /* our own words about this sidecar */
        _LOG_STREAM_MAX,
        _LOG_STREAM_INVALID = -EINVAL,
} LogStream;

const char *log_stream_to_string(LogStream stream);
LogStream log_stream_from_string(const char *text);

typedef struct LogLine {
        uint64_t number; /* rises for ever by one a line */
        uint64_t realtime_usec;
        uint64_t generation;
        LogStream stream;
        bool is_split;     /* a piece of a line longer than LOG_LINE_BYTES_MAX, and not its last */
        const char *bytes; /* without the newline; borrowed from the ring until the next append */
        size_t n_bytes;
} LogLine;

typedef struct LogRing LogRing;

/* first_number: what the first line is counted as. */
int log_ring_new(LogRing **ret, uint64_t first_number);
LogRing *log_ring_free(LogRing *ring);
DEFINE_CLEANUP(LogRing, log_ring_free);

/*
 * Bytes of a stream as they were read, in pieces of any size; a line ends at "\n" (a "\r" before
 * it goes too), and a very long one at LOG_LINE_BYTES_MAX. What follows the last newline waits.
 */
void log_ring_write(LogRing *ring,
                    LogStream stream,
                    uint64_t generation,
                    uint64_t realtime_usec,
                    const char *bytes,
                    size_t n_bytes);

/* The stream has ended: what waits becomes a line. */
void log_ring_flush(LogRing *ring, LogStream stream, uint64_t generation, uint64_t realtime_usec);

/* Number of the oldest line there is, and of the next one to come: equal where there is none. */
uint64_t log_ring_first(const LogRing *ring);
uint64_t log_ring_next(const LogRing *ring);

/* The line of that number, or of the next higher that is there; false: there is none. */
bool log_ring_get(const LogRing *ring, uint64_t number, LogLine *ret);
