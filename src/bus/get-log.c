/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * GetLog
 *
 * A question is a filter and a place to go on from. It is kept in the call itself: a long poll
 * reads its options again when there is something to answer.
 */

#include "bus/get-log.h"
#include "bus/log-options.h"
#include "bus/sidecar-object.h"
#include "bus/waiter.h"
#include "model/log-format.h"
#include "util/format.h"
#include "util/utf8.h"

#define REPLY_BYTES_MAX (256u * 1024u)
#define POLL_MAX_USEC (20 * USEC_PER_SEC)

typedef struct Question {
        LogQuery query;
        uint64_t wait_usec;
} Question;

static int read_question(sd_bus_message *call, Question *ret, sd_bus_error *ret_error) {
        Question question = { 0 };
        const Option options[] = { { "wait-usec", "t", &question.wait_usec, NULL } };
        int r;

        r = log_options_read(call, options, ELEMENTSOF(options), &question.query, ret_error);
        if (r < 0)
                return r;

        *ret = question;
        return 0;
}

/* The next line that matches, from that number on; false: there is none yet. */
static bool next_line(const LogRing *ring, const LogQuery *query, uint64_t number, LogLine *ret) {
        LogLine line;

        for (; log_ring_get(ring, number, &line); number = line.number + 1)
                if (log_query_matches(query, &line)) {
                        *ret = line;
                        return true;
                }

        return false;
}

/* However many of the newest are asked for. */
static bool has_lines(const LogRing *ring, const LogQuery *query) {
        LogQuery all = *query;
        LogLine line;

        all.n_newest = UINT32_MAX;
        return next_line(ring, &all, log_query_begin(&all, ring), &line);
}

static char *make_text(const LogLine *line) {
        _cleanup_free_ char *text = utf8_make_valid(line->bytes, line->n_bytes);

        if (!text || line->ending != LOG_ENDING_SPLIT)
                return TAKE_PTR(text);

        return format_text("%s" LOG_SPLIT_MARK, text);
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
                        uint64_t begin,
                        uint64_t *ret_next) {
        uint64_t next = log_ring_next(ring) - 1;
        size_t n_bytes = 0;
        LogLine line;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(tttss)");
        if (r < 0)
                return r;

        for (uint64_t i = begin; next_line(ring, query, i, &line); i = line.number + 1) {
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

static int
send_reply(sd_bus_message *call, const LogRing *ring, const LogQuery *query, uint64_t begin) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t next = 0;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = append_lines(reply, ring, query, begin, &next);
        if (r >= 0)
                r = sd_bus_message_append(reply, "tt", next, log_query_lost(query, ring));

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int answer(Waiter *waiter, bool is_late) {
        const Sidecar *sidecar = waiter->subject;
        const LogRing *ring = sidecar->ring;
        Question question;
        uint64_t begin;
        int r;

        r = sd_bus_message_rewind(waiter->call, true);
        if (r >= 0)
                r = read_question(waiter->call, &question, NULL);
        if (r < 0)
                return r;

        if (question.wait_usec > 0 && !is_late && !has_lines(ring, &question.query))
                return 0;

        begin = log_query_begin(&question.query, ring);
        r = send_reply(waiter->call, ring, &question.query, begin);
        return r < 0 ? r : 1;
}

int method_get_log(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const Sidecar *sidecar = userdata;
        const SidecarObject *object = sidecar->userdata;
        Waiter spec = { .subject = sidecar, .answer = answer };
        Question question;
        int r;

        r = read_question(message, &question, ret_error);
        if (r < 0)
                return r;

        return waiter_new(object->server, message, &spec,
                          question.wait_usec < POLL_MAX_USEC ? question.wait_usec : POLL_MAX_USEC,
                          ret_error);
}
