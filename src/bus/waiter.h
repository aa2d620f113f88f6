/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Waiter
 *
 * A method call that is answered later: when a condition comes true, when it no longer can, or
 * when its time is up. It owns the call and lives until it has answered, or until the caller has
 * gone, which nobody has to notice: an answer to nobody is dropped by the bus.
 */

#include "bus/server.h"
#include "util/duration.h"

#define WAIT_DEFAULT_USEC (20 * USEC_PER_SEC)
#define WAITERS_PER_SENDER_MAX 64

struct Waiter {
        Server *server;
        sd_bus_message *call;
        sd_event_source *timer;
        const void *subject; /* what it is about: a Sidecar, an App, or the Events */
        Waiter *next;

        /*
         * Answers the call if it can be answered now, or if it must (is_late): positive once it
         * has, 0 to wait on.
         */
        int (*answer)(Waiter *waiter, bool is_late);

        WaitCondition condition;
        uint64_t generation;
        char **names; /* of sidecars, of an App */
        Probe *probe; /* of CheckHealth */
};

/* The condition of a Wait by its word. Negative: ret_error is set. */
int waiter_set_condition(Waiter *spec, const char *word, sd_bus_error *ret_error);

/*
 * Takes the subject, answer and the fields behind it from *spec, and spec->names over, also on
 * failure. Answers at once if it can. timeout 0: WAIT_DEFAULT_USEC. For use as the last line of a
 * method: `return waiter_new(...)`.
 */
int waiter_new(Server *server,
               sd_bus_message *call,
               const Waiter *spec,
               uint64_t timeout_usec,
               sd_bus_error *ret_error);

/* Something about the subject has changed: asks each of its waiters whether it can answer. */
void waiters_wake(Server *server, const void *subject);

/* It has answered by other means than its `answer`. */
void waiter_end(Waiter *waiter);

/* The subject is about to go: all that wait for it are answered. */
void waiters_dismiss(Server *server, const void *subject);

void waiters_free(Server *server);
