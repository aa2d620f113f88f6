/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "io/log-memory.h"
#include "model/log-ring.h"
#include "test.h"

#define READ_BYTES_MAX (64u * 1024u)

static LogMemory *memory;
static LogRing *ring;
static uint64_t nonce;

static void open_ring(uint64_t first_number) {
        _cleanup_close_ int fd = -1;

        ck_assert_int_eq(log_memory_new(&memory, &fd), 0);
        ck_assert_int_eq(log_ring_new(&ring, first_number), 0);
        log_ring_begin(ring, log_memory_store(memory));
}

static void close_ring(void) {
        ring = log_ring_free(ring);
        memory = log_memory_unref(memory);
}

static void setup(void) {
        open_ring(100);
}

static void teardown(void) {
        close_ring();
}

/* As if a brain had died: all that the next one has is the memory. */
static void inherit(void) {
        ring = log_ring_free(ring);
        ck_assert_int_eq(log_ring_new(&ring, 1), 0);
        ck_assert_int_eq(log_ring_resume(ring, log_memory_store(memory)), 0);
}

static void write_bytes(LogStream stream,
                        uint64_t generation,
                        uint64_t realtime_usec,
                        const char *bytes,
                        size_t n_bytes) {
        const LogOrigin origin = { stream, generation, realtime_usec };

        while (n_bytes > 0) {
                size_t n = n_bytes < READ_BYTES_MAX ? n_bytes : READ_BYTES_MAX;

                memcpy(log_ring_prepare(ring, &origin, n, ++nonce), bytes, n);
                log_ring_take(ring, n);
                bytes += n;
                n_bytes -= n;
        }
}

static void put(LogStream stream, uint64_t generation, const char *text) {
        write_bytes(stream, generation, 7, text, strlen(text));
}

static void flush(LogStream stream, uint64_t generation) {
        log_ring_flush(ring, &(LogOrigin){ stream, generation, 7 });
}

static LogLine get(uint64_t number) {
        LogLine line;

        ck_assert(log_ring_get(ring, number, &line));
        ck_assert_uint_eq(line.number, number);
        return line;
}

static void assert_line(uint64_t number, const char *text) {
        LogLine line = get(number);

        ck_assert_uint_eq(line.n_bytes, strlen(text));
        ck_assert_mem_eq(line.bytes, text, line.n_bytes);
}

START_TEST(streams_have_names) {
        for (LogStream stream = 0; stream < _LOG_STREAM_MAX; stream++)
                ck_assert_int_eq(log_stream_from_string(log_stream_to_string(stream)), stream);

        ck_assert_int_eq(log_stream_from_string("stdin"), _LOG_STREAM_INVALID);
        ck_assert_ptr_null(log_stream_to_string(_LOG_STREAM_MAX));
}
END_TEST

START_TEST(a_line_keeps_what_is_known_of_it) {
        LogLine line;

        ck_assert(!log_ring_get(ring, 0, &line));
        write_bytes(LOG_STDERR, 42, 1234567, "one\ntwo\n", 8);

        ck_assert_uint_eq(log_ring_first(ring), 100);
        ck_assert_uint_eq(log_ring_next(ring), 102);
        assert_line(100, "one");
        assert_line(101, "two");
        line = get(101);
        ck_assert_uint_eq(line.realtime_usec, 1234567);
        ck_assert_uint_eq(line.generation, 42);
        ck_assert_int_eq(line.stream, LOG_STDERR);
        ck_assert_int_ne(line.ending, LOG_ENDING_SPLIT);
        ck_assert(!log_ring_get(ring, 102, &line));
}
END_TEST

START_TEST(a_carriage_return_goes_only_before_its_newline) {
        put(LOG_STDOUT, 1, "a\r\nb\rc\r\r\n\r\n");
        put(LOG_STDOUT, 1, "d\r");
        put(LOG_STDOUT, 1, "\ne\r");
        flush(LOG_STDOUT, 1);

        assert_line(100, "a");
        assert_line(101, "b\rc\r");
        assert_line(102, "");
        assert_line(103, "d");
        assert_line(104, "e\r");
}
END_TEST

