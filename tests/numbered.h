/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Numbered
 *
 * What tests/children/numberer writes, and what those who count its lines read. The whole of a
 * line follows from stream, generation and number, so that a reader can make it once more and
 * compare each byte: nothing torn, mixed or twice gets through.
 */

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Below the 8 KiB at which the supervisor splits a line. */
#define NUMBERED_LINE_MAX 8000

/* Commands: real-time signals, since those queue, and the number that comes with them. */
#define NUMBERER_EXIT SIGRTMIN       /* with this code */
#define NUMBERER_PACE (SIGRTMIN + 1) /* one of NumbererPace */

/* How it ends when it is asked to by SIGTERM. */
#define NUMBERER_CODE_ASKED 100

/* It could not write: then nothing that it says counts. */
#define NUMBERER_CODE_BROKEN 111

typedef enum NumbererPace {
        NUMBERER_QUIET, /* says how many lines it has written, and writes no more */
        NUMBERER_SLOW,
        NUMBERER_FLOOD, /* as fast as they are taken, and slow again after NUMBERER_FLOOD_BYTES */
} NumbererPace;

#define NUMBERER_FLOOD_BYTES (1024 * 1024)

/* Most lines are short, some are longer than what a pipe takes in one piece: pipe(7). */
static inline size_t numbered_line_size(uint64_t number) {
        uint64_t mixed = number * UINT64_C(2654435761) >> 7;

        return mixed % 61 == 0 ? 4000 + mixed % 3900 : 48 + mixed % 150;
}

/*
 * The two streams have no byte in common but the newline, before which each has a mark of its own:
 * so what was mixed, as it is in a file that both go to, can be told apart byte by byte.
 */
#define NUMBERED_MARKS ".-"

/* 0: stdout, 1: stderr; -1: a newline. */
static inline int numbered_stream(char byte) {
        if (byte == '\n')
                return -1;

        return byte != ' ' && byte != NUMBERED_MARKS[0] && (byte < '0' || byte > '9') &&
               (byte < 'a' || byte > 'z');
}

/* How stderr writes what stdout writes as that. */
static inline char numbered_byte_of_stderr(char byte) {
        if (byte == ' ')
                return '_';
        if (byte >= '0' && byte <= '9')
                return (char) (byte - '0' + '!');
        if (byte >= 'a' && byte <= 'z')
                return (char) (byte - 'a' + 'A');

        return byte == NUMBERED_MARKS[0] ? NUMBERED_MARKS[1] : byte;
}

/* With its newline, and a NUL behind that; answers its size without the NUL. */
static inline size_t numbered_line_make(char line[static NUMBERED_LINE_MAX],
                                        int stream,
                                        uint64_t generation,
                                        uint64_t number) {
        size_t size = numbered_line_size(number), at;

        at = (size_t) snprintf(line, NUMBERED_LINE_MAX, "%" PRIu64 " %" PRIu64 " ", generation,
                               number);
        for (; at < size - 2; at++)
                line[at] = (char) ('a' + (number + at) % 26);
        line[size - 2] = NUMBERED_MARKS[0];
        line[size - 1] = '\n';
        line[size] = '\0';
        for (at = 0; stream == 1 && at < size; at++)
                line[at] = numbered_byte_of_stderr(line[at]);
        return size;
}

/* Without its newline; false: no numberer has written it. */
static inline bool numbered_line_parse(const char *text,
                                       int *ret_stream,
                                       uint64_t *ret_generation,
                                       uint64_t *ret_number) {
        char wanted[NUMBERED_LINE_MAX];
        int stream = text[0] ? numbered_stream(text[0]) : 0;
        uint64_t numbers[2] = { 0 };
        const char *at = text;
        size_t size;

        for (size_t i = 0; i < 2; i++, at++)
                for (char zero = stream == 1 ? '!' : '0'; *at >= zero && *at <= zero + 9; at++)
                        numbers[i] = numbers[i] * 10 + (uint64_t) (*at - zero);

        size = numbered_line_make(wanted, stream, numbers[0], numbers[1]);
        if (strlen(text) != size - 1 || memcmp(text, wanted, size - 1) != 0)
                return false;

        *ret_stream = stream;
        *ret_generation = numbers[0];
        *ret_number = numbers[1];
        return true;
}
