/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl events
 *
 * What the daemon remembers, and then what happens, by a call that stays open until there is more.
 * An event is a dictionary: what every type has stands in front, the rest as it comes.
 */

#include <inttypes.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/json-message.h"
#include "ctl/listing.h"
#include "ctl/verbs.h"
#include "util/duration.h"
#include "util/strv.h"
#include "util/visible.h"

#define POLL_USEC (20 * USEC_PER_SEC) /* the most that GetEvents allows */

static int
ask(sd_bus *bus, sd_bus_message **ret, const Target *app, uint64_t after, uint64_t wait_usec) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = client_new_call(bus, &call, PATH_MANAGER, INTERFACE_MANAGER, "GetEvents");
        if (r >= 0)
                r = sd_bus_message_append(call, "t", after);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0 && app->app)
                r = sd_bus_message_append(call, "{sv}", "app", "s", app->app);
        if (r >= 0 && wait_usec > 0)
                r = sd_bus_message_append(call, "{sv}", "wait-usec", "t", wait_usec);
        if (r >= 0)
                r = sd_bus_message_close_container(call);

        return r < 0 ? r : client_send(bus, call, 2 * POLL_USEC, ret);
}

typedef struct Event {
        uint64_t number, realtime_usec;
        const char *type, *app, *sidecar; /* borrowed from the reply */
        char *rest;                       /* " key=value" for what else there is */
        size_t n_rest;
        FILE *rest_stream;
} Event;

static void event_done(Event *event) {
        if (event->rest_stream)
                (void) fclose(event->rest_stream);
        free(event->rest);
}

static int read_rest(const Event *event, sd_bus_message *reply, const char *key) {
        JsonWriter writer = { .stream = event->rest_stream };
        const char *contents, *text;
        int r;

        r = sd_bus_message_peek_type(reply, NULL, &contents);
        if (r < 0)
                return r;

        (void) fprintf(event->rest_stream, " %s=", key);
        if (!streq(contents, "s"))
                return json_message_value(&writer, reply);

        r = sd_bus_message_read(reply, "v", "s", &text);
        if (r >= 0)
                (void) fputs(text, event->rest_stream);
        return r;
}

static int read_entry(Event *event, sd_bus_message *reply) {
        const struct {
                const char *key, *type;
                void *target;
        } known[] = {
                { "seq", "t", &event->number },
                { "realtime-usec", "t", &event->realtime_usec },
                { "type", "s", &event->type },
                { "app", "s", &event->app },
                { "sidecar", "s", &event->sidecar },
        };
        const char *key;
        int r;

        r = sd_bus_message_read_basic(reply, 's', &key);
        if (r < 0)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (streq(known[i].key, key))
                        return sd_bus_message_read(reply, "v", known[i].type, known[i].target);

        return read_rest(event, reply, key);
}

static int print_event(const Screen *screen, const Event *event) {
        _cleanup_free_ char *text = NULL, *visible = NULL;
        char time[VISIBLE_TIME_MAX];

        if (asprintf(&text, "%s%s%s %s%s", event->app, *event->sidecar ? "/" : "", event->sidecar,
                     event->type, event->rest) < 0)
                return -ENOMEM;
        visible = visible_make(text);
        if (!visible)
                return -ENOMEM;

        (void) printf("%s%s%s %s\n", screen_color(screen, COLOR_GRAY),
                      visible_log_time(time, event->realtime_usec),
                      screen_color(screen, COLOR_NONE), visible);
        return 0;
}

static int show_for_people(const Screen *screen, sd_bus_message *reply) {
        _cleanup_(event_done) Event event = { .type = "", .app = "", .sidecar = "" };
        int r;

        event.rest_stream = open_memstream(&event.rest, &event.n_rest);
        if (!event.rest_stream)
                return -errno;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = read_entry(&event, reply);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r < 0 || fflush(event.rest_stream) != 0)
                return r < 0 ? r : -errno;

        return print_event(screen, &event);
}

static int show_as_json(sd_bus_message *reply) {
        JsonWriter writer = { .stream = stdout };
        int r = json_message_value(&writer, reply);

        json_end(&writer);
        return r < 0 ? r : 0;
}

static int count_events(sd_bus_message *reply) {
        int n_events = 0, r;

        r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(reply, false)) == 0) {
                r = sd_bus_message_skip(reply, "a{sv}");
                if (r < 0)
                        return r;
                n_events++;
        }
        if (r >= 0)
                r = sd_bus_message_rewind(reply, true);

        return r < 0 ? r : n_events;
}

/* Shows all but the first n_skip events of a reply. */
static int
show_events(const Arguments *arguments, sd_bus_message *reply, size_t n_skip, uint64_t *ret_last) {
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_at_end(reply, false)) == 0) {
                if (n_skip > 0) {
                        n_skip--;
                        r = sd_bus_message_skip(reply, "a{sv}");
                } else
                        r = arguments->json ? show_as_json(reply)
                                            : show_for_people(&arguments->screen, reply);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "t", ret_last);

        return r < 0 ? r : 0;
}

static int show_past(const Arguments *arguments, sd_bus *bus, const Target *app, uint64_t *last) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        size_t n_skip = 0;
        int r;

        r = ask(bus, &reply, app, 0, 0);
        if (r != 0)
                return r;

        r = count_events(reply);
        if (r < 0)
                return r;
        if ((size_t) r > arguments->n_lines)
                n_skip = (size_t) r - arguments->n_lines;

        return show_events(arguments, reply, n_skip, last);
}

static int show_coming(const Arguments *arguments, sd_bus *bus, const Target *app, uint64_t *last) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        (void) fflush(stdout);
        r = ask(bus, &reply, app, *last, POLL_USEC);
        return r != 0 ? r : show_events(arguments, reply, 0, last);
}

int verb_events(const Arguments *arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(target_done) Target app = { 0 };
        uint64_t last = 0;
        int r;

        r = client_connect(&bus);
        if (r == 0 && arguments->n_names > 0)
                r = target_resolve(&app, bus, arguments->names[0]);
        if (r != 0)
                return r;
        if (app.name)
                return complain(EXIT_USAGE, "events takes an APP: sidecarctl events %s", app.app);

        r = show_past(arguments, bus, &app, &last);
        while (r == 0 && !arguments->no_wait)
                r = show_coming(arguments, bus, &app, &last);

        return r;
}
