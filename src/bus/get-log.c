/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * GetLog
 *
 * A question is a filter and a place to go on from. It is kept in the call itself: a long poll
 * reads its options again when there is something to answer.
 */

#include <stdio.h>

#include "bus/get-log.h"
#include "bus/options.h"
#include "bus/sidecar-object.h"
#include "bus/waiter.h"
#include "util/utf8.h"

#define REPLY_BYTES_MAX (256u * 1024u)
#define LINES_DEFAULT 100
#define POLL_MAX_USEC (20 * USEC_PER_SEC)

/* Behind a piece that goes on in the next line (contract G2); the file has the bytes alone. */
#define SPLIT_MARK "\u2026"

typedef struct LogQuery {
        uint64_t after;      /* 0: from the oldest on */
        uint32_t n_newest;   /* UINT32_MAX: all */
        const char *stream;  /* NULL: all */
        uint64_t generation; /* 0: all */
        uint64_t wait_usec;
} LogQuery;

static int read_query(sd_bus_message *call, LogQuery *ret, sd_bus_error *ret_error) {
        LogQuery query = { .n_newest = UINT32_MAX };
        bool has_after = false, has_lines = false;
        const Option options[] = {
                { "after", "t", &query.after, &has_after },
                { "lines", "u", &query.n_newest, &has_lines },
                { "stream", "s", &query.stream, NULL },
                { "generation", "t", &query.generation, NULL },
                { "wait-usec", "t", &query.wait_usec, NULL },
        };
        int r;

        r = options_read(call, options, ELEMENTSOF(options), ret_error);
        if (r < 0)
                return r;
        if (query.stream && log_stream_from_string(query.stream) < 0)
                return sd_bus_error_setf(
                        ret_error, SD_BUS_ERROR_INVALID_ARGS,
                        "Option stream must be stdout, stderr or supervisor, not %s", query.stream);

        if (!has_after && !has_lines)
                query.n_newest = LINES_DEFAULT;
        *ret = query;
        return 0;
}

static bool matches(const LogQuery *query, const LogLine *line) {
        return (!query->stream || log_stream_from_string(query->stream) == line->stream) &&
               (query->generation == 0 || query->generation == line->generation);
}

/* Where to begin: an "after" from another life of the daemon, or none, means the oldest. */
static uint64_t first_wanted(const LogRing *ring, const LogQuery *query) {
        return query->after >= log_ring_next(ring) ? 0 : query->after + 1;
}

static uint64_t count_matches(const LogRing *ring, const LogQuery *query) {
        uint64_t n = 0;
        LogLine line;

        for (uint64_t i = first_wanted(ring, query); log_ring_get(ring, i, &line);
             i = line.number + 1)
                n += matches(query, &line);

        return n;
}

static char *make_text(const LogLine *line) {
        _cleanup_free_ char *text = utf8_make_valid(line->bytes, line->n_bytes);
        char *marked;

        if (!text || !line->is_split)
                return TAKE_PTR(text);

        return asprintf(&marked, "%s" SPLIT_MARK, text) < 0 ? NULL : marked;
}

static int append_line(sd_bus_message *reply, const LogLine *line) {
        _cleanup_free_ char *text = make_text(line);

        if (!text)
                return -ENOMEM;

        return sd_bus_message_append(reply, "(tttss)", line->number, line->realtime_usec,
                                     line->generation, log_stream_to_string(line->stream), text);
}

/* *ret_next: the number that the next call goes on after. */
static int append_lines(sd_bus_message *reply,
                        const LogRing *ring,
                        const LogQuery *query,
                        uint64_t n_matches,
                        uint64_t *ret_next) {
        uint64_t n_skip = n_matches > query->n_newest ? n_matches - query->n_newest : 0;
        uint64_t next = log_ring_next(ring) - 1;
        size_t n_bytes = 0;
        LogLine line;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(tttss)");
        if (r < 0)
                return r;

        for (uint64_t i = first_wanted(ring, query); log_ring_get(ring, i, &line);
             i = line.number + 1) {
                if (!matches(query, &line) || (n_skip > 0 && n_skip--))
                        continue;
                n_bytes += line.n_bytes + sizeof(line);
                if (n_bytes > REPLY_BYTES_MAX) {
                        next = line.number - 1;
                        break;
                }
                r = append_line(reply, &line);
                if (r < 0)
                        return r;
        }

        *ret_next = next;
        return sd_bus_message_close_container(reply);
}

static uint64_t count_lost(const LogRing *ring, const LogQuery *query) {
        uint64_t wanted = first_wanted(ring, query), first = log_ring_first(ring);

        return query->after != 0 && wanted != 0 && wanted < first ? first - wanted : 0;
}

static int
send_reply(sd_bus_message *call, const LogRing *ring, const LogQuery *query, uint64_t n_matches) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t next = 0;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = append_lines(reply, ring, query, n_matches, &next);
        if (r >= 0)
                r = sd_bus_message_append(reply, "tt", next, count_lost(ring, query));

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int answer(Waiter *waiter, bool is_late) {
        const Sidecar *sidecar = waiter->subject;
        const LogRing *ring = sidecar->ring;
        LogQuery query = { 0 };
        uint64_t n_matches;
        int r;

        r = sd_bus_message_rewind(waiter->call, true);
        if (r >= 0)
                r = read_query(waiter->call, &query, NULL);
        if (r < 0)
                return r;

        n_matches = count_matches(ring, &query);
        if (n_matches == 0 && query.wait_usec > 0 && !is_late)
                return 0;

        r = send_reply(waiter->call, ring, &query, n_matches);
        return r < 0 ? r : 1;
}

int method_get_log(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const Sidecar *sidecar = userdata;
        const SidecarObject *object = sidecar->userdata;
        Waiter spec = { .subject = sidecar, .answer = answer };
        LogQuery query = { 0 };
        int r;

        r = read_query(message, &query, ret_error);
        if (r < 0)
                return r;

        return waiter_new(object->server, message, &spec,
                          query.wait_usec < POLL_MAX_USEC ? query.wait_usec : POLL_MAX_USEC,
                          ret_error);
}
