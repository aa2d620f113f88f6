/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogFeed
 *
 * Lines of one sidecar as they come through a pipe of OpenLog, format "json". What is read here is
 * what sidecard writes there, flat objects of strings and numbers, and no other JSON.
 */

#include <sys/types.h>

#include "ctl/log-lines.h"

typedef struct LogFeed {
        const Target *sidecar;
        char *prefix;    /* in front of a line; NULL: its name */
        Color color;     /* of that */
        bool keeps_json; /* lines are shown as they came: their text is left as it is */
        uint64_t last;   /* number of the newest line; 0: there was none */
        uint64_t last_usec;
        int fd; /* -1: there is none */

        char *bytes;
        size_t n_bytes, n_allocated;
        size_t n_taken; /* lines of them */
} LogFeed;

/* Waits for more. What was taken before is gone. Answers how much came; 0: the end. */
ssize_t log_feed_read(LogFeed *feed);

/* Appends the lines that are whole; borrowed until the next log_feed_read(). */
int log_feed_take(LogFeed *feed, LogLines *lines);

/* Forgets what was read, and takes another pipe; -1: none. */
void log_feed_set(LogFeed *feed, int fd);
void log_feed_done(LogFeed *feed);
