/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Log lines
 *
 * What a client reads of a sidecar's output through GetLog: a page as it is answered, and a wait
 * for a certain line by long poll.
 */

#include "calls.h"

typedef struct LogLine {
        uint64_t seq;
        uint64_t realtime_usec;
        uint64_t generation;
        char *stream;
        char *text;
} LogLine;

typedef struct LogPage {
        LogLine *lines;
        size_t n_lines;
        uint64_t next;
        uint64_t lost;
} LogPage;

/* Options of GetLog; zero is left out. */
typedef struct LogQuery {
        bool has_after;
        uint64_t after;
        uint64_t since_usec;
        uint32_t lines;
        const char *stream;
        uint64_t generation;
        uint64_t wait_usec;
} LogQuery;

LogPage log_query(World *w, const char *name, LogQuery query);
void log_page_clear(LogPage *page);

/* Waits for a line with that text in it; the first answers the whole line, freed by the caller. */
char *log_find(World *w, const char *name, const char *text);
void log_await(World *w, const char *name, const char *text);

/* The pid in the line that begins so, such as "grandchild ". */
pid_t log_await_pid(World *w, const char *name, const char *before);
