/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogRing
 *
 * Bytes are read straight into the ring, and lines are an index beside it. A line that is complete
 * in what was read, or that went on where it had stopped, lies there in one piece. Where another
 * stream wrote in between, what was there of it waits in a buffer, and the line is put together
 * behind the bytes that end it: once a line, so that the ring is never filled by copies alone.
 *
 * The state is worked on in a copy of ours and then committed. Whatever is written before lies
 * where the committed state does not look, and what is done twice with the same bytes comes to the
 * same: so the next brain does again what was not committed.
 */

#include <string.h>

#include "model/log-ring.h"

struct LogRing {
        LogState state;
        LogStore store; /* borrowed; no header: there is none yet */
};

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

        ring->state.first = ring->state.next = first_number;
        *ret = ring;
        return 0;
}

LogRing *log_ring_free(LogRing *ring) {
        free(ring);
        return NULL;
}

static void ring_commit(LogRing *ring) {
        LogHeader *header = ring->store.header;
        uint64_t other = !header->current;

        header->states[other] = ring->state;
        log_store_set(&header->current, other);
}

static LogIndexEntry *ring_entry(const LogRing *ring, uint64_t number) {
        return &ring->store.header->index[number % LOG_STORE_LINES];
}

static void ring_evict(LogRing *ring) {
        LogState *state = &ring->state;

        for (; state->first < state->next; state->first++) {
                const LogIndexEntry *entry = ring_entry(ring, state->first);

                if (entry->position - entry->n_before + LOG_RING_BYTES >=
                    ring->store.header->reserved)
                        return;
        }
}

/* From now on everything before that position may be written over what was a ring before. */
static void ring_reserve(LogRing *ring, uint64_t position) {
        LogHeader *header = ring->store.header;

        if (position > header->reserved)
                log_store_set(&header->reserved, position);
        ring_evict(ring);
}

/* One place of the index is always free, so that what is not committed is in nobody's way. */
static void ring_put(LogRing *ring,
                     const LogOrigin *origin,
                     uint64_t position,
                     size_t n_bytes,
                     size_t n_before,
                     LogEnding ending) {
        LogState *state = &ring->state;

        if (state->next - state->first == LOG_STORE_LINES - 1)
                state->first++;

        *ring_entry(ring, state->next) = (LogIndexEntry){
                .realtime_usec = origin->realtime_usec,
                .generation = origin->generation,
                .position = position,
                .n_before = (uint32_t) n_before,
                .n_bytes = (uint16_t) n_bytes,
                .stream = (uint8_t) origin->stream,
                .ending = (uint8_t) ending,
        };
        state->next++;
}

/* Of a line that was found to end behind these bytes. */
static LogEnding find_ending(const char *bytes, size_t n_bytes, bool is_split) {
        if (is_split)
                return LOG_ENDING_SPLIT;

        return n_bytes > 0 && bytes[n_bytes - 1] == '\r' ? LOG_ENDING_RETURN : LOG_ENDING_NEWLINE;
}

static size_t without_return(size_t n_bytes, LogEnding ending) {
        return ending == LOG_ENDING_RETURN ? n_bytes - 1 : n_bytes;
}

/* Takes a span for a copy at the end of the ring, and answers where. */
static uint64_t ring_skip(LogRing *ring, size_t n_bytes) {
        LogState *state = &ring->state;
        uint64_t position = state->end;

        if (n_bytes < LOG_SKIP_BYTES_MIN)
                n_bytes = LOG_SKIP_BYTES_MIN;

        ring->store.header->skips[state->n_skips % LOG_STORE_SKIPS] = (LogSkip){
                .raw = state->end - state->n_skipped,
                .n_bytes = n_bytes,
        };
        state->n_skips++;
        state->n_skipped += n_bytes;
        state->end += n_bytes;
        return position;
}

static LogOpenLine *open_find(LogRing *ring, const LogOrigin *origin) {
        for (size_t i = 0; i < LOG_STORE_OPEN_LINES; i++) {
                LogOpenLine *open = &ring->state.open[i];

                if (open->n_bytes > 0 && open->stream == origin->stream &&
                    open->generation == origin->generation)
                        return open;
        }

        return NULL;
}

