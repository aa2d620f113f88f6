/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogQuery
 *
 * Which lines of a ring somebody asks for, as GetLog and OpenLog take it. The index of the ring
 * finds a number at once and a time by halving; what has to be looked at is what is answered, and
 * where a filter is given what that passes over.
 */

#include <stdbool.h>
#include <stdint.h>

#include "model/log-ring.h"

typedef struct LogQuery {
        uint64_t after;      /* 0: from the oldest on */
        uint64_t since_usec; /* and from the first on that is no older; CLOCK_REALTIME */
        uint32_t n_newest;   /* of those; UINT32_MAX: all */
        LogStream stream;    /* _LOG_STREAM_INVALID: all */
        uint64_t generation; /* 0: all */
} LogQuery;

bool log_query_matches(const LogQuery *query, const LogLine *line);

/*
 * The number to begin at: all that match from there on are wanted. An "after" above the newest is
 * of another life of the ring, and counts as 0.
 */
uint64_t log_query_begin(const LogQuery *query, const LogRing *ring);

/* How many lines behind "after" are not there any more, whether they would match or not. */
uint64_t log_query_lost(const LogQuery *query, const LogRing *ring);
