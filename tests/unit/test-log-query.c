/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where to begin, in a ring that has more lines than its index has places.
 */

#include <string.h>

#include "io/log-memory.h"
#include "model/log-query.h"
#include "test.h"

static LogMemory *memory;
static LogRing *ring;

static void setup(void) {
        _cleanup_close_ int fd = -1;

        ck_assert_int_eq(log_memory_new(&memory, &fd), 0);
        ck_assert_int_eq(log_ring_new(&ring, 100), 0);
        log_ring_begin(ring, log_memory_store(memory));
}

static void teardown(void) {
        ring = log_ring_free(ring);
        memory = log_memory_unref(memory);
}

static void put_line(uint64_t realtime_usec) {
        const LogOrigin origin = { LOG_STDOUT, 1, realtime_usec };
        static uint64_t nonce;

        memcpy(log_ring_prepare(ring, &origin, 7, ++nonce), "a line\n", 7);
        log_ring_take(ring, 7);
}

START_TEST(a_time_is_found_among_those_that_are_left) {
        ck_assert_uint_eq(log_ring_find(ring, 0), 100);

        for (uint64_t i = 0; i < LOG_STORE_LINES; i++)
                put_line(10 * (i / 2));

        for (uint64_t i = 1; i < LOG_STORE_LINES; i++) {
                uint64_t usec = 10 * (i / 2), oldest = 100 + i / 2 * 2;

                if (oldest < log_ring_first(ring))
                        oldest = log_ring_first(ring);
                ck_assert_uint_eq(log_ring_find(ring, usec), oldest);
                ck_assert_uint_eq(log_ring_find(ring, usec + 1), 100 + i / 2 * 2 + 2);
        }
        ck_assert_uint_eq(log_ring_find(ring, 0), log_ring_first(ring));
        ck_assert_uint_eq(log_ring_find(ring, UINT64_MAX), log_ring_next(ring));
}
END_TEST

START_TEST(of_after_and_since_the_later_one_counts) {
        LogQuery query = { .n_newest = UINT32_MAX, .stream = _LOG_STREAM_INVALID };

        for (uint64_t i = 0; i < 10; i++)
                put_line(10 * i);

        query.since_usec = 40;
        ck_assert_uint_eq(log_query_begin(&query, ring), 104);
        query.after = 106;
        ck_assert_uint_eq(log_query_begin(&query, ring), 107);
        query.after = 102;
        ck_assert_uint_eq(log_query_begin(&query, ring), 104);
        query.n_newest = 2;
        ck_assert_uint_eq(log_query_begin(&query, ring), 108);
        query.since_usec = 95;
        ck_assert_uint_eq(log_query_begin(&query, ring), 110);
}
END_TEST

TEST_MAIN("log-query",
          setup,
          teardown,
          a_time_is_found_among_those_that_are_left,
          of_after_and_since_the_later_one_counts)