static LogOpenLine *open_find_free(LogRing *ring) {
        for (size_t i = 0; i < LOG_STORE_OPEN_LINES; i++)
                if (ring->state.open[i].n_bytes == 0)
                        return &ring->state.open[i];

        return NULL;
}

static LogOpenLine *open_find_oldest(LogRing *ring) {
        LogOpenLine *oldest = ring->state.open;

        for (size_t i = 1; i < LOG_STORE_OPEN_LINES; i++)
                if (ring->state.open[i].generation < oldest->generation)
                        oldest = &ring->state.open[i];

        return oldest;
}

static char *open_buffer(const LogRing *ring, const LogOpenLine *open) {
        return ring->store.header->buffers[open->buffer];
}

/* What the committed state names is needed for as long as that is the last word. */
static uint8_t ring_free_buffer(const LogRing *ring) {
        const LogHeader *header = ring->store.header;
        const LogState *committed = &header->states[header->current];
        bool is_taken[LOG_STORE_OPEN_LINES + 1] = { false };
        uint8_t buffer = 0;

        for (size_t i = 0; i < LOG_STORE_OPEN_LINES; i++)
                if (committed->open[i].n_bytes > 0)
                        is_taken[committed->open[i].buffer] = true;
        while (is_taken[buffer])
                buffer++;

        return buffer;
}

static bool open_is_before(const LogOpenLine *open, uint64_t position) {
        return open->position != LOG_IN_PIECES && open->position + open->n_bytes == position;
}

static void ring_open(LogRing *ring, const LogOrigin *origin, uint64_t position, size_t n_bytes) {
        LogOpenLine *open = open_find_free(ring);

        *open = (LogOpenLine){
                .generation = origin->generation,
                .position = position,
                .n_bytes = (uint32_t) n_bytes,
                .stream = (uint8_t) origin->stream,
                .buffer = ring_free_buffer(ring),
        };
        memcpy(open_buffer(ring, open), log_store_at(&ring->store, position), n_bytes);
}

static void open_append(LogRing *ring, LogOpenLine *open, uint64_t position, size_t n_bytes) {
        memcpy(open_buffer(ring, open) + open->n_bytes, log_store_at(&ring->store, position),
               n_bytes);
        open->n_bytes += (uint32_t) n_bytes;
}

/* Answers how long the next line is, if it ends within these bytes, else -1. */
static ssize_t find_end(const char *bytes, size_t n_bytes, size_t n_max, bool *ret_is_split) {
        /* A full line is split only when it is known that its newline does not follow. */
        const char *newline = memchr(bytes, '\n', n_bytes <= n_max ? n_bytes : n_max + 1);

        if (!newline && n_bytes <= n_max)
                return -1;

        *ret_is_split = !newline;
        return newline ? newline - bytes : (ssize_t) n_max;
}

/*
 * Other bytes came between the beginning of this line and those that were just read. Answers where
 * the next line begins.
 */
static uint64_t ring_put_together(
        LogRing *ring, const LogOrigin *origin, LogOpenLine *open, uint64_t begin, size_t n_read) {
        const char *bytes = log_store_at(&ring->store, begin);
        bool is_split;
        ssize_t n_more = find_end(bytes, n_read, LOG_LINE_BYTES_MAX - open->n_bytes, &is_split);
        LogEnding ending;
        uint64_t position;
        size_t n_bytes;
        char *copy;

        if (n_more < 0) {
                open_append(ring, open, begin, n_read);
                open->position = LOG_IN_PIECES;
                return begin + n_read;
        }

        n_bytes = open->n_bytes + (size_t) n_more;
        position = ring_skip(ring, n_bytes);
        copy = log_store_at(&ring->store, position);
        memcpy(copy, open_buffer(ring, open), open->n_bytes);
        memcpy(copy + open->n_bytes, bytes, (size_t) n_more);
        ending = find_ending(copy, n_bytes, is_split);
        ring_put(ring, origin, position, without_return(n_bytes, ending), position - begin, ending);
        open->n_bytes = 0;
        return begin + (size_t) n_more + (is_split ? 0 : 1);
}

