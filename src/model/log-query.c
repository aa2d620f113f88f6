/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogQuery
 *
 * The newest N are found from the newest back, so that asking for ten looks at ten.
 */

#include "model/log-query.h"

bool log_query_matches(const LogQuery *query, const LogLine *line) {
        return (query->stream == _LOG_STREAM_INVALID || query->stream == line->stream) &&
               (query->generation == 0 || query->generation == line->generation);
}

static uint64_t first_wanted(const LogQuery *query, const LogRing *ring) {
        return query->after >= log_ring_next(ring) ? 0 : query->after + 1;
}

uint64_t log_query_begin(const LogQuery *query, const LogRing *ring) {
        uint64_t oldest = first_wanted(query, ring), n_left = query->n_newest, number;
        uint64_t found = log_ring_find(ring, query->since_usec);
        LogLine line;

        if (oldest < found)
                oldest = found;
        if (query->n_newest == UINT32_MAX)
                return oldest;

        for (number = log_ring_next(ring); n_left > 0 && number > oldest; number--)
                if (log_ring_get(ring, number - 1, &line) && log_query_matches(query, &line))
                        n_left--;

        return number;
}

uint64_t log_query_lost(const LogQuery *query, const LogRing *ring) {
        uint64_t wanted = first_wanted(query, ring), first = log_ring_first(ring);

        return query->after != 0 && wanted != 0 && wanted < first ? first - wanted : 0;
}
