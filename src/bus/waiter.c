/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Waiter
 *
 * All waiters are one list: there are few, and a change looks at those of one sidecar.
 */

#include "bus/error.h"
#include "bus/waiter.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/strv.h"

static Waiter *waiter_free(Waiter *waiter) {
        sd_event_source_disable_unref(waiter->timer);
        sd_bus_message_unref(waiter->call);
        strv_free(waiter->names);
        probe_free(waiter->probe);
        free(waiter);
        return NULL;
}

static void unlink_waiter(Waiter *waiter) {
        for (Waiter **link = &waiter->server->waiters; *link; link = &(*link)->next)
                if (*link == waiter) {
                        *link = waiter->next;
                        return;
                }
}

void waiter_end(Waiter *waiter) {
        unlink_waiter(waiter);
        waiter_free(waiter);
}

/* True: it has answered and is gone. */
static bool try_answer(Waiter *waiter, bool is_late) {
        int r;

        /* Or the caller would be told the outcome first, and then what led to it. */
        server_tell_statuses(waiter->server);
        r = waiter->answer(waiter, is_late);
        if (r == 0)
                return false;
        if (r < 0)
                (void) sd_bus_reply_method_errno(waiter->call, r, NULL);

        waiter_end(waiter);
        return true;
}

static int on_late(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        (void) try_answer(userdata, true);
        return 0;
}

static size_t count_of_sender(const Server *server, const char *sender) {
        size_t n = 0;

        for (const Waiter *waiter = server->waiters; waiter; waiter = waiter->next)
                n += streq(sd_bus_message_get_sender(waiter->call), sender);

        return n;
}

/* Every failure from here on takes the waiter with it. */
static int arm(Waiter *waiter, uint64_t timeout_usec) {
        if (timeout_usec == 0)
                timeout_usec = WAIT_DEFAULT_USEC;
        if (timeout_usec > USEC_INFINITY / 2)
                timeout_usec = USEC_INFINITY / 2;

        return sd_event_add_time_relative(waiter->server->supervisor->event, &waiter->timer,
                                          CLOCK_MONOTONIC, timeout_usec, 0, on_late, waiter);
}

int waiter_set_condition(Waiter *spec, const char *word, sd_bus_error *ret_error) {
        int r = wait_condition_from_string(word);

        if (r < 0)
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Condition must be ready, stopped or settled, not %s",
                                         word);

        spec->condition = (WaitCondition) r;
        return 0;
}

int waiter_new(Server *server,
               sd_bus_message *call,
               const Waiter *spec,
               uint64_t timeout_usec,
               sd_bus_error *ret_error) {
        Waiter *waiter = malloc(sizeof(*waiter));
        int r;

        if (!waiter) {
                strv_free(spec->names);
                return -ENOMEM;
        }

        *waiter = *spec;
        waiter->server = server;
        waiter->call = sd_bus_message_ref(call);
        waiter->next = server->waiters;
        server->waiters = waiter;
        if (try_answer(waiter, false))
                return 1;

        if (count_of_sender(server, sd_bus_message_get_sender(call)) > WAITERS_PER_SENDER_MAX)
                r = sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                      "%d calls of this connection wait already",
                                      WAITERS_PER_SENDER_MAX);
        else
                r = arm(waiter, timeout_usec);
        if (r >= 0)
                return 1;

        waiter_end(waiter);
        return r;
}

void waiters_wake(Server *server, const void *subject) {
        for (Waiter *waiter = server->waiters, *next; waiter; waiter = next) {
                next = waiter->next;
                if (waiter->subject == subject)
                        (void) try_answer(waiter, false);
        }
}

void waiters_dismiss(Server *server, const void *subject) {
        for (Waiter *waiter = server->waiters, *next; waiter; waiter = next) {
                next = waiter->next;
                if (waiter->subject == subject)
                        (void) try_answer(waiter, true);
        }
}

void waiters_free(Server *server) {
        while (server->waiters) {
                Waiter *waiter = server->waiters;

                server->waiters = waiter->next;
                waiter_free(waiter);
        }
}