/* Lines within a span, and answers where the rest begins that is none yet. */
static uint64_t
ring_split(LogRing *ring, const LogOrigin *origin, uint64_t start, uint64_t end, size_t n_known) {
        while (start < end) {
                const char *bytes = log_store_at(&ring->store, start);
                bool is_split;
                ssize_t n_more = find_end(bytes + n_known, end - start - n_known,
                                          LOG_LINE_BYTES_MAX - n_known, &is_split);
                LogEnding ending;
                size_t n_bytes;

                if (n_more < 0)
                        break;

                n_bytes = n_known + (size_t) n_more;
                ending = find_ending(bytes, n_bytes, is_split);
                ring_put(ring, origin, start, without_return(n_bytes, ending), 0, ending);
                start += n_bytes + (is_split ? 0 : 1);
                n_known = 0;
        }

        return start;
}

static void ring_take(LogRing *ring, const LogOrigin *origin, size_t n_bytes) {
        uint64_t begin = ring->state.end, end = begin + n_bytes, start;
        LogOpenLine *open = open_find(ring, origin);

        ring->state.end = end;
        if (open && !open_is_before(open, begin)) {
                start = ring_put_together(ring, origin, open, begin, n_bytes);
                start = ring_split(ring, origin, start, end, 0);
        } else if (open) {
                start = ring_split(ring, origin, open->position, end, open->n_bytes);
                if (start == open->position) {
                        open_append(ring, open, begin, n_bytes);
                        start = end;
                } else
                        open->n_bytes = 0;
        } else
                start = ring_split(ring, origin, begin, end, 0);

        if (start < end)
                ring_open(ring, origin, start, end - start);
        ring_commit(ring);
}

char *log_ring_prepare(LogRing *ring, const LogOrigin *origin, size_t n_bytes, uint64_t nonce) {
        size_t n_nonce = n_bytes < sizeof(nonce) ? n_bytes : sizeof(nonce);
        LogPending *pending = &ring->store.header->pending;
        const LogOpenLine *open;
        uint64_t end;
        char *bytes;

        if (!open_find(ring, origin) && !open_find_free(ring)) {
                open = open_find_oldest(ring);
                log_ring_flush(ring, &(LogOrigin){ (LogStream) open->stream, open->generation,
                                                   origin->realtime_usec });
        }

        end = ring->state.end;
        pending->position = end;
        pending->generation = origin->generation;
        pending->realtime_usec = origin->realtime_usec;
        pending->nonce = nonce;
        pending->stream = origin->stream;

        open = open_find(ring, origin);
        ring_reserve(ring,
                     end + n_bytes + (open && !open_is_before(open, end) ? LOG_LINE_BYTES_MAX : 0));

        /* A page that is not there yet could end a read halfway, if we are killed just then. */
        bytes = log_store_at(&ring->store, end);
        for (size_t i = 0; i < n_bytes; i += LOG_STORE_PAGE_BYTES)
                *(volatile char *) (bytes + i) = 0;
        memcpy(bytes + n_bytes - n_nonce, (const char *) &nonce + sizeof(nonce) - n_nonce, n_nonce);

        log_store_set(&pending->n_bytes, n_bytes);
        return bytes;
}

void log_ring_take(LogRing *ring, size_t n_bytes) {
        LogPending *pending = &ring->store.header->pending;
        const LogOrigin origin = { (LogStream) pending->stream, pending->generation,
                                   pending->realtime_usec };

        if (n_bytes > 0)
                ring_take(ring, &origin, n_bytes);
        log_store_set(&pending->n_bytes, 0);
}

void log_ring_flush(LogRing *ring, const LogOrigin *origin) {
        LogOpenLine *open = open_find(ring, origin);
        uint64_t position;

        if (!open)
                return;

        position = open->position;
        if (!open_is_before(open, ring->state.end)) {
                ring_reserve(ring, ring->state.end + LOG_LINE_BYTES_MAX);
                position = ring_skip(ring, open->n_bytes);
                memcpy(log_store_at(&ring->store, position), open_buffer(ring, open),
                       open->n_bytes);
        }

        ring_put(ring, origin, position, open->n_bytes, 0, LOG_ENDING_NONE);
        open->n_bytes = 0;
        ring_commit(ring);
}

bool log_ring_get_waiting(const LogRing *ring, size_t place, LogOrigin *ret) {
        const LogOpenLine *open = &ring->state.open[place];

        if (open->n_bytes == 0)
                return false;

        *ret = (LogOrigin){ .stream = (LogStream) open->stream, .generation = open->generation };
        return true;
}

