/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogRing
 *
 * Two rings in one mapping: the bytes, and an index with an entry a line. A line that does not fit
 * before the end of the bytes begins at their start, so that a reader gets it in one piece; the
 * few bytes left over at the end are not used in that round. The index is made for lines of 64
 * bytes: of shorter ones the ring holds fewer bytes than it could.
 *
 * What follows the last newline of a stream waits outside, since it may grow while other streams
 * complete lines.
 */

#include <string.h>

#include "model/log-ring.h"
#include "util/pages.h"

#define LOG_RING_LINES 4096u
#define LOG_RING_MAPPING (LOG_RING_BYTES + LOG_RING_LINES * sizeof(IndexEntry))

typedef struct IndexEntry {
        uint64_t realtime_usec;
        uint64_t generation;
        uint32_t position; /* of the first byte, see LogRing */
        uint16_t n_bytes;
        uint8_t stream;
        bool is_split;
} IndexEntry;

typedef struct PartialLine PartialLine;

struct PartialLine {
        PartialLine *next; /* LogRing::partials */
        LogStream stream;
        uint64_t generation;
        size_t n_bytes;
        char bytes[LOG_LINE_BYTES_MAX];
};

struct LogRing {
        uint64_t first, next;
        uint32_t position; /* where the next line goes: counts on for ever, modulo 2^32 */
        char *bytes;       /* NULL until the first line */
        IndexEntry *index; /* in the same mapping */
        PartialLine *partials;
};

typedef struct LineOrigin {
        LogStream stream;
        uint64_t generation;
        uint64_t realtime_usec;
} LineOrigin;

static const char *const streams[_LOG_STREAM_MAX] = {
        [LOG_STDOUT] = "stdout",
        [LOG_STDERR] = "stderr",
        [LOG_SUPERVISOR] = "supervisor",
};

const char *log_stream_to_string(LogStream stream) {
        return stream >= 0 && stream < _LOG_STREAM_MAX ? streams[stream] : NULL;
}

LogStream log_stream_from_string(const char *text) {
        for (LogStream stream = 0; stream < _LOG_STREAM_MAX; stream++)
                if (strcmp(streams[stream], text) == 0)
                        return stream;

        return _LOG_STREAM_INVALID;
}

int log_ring_new(LogRing **ret, uint64_t first_number) {
        LogRing *ring = calloc(1, sizeof(*ring));

        if (!ring)
                return -ENOMEM;

        ring->first = ring->next = first_number;
        *ret = ring;
        return 0;
}

static void partial_free(LogRing *ring, PartialLine *partial) {
        PartialLine **link = &ring->partials;

        while (*link != partial)
                link = &(*link)->next;

        *link = partial->next;
        free(partial);
}

LogRing *log_ring_free(LogRing *ring) {
        if (!ring)
                return NULL;

        while (ring->partials)
                partial_free(ring, ring->partials);
        (void) pages_unmap(ring->bytes, LOG_RING_MAPPING);
        free(ring);
        return NULL;
}

static bool ring_map(LogRing *ring) {
        ring->bytes = pages_map(LOG_RING_MAPPING);
        if (ring->bytes)
                ring->index = (IndexEntry *) (ring->bytes + LOG_RING_BYTES);

        return ring->bytes;
}

static IndexEntry *ring_entry(const LogRing *ring, uint64_t number) {
        return &ring->index[number % LOG_RING_LINES];
}

/* Makes room for one more line, whose bytes end before that position. */
static void ring_evict(LogRing *ring, uint32_t end) {
        while (ring->first < ring->next &&
               (ring->next - ring->first == LOG_RING_LINES ||
                end - ring_entry(ring, ring->first)->position > LOG_RING_BYTES))
                ring->first++;
}

static void ring_put(
        LogRing *ring, const LineOrigin *origin, const char *bytes, size_t n_bytes, bool is_split) {

        uint32_t position = ring->position, offset = position % LOG_RING_BYTES;

        if (!ring->bytes && !ring_map(ring)) {
                /* The number that is not there tells the reader what was lost. */
                ring->first = ++ring->next;
                return;
        }

        if (n_bytes > LOG_RING_BYTES - offset) {
                position += LOG_RING_BYTES - offset;
                offset = 0;
        }

        ring_evict(ring, position + (uint32_t) n_bytes);
        memcpy(ring->bytes + offset, bytes, n_bytes);
        *ring_entry(ring, ring->next) = (IndexEntry){
                .realtime_usec = origin->realtime_usec,
                .generation = origin->generation,
                .position = position,
                .n_bytes = (uint16_t) n_bytes,
                .stream = (uint8_t) origin->stream,
                .is_split = is_split,
        };
        ring->next++;
        ring->position = position + (uint32_t) n_bytes;
}

