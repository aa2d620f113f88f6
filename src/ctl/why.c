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
#include "ctl/explanation.h"
#include "ctl/json-message.h"
#include "ctl/show-each.h"
#include "ctl/text.h"
#include "ctl/verbs.h"
#include "util/clock.h"
#include "util/strv.h"
#include "util/visible.h"

#define LABEL_WIDTH 10

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

static void print_headline(const Screen *screen, const Target *sidecar, const Explanation *why) {
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

static int print_next(const Explanation *why) {
        _cleanup_free_ char *text = explanation_next(why);

        return text ? print_field("Next", text) : -ENOMEM;
}

static int print_probe(const Explanation *why) {
        _cleanup_free_ char *text = explanation_last_probe(why);

        return text ? print_field("Last probe", text) : -ENOMEM;
}

/* "started 2026-11-22 11:00:34, ready after 1.2 s: killed by SIGKILL after 3 min" */
static int
print_generation(const ExplainedGeneration *generation, const char *label, const char *reason) {
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

static int print_why(const Screen *screen, const Target *sidecar, const Explanation *why) {
        int r;

        print_headline(screen, sidecar, why);
        r = print_field("Why", why->reason);
        if (r >= 0)
                r = print_next(why);
        if (r >= 0)
                r = print_probe(why);
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
        Explanation why;
        int r;

        r = client_call(bus, &reply, of->path, INTERFACE_SIDECAR, "Explain", NULL);
        if (r != 0)
                return r;
        if (arguments->json)
                return write_why(writer, of, reply);

        r = explanation_read(&why, reply);
        return r < 0 ? r : print_why(&arguments->screen, of, &why);
}

int verb_why(const Arguments *arguments) {
        return show_each(arguments, targets_resolve_sidecars, explain);
}