void log_ring_begin(LogRing *ring, const LogStore *store) {
        ring->store = *store;
        ring_commit(ring);
        log_store_set(&store->header->version, LOG_STORE_VERSION);
}

/* What would lead us out of the memory if it were wrong. */
static bool header_is_sound(const LogHeader *header) {
        const LogState *state = &header->states[header->current & 1];

        if (header->version != LOG_STORE_VERSION || header->current > 1 ||
            header->current_note > 1 || state->next - state->first >= LOG_STORE_LINES ||
            header->pending.n_bytes > LOG_RING_BYTES / 2 ||
            header->pending.stream >= _LOG_STREAM_MAX)
                return false;

        for (size_t i = 0; i < LOG_STORE_OPEN_LINES; i++)
                if (state->open[i].n_bytes > LOG_LINE_BYTES_MAX ||
                    state->open[i].buffer > LOG_STORE_OPEN_LINES ||
                    state->open[i].stream >= _LOG_STREAM_MAX)
                        return false;

        for (uint64_t number = state->first; number < state->next; number++) {
                const LogIndexEntry *entry = &header->index[number % LOG_STORE_LINES];

                if (entry->n_bytes > LOG_LINE_BYTES_MAX || entry->stream >= _LOG_STREAM_MAX ||
                    entry->ending >= _LOG_ENDING_MAX)
                        return false;
        }

        return true;
}

static bool pending_took_place(const LogStore *store) {
        const LogPending *pending = &store->header->pending;
        size_t n_bytes = pending->n_bytes, n_nonce;

        n_nonce = n_bytes < sizeof(pending->nonce) ? n_bytes : sizeof(pending->nonce);
        return memcmp(log_store_at(store, pending->position + n_bytes - n_nonce),
                      (const char *) (&pending->nonce + 1) - n_nonce, n_nonce) != 0;
}

int log_ring_resume(LogRing *ring, const LogStore *store) {
        const LogHeader *header = store->header;
        bool is_due;

        if (!header_is_sound(header))
                return -EBADMSG;

        ring->store = *store;
        ring->state = header->states[header->current];
        ring_evict(ring);

        /* Of what was committed the position is before the end. */
        is_due = header->pending.n_bytes > 0 && header->pending.position == ring->state.end &&
                 pending_took_place(store);
        log_ring_take(ring, is_due ? header->pending.n_bytes : 0);
        return 0;
}

void log_ring_end(LogRing *ring) {
        ring->store = (LogStore){ 0 };
        ring->state = (LogState){ .first = ring->state.next, .next = ring->state.next };
}

LogExtent log_ring_extent(const LogRing *ring) {
        return (LogExtent){ ring->state.end, ring->state.n_skips, ring->state.n_skipped };
}

uint64_t log_ring_reserved(const LogRing *ring) {
        return ring->store.header->reserved;
}

uint64_t log_ring_first(const LogRing *ring) {
        return ring->state.first;
}

uint64_t log_ring_next(const LogRing *ring) {
        return ring->state.next;
}

uint64_t log_ring_behind(const LogRing *ring, uint64_t number) {
        if (number < ring->state.first)
                number = ring->state.first;
        if (number >= ring->state.next)
                return 0;

        return ring->state.end - ring_entry(ring, number)->position;
}

uint64_t log_ring_find(const LogRing *ring, uint64_t realtime_usec) {
        uint64_t first = ring->state.first, end = ring->state.next;

        while (first < end) {
                uint64_t middle = first + (end - first) / 2;

                if (ring_entry(ring, middle)->realtime_usec < realtime_usec)
                        first = middle + 1;
                else
                        end = middle;
        }

        return first;
}

bool log_ring_get(const LogRing *ring, uint64_t number, LogLine *ret) {
        const LogIndexEntry *entry;

        if (number < ring->state.first)
                number = ring->state.first;
        if (number >= ring->state.next)
                return false;

        entry = ring_entry(ring, number);
        *ret = (LogLine){
                .number = number,
                .realtime_usec = entry->realtime_usec,
                .generation = entry->generation,
                .stream = (LogStream) entry->stream,
                .ending = (LogEnding) entry->ending,
                .bytes = log_store_at(&ring->store, entry->position),
                .n_bytes = entry->n_bytes,
        };
        return true;
}
