/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Readers of every pace at the other end of a Follower: what they read and what they are told that
 * they have lost is what was written.
 */

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "io/follower.h"
#include "io/log-memory.h"
#include "test.h"
#include "unit/seed.h"

#define FIRST_NUMBER 100

static sd_event *event;
static LogMemory *memory;
static LogRing *ring;
static Follower *follower;
static int reader = -1;
static unsigned n_ends;

static char *read_bytes; /* all that came */
static size_t n_read, n_allocated;

static void setup(void) {
        _cleanup_close_ int fd = -1;

        ck_assert_int_eq(sd_event_new(&event), 0);
        ck_assert_int_eq(log_memory_new(&memory, &fd), 0);
        ck_assert_int_eq(log_ring_new(&ring, FIRST_NUMBER), 0);
        log_ring_begin(ring, log_memory_store(memory));
}

static void teardown(void) {
        follower = follower_free(follower);
        reader = safe_close(reader);
        ring = log_ring_free(ring);
        memory = log_memory_unref(memory);
        event = sd_event_unref(event);
        free(read_bytes);
}

static void on_end(Follower *ended, void *userdata _unused_) {
        ck_assert_ptr_eq(ended, follower);
        follower = follower_free(ended);
        n_ends++;
}

static void follow(LogFormat format, LogQuery query, uint64_t end) {
        const FollowerSpec spec = {
                .ring = ring,
                .query = query,
                .format = format,
                .author = { "org.example.App", "api" },
                .end = end,
        };
        int ends[2];

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        reader = ends[0];
        ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
        ck_assert_int_eq(follower_new(&follower, event, ends[1], &spec, on_end, NULL), 0);
}

static const LogQuery everything = { .n_newest = UINT32_MAX, .stream = _LOG_STREAM_INVALID };

/* Until there is nothing left to do before the next line, or before the reader reads. */
static void settle(void) {
        while (sd_event_run(event, 0) > 0)
                ;
}

/* As Output does, and whoever follows it is told. */
static void put(LogStream stream, const char *bytes, size_t n) {
        static uint64_t nonce;
        const LogOrigin origin = { stream, 1, 7 };

        memcpy(log_ring_prepare(ring, &origin, n, ++nonce), bytes, n);
        log_ring_take(ring, n);
        if (follower)
                follower_wake(follower);
}

static void put_text(const char *text) {
        put(LOG_STDOUT, text, strlen(text));
}

static size_t n_ready(void) {
        struct pollfd polled = { .fd = reader, .events = POLLIN };

        return poll(&polled, 1, 0) > 0 && (polled.revents & POLLIN);
}

/* At most n, if there is anything; answers how much came. */
static size_t take(size_t n) {
        ssize_t got;

        if (!n_ready())
                return 0;

        if (n_read + n + 1 > n_allocated) {
                n_allocated = 2 * (n_read + n + 1);
                read_bytes = realloc(read_bytes, n_allocated);
                ck_assert_ptr_nonnull(read_bytes);
        }
        got = read(reader, read_bytes + n_read, n);
        ck_assert_int_ge(got, 0);
        n_read += (size_t) got;
        read_bytes[n_read] = '\0';
        return (size_t) got;
}

static void take_all(void) {
        do
                settle();
        while (take(65536) > 0);
}

static void assert_read(const char *text) {
        take_all();
        ck_assert_str_eq(read_bytes ? read_bytes : "", text);
        n_read = 0;
}

START_TEST(new_lines_are_read_and_the_pipe_stays_open) {
        follow(LOG_FORMAT_RAW, everything, UINT64_MAX);
        assert_read("");
        put_text("one\ntwo\nthr");
        assert_read("one\ntwo\n");
        put_text("ee\n");
        assert_read("three\n");
        ck_assert_uint_eq(n_ends, 0);
}
END_TEST

START_TEST(without_follow_it_ends_at_the_newest_line_of_that_moment) {
        put_text("one\ntwo\n");
        follow(LOG_FORMAT_RAW, everything, log_ring_next(ring));
        put_text("three\n");
        assert_read("one\ntwo\n");
        ck_assert_uint_eq(n_ends, 1);
}
END_TEST

START_TEST(nothing_to_read_is_an_end_at_once) {
        follow(LOG_FORMAT_RAW, everything, log_ring_next(ring));
        settle();
        ck_assert_uint_eq(n_ends, 1);
}
END_TEST

START_TEST(a_query_chooses_stream_generation_and_the_newest) {
        LogQuery query = everything;

        put_text("out 1\nout 2\n");
        put(LOG_STDERR, "err 1\nerr 2\nerr 3\n", 18);
        query.stream = LOG_STDERR;
        query.n_newest = 2;
        follow(LOG_FORMAT_RAW, query, UINT64_MAX);
        put_text("out 3\n");
        put(LOG_STDERR, "err 4\n", 6);
        assert_read("err 2\nerr 3\nerr 4\n");
}
END_TEST

