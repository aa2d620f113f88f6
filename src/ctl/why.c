/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl why
 *
 * What Explain says, in the order in which one asks: what is it, why, what happens next, what can
 * I do. Texts are never cut: whoever asks why wants the whole answer.
 */

#include <inttypes.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/json-message.h"
#include "ctl/show-each.h"
#include "ctl/text.h"
#include "ctl/verbs.h"
#include "util/clock.h"
#include "util/strv.h"
#include "util/visible.h"

#define LABEL_WIDTH 10
#define GENERATIONS_MAX 8
#define LIMITS_MAX 8

typedef struct Generation { /* strings are borrowed from the reply, as below */
        uint64_t number, started_at, ready_at, ended_at;
        const char *reason;
} Generation;

typedef struct Why {
        const char *status, *sub_state, *reason, *next_action, *unblocked_by;
        uint64_t since, next_action_at;
        const char *missing_limits[LIMITS_MAX];
        size_t n_missing_limits;
        Generation generations[GENERATIONS_MAX];
        size_t n_generations;
} Why;

typedef struct Member {
        const char *key, *type;
        void *target;
} Member;

/* One entry of a dictionary, the key of which has been read. */
static int read_member(sd_bus_message *reply, const char *key, const Member *members, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (streq(members[i].key, key))
                        return sd_bus_message_read(reply, "v", members[i].type, members[i].target);

        return sd_bus_message_skip(reply, "v");
}

static int read_generation(sd_bus_message *reply, Why *why) {
        Generation generation = { .reason = "" };
        const Member members[] = {
                { "generation", "t", &generation.number },
                { "started-at", "t", &generation.started_at },
                { "ready-at", "t", &generation.ready_at },
                { "ended-at", "t", &generation.ended_at },
                { "reason", "s", &generation.reason },
        };
        int r;

        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                const char *key;

                r = sd_bus_message_read_basic(reply, 's', &key);
                if (r >= 0)
                        r = read_member(reply, key, members, ELEMENTSOF(members));
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        if (r >= 0 && why->n_generations < GENERATIONS_MAX)
                why->generations[why->n_generations++] = generation;

        return r;
}

static int read_generations(sd_bus_message *reply, Why *why) {
        int r;

        r = sd_bus_message_enter_container(reply, 'v', "aa{sv}");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'a', "{sv}")) > 0) {
                r = read_generation(reply, why);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);

        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int read_missing_limits(sd_bus_message *reply, Why *why) {
        const char *sentence;
        int r;

        r = sd_bus_message_enter_container(reply, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read_basic(reply, 's', &sentence)) > 0)
                if (why->n_missing_limits < LIMITS_MAX)
                        why->missing_limits[why->n_missing_limits++] = sentence;
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);

        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int read_entry(
        sd_bus_message *reply, const char *key, Why *why, const Member *members, size_t n_members) {
        if (streq(key, "generations"))
                return read_generations(reply, why);
        if (streq(key, "limits-missing"))
                return read_missing_limits(reply, why);

        return read_member(reply, key, members, n_members);
}

static int read_why(sd_bus_message *reply, Why *ret) {
        Why why = { "", "", "", "", "" };
        const Member members[] = {
                { "status", "s", &why.status },
                { "sub-state", "s", &why.sub_state },
                { "reason", "s", &why.reason },
                { "since", "t", &why.since },
                { "next-action", "s", &why.next_action },
                { "next-action-at", "t", &why.next_action_at },
                { "unblocked-by", "s", &why.unblocked_by },
        };
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                const char *key;

                r = sd_bus_message_read_basic(reply, 's', &key);
                if (r >= 0)
                        r = read_entry(reply, key, &why, members, ELEMENTSOF(members));
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        *ret = why;
        return 0;
}

static int print_field(const char *label, const char *text) {
        _cleanup_free_ char *visible = NULL;

        if (!*text)
                return 0;
        visible = visible_make(text);
        if (!visible)
                return -ENOMEM;

        (void) printf("%*s: %s\n", LABEL_WIDTH, label, visible);
        return 0;
}