START_TEST(streams_and_generations_do_not_mix) {
        put(LOG_STDOUT, 1, "old ");
        put(LOG_STDERR, 1, "error");
        put(LOG_STDOUT, 2, "new");
        put(LOG_STDOUT, 1, "line\n");
        flush(LOG_STDOUT, 2);
        flush(LOG_STDOUT, 2);
        flush(LOG_STDERR, 1);

        ck_assert_uint_eq(log_ring_next(ring), 103);
        assert_line(100, "old line");
        ck_assert_uint_eq(get(100).generation, 1);
        assert_line(101, "new");
        ck_assert_uint_eq(get(101).generation, 2);
        assert_line(102, "error");
}
END_TEST

START_TEST(bytes_are_kept_whatever_they_are) {
        static const char bytes[] = "\0\xff\xc3\x28\x1b[31m\n\0\n";

        write_bytes(LOG_STDOUT, 1, 7, bytes, sizeof(bytes) - 1);

        ck_assert_uint_eq(get(100).n_bytes, 9);
        ck_assert_mem_eq(get(100).bytes, bytes, 9);
        ck_assert_uint_eq(get(101).n_bytes, 1);
        ck_assert_mem_eq(get(101).bytes, "\0", 1);
}
END_TEST

START_TEST(only_a_line_that_is_too_long_is_split_and_marked) {
        static char text[3 * LOG_LINE_BYTES_MAX];

        memset(text, 'x', sizeof(text));
        write_bytes(LOG_STDOUT, 1, 7, text, LOG_LINE_BYTES_MAX);
        put(LOG_STDOUT, 1, "\n");
        ck_assert_uint_eq(log_ring_next(ring), 101);
        ck_assert_uint_eq(get(100).n_bytes, LOG_LINE_BYTES_MAX);
        ck_assert_int_eq(get(100).ending, LOG_ENDING_NEWLINE);

        write_bytes(LOG_STDOUT, 1, 7, text, 2 * LOG_LINE_BYTES_MAX + 1);
        put(LOG_STDOUT, 1, "\n");
        ck_assert_uint_eq(log_ring_next(ring), 104);
        ck_assert_int_eq(get(101).ending, LOG_ENDING_SPLIT);
        ck_assert_int_eq(get(102).ending, LOG_ENDING_SPLIT);
        ck_assert_int_eq(get(103).ending, LOG_ENDING_NEWLINE);
        ck_assert_uint_eq(get(102).n_bytes, LOG_LINE_BYTES_MAX);
        ck_assert_uint_eq(get(103).n_bytes, 1);
}
END_TEST

START_TEST(a_reader_that_is_late_gets_the_oldest_there_is) {
        LogLine line;

        for (unsigned i = 0; i < 10000; i++) {
                char text[16];

                (void) snprintf(text, sizeof(text), "%07u\n", i);
                put(LOG_STDOUT, 1, text);
        }

        ck_assert_uint_eq(log_ring_next(ring), 10100);
        ck_assert_uint_gt(log_ring_first(ring), 100);
        ck_assert(log_ring_get(ring, 0, &line));
        ck_assert_uint_eq(line.number, log_ring_first(ring));
        ck_assert(log_ring_get(ring, 5000, &line));
        ck_assert_uint_eq(line.number, log_ring_first(ring));
        assert_line(10099, "0009999");
}
END_TEST

START_TEST(lines_of_a_hundred_bytes_use_all_of_the_space) {
        char text[101];

        memset(text, 'x', sizeof(text));
        text[100] = '\n';
        for (unsigned i = 0; i < 10000; i++)
                write_bytes(LOG_STDOUT, 1, 7, text, sizeof(text));

        ck_assert_uint_ge(log_ring_next(ring) - log_ring_first(ring), LOG_RING_BYTES / 101 - 1);
}
END_TEST

START_TEST(a_line_is_in_one_piece_within_the_space) {
        /* 545 bytes divide the space with a remainder of 544: one byte too few at its end. */
        char text[546];
        const char *space = NULL;

        memset(text, 'x', sizeof(text));
        text[545] = '\n';
        for (uint64_t number = 100; number < 5000; number++) {
                LogLine line;

                write_bytes(LOG_STDOUT, 1, 7, text, sizeof(text));
                line = get(number);
                space = space ? space : line.bytes;
                ck_assert(line.bytes >= space);
                ck_assert(line.bytes + line.n_bytes <= space + 2 * LOG_STORE_RING_BYTES);
        }
}
END_TEST

