/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * GetEvents
 *
 * As GetLog: the question stays in the call, and is read again when there is something to answer.
 */

#include "bus/get-events.h"
#include "bus/options.h"
#include "bus/server.h"
#include "bus/waiter.h"
#include "core/events.h"
#include "util/strv.h"

#define POLL_MAX_USEC (20 * USEC_PER_SEC)
#define REPLY_EVENTS_MAX 1024

typedef struct EventQuery {
        uint64_t after;
        const char *app; /* NULL: of all */
        char **types;    /* NULL: all */
        uint32_t max;
        uint64_t wait_usec;
} EventQuery;

static void query_done(EventQuery *query) {
        strv_free(query->types);
}

static int read_query(sd_bus_message *call, EventQuery *query, sd_bus_error *ret_error) {
        const Option options[] = {
                { "app", "s", &query->app, NULL },
                { "types", "as", &query->types, NULL },
                { "max", "u", &query->max, NULL },
                { "wait-usec", "t", &query->wait_usec, NULL },
        };
        int r;

        r = sd_bus_message_read(call, "t", &query->after);
        if (r >= 0)
                r = options_read(call, options, ELEMENTSOF(options), ret_error);
        if (r < 0)
                return r;

        if (query->max == 0 || query->max > REPLY_EVENTS_MAX)
                query->max = REPLY_EVENTS_MAX;
        return 0;
}

static bool matches(const EventQuery *query, const Event *event) {
        return (!query->app || (event->app && streq(query->app, event->app))) &&
               (!query->types || strv_contains(query->types, event_type_to_string(event->type)));
}

static int append_exit(sd_bus_message *reply, const EventExit *exit) {
        return sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "exit-code", "i",
                                     exit->exit_code, "signal", "i", exit->signal, "core-dumped",
                                     "b", exit->core_dumped, "oom", "b", exit->is_oom,
                                     "uptime-usec", "t", exit->uptime_usec, "will-retry", "b",
                                     exit->will_retry, "retry-at", "t", exit->retry_at_usec,
                                     "attempt", "u", exit->attempt);
}

static int append_status(sd_bus_message *reply, const Event *event) {
        int r;

        r = sd_bus_message_append(
                reply, "{sv}{sv}{sv}{sv}", "status", "s", status_to_string(event->status),
                "sub-state", "s", sub_state_to_string(event->sub_state), "reason-code", "s",
                reason_code_to_string(event->reason_code), "generation", "t", event->generation);

        return r < 0 || !event->has_exit ? r : append_exit(reply, &event->exit);
}

static int append_event(sd_bus_message *reply, const Event *event) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}", "seq", "t", event->seq,
                                          "realtime-usec", "t", event->realtime_usec, "type", "s",
                                          event_type_to_string(event->type), "app", "s",
                                          event->app ? event->app : "", "sidecar", "s",
                                          event->sidecar ? event->sidecar : "");
        if (r >= 0 && event->type == EVENT_STATUS)
                r = append_status(reply, event);
        if (r >= 0 && event->text)
                r = sd_bus_message_append(reply, "{sv}", "text", "s", event->text);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* *ret_last: what the next call goes on after; positive: how many there are. */
static int append_events(sd_bus_message *reply,
                         const Events *events,
                         const EventQuery *query,
                         uint64_t *ret_last) {
        uint64_t last = query->after > events_last(events) ? 0 : query->after;
        const Event *event;
        int n = 0, r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        while (r >= 0 && (uint32_t) n < query->max && (event = events_next(events, last))) {
                last = event->seq;
                if (!matches(query, event))
                        continue;
                r = append_event(reply, event);
                n++;
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;

        /* Before the first event of this life too: else that one would look like a gap. */
        *ret_last = events_next(events, last) ? last : events_last(events);
        return n;
}

static int answer(Waiter *waiter, bool is_late) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(query_done) EventQuery query = { 0 };
        uint64_t last = 0;
        int n, r;

        r = sd_bus_message_rewind(waiter->call, true);
        if (r >= 0)
                r = read_query(waiter->call, &query, NULL);
        if (r >= 0)
                r = sd_bus_message_new_method_return(waiter->call, &reply);
        if (r < 0)
                return r;

        n = append_events(reply, waiter->subject, &query, &last);
        if (n == 0 && query.wait_usec > 0 && !is_late)
                return 0;

        r = n < 0 ? n : sd_bus_message_append(reply, "t", last);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);

        return r < 0 ? r : 1;
}

int method_get_events(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Server *server = userdata;
        Waiter spec = { .subject = server->supervisor->events, .answer = answer };
        _cleanup_(query_done) EventQuery query = { 0 };
        int r;

        r = read_query(message, &query, ret_error);
        if (r < 0)
                return r;

        return waiter_new(server, message, &spec,
                          query.wait_usec < POLL_MAX_USEC ? query.wait_usec : POLL_MAX_USEC,
                          ret_error);
}
