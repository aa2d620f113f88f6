/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the tests of LogFile share beside log-harness.h: a ring that is filled by hand, as Output
 * fills it, and the files that come of it.
 */

#include "log-harness.h"
#include "model/log-ring.h"

static char found[8 * 1024 * 1024];
static size_t n_written; /* of numbered lines, to the ring */

static LogMemory *memory;
static LogRing *ring;
static int memory_fd = -1;

static unsigned n_rooms;

static inline void on_room(void *userdata) {
        (void) userdata;
        n_rooms++;
}

static inline void make_ring(void) {
        ck_assert_int_eq(log_memory_new(&memory, &memory_fd), 0);
        ck_assert_int_eq(log_ring_new(&ring, 0), 0);
        log_ring_begin(ring, log_memory_store(memory));
}

static inline void drop_ring(void) {
        ring = log_ring_free(ring);
        memory = log_memory_unref(memory);
        memory_fd = safe_close(memory_fd);
}

static inline void follow(void) {
        LogExtent extent = log_ring_extent(ring);

        log_file_follow(file, memory, &extent, log_ring_reserved(ring));
}

static inline void open_followed_file(uint64_t max_size_bytes, uint32_t max_files) {
        open_file(max_size_bytes, max_files, on_room, NULL);
        follow();
}

/* As Output does it, whether there is room or not. */
static inline void put(const char *text, size_t n) {
        const LogOrigin origin = { LOG_STDOUT, 1, 7 };
        LogExtent extent = log_ring_extent(ring);

        if (file)
                log_file_reserve(file, extent.end + n + LOG_RING_COPY_BYTES_MAX);
        memcpy(log_ring_prepare(ring, &origin, n, n_written + 1), text, n);
        log_ring_take(ring, n);
        extent = log_ring_extent(ring);
        if (file)
                log_file_publish(file, &extent);
}

static inline void put_numbered(size_t n) {
        static char text[4096];

        while (n > 0) {
                size_t piece = n < sizeof(text) ? n : sizeof(text);

                numbered_fill(text, n_written, piece);
                put(text, piece);
                n_written += piece;
                n -= piece;
        }
}

static inline void wait_for_size(size_t size) {
        while (read_file(path, found, sizeof(found)) < size)
                turn();
}

/* At its end the writer waits for the disk for a second and no longer: so all is written before. */
static inline void finish(void) {
        while (file && log_file_is_behind(file, log_ring_extent(ring).end))
                turn();
        file = log_file_free(file);
        writer = log_writer_free(writer);
}

static inline void setup(void) {
        harness_setup();
        make_ring();
}

static inline void teardown(void) {
        harness_teardown();
        drop_ring();
}

/* NAME.log.N ... NAME.log.1, NAME.log; answers all of it, and how many files there were. */
static inline size_t read_rotated(uint64_t max_size_bytes, unsigned *ret_n_files) {
        size_t n = 0;

        *ret_n_files = 0;
        for (int i = 100; i >= 0; i--) {
                char name[160];
                size_t got;

                (void) snprintf(name, sizeof(name), i > 0 ? "%s.%d" : "%s", path, i);
                if (access(name, F_OK) < 0)
                        continue;
                got = read_file(name, found + n, sizeof(found) - n);
                if (i > 0)
                        ck_assert_int_eq(found[n + got - 1], '\n');
                ck_assert_uint_le(got, max_size_bytes);
                n += got;
                (*ret_n_files)++;
        }

        return n;
}
