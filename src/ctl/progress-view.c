/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ProgressView
 *
 * On a terminal the cursor rests at the start of the line below ours: up by as many lines as we
 * have drawn, and each is overwritten. Where they do not fit on it, plain lines it is.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/json-writer.h"
#include "ctl/progress-view.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/strv.h"

#define ERASE_REST_OF_LINE "\033[K"

static bool is_in_place(const Progress *progress) {
        const Arguments *arguments = progress->arguments;

        return arguments->screen.is_terminal && !arguments->json && progress->out == stdout &&
               progress->n_items + 1 < arguments->screen.n_rows;
}

/* A terminal that lives in place is drawn in turns, and JSON comes whole at the end. */
static bool prints_lines(const Awaited *item) {
        return !is_in_place(item->progress) && !item->progress->arguments->json;
}

void progress_view_changed(const Awaited *item) {
        /* What ends the waiting is told with all that is known of it. */
        if (!prints_lines(item) || awaited_is_satisfied(item) || streq(item->status, "Failed"))
                return;

        (void) fprintf(item->progress->out, "%s/%s: %s (%s)\n", item->sidecar.app,
                       item->sidecar.name, item->status, item->sub_state);
        (void) fflush(item->progress->out);
}

/* What is stopped may have an endpoint, for the next time. */
static bool has_url(const Awaited *item) {
        return item->url && *item->url && item->status && streq(item->status, "Running");
}

static uint64_t time_spent(const Awaited *item) {
        uint64_t until = item->done_usec > 0 ? item->done_usec : clock_monotonic_usec();

        return until - item->progress->begun_usec;
}

void progress_view_finished(const Awaited *item) {
        char time[DURATION_TEXT_MAX];

        if (!prints_lines(item) || item->result != 0)
                return;

        (void) fprintf(item->progress->out, "%s/%s: %s (%s) after %s%s%s\n", item->sidecar.app,
                       item->sidecar.name, item->status, item->sub_state,
                       duration_say(time, time_spent(item)), has_url(item) ? ", at " : "",
                       has_url(item) ? item->url : "");
        (void) fflush(item->progress->out);
}

static const char *mark_of(const Awaited *item) {
        static const char *const spinner[] = { "|", "/", "-", "\\" };
        const Screen *screen = &item->progress->arguments->screen;

        if (item->done_usec == 0)
                return spinner[item->progress->n_turns % ELEMENTSOF(spinner)];

        return screen_glyph(screen, item->result == 0 ? GLYPH_DOT : GLYPH_CIRCLE);
}

static Color color_of(const Awaited *item) {
        if (item->done_usec == 0)
                return COLOR_YELLOW;

        return item->result == 0 ? COLOR_GREEN : COLOR_RED;
}

static char *text_of(const Awaited *item) {
        char time[DURATION_TEXT_MAX], *text;

        if (asprintf(&text, "%s/%s  %s%s%s%s  %s%s%s", item->sidecar.app, item->sidecar.name,
                     item->status ? item->status : "...", item->sub_state ? " (" : "",
                     item->sub_state ? item->sub_state : "", item->sub_state ? ")" : "",
                     duration_say(time, time_spent(item)), has_url(item) ? "  " : "",
                     has_url(item) ? item->url : "") < 0)
                return NULL;

        return text;
}

static void draw_item(const Awaited *item) {
        const Screen *screen = &item->progress->arguments->screen;
        _cleanup_free_ char *text = text_of(item), *fitting = NULL;

        /* Not up to the last column: some terminals begin a new line there. */
        if (text)
                fitting =
                        screen_fit(screen, text, screen->n_columns > 4 ? screen->n_columns - 3 : 1);

        (void) printf("\r%s%s%s %s" ERASE_REST_OF_LINE "\n", screen_color(screen, color_of(item)),
                      mark_of(item), screen_color(screen, COLOR_NONE), fitting ? fitting : "");
}

void progress_view_draw(Progress *progress) {
        if (!is_in_place(progress))
                return;

        if (progress->n_drawn > 0)
                (void) printf("\033[%uA", progress->n_drawn);
        for (size_t i = 0; i < progress->n_items; i++)
                draw_item(progress->items[i]);

        progress->n_drawn = (unsigned) progress->n_items;
        progress->n_turns++;
        (void) fflush(stdout);
}

static int get_text(char **ret, const Awaited *item, const char *property) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *text;
        int r;

        r = client_get(item->progress->bus, &reply, item->sidecar.path, INTERFACE_SIDECAR,
                       property);
        if (r != 0)
                return r;

        r = sd_bus_message_read(reply, "s", &text);
        return r < 0 ? r : free_and_strdup(ret, text);
}

static int write_item(JsonWriter *writer, const Awaited *item) {
        const struct {
                const char *property;
                const char *told;
        } texts[] = {
                { "Status", item->status },          { "SubState", item->sub_state },
                { "ReasonCode", item->reason_code }, { "Reason", item->reason },
                { "Endpoint", item->url },
        };
        /* Wait has told all of what came true; an error of it tells nothing but the reason. */
        bool is_told = item->done_usec > 0 && item->result == 0;
        int r = 0;

        json_open(writer, '{');
        json_member(writer, "AppId", item->sidecar.app);
        json_member(writer, "Name", item->sidecar.name);
        json_member_unsigned(writer, "Generation", item->generation);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(texts); i++) {
                _cleanup_free_ char *text = NULL;

                if (!is_told)
                        r = get_text(&text, item, texts[i].property);
                else if (texts[i].told)
                        r = free_and_strdup(&text, texts[i].told);
                if (r == 0)
                        json_member(writer, texts[i].property, text ? text : "");
        }
        json_close(writer, '}');
        return r;
}

static int write_items(const Progress *progress) {
        JsonWriter writer = { .stream = stdout };
        int r = 0;

        json_open(&writer, '[');
        for (size_t i = 0; r == 0 && i < progress->n_items; i++)
                r = write_item(&writer, progress->items[i]);
        json_close(&writer, ']');
        json_end(&writer);
        return r;
}

int progress_view_end(Progress *progress) {
        for (size_t i = 0; i < progress->n_items; i++) {
                const Awaited *item = progress->items[i];

                if (item->complaint)
                        (void) complain(EXIT_FAILED, "%s", item->complaint);
        }

        return progress->arguments->json ? write_items(progress) : 0;
}