START_TEST(a_reader_that_has_gone_is_noticed_at_once) {
        follow(LOG_FORMAT_RAW, everything, UINT64_MAX);
        settle();
        reader = safe_close(reader);
        settle();
        ck_assert_uint_eq(n_ends, 1);
}
END_TEST

START_TEST(a_reader_that_leaves_a_full_pipe_is_noticed_too) {
        follow(LOG_FORMAT_RAW, everything, UINT64_MAX);
        for (int i = 0; i < 20000; i++)
                put_text("0123456789\n");
        settle();
        ck_assert_uint_eq(n_ends, 0);
        reader = safe_close(reader);
        settle();
        ck_assert_uint_eq(n_ends, 1);
}
END_TEST

/* Numbered lines: each that was read follows the one before it, or the lost ones in between. */
static uint64_t check_numbered(uint64_t next) {
        char *line = read_bytes, *newline;

        for (; (newline = strchr(line, '\n')); line = newline + 1) {
                uint64_t number;

                *newline = '\0';
                if (sscanf(line, "[sidecard: %" SCNu64 " line", &number) == 1)
                        next += number;
                else {
                        ck_assert_int_eq(sscanf(line, "line %" SCNu64 " ", &number), 1);
                        ck_assert_uint_eq(number, next);
                        next++;
                }
        }

        ck_assert_str_eq(line, "");
        return next;
}

static void put_numbered(uint64_t number, size_t n_more) {
        static char line[2 * LOG_LINE_BYTES_MAX];
        int n = snprintf(line, sizeof(line), "line %" PRIu64 " ", number);

        memset(line + n, 'x', n_more);
        line[(size_t) n + n_more] = '\n';
        put(LOG_STDOUT, line, (size_t) n + n_more + 1);
}

START_TEST(a_reader_that_never_reads_costs_a_pipe_and_is_told_when_it_does) {
        follow(LOG_FORMAT_RAW, everything, UINT64_MAX);
        for (uint64_t i = 0; i < 100000; i++) {
                put_numbered(i, i % 300);
                settle();
        }
        take_all();
        ck_assert_uint_eq(check_numbered(0), 100000);
        ck_assert_ptr_nonnull(strstr(read_bytes, "line 0 "));
        ck_assert_uint_eq(n_ends, 0);
}
END_TEST

START_TEST(a_byte_at_a_time_gets_everything) {
        uint64_t number = 0;

        follow(LOG_FORMAT_RAW, everything, UINT64_MAX);
        while (n_read < 100000) {
                if (number < 2000)
                        put_numbered(number++, 100);
                settle();
                ck_assert_uint_eq(take(1), 1);
        }
        while (number < 2000)
                put_numbered(number++, 100);
        take_all();
        ck_assert_uint_eq(check_numbered(0), 2000);
        ck_assert_ptr_null(strstr(read_bytes, "lost"));
}
END_TEST

START_TEST(a_flood_does_not_pass_a_reader_that_keeps_up) {
        static char lines[64 * 1024];
        uint64_t n_lines = 0, n_newlines = 0;

        follow(LOG_FORMAT_RAW, everything, UINT64_MAX);
        memset(lines, 'y', sizeof(lines));
        for (size_t i = 99; i < sizeof(lines); i += 100)
                lines[i] = '\n';

        /* No turn of the loop in between: what is behind goes into the pipe from within the wake.
         */
        for (int i = 0; i < 128; i++) {
                uint64_t before = log_ring_next(ring);

                put(LOG_STDOUT, lines, sizeof(lines));
                n_lines += log_ring_next(ring) - before;
                while (take(65536) > 0)
                        ;
        }
        take_all();
        for (size_t i = 0; i < n_read; i++)
                n_newlines += read_bytes[i] == '\n';
        ck_assert_uint_eq(n_newlines, n_lines);
        ck_assert_ptr_null(strstr(read_bytes, "lost"));
}
END_TEST

START_TEST(whatever_the_pace_nothing_is_torn_doubled_or_missing) {
        Random random = seed_take();

        for (int round = 0; round < 30; round++) {
                uint64_t number = 0;

                n_read = 0;
                follow(LOG_FORMAT_RAW, (LogQuery){ .n_newest = 0, .stream = _LOG_STREAM_INVALID },
                       UINT64_MAX);
                for (int i = 0; i < 3000; i++)
                        switch (random_below(&random, 4)) {

                        case 0:
                                (void) take(1 + random_below(&random, 20000));
                                break;

                        case 1:
                                settle();
                                break;

                        default:
                                put_numbered(number++, random_below(&random, 10) == 0
                                                               ? random_below(&random, 8000)
                                                               : random_below(&random, 200));
                        }
                take_all();
                ck_assert_uint_eq(check_numbered(0), number);
                follower = follower_free(follower);
                reader = safe_close(reader);
        }
}
END_TEST