/* A "\r" counts into the length of a line until its newline is there. */
static void
ring_put_line(LogRing *ring, const LineOrigin *origin, const char *bytes, size_t n_bytes) {
        if (n_bytes > 0 && bytes[n_bytes - 1] == '\r')
                n_bytes--;

        ring_put(ring, origin, bytes, n_bytes, false);
}

static PartialLine *partial_find(const LogRing *ring, LogStream stream, uint64_t generation) {
        for (PartialLine *partial = ring->partials; partial; partial = partial->next)
                if (partial->stream == stream && partial->generation == generation)
                        return partial;

        return NULL;
}

static void partial_append(PartialLine *partial, const char *bytes, size_t n_bytes) {
        memcpy(partial->bytes + partial->n_bytes, bytes, n_bytes);
        partial->n_bytes += n_bytes;
}

/* Lets bytes wait for their newline. */
static void ring_keep(LogRing *ring,
                      PartialLine *partial,
                      const LineOrigin *origin,
                      const char *bytes,
                      size_t n_bytes) {
        if (!partial) {
                partial = malloc(sizeof(*partial));
                if (!partial) {
                        ring_put(ring, origin, bytes, n_bytes, true);
                        return;
                }

                partial->next = ring->partials;
                partial->stream = origin->stream;
                partial->generation = origin->generation;
                partial->n_bytes = 0;
                ring->partials = partial;
        }

        partial_append(partial, bytes, n_bytes);
}

void log_ring_write(LogRing *ring,
                    LogStream stream,
                    uint64_t generation,
                    uint64_t realtime_usec,
                    const char *bytes,
                    size_t n_bytes) {
        const LineOrigin origin = { stream, generation, realtime_usec };
        PartialLine *partial = partial_find(ring, stream, generation);

        while (n_bytes > 0) {
                size_t room = LOG_LINE_BYTES_MAX - (partial ? partial->n_bytes : 0), n_line;
                /* A full line is split only when it is known that its newline does not follow. */
                const char *newline = memchr(bytes, '\n', n_bytes <= room ? n_bytes : room + 1);

                if (!newline && n_bytes <= room) {
                        ring_keep(ring, partial, &origin, bytes, n_bytes);
                        return;
                }

                n_line = newline ? (size_t) (newline - bytes) : room;
                if (partial) {
                        partial_append(partial, bytes, n_line);
                        if (newline)
                                ring_put_line(ring, &origin, partial->bytes, partial->n_bytes);
                        else
                                ring_put(ring, &origin, partial->bytes, partial->n_bytes, true);
                        partial_free(ring, partial);
                        partial = NULL;
                } else if (newline)
                        ring_put_line(ring, &origin, bytes, n_line);
                else
                        ring_put(ring, &origin, bytes, n_line, true);

                n_line += newline ? 1 : 0;
                bytes += n_line;
                n_bytes -= n_line;
        }
}

void log_ring_flush(LogRing *ring, LogStream stream, uint64_t generation, uint64_t realtime_usec) {
        const LineOrigin origin = { stream, generation, realtime_usec };
        PartialLine *partial = partial_find(ring, stream, generation);

        if (!partial)
                return;

        ring_put(ring, &origin, partial->bytes, partial->n_bytes, false);
        partial_free(ring, partial);
}

uint64_t log_ring_first(const LogRing *ring) {
        return ring->first;
}

uint64_t log_ring_next(const LogRing *ring) {
        return ring->next;
}

bool log_ring_get(const LogRing *ring, uint64_t number, LogLine *ret) {
        const IndexEntry *entry;

        if (number < ring->first)
                number = ring->first;
        if (number >= ring->next)
                return false;

        entry = ring_entry(ring, number);
        *ret = (LogLine){
                .number = number,
                .realtime_usec = entry->realtime_usec,
                .generation = entry->generation,
                .stream = entry->stream,
                .is_split = entry->is_split,
                .bytes = ring->bytes + entry->position % LOG_RING_BYTES,
                .n_bytes = entry->n_bytes,
        };
        return true;
}
