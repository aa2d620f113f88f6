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
#include <stdio.h>

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

/* With its newline, and a NUL behind that; answers its size without the NUL. */
static inline size_t numbered_line_make(char line[static NUMBERED_LINE_MAX],
                                        char stream,
                                        uint64_t generation,
                                        uint64_t number) {
        size_t size = numbered_line_size(number), at;

        at = (size_t) snprintf(line, NUMBERED_LINE_MAX, "%c %" PRIu64 " %" PRIu64 " ", stream,
                               generation, number);
        for (; at < size - 1; at++)
                line[at] = (char) ('a' + (number + at) % 26);
        line[size - 1] = '\n';
        line[size] = '\0';
        return size;
}