START_TEST(raw_is_every_byte_of_a_stream) {
        Random random = seed_take();
        static char written[200000];

        /* As much as the ring holds: newlines, returns and NULs at random, and no end. */
        for (size_t i = 0; i < sizeof(written); i++)
                written[i] = "ab\n\r\0\xFF"[random_below(&random, 6)];
        for (size_t i = 1000; i < 40000; i++)
                written[i] = 'x';
        for (size_t i = 0, n; i < sizeof(written); i += n) {
                n = 1 + random_below(&random, 5000);
                n = n < sizeof(written) - i ? n : sizeof(written) - i;
                put(LOG_STDERR, written + i, n);
        }
        log_ring_flush(ring, &(LogOrigin){ LOG_STDERR, 1, 7 });

        /* Of so many short lines the index has the newest: what is left is the end of it. */
        follow(LOG_FORMAT_RAW, everything, log_ring_next(ring));
        take_all();
        ck_assert_uint_eq(n_ends, 1);
        ck_assert_uint_gt(n_read, 0);
        ck_assert_mem_eq(read_bytes, written + sizeof(written) - n_read, n_read);
}
END_TEST

/* What is in the ring from that number on, as log_format_line() has it; answers how long it is. */
static size_t format_from(uint64_t number, char *to) {
        const LogAuthor author = { "org.example.App", "api" };
        LogLine line;
        size_t n = 0;

        for (; log_ring_get(ring, number, &line); number++)
                n += log_format_line(to + n, LOG_FORMAT_RAW, &author, &line);

        return n;
}

/* Some lines lie in the ring one behind another, some were put together elsewhere. */
START_TEST(raw_out_of_the_ring_is_the_same_line_by_line) {
        static char bytes[64 * 1024], wanted[4 * sizeof(bytes)];
        Random random = seed_take();

        follow(LOG_FORMAT_RAW, everything, UINT64_MAX);
        for (int round = 0; round < 200; round++) {
                uint64_t next = log_ring_next(ring);
                size_t n = sizeof(bytes) / 2 + random_below(&random, sizeof(bytes) / 2);
                size_t n_first = 1 + random_below(&random, n - 1);

                for (size_t i = 0; i < n; i++)
                        bytes[i] = random_below(&random, 200) ? 'x' : '\n';
                for (size_t i = 1; i < n; i++)
                        if (bytes[i] == '\n' && random_below(&random, 5) == 0)
                                bytes[i - 1] = '\r';
                put(LOG_STDOUT, bytes, n_first);
                put(LOG_STDERR, "word ", 5);
                put(LOG_STDOUT, bytes + n_first, n - n_first);
                take_all();
                ck_assert_uint_eq(format_from(next, wanted), n_read);
                ck_assert_mem_eq(read_bytes, wanted, n_read);
                n_read = 0;
        }
}
END_TEST

START_TEST(who_is_behind_when_the_ring_goes_is_told_the_rest) {
        follow(LOG_FORMAT_RAW, everything, UINT64_MAX);
        for (uint64_t i = 0; i < 20000; i++)
                put_numbered(i, 10);
        settle();
        follower_leave(follower);
        ring = log_ring_free(ring);
        settle();
        ck_assert_uint_eq(n_ends, 0);

        take_all();
        ck_assert_uint_eq(check_numbered(0), 20000);
        ck_assert_uint_eq(n_ends, 1);
}
END_TEST

START_TEST(who_has_read_all_when_the_ring_goes_is_at_the_end) {
        follow(LOG_FORMAT_JSON, everything, UINT64_MAX);
        put_text("last\n");
        follower_leave(follower);
        ring = log_ring_free(ring);
        take_all();
        ck_assert_uint_eq(n_ends, 1);
        ck_assert_ptr_nonnull(strstr(read_bytes, "\"text\":\"last\"}\n"));
        ck_assert_ptr_null(strstr(read_bytes, "lost"));
}
END_TEST

START_TEST(what_was_lost_before_an_after_is_told_first) {
        LogQuery query = everything;

        for (uint64_t i = 0; i < 10000; i++)
                put_numbered(i, 10);
        query.after = FIRST_NUMBER + 9;
        follow(LOG_FORMAT_RAW, query, log_ring_next(ring));
        take_all();
        ck_assert_int_eq(strncmp(read_bytes, "[sidecard: ", 11), 0);
        ck_assert_uint_eq(check_numbered(10), 10000);
}
END_TEST

TEST_MAIN("follower",
          setup,
          teardown,
          new_lines_are_read_and_the_pipe_stays_open,
          without_follow_it_ends_at_the_newest_line_of_that_moment,
          nothing_to_read_is_an_end_at_once,
          a_query_chooses_stream_generation_and_the_newest,
          a_reader_that_has_gone_is_noticed_at_once,
          a_reader_that_leaves_a_full_pipe_is_noticed_too,
          a_reader_that_never_reads_costs_a_pipe_and_is_told_when_it_does,
          a_byte_at_a_time_gets_everything,
          a_flood_does_not_pass_a_reader_that_keeps_up,
          whatever_the_pace_nothing_is_torn_doubled_or_missing,
          raw_is_every_byte_of_a_stream,
          raw_out_of_the_ring_is_the_same_line_by_line,
          who_is_behind_when_the_ring_goes_is_told_the_rest,
          who_has_read_all_when_the_ring_goes_is_at_the_end,
          what_was_lost_before_an_after_is_told_first)
