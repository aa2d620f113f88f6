/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the tests of LogFile and of Output share: a loop, a folder of their own, a file with all
 * that was said about it, and the reckoning of what reached the disk against what was written.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <systemd/sd-event.h>

#include "io/log-file.h"
#include "test.h"

#define TURN_USEC 20000
#define LAST_WORDS_BYTES (128u * 1024u) /* two full pipes */

static sd_event *event;
static char folder[64];
static char path[128];
static LogWriter *writer;
static LogFile *file;
static int last_error;    /* that on_state told */
static unsigned n_states; /* how often */
static uint64_t n_told_lost;

static inline void run_shell(const char *format, ...) _printf_(1, 2);

static inline void run_shell(const char *format, ...) {
        char command[512];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(command, sizeof(command), format, args);
        va_end(args);
        ck_assert_int_eq(system(command), 0);
}

static inline void harness_setup(void) {
        strcpy(folder, "/tmp/sidecard-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/log/app/name.log", folder);
        ck_assert_int_eq(sd_event_new(&event), 0);
        ck_assert_int_eq(log_writer_new(&writer, event), 0);
}

static inline void harness_teardown(void) {
        file = log_file_free(file);
        writer = log_writer_free(writer);
        event = sd_event_unref(event);
        run_shell("rm -rf %s", folder);
}

static void on_state(int error, void *userdata) {
        (void) userdata;
        last_error = error;
        n_states++;
}

static void on_lost(uint64_t n_bytes, void *userdata) {
        (void) userdata;
        n_told_lost += n_bytes;
}

static inline void open_file(uint64_t max_size_bytes,
                             uint32_t max_files,
                             void (*room_handler)(void *userdata),
                             void *userdata) {
        const LogFileSpec spec = { path, max_size_bytes, max_files };
        const LogFileHandlers handlers = { room_handler, on_state, on_lost };

        ck_assert_int_eq(log_file_new(&file, writer, &spec, &handlers, userdata), 0);
}

static inline void turn(void) {
        ck_assert_int_ge(sd_event_run(event, TURN_USEC), 0);
}

static inline size_t read_file(const char *name, char *text, size_t n_max) {
        _cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
        size_t n = 0;
        ssize_t got;

        while (fd >= 0 && (got = read(fd, text + n, n_max - n)) > 0)
                n += (size_t) got;
        return n;
}

/* A pipe with a name and no reader: whoever opens it for writing waits as if the disk hung. */
static inline void make_stalled_path(void) {
        (void) snprintf(path, sizeof(path), "%s/fifo", folder);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
}

/* The disk works again. What is read is there to be read by read(2), without waiting. */
static inline int unstall(void) {
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

/*
 * Whether found is what was written, where each "[sidecard: N bytes lost]" stands for N bytes.
 * Every byte is at its place, none is there twice. Answers how many were lost; -1: more to come.
 */
static inline int64_t
reckon(const char *found, size_t n_found, char (*byte_at)(size_t position), size_t n_written) {
        static const char head[] = "[sidecard: ", tail[] = " bytes lost]\n";
        size_t position = 0, i = 0;
        int64_t n_lost = 0;

        while (i < n_found) {
                size_t start = found[i] == '\n' && byte_at(position) != '\n' ? i + 1 : i;
                char *end;

                if (start == n_found)
                        return -1;
                if (found[start] == '[') {
                        uint64_t n;

                        if (!memchr(found + start, '\n', n_found - start))
                                return -1;
                        ck_assert_mem_eq(found + start, head, sizeof(head) - 1);
                        n = strtoull(found + start + sizeof(head) - 1, &end, 10);
                        ck_assert_mem_eq(end, tail, sizeof(tail) - 1);
                        n_lost += (int64_t) n;
                        position += n;
                        i = (size_t) (end - found) + sizeof(tail) - 1;
                } else if (found[i] == byte_at(position)) {
                        i++;
                        position++;
                } else
                        ck_abort_msg("byte %zu of the file is not byte %zu", i, position);
        }

        ck_assert_uint_le(position, n_written);
        return position == n_written ? n_lost : -1;
}

/* Numbered lines without end: seven digits, dots, and a newline. */
#define NUMBERED_BYTES 32u

static inline char numbered_byte(size_t position) {
        size_t number = position / NUMBERED_BYTES, column = position % NUMBERED_BYTES;

        if (column == NUMBERED_BYTES - 1)
                return '\n';
        if (column > 6)
                return '.';
        for (; column < 6; column++)
                number /= 10;

        return (char) ('0' + number % 10);
}

static inline void numbered_fill(char *text, size_t position, size_t n) {
        for (size_t i = 0; i < n; i++)
                text[i] = numbered_byte(position + i);
}