/* Random tests. A line as it ought to be, drawn from nothing but its number. */

static unsigned seed;

static void seed_setup(void) {
        const char *given = getenv("SEED");

        seed = given ? (unsigned) strtoul(given, NULL, 10) : (unsigned) time(NULL);
        printf("SEED=%u\n", seed);
        (void) fflush(stdout);
        srandom(seed);
}

static size_t below(size_t limit) {
        return (size_t) random() % limit;
}

static size_t random_text(char *text, size_t n_max) {
        size_t n = 0;

        while (n + LOG_LINE_BYTES_MAX * 3 < n_max) {
                size_t length = below(4) ? below(200) : below(LOG_LINE_BYTES_MAX * 5 / 2);

                if (below(8) == 0)
                        length = LOG_LINE_BYTES_MAX - 2 + below(5);
                while (length-- > 0)
                        text[n++] = "\r\0\xff x"[below(5)];
                text[n++] = '\n';
        }

        return n;
}

/* The rule in its plainest form, a byte at a time. */
typedef struct Plain {
        char bytes[LOG_LINE_BYTES_MAX + 1];
        size_t n;
        uint64_t number; /* lines before it were looked at */
        LogStream stream;
        uint64_t generation;
} Plain;

static LogLine plain_next(Plain *plain) {
        for (;;) {
                LogLine line = get(plain->number++);

                if (line.stream == plain->stream && line.generation == plain->generation)
                        return line;
        }
}

static void plain_expect(Plain *plain, size_t n_bytes, bool is_split) {
        LogLine line = plain_next(plain);

        ck_assert_uint_eq(line.n_bytes, n_bytes);
        ck_assert_mem_eq(line.bytes, plain->bytes, n_bytes);
        ck_assert((line.ending == LOG_ENDING_SPLIT) == is_split);
}

static void plain_byte(Plain *plain, char byte) {
        if (byte == '\n') {
                bool has_return = plain->n > 0 && plain->bytes[plain->n - 1] == '\r';

                plain_expect(plain, plain->n - (has_return ? 1 : 0), false);
                plain->n = 0;
                return;
        }

        if (plain->n == LOG_LINE_BYTES_MAX) {
                plain_expect(plain, plain->n, true);
                plain->n = 0;
        }
        plain->bytes[plain->n++] = byte;
}

START_TEST(however_the_bytes_come_the_lines_are_the_same) {
        static char text[LOG_RING_BYTES / 2];
        static Plain plain;

        seed_setup();
        for (unsigned round = 0; round < 200; round++) {
                size_t n = random_text(text, sizeof(text)), piece_max = 1 + below(1 << below(17));

                for (size_t i = 0, piece; i < n; i += piece) {
                        piece = 1 + below(piece_max);
                        if (piece > n - i)
                                piece = n - i;
                        write_bytes(LOG_STDOUT, 1, 7, text + i, piece);
                }

                plain = (Plain){ .number = log_ring_first(ring), .generation = 1 };
                for (size_t i = 0; i < n; i++)
                        plain_byte(&plain, text[i]);
                ck_assert_uint_eq(plain.number, log_ring_next(ring));

                close_ring();
                open_ring(below(1000000));
        }
}
END_TEST

static size_t length_of(uint64_t number, size_t length_max) {
        return (size_t) ((number * 2654435761u + seed) >> 7) % length_max;
}

static char byte_of(uint64_t number) {
        return (char) ('a' + number % 26);
}

static void put_number(uint64_t number, size_t length_max) {
        char text[LOG_LINE_BYTES_MAX + 1];
        size_t length = length_of(number, length_max);

        memset(text, byte_of(number), length);
        text[length] = '\n';
        write_bytes(LOG_STDOUT, 1, number, text, length + 1);
}

/* All that is held is right, and nothing was given up that there was room for. */
static void assert_model(size_t length_max) {
        uint64_t first = log_ring_first(ring), next = log_ring_next(ring);
        size_t held = 0;

        for (uint64_t number = first; number < next; number++) {
                LogLine line = get(number);

                ck_assert_uint_eq(line.realtime_usec, number);
                ck_assert_uint_eq(line.n_bytes, length_of(number, length_max));
                for (size_t i = 0; i < line.n_bytes; i++)
                        if (line.bytes[i] != byte_of(number))
                                ck_abort_msg("line %llu is damaged", (unsigned long long) number);
                held += line.n_bytes + 1;
        }

        ck_assert_uint_le(held, LOG_RING_BYTES);
        if (first > 100 && next - first < LOG_STORE_LINES - 1)
                ck_assert_uint_gt(held + length_of(first - 1, length_max) + 2 * length_max,
                                  LOG_RING_BYTES);
}

