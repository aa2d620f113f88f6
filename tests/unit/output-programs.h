/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the sidecars of test-output.c do: each is a child of the test that writes in a way of its
 * own, and ends with it.
 */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "numbered.h"

static inline void write_all(int fd, const char *bytes, size_t n) {
        while (n > 0) {
                ssize_t written = write(fd, bytes, n);

                if (written < 0)
                        _exit(1);
                bytes += written;
                n -= (size_t) written;
        }
}

#define N_NUMBERED 50000u

/* Pieces of all sizes, in turn to both streams: lines end anywhere in them. */
static inline void numbers_on_both_streams(void) {
        static char text[N_NUMBERED * NUMBERED_BYTES];
        size_t piece = 1;

        numbered_fill(text, 0, sizeof(text));
        for (size_t i = 0; i < sizeof(text); i += piece) {
                piece = (piece * 7919 + 13) % 9001 + 1;
                if (piece > sizeof(text) - i)
                        piece = sizeof(text) - i;
                write_all(STDOUT_FILENO, text + i, piece);
                write_all(STDERR_FILENO, text + i, piece);
        }
}

static inline void numbers(void) {
        static char text[N_NUMBERED * NUMBERED_BYTES];

        numbered_fill(text, 0, sizeof(text));
        write_all(STDOUT_FILENO, text, sizeof(text));
}

static inline void flood(void) {
        static char text[65536];

        memset(text, 'y', sizeof(text));
        for (size_t i = 100; i < sizeof(text); i += 101)
                text[i] = '\n';
        for (;;)
                write_all(STDOUT_FILENO, text, sizeof(text));
}

static inline void one_line(void) {
        write_all(STDOUT_FILENO, "here\n", 5);
}

static inline void line_without_end(void) {
        static char text[100000];

        memset(text, 'x', sizeof(text));
        write_all(STDERR_FILENO, text, sizeof(text));
}

static inline void strange_bytes(void) {
        write_all(STDOUT_FILENO, "a\0b\xff\xc0\xaf\xed\xa0\x80\x1b[2J\n", 14);
}

static inline void leaves_a_grandchild(void) {
        char byte;

        write_all(STDOUT_FILENO, "last words\nhalf ", 16);
        if (fork() != 0)
                _exit(0);

        if (read(STDIN_FILENO, &byte, 1) == 1)
                write_all(STDOUT_FILENO, "a line\n", 7);
        if (read(STDIN_FILENO, &byte, 1) == 1)
                write_all(STDOUT_FILENO, "not ended", 9);
}
