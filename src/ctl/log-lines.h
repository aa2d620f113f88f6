/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogLines
 *
 * Lines as GetLog answers them or OpenLog writes them, and how they are shown. Lines of several
 * sidecars can be gathered and put in order of time.
 */

#include <systemd/sd-bus.h>

#include "ctl/arguments.h"
#include "ctl/json-writer.h"
#include "ctl/listing.h"

typedef struct LogLine {
        const Target *sidecar;
        uint64_t number;
        uint64_t realtime_usec;
        uint64_t generation;
        const char *stream; /* borrowed from the reply, or the feed, as what follows is */
        const char *text;
        const char *json;   /* of a feed: all of it */
        const char *prefix; /* of a feed: whose it is */
        Color color;        /* of that; COLOR_NONE: of no special one */
        uint64_t n_lost;    /* not 0: it is no line, but so many are missing here */
} LogLine;

typedef struct LogLines {
        LogLine *lines;
        size_t n_lines;
        sd_bus_message **replies;
        size_t n_replies;
} LogLines;

/* Appends the lines of a reply, and answers where the next question goes on. */
int log_lines_take(LogLines *lines,
                   sd_bus_message *reply,
                   const Target *sidecar,
                   uint64_t *ret_next,
                   uint64_t *ret_n_lost);

int log_lines_add(LogLines *lines, const LogLine *line);

/* Those of each sidecar stay in the order in which it wrote them. */
void log_lines_sort(LogLines *lines);
void log_lines_done(LogLines *lines);

/*
 * One line: "short" has time and name in front. What drives a terminal is made visible, but for
 * "cat" into what is none.
 */
int log_line_print(const LogLine *line, LogFormat format, const Screen *screen);

/* The same cut to the width of the terminal, for the foot of a status. */
int log_line_print_cut(const LogLine *line, const Screen *screen);
void log_line_write(const LogLine *line, JsonWriter *writer);
