/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogStore
 *
 * The form of the memory that a sidecar's output is in, which outlives us: another brain goes on
 * with it wherever this one is killed. What it says is therefore changed by single stores: a new
 * state is written beside the old one, and then an index of two is flipped.
 *
 * A position is where a byte is in the ring, and only grows. Some spans of the ring are copies
 * ("skips"), made so that each line is in one piece. A raw count leaves them out: it is how many
 * bytes the sidecar had written before, and so what the file goes by.
 *
 * It is no older than the machine's last start and never leaves it, so it has no byte order; a
 * version that changes any of it gets another LOG_STORE_VERSION.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_RING_BYTES (256u * 1024u) /* whose lines are there to be read */
/*
 * After which a position is where another one was. What the lines do not take of it is room for the
 * file to be behind in while a flood lasts: with less of it loop and thread wait for each other.
 */
#define LOG_STORE_RING_BYTES (512u * 1024u)
#define LOG_LINE_BYTES_MAX (8u * 1024u)

#define LOG_STORE_VERSION UINT64_C(0x00026c6f67646373) /* of no special form, but nobody else's */
#define LOG_STORE_PAGE_BYTES 4096u

#define LOG_STORE_LINES 4096u
#define LOG_STORE_OPEN_LINES 4u
#define LOG_STORE_SKIPS 8192u
#define LOG_SKIP_BYTES_MIN 128u /* so that twice as many are in the table as in the ring */

typedef struct LogIndexEntry {
        uint64_t realtime_usec;
        uint64_t generation;
        uint64_t position;
        uint32_t n_before; /* a copy of bytes that began so much before: with them the line goes */
        uint16_t n_bytes;
        uint8_t stream;
        uint8_t ending; /* LogEnding */
} LogIndexEntry;

/* What follows the last newline of a stream. */
typedef struct LogOpenLine {
        uint64_t generation;
        uint64_t position; /* LOG_IN_PIECES, or all of it is there, too */
        uint32_t n_bytes;  /* 0: this place is free */
        uint8_t stream;
        uint8_t buffer; /* all of it is in that one */
} LogOpenLine;

#define LOG_IN_PIECES UINT64_MAX

typedef struct LogSkip {
        uint64_t raw; /* it lies before that byte */
        uint64_t n_bytes;
} LogSkip;

typedef struct LogState {
        uint64_t first, next; /* numbers of lines */
        uint64_t end;         /* position */
        uint64_t n_skips;     /* ever: the newest of them are in the table */
        uint64_t n_skipped;   /* bytes */
        LogOpenLine open[LOG_STORE_OPEN_LINES];
} LogState;

/* A read that is about to take place, takes place, or did and is not in the state yet. */
typedef struct LogPending {
        uint64_t position;
        uint64_t generation;
        uint64_t realtime_usec;
        uint64_t nonce; /* its last bytes are where the last ones of the read come to be */
        uint64_t stream;
        uint64_t n_bytes; /* 0: there is none; written last, and first to end it */
} LogPending;

/* Where the file is. Written by whoever writes the file, before and after each write(2). */
typedef struct LogFileNote {
        uint64_t raw; /* what comes next */
        uint64_t device, inode, size;
        uint64_t n_lost; /* not bytes are being written but, with n_line, the line about so many */
        uint64_t n_line;
} LogFileNote;

typedef struct LogHeader {
        uint64_t version;
        uint64_t reserved; /* position: of what is a ring behind it nothing may be left */
        uint64_t current;  /* of states */
        uint64_t current_note;
        LogState states[2];
        LogPending pending;
        LogFileNote notes[2];
        LogSkip skips[LOG_STORE_SKIPS];
        /* One more than open lines: what the current state names is never written over. */
        char buffers[LOG_STORE_OPEN_LINES + 1][LOG_LINE_BYTES_MAX];
        LogIndexEntry index[LOG_STORE_LINES];
} LogHeader;

/* Where the header ends and the ring begins, in the memory and in what is mapped of it. */
#define LOG_STORE_HEADER_BYTES                                                   \
        ((sizeof(LogHeader) + LOG_STORE_PAGE_BYTES - 1) / LOG_STORE_PAGE_BYTES * \
         LOG_STORE_PAGE_BYTES)
#define LOG_STORE_BYTES (LOG_STORE_HEADER_BYTES + LOG_STORE_RING_BYTES)

/* As it is mapped: the ring twice in a row, so that any span of it is in one piece. */
typedef struct LogStore {
        LogHeader *header;
        char *bytes;
} LogStore;

/*
 * For a word that says that other things are so. A kill takes place between two instructions, and
 * leaves what those before it wrote: it is enough that the compiler keeps their order.
 */
static inline void log_store_set(uint64_t *word, uint64_t value) {
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        __atomic_store_n(word, value, __ATOMIC_RELAXED);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline char *log_store_at(const LogStore *store, uint64_t position) {
        return store->bytes + position % LOG_STORE_RING_BYTES;
}

/* How far the ring is filled, for who reads the bytes while more are added. */
typedef struct LogExtent {
        uint64_t end; /* position */
        uint64_t n_skips;
        uint64_t n_skipped;
} LogExtent;

static inline uint64_t log_extent_raw(const LogExtent *extent) {
        return extent->end - extent->n_skipped;
}

/* Both for what is less than a ring before the end. */
uint64_t log_store_position(const LogStore *store, const LogExtent *extent, uint64_t raw);
/* Of the next byte that is no copy. */
uint64_t log_store_raw(const LogStore *store, const LogExtent *extent, uint64_t position);

/* Copies from that raw byte on, and answers how many there were. */
size_t log_store_copy(const LogStore *store,
                      const LogExtent *extent,
                      uint64_t raw,
                      char *ret_bytes,
                      size_t n_max);

/* Written by one thread at a time; read by whoever takes the memory up. */
void log_store_note_file(const LogStore *store, const LogFileNote *note);
LogFileNote log_store_file_note(const LogStore *store);