START_TEST(the_oldest_lines_go_and_only_for_want_of_room) {
        seed_setup();
        for (unsigned round = 0; round < 40; round++) {
                size_t length_max = 1 + below((size_t) 1 << (1 + below(13)));
                uint64_t end = 100 + below(12000);

                for (uint64_t number = 100; number < end; number++)
                        put_number(number, length_max);
                assert_model(length_max);

                close_ring();
                open_ring(100);
        }
}
END_TEST

/* A stream of text that is read in pieces, and what of it has been read. */
typedef struct Source {
        LogStream stream;
        uint64_t generation;
        char text[LOG_RING_BYTES / 8];
        size_t n_bytes, n_read;
} Source;

static char fed[LOG_RING_BYTES]; /* all that was read, in order */
static size_t n_fed;

static uint64_t nonce_unlike(char last) {
        char *bytes = (char *) &nonce;

        nonce++;
        bytes[sizeof(nonce) - 1] = (char) ~last;
        return nonce;
}

static bool is_killed(void) {
        return below(4) == 0;
}

/* The brain may be killed anywhere in it; the next one goes on as it thinks that it has to. */
static void read_piece(Source *source) {
        size_t n_left = source->n_bytes - source->n_read, n = 1 + below((size_t) 1 << below(15));
        const LogOrigin origin = { source->stream, source->generation, 7 };
        uint64_t raw_end;
        const char *text;
        char *bytes;

        n = n < n_left ? n : n_left;
        text = source->text + source->n_read;
        do {
                LogExtent extent = log_ring_extent(ring);

                raw_end = log_extent_raw(&extent);
                bytes = log_ring_prepare(ring, &origin, n, nonce_unlike(text[n - 1]));
                if (!is_killed())
                        break;
                inherit();
                extent = log_ring_extent(ring);
                ck_assert_uint_eq(log_extent_raw(&extent), raw_end);
        } while (true);

        memcpy(bytes, text, n);
        memcpy(fed + n_fed, text, n);
        source->n_read += n;
        n_fed += n;
        if (is_killed())
                inherit();
        else
                log_ring_take(ring, n);
        if (is_killed())
                inherit();
}

static void assert_fed(void) {
        static char raw[sizeof(fed)];
        LogExtent extent = log_ring_extent(ring);
        size_t start = below(n_fed);

        ck_assert_uint_eq(log_extent_raw(&extent), n_fed);
        ck_assert_uint_eq(log_store_copy(log_memory_store(memory), &extent, start, raw, n_fed),
                          n_fed - start);
        ck_assert_mem_eq(raw, fed + start, n_fed - start);
        for (size_t i = start; i < n_fed; i += 1 + below(1000)) {
                const LogStore *store = log_memory_store(memory);
                uint64_t position = log_store_position(store, &extent, i);

                ck_assert_int_eq(*log_store_at(store, position), fed[i]);
                ck_assert_uint_eq(log_store_raw(store, &extent, position), i);
        }
}

static void assert_lines(const Source *source) {
        static Plain plain;

        plain = (Plain){ .number = log_ring_first(ring),
                         .stream = source->stream,
                         .generation = source->generation };
        for (size_t i = 0; i < source->n_bytes; i++)
                plain_byte(&plain, source->text[i]);
}

START_TEST(a_brain_may_die_between_any_two_steps) {
        static Source sources[] = { { LOG_STDOUT, 1 }, { LOG_STDERR, 1 }, { LOG_STDOUT, 2 } };

        seed_setup();
        for (unsigned round = 0; round < 150; round++) {
                size_t n_left = 0;

                n_fed = 0;
                for (size_t i = 0; i < ELEMENTSOF(sources); i++) {
                        sources[i].n_bytes = random_text(sources[i].text, sizeof(sources[i].text));
                        sources[i].n_read = 0;
                        n_left += sources[i].n_bytes;
                }

                while (n_fed < n_left) {
                        Source *source = &sources[below(ELEMENTSOF(sources))];

                        if (source->n_read < source->n_bytes)
                                read_piece(source);
                }

                for (size_t i = 0; i < ELEMENTSOF(sources); i++)
                        assert_lines(&sources[i]);
                assert_fed();
                close_ring();
                open_ring(below(1000000));
        }
}
END_TEST