static void print_headline(const Screen *screen, const Target *sidecar, const Why *why) {
        Color color = color_of_status(why->status);
        char time[TEXT_TIME_MAX], ago[DURATION_TEXT_MAX];
        uint64_t now = clock_realtime_usec();

        (void) printf("%s%s%s %s/%s is %s%s%s (%s) since %s, %s ago\n", screen_color(screen, color),
                      screen_glyph(screen, color == COLOR_NONE ? GLYPH_CIRCLE : GLYPH_DOT),
                      screen_color(screen, COLOR_NONE), sidecar->app, sidecar->name,
                      screen_color(screen, color), why->status, screen_color(screen, COLOR_NONE),
                      why->sub_state, text_of_time(time, why->since),
                      duration_say(ago, now > why->since ? now - why->since : 0));
}

static int print_next(const Why *why) {
        uint64_t now = clock_realtime_usec(), at = why->next_action_at;
        char in[DURATION_TEXT_MAX];
        _cleanup_free_ char *text = NULL;

        if (at <= now)
                return print_field("Next", why->next_action);
        if (asprintf(&text, "%s, in %s", why->next_action, duration_say(in, at - now)) < 0)
                return -ENOMEM;

        return print_field("Next", text);
}

/* "started 2026-11-22 11:00:34, ready after 1.2 s: killed by SIGKILL after 3 min" */
static int print_generation(const Generation *generation, const char *label, const char *reason) {
        char time[TEXT_TIME_MAX], after[DURATION_TEXT_MAX];
        _cleanup_free_ char *ready = NULL, *text = NULL;

        if (generation->ready_at > generation->started_at &&
            asprintf(&ready, ", ready after %s",
                     duration_say(after, generation->ready_at - generation->started_at)) < 0)
                return -ENOMEM;
        if (asprintf(&text, "started %s%s: %s", text_of_time(time, generation->started_at),
                     ready ? ready : "",
                     generation->ended_at == 0           ? "it is this one"
                     : streq(generation->reason, reason) ? "ended as said above"
                     : *generation->reason               ? generation->reason
                                                         : "ended") < 0)
                return -ENOMEM;

        return print_field(label, text);
}

static int print_why(const Screen *screen, const Target *sidecar, const Why *why) {
        int r;

        print_headline(screen, sidecar, why);
        r = print_field("Why", why->reason);
        if (r >= 0)
                r = print_next(why);
        if (r >= 0)
                r = print_field("Would help", why->unblocked_by);
        for (size_t i = 0; r >= 0 && i < why->n_missing_limits; i++)
                r = print_field(i == 0 ? "Limits" : "", why->missing_limits[i]);
        for (size_t i = 0; r >= 0 && i < why->n_generations; i++)
                r = print_generation(&why->generations[i], i == 0 ? "Starts" : "before",
                                     why->reason);

        return r;
}

static int write_why(JsonWriter *writer, const Target *sidecar, sd_bus_message *reply) {
        int r;

        json_open(writer, '{');
        json_member(writer, "AppId", sidecar->app);
        json_member(writer, "Name", sidecar->name);
        r = json_message_members(writer, reply);
        json_close(writer, '}');
        return r < 0 ? r : 0;
}

static int explain(const Arguments *arguments, JsonWriter *writer, sd_bus *bus, const Target *of) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Why why;
        int r;

        r = client_call(bus, &reply, of->path, INTERFACE_SIDECAR, "Explain", NULL);
        if (r != 0)
                return r;
        if (arguments->json)
                return write_why(writer, of, reply);

        r = read_why(reply, &why);
        return r < 0 ? r : print_why(&arguments->screen, of, &why);
}

int verb_why(const Arguments *arguments) {
        return show_each(arguments, targets_resolve_sidecars, explain);
}
