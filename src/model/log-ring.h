/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogRing
 *
 * The newest lines of one sidecar, in 256 KiB that are taken as they fill (contract G1, G2).
 * Lines are stored as bytes, whatever they are; the oldest go first, and every line has a number
 * by which a reader can tell what it missed. It lies in a LogStore, and so outlives us.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/log-store.h"
#include "util/macro.h"

typedef enum LogStream {
        LOG_STDOUT,
        LOG_STDERR,
        LOG_SUPERVISOR, /* our own words about this sidecar */
        _LOG_STREAM_MAX,
        _LOG_STREAM_INVALID = -EINVAL,
} LogStream;

const char *log_stream_to_string(LogStream stream);
LogStream log_stream_from_string(const char *text);

/* What followed a line in its stream, and is not among its bytes. */
typedef enum LogEnding {
        LOG_ENDING_NEWLINE,
        LOG_ENDING_SPLIT,  /* nothing: it is longer than LOG_LINE_BYTES_MAX, and goes on */
        LOG_ENDING_RETURN, /* "\r\n" */
        LOG_ENDING_NONE,   /* nothing: the stream ended */
        _LOG_ENDING_MAX,
} LogEnding;

typedef struct LogLine {
        uint64_t number; /* rises for ever by one a line */
        uint64_t realtime_usec;
        uint64_t generation;
        LogStream stream;
        LogEnding ending;
        const char *bytes; /* without the newline; borrowed from the ring until the next append */
        size_t n_bytes;
} LogLine;

typedef struct LogRing LogRing;

/* first_number: what the first line is counted as. It has no memory yet, and holds no line. */
int log_ring_new(LogRing **ret, uint64_t first_number);
LogRing *log_ring_free(LogRing *ring);
DEFINE_CLEANUP(LogRing, log_ring_free);

/* Goes on in that memory, which is zero; borrowed. */
void log_ring_begin(LogRing *ring, const LogStore *store);
/*
 * Goes on in a memory that another brain left at any instant; borrowed. Numbers are those that it
 * had. -EBADMSG: it was not written by this version, or has been damaged, and is not used.
 */
int log_ring_resume(LogRing *ring, const LogStore *store);
/* The memory goes: no line is left. */
void log_ring_end(LogRing *ring);

/* Where bytes come from. */
typedef struct LogOrigin {
        LogStream stream;
        uint64_t generation;
        uint64_t realtime_usec;
} LogOrigin;

/* What one read, or one flush, takes up at most besides the bytes that are read. */
#define LOG_RING_COPY_BYTES_MAX (2u * LOG_LINE_BYTES_MAX)

/*
 * Answers where exactly n_bytes (not 0, and at most half of the ring) are to be read to. Between
 * this and log_ring_take() all of them must come at once or none: the next brain looks whether
 * the nonce, which no other read had, is still where their last bytes belong.
 */
char *log_ring_prepare(LogRing *ring, const LogOrigin *origin, size_t n_bytes, uint64_t nonce);
/*
 * They came, in pieces of any size; a line ends at "\n" (a "\r" before it goes too), and a very
 * long one at LOG_LINE_BYTES_MAX. What follows the last newline waits. 0: none came.
 */
void log_ring_take(LogRing *ring, size_t n_bytes);

/* The stream has ended: what waits becomes a line. */
void log_ring_flush(LogRing *ring, const LogOrigin *origin);
/* What waits at that place, of LOG_STORE_OPEN_LINES; false: nothing. */
bool log_ring_get_waiting(const LogRing *ring, size_t place, LogOrigin *ret);

LogExtent log_ring_extent(const LogRing *ring);
/* What is a ring behind that position is not, or soon will not be, what it was. */
uint64_t log_ring_reserved(const LogRing *ring);

/* Number of the oldest line there is, and of the next one to come: equal where there is none. */
uint64_t log_ring_first(const LogRing *ring);
uint64_t log_ring_next(const LogRing *ring);

/* How many bytes of the ring there are from that line on. */
uint64_t log_ring_behind(const LogRing *ring, uint64_t number);

/*
 * Number of the oldest line that came at that time (CLOCK_REALTIME) or later; that of the next one
 * to come where there is none. The index is halved, not read: where the clock was set back in
 * between, lines are not in the order of their times, and the answer is a line at such a place.
 */
uint64_t log_ring_find(const LogRing *ring, uint64_t realtime_usec);

/* The line of that number, or of the next higher that is there; false: there is none. */
bool log_ring_get(const LogRing *ring, uint64_t number, LogLine *ret);
