/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Events
 *
 * A ring of fixed places, indexed by the number: the oldest goes when the place is needed.
 */

#include <string.h>

#include "core/events.h"
#include "util/clock.h"

struct Events {
        uint64_t first; /* number of the first event ever */
        uint64_t last;
        Event ring[EVENTS_MAX]; /* event n is at n % EVENTS_MAX; its pages come as they are used */
};

static const char *const types[] = {
        [EVENT_APP_ADDED] = "app-added",
        [EVENT_APP_REMOVED] = "app-removed",
        [EVENT_MANIFEST] = "manifest",
        [EVENT_HELD] = "held",
        [EVENT_RELEASED] = "released",
        [EVENT_STATUS] = "status",
        [EVENT_MODE] = "mode",
        [EVENT_ADOPTED] = "adopted",
        [EVENT_BRAIN_RESTARTED] = "brain-restarted",
        [EVENT_DENIED] = "denied",
        [EVENT_NOTICE] = "notice",
        [EVENT_LOG_DROPPED] = "log-dropped",
};

const char *event_type_to_string(EventType type) {
        return types[type];
}

int events_new(Events **ret) {
        Events *events = calloc(1, sizeof(*events));

        if (!events)
                return -ENOMEM;

        events->last = clock_realtime_usec();
        events->first = events->last + 1;
        *ret = events;
        return 0;
}

static void event_done(Event *event) {
        free(event->app);
        free(event->sidecar);
        free(event->text);
        *event = (Event){ 0 };
}

Events *events_free(Events *events) {
        if (!events)
                return NULL;

        for (size_t i = 0; i < EVENTS_MAX; i++)
                event_done(&events->ring[i]);
        free(events);
        return NULL;
}

uint64_t events_last(const Events *events) {
        return events->last;
}

const Event *events_next(const Events *events, uint64_t after) {
        uint64_t oldest = events->first;

        if (events->last >= events->first + EVENTS_MAX)
                oldest = events->last - EVENTS_MAX + 1;

        /* A number from another life of the daemon means nothing here. */
        if (after > events->last || after < oldest)
                after = oldest - 1;

        return after < events->last ? &events->ring[(after + 1) % EVENTS_MAX] : NULL;
}

void events_take_up(Events *events, const Event *event) {
        Event *place = &events->ring[event->seq % EVENTS_MAX];

        if (event->seq != events->last + 1)
                events->first = event->seq;
        events->last = event->seq;
        event_done(place);
        *place = *event;
}

static char *copy(const char *text) {
        return text ? strdup(text) : NULL;
}

uint64_t events_add(Events *events, const Event *event) {
        Event *place = &events->ring[++events->last % EVENTS_MAX];

        event_done(place);
        *place = *event;
        place->seq = events->last;
        place->realtime_usec = clock_realtime_usec();
        /* Without memory for its words an event is still counted, and told without them. */
        place->app = copy(event->app);
        place->sidecar = copy(event->sidecar);
        place->text = copy(event->text);
        return place->seq;
}
