/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz: log
 *
 * Any bytes, in reads of any size and of both streams at random, are lines in a ring, and any line
 * is written in every format. Of a stream the raw lines are its bytes, however it was read (split
 * at once and split in chunks are the same); a text of people or of JSON is one line of valid UTF-8
 * without anything that drives a terminal; and whatever is asked for is found by the index as it is
 * by looking at everything. abort() is a find.
 *
 * The first byte of an input is the seed of what is random, and of some inputs says that they are
 * written often enough to pass the ring.
 */

#undef NDEBUG
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "io/log-memory.h"
#include "model/log-format.h"
#include "model/log-query.h"
#include "sim/random.h"
#include "util/utf8.h"
#include "util/visible.h"

#define FIRST_NUMBER 1000
#define BYTES_MAX (64u * 1024u) /* of an input: far below what would pass the ring */
#define ROUNDS_MANY 20          /* of an input that is to pass it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One for all inputs: mapping it anew would be most of the work. */
static LogStore take_store(void) {
        static LogMemory *memory;
        LogStore store;
        int fd;

        if (!memory) {
                assert(log_memory_new(&memory, &fd) == 0);
                safe_close(fd);
        }

        store = *log_memory_store(memory);
        memset(store.header, 0, offsetof(LogHeader, skips));
        return store;
}

static const LogAuthor author = { "org.example.App", "api" };

typedef struct Stream {
        char bytes[BYTES_MAX];
        size_t n_bytes;
        size_t n_seen; /* of its raw lines */
} Stream;

static Stream streams[2];

/* Into the ring, in a read of its own. */
static void put(LogRing *ring, LogStream stream, const uint8_t *bytes, size_t n) {
        static uint64_t nonce;
        const LogOrigin origin = { stream, 1, 7 };
        Stream *written = &streams[stream];

        memcpy(log_ring_prepare(ring, &origin, n, ++nonce), bytes, n);
        log_ring_take(ring, n);
        /* What will not be compared any more, since the ring has passed it, need not be kept. */
        if (written->n_bytes + n <= sizeof(written->bytes))
                memcpy(written->bytes + written->n_bytes, bytes, n);
        written->n_bytes += n;
}

static void fill(LogRing *ring, Random *random, const uint8_t *bytes, size_t n_bytes) {
        while (n_bytes > 0) {
                size_t n = 1 + random_span(random, n_bytes - 1);

                put(ring, (LogStream) random_below(random, 2), bytes, n);
                bytes += n;
                n_bytes -= n;
        }

        for (LogStream stream = LOG_STDOUT; stream <= LOG_STDERR; stream++) {
                log_ring_flush(ring, &(LogOrigin){ stream, 1, 7 });
        }
}

static void check_raw(const LogLine *line) {
        static char to[LOG_FORMAT_BYTES_MAX];
        Stream *written = &streams[line->stream];
        size_t n = log_format_line(to, LOG_FORMAT_RAW, &author, line);

        assert(n <= written->n_bytes - written->n_seen);
        assert(memcmp(to, written->bytes + written->n_seen, n) == 0);
        if (log_format_raw_in_place(line) > 0)
                assert(log_format_raw_in_place(line) == n && memcmp(to, line->bytes, n) == 0);
        written->n_seen += n;
}

/* One line, valid, harmless; of JSON the only quotes are those of its own members. */
static void check_text(const LogLine *line, LogFormat format) {
        static char to[LOG_FORMAT_BYTES_MAX];
        size_t n = log_format_line(to, format, &author, line), n_quotes = 0;

        assert(n > 0 && n <= sizeof(to) && to[n - 1] == '\n');
        for (size_t i = 0, length; i < n - 1; i += length) {
                uint32_t character = 0;

                length = utf8_decode(to + i, n - 1 - i, &character);
                assert(length > 0 && !visible_must_escape(character));
                if (format != LOG_FORMAT_JSON)
                        continue;
                if (character == '\\') {
                        assert(strchr("\"\\bfnrtu", to[i + 1]));
                        length++;
                } else
                        n_quotes += character == '"';
        }
        assert(format != LOG_FORMAT_JSON || n_quotes == 22);
}

static void check_lines(const LogRing *ring, bool with_texts) {
        bool has_all = log_ring_first(ring) == FIRST_NUMBER;
        LogLine line;

        for (uint64_t i = log_ring_first(ring); log_ring_get(ring, i, &line); i++) {
                assert(line.number == i);
                if (has_all)
                        check_raw(&line);
                if (with_texts) {
                        check_text(&line, LOG_FORMAT_SHORT);
                        check_text(&line, LOG_FORMAT_JSON);
                }
        }

        for (size_t i = 0; has_all && i < 2; i++)
                assert(streams[i].n_seen == streams[i].n_bytes);
}

/* As it is found by looking at every line there is. */
static uint64_t plain_begin(const LogRing *ring, const LogQuery *query) {
        uint64_t first = log_ring_first(ring), n_matching = 0, number;
        LogLine line;

        if (query->after < log_ring_next(ring) && query->after >= first)
                first = query->after + 1;
        for (number = first; log_ring_get(ring, number, &line); number++)
                n_matching += log_query_matches(query, &line);
        for (number = first; log_ring_get(ring, number, &line); number++)
                if (log_query_matches(query, &line) && n_matching-- <= query->n_newest)
                        break;

        return number;
}

/* The first that matches from there on: what lies before it makes no difference. */
static uint64_t next_match(const LogRing *ring, const LogQuery *query, uint64_t number) {
        LogLine line;

        while (log_ring_get(ring, number, &line) && !log_query_matches(query, &line))
                number = line.number + 1;

        return number;
}

static void check_query(const LogRing *ring, Random *random) {
        LogQuery query = {
                .after =
                        random_chance(random, 30) ? 0 : FIRST_NUMBER - 5 + random_span(random, 100),
                .n_newest =
                        random_chance(random, 30) ? UINT32_MAX : (uint32_t) random_span(random, 50),
                .stream = (LogStream) random_below(random, 2),
                .generation = random_below(random, 3),
        };
        uint64_t begin;

        if (random_chance(random, 50))
                query.stream = _LOG_STREAM_INVALID;
        begin = log_query_begin(&query, ring);
        assert(begin >= log_ring_first(ring) && begin <= log_ring_next(ring));
        assert(next_match(ring, &query, begin) == plain_begin(ring, &query));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(log_ring_freep) LogRing *ring = NULL;
        Random random = { 0 };
        LogStore store;
        int n_rounds;

        if (size < 2 || size > BYTES_MAX)
                return -1;

        random.state = data[0];
        n_rounds = data[0] % 16 == 0 ? ROUNDS_MANY : 1;
        streams[0].n_bytes = streams[0].n_seen = streams[1].n_bytes = streams[1].n_seen = 0;
        store = take_store();
        assert(log_ring_new(&ring, FIRST_NUMBER) == 0);
        log_ring_begin(ring, &store);

        for (int i = 0; i < n_rounds; i++)
                fill(ring, &random, data + 1, size - 1);
        if (streams[0].n_bytes <= BYTES_MAX && streams[1].n_bytes <= BYTES_MAX)
                check_lines(ring, n_rounds == 1);
        for (int i = 0; i < 4; i++)
                check_query(ring, &random);
        return 0;
}
