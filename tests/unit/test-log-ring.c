/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "model/log-ring.h"
#include "test.h"

static LogRing *ring;

static void setup(void) {
        ck_assert_int_eq(log_ring_new(&ring, 100), 0);
}

static void teardown(void) {
        ring = log_ring_free(ring);
}

static void put(LogStream stream, uint64_t generation, const char *text) {
        log_ring_write(ring, stream, generation, 7, text, strlen(text));
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
        log_ring_write(ring, LOG_STDERR, 42, 1234567, "one\ntwo\n", 8);

        ck_assert_uint_eq(log_ring_first(ring), 100);
        ck_assert_uint_eq(log_ring_next(ring), 102);
        assert_line(100, "one");
        assert_line(101, "two");
        line = get(101);
        ck_assert_uint_eq(line.realtime_usec, 1234567);
        ck_assert_uint_eq(line.generation, 42);
        ck_assert_int_eq(line.stream, LOG_STDERR);
        ck_assert(!line.is_split);
        ck_assert(!log_ring_get(ring, 102, &line));
}
END_TEST

START_TEST(a_carriage_return_goes_only_before_its_newline) {
        put(LOG_STDOUT, 1, "a\r\nb\rc\r\r\n\r\n");
        put(LOG_STDOUT, 1, "d\r");
        put(LOG_STDOUT, 1, "\ne\r");
        log_ring_flush(ring, LOG_STDOUT, 1, 7);

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
        log_ring_flush(ring, LOG_STDOUT, 2, 7);
        log_ring_flush(ring, LOG_STDOUT, 2, 7);
        log_ring_flush(ring, LOG_STDERR, 1, 7);

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

        log_ring_write(ring, LOG_STDOUT, 1, 7, bytes, sizeof(bytes) - 1);

        ck_assert_uint_eq(get(100).n_bytes, 9);
        ck_assert_mem_eq(get(100).bytes, bytes, 9);
        ck_assert_uint_eq(get(101).n_bytes, 1);
        ck_assert_mem_eq(get(101).bytes, "\0", 1);
}
END_TEST

START_TEST(only_a_line_that_is_too_long_is_split_and_marked) {
        static char text[3 * LOG_LINE_BYTES_MAX];

        memset(text, 'x', sizeof(text));
        log_ring_write(ring, LOG_STDOUT, 1, 7, text, LOG_LINE_BYTES_MAX);
        put(LOG_STDOUT, 1, "\n");
        ck_assert_uint_eq(log_ring_next(ring), 101);
        ck_assert_uint_eq(get(100).n_bytes, LOG_LINE_BYTES_MAX);
        ck_assert(!get(100).is_split);

        log_ring_write(ring, LOG_STDOUT, 1, 7, text, 2 * LOG_LINE_BYTES_MAX + 1);
        put(LOG_STDOUT, 1, "\n");
        ck_assert_uint_eq(log_ring_next(ring), 104);
        ck_assert(get(101).is_split);
        ck_assert(get(102).is_split);
        ck_assert(!get(103).is_split);
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
                log_ring_write(ring, LOG_STDOUT, 1, 7, text, sizeof(text));

        ck_assert_uint_ge(log_ring_next(ring) - log_ring_first(ring), LOG_RING_BYTES / 100 - 1);
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

                log_ring_write(ring, LOG_STDOUT, 1, 7, text, sizeof(text));
                line = get(number);
                space = space ? space : line.bytes;
                ck_assert(line.bytes >= space);
                ck_assert(line.bytes + line.n_bytes <= space + LOG_RING_BYTES);
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
        uint64_t number;
} Plain;

static void plain_expect(Plain *plain, size_t n_bytes, bool is_split) {
        LogLine line = get(plain->number++);

        ck_assert_uint_eq(line.n_bytes, n_bytes);
        ck_assert_mem_eq(line.bytes, plain->bytes, n_bytes);
        ck_assert(line.is_split == is_split);
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
                        log_ring_write(ring, LOG_STDOUT, 1, 7, text + i, piece);
                }

                plain = (Plain){ .number = log_ring_first(ring) };
                for (size_t i = 0; i < n; i++)
                        plain_byte(&plain, text[i]);
                ck_assert_uint_eq(plain.number, log_ring_next(ring));

                log_ring_free(ring);
                ck_assert_int_eq(log_ring_new(&ring, below(1000000)), 0);
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
        log_ring_write(ring, LOG_STDOUT, 1, number, text, length + 1);
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
                held += line.n_bytes;
        }

        ck_assert_uint_le(held, LOG_RING_BYTES);
        if (first > 100 && next - first < 4096)
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

                log_ring_free(ring);
                ck_assert_int_eq(log_ring_new(&ring, 100), 0);
        }
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
          the_oldest_lines_go_and_only_for_want_of_room)