START_TEST(a_line_that_was_not_committed_has_touched_no_other) {
        LogHeader *header = log_memory_store(memory)->header;
        uint64_t current;

        for (unsigned i = 0; i < 5000; i++) {
                char text[16];

                (void) snprintf(text, sizeof(text), "%u\n", i);
                put(LOG_STDOUT, 1, text);
        }
        put(LOG_STDERR, 1, "waits");
        current = header->current;
        flush(LOG_STDERR, 1);
        header->current = current;
        inherit();

        ck_assert_uint_eq(log_ring_next(ring), 5100);
        for (uint64_t number = log_ring_first(ring); number < 5100; number++) {
                char text[16];

                (void) snprintf(text, sizeof(text), "%u", (unsigned) number - 100);
                assert_line(number, text);
        }
}
END_TEST

START_TEST(the_oldest_of_too_many_open_lines_is_closed) {
        put(LOG_STDERR, 3, "three");
        put(LOG_STDOUT, 1, "one");
        put(LOG_STDOUT, 2, "two");
        put(LOG_STDOUT, 4, "four");
        inherit();
        ck_assert_uint_eq(log_ring_next(ring), 100);

        put(LOG_STDOUT, 5, "five");
        ck_assert_uint_eq(log_ring_next(ring), 101);
        assert_line(100, "one");
        inherit();
        put(LOG_STDERR, 3, " and more\n");
        assert_line(101, "three and more");
}
END_TEST

START_TEST(a_line_in_many_pieces_costs_the_ring_no_more_than_twice_its_bytes) {
        LogExtent extent;

        for (unsigned i = 0; i < 4000; i++) {
                put(LOG_STDERR, 1, ".");
                put(LOG_STDOUT, 1, "word ");
        }
        put(LOG_STDERR, 1, "\n");
        put(LOG_STDOUT, 1, "\n");

        extent = log_ring_extent(ring);
        ck_assert_uint_le(extent.end, 2 * 4000 * 6 + 2);
        ck_assert_uint_eq(log_extent_raw(&extent), 4000 * 6 + 2);
        ck_assert_uint_eq(log_ring_next(ring), 104);
        ck_assert_uint_eq(get(102).n_bytes, 4000);
        ck_assert_uint_eq(get(103).n_bytes, 4000 * 5 - 2 * LOG_LINE_BYTES_MAX);
}
END_TEST

START_TEST(what_another_version_wrote_or_is_damaged_is_refused) {
        LogHeader *header = log_memory_store(memory)->header;

        put(LOG_STDOUT, 1, "a line\n");
        header->version++;
        ck_assert_int_eq(log_ring_resume(ring, log_memory_store(memory)), -EBADMSG);
        header->version--;
        ck_assert_int_eq(log_ring_resume(ring, log_memory_store(memory)), 0);

        header->index[100].n_bytes = LOG_LINE_BYTES_MAX + 1;
        ck_assert_int_eq(log_ring_resume(ring, log_memory_store(memory)), -EBADMSG);
}
END_TEST

TEST_MAIN("log-ring",
          setup,
          teardown,
          streams_have_names,
          a_line_keeps_what_is_known_of_it,
          a_carriage_return_goes_only_before_its_newline,
          streams_and_generations_do_not_mix,
          bytes_are_kept_whatever_they_are,
          only_a_line_that_is_too_long_is_split_and_marked,
          a_reader_that_is_late_gets_the_oldest_there_is,
          lines_of_a_hundred_bytes_use_all_of_the_space,
          a_line_is_in_one_piece_within_the_space,
          however_the_bytes_come_the_lines_are_the_same,
          the_oldest_lines_go_and_only_for_want_of_room,
          a_brain_may_die_between_any_two_steps,
          a_line_that_was_not_committed_has_touched_no_other,
          the_oldest_of_too_many_open_lines_is_closed,
          a_line_in_many_pieces_costs_the_ring_no_more_than_twice_its_bytes,
          what_another_version_wrote_or_is_damaged_is_refused)
