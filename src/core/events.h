/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Events
 *
 * What has happened, in order, numbered without a gap: a bounded ring that clients read with
 * GetEvents, so that a signal lost is not news lost. Numbers rise for ever, over restarts of the
 * daemon too, because a fresh count begins at the clock.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/sidecar.h"

#define EVENTS_MAX 4096

typedef enum EventType {
        EVENT_APP_ADDED,
        EVENT_APP_REMOVED,
        EVENT_MANIFEST,
        EVENT_HELD,
        EVENT_RELEASED,
        EVENT_STATUS,
        EVENT_MODE,
        EVENT_ADOPTED,         /* it is up, and was so in the life of another brain */
        EVENT_BRAIN_RESTARTED, /* text: how many were adopted */
        EVENT_DENIED,
        EVENT_NOTICE,      /* text: what somebody should look after */
        EVENT_LOG_DROPPED, /* text: how many bytes are missing in its log file */
        _EVENT_TYPE_MAX,
        _EVENT_TYPE_INVALID = -EINVAL,
} EventType;

/* How a generation ended; told with the change of status that it caused. */
typedef struct EventExit {
        int exit_code; /* -1: none */
        int signal;    /* 0: none */
        bool core_dumped;
        bool is_oom;
        bool will_retry;
        uint64_t uptime_usec;
        uint64_t retry_at_usec; /* CLOCK_REALTIME; 0: not */
        uint32_t attempt;
} EventExit;

typedef struct Event {
        uint64_t seq;
        uint64_t realtime_usec;
        EventType type;
        char *app;     /* or NULL */
        char *sidecar; /* or NULL */
        char *text;    /* in words, where the type has no more to say; or NULL */

        /* EVENT_STATUS */
        Status status;
        SubState sub_state;
        ReasonCode reason_code;
        uint64_t generation;
        bool has_exit;
        EventExit exit;
} Event;

typedef struct Events Events;

const char *event_type_to_string(EventType type);

int events_new(Events **ret);
Events *events_free(Events *events);
DEFINE_CLEANUP(Events, events_free);

/* Number of the newest event. */
uint64_t events_last(const Events *events);

/* The oldest event above that number; NULL: there is none. Borrowed until the next event. */
const Event *events_next(const Events *events, uint64_t after);

/*
 * One of an earlier brain, with the number and the time that it had; they come in their order.
 * Takes its strings over.
 */
void events_take_up(Events *events, const Event *event);

/* Copies what it is given, less the number and the time, which it sets; answers the number. */
uint64_t events_add(Events *events, const Event *event);
