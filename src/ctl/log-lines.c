/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogLines
 *
 * Text stays in the message it came in: lines are counted in thousands and shown once.
 */

#include <stdio.h>

#include "ctl/log-lines.h"
#include "util/strv.h"
#include "util/visible.h"

static int keep_reply(LogLines *lines, sd_bus_message *reply) {
        sd_bus_message **grown =
                reallocarray(lines->replies, lines->n_replies + 1, sizeof(sd_bus_message *));

        if (!grown)
                return -ENOMEM;

        lines->replies = grown;
        grown[lines->n_replies++] = sd_bus_message_ref(reply);
        return 0;
}

static int read_line(LogLine *ret, sd_bus_message *reply, const Target *sidecar) {
        LogLine line = { .sidecar = sidecar };
        int r;

        r = sd_bus_message_read(reply, "(tttss)", &line.number, &line.realtime_usec,
                                &line.generation, &line.stream, &line.text);
        if (r > 0)
                *ret = line;

        return r;
}

int log_lines_add(LogLines *lines, const LogLine *line) {
        LogLine *grown;

        /* Twice as many each time they reach a power of two. */
        if ((lines->n_lines & (lines->n_lines - 1)) == 0) {
                grown = reallocarray(lines->lines, lines->n_lines > 0 ? 2 * lines->n_lines : 1,
                                     sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                lines->lines = grown;
        }

        lines->lines[lines->n_lines++] = *line;
        return 0;
}

int log_lines_take(LogLines *lines,
                   sd_bus_message *reply,
                   const Target *sidecar,
                   uint64_t *ret_next,
                   uint64_t *ret_n_lost) {
        LogLine line;
        int r;

        r = keep_reply(lines, reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(tttss)");
        if (r < 0)
                return r;

        while ((r = read_line(&line, reply, sidecar)) > 0) {
                r = log_lines_add(lines, &line);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "tt", ret_next, ret_n_lost);

        return r < 0 ? r : 0;
}

void log_lines_done(LogLines *lines) {
        for (size_t i = 0; i < lines->n_replies; i++)
                sd_bus_message_unref(lines->replies[i]);

        free(lines->replies);
        free(lines->lines);
}

/* The clock may be set back between two lines of one sidecar: there its numbers decide. */
static int compare_lines(const void *a, const void *b) {
        const LogLine *x = a, *y = b;

        if (x->sidecar == y->sidecar && x->number == y->number)
                return (x->n_lost > 0) - (y->n_lost > 0);
        if (x->sidecar == y->sidecar)
                return x->number < y->number ? -1 : 1;
        if (x->realtime_usec != y->realtime_usec)
                return x->realtime_usec < y->realtime_usec ? -1 : 1;

        return x->sidecar < y->sidecar ? -1 : 1;
}

void log_lines_sort(LogLines *lines) {
        if (lines->n_lines > 1)
                qsort(lines->lines, lines->n_lines, sizeof(*lines->lines), compare_lines);
}

static Color color_of_stream(const char *stream) {
        if (streq(stream, "stderr"))
                return COLOR_YELLOW;

        return streq(stream, "supervisor") ? COLOR_BOLD : COLOR_NONE;
}

static void print_colored(const char *text, const char *stream, const Screen *screen) {
        Color color = color_of_stream(stream);

        if (color == COLOR_NONE)
                (void) puts(text);
        else
                (void) printf("%s%s%s\n", screen_color(screen, color), text,
                              screen_color(screen, COLOR_NONE));
}

static void print_prefix(const LogLine *line, const Screen *screen) {
        char time[VISIBLE_TIME_MAX];

        (void) printf("%s%s%s ", screen_color(screen, COLOR_GRAY),
                      visible_log_time(time, line->realtime_usec),
                      screen_color(screen, COLOR_NONE));
        if (line->color == COLOR_NONE)
                (void) printf("%s: ", line->prefix);
        else
                (void) printf("%s%s:%s ", screen_color(screen, line->color), line->prefix,
                              screen_color(screen, COLOR_NONE));
}

int log_line_print(const LogLine *line, LogFormat format, const Screen *screen) {
        _cleanup_free_ char *visible = NULL;

        if (format == LOG_FORMAT_CAT && !screen->is_terminal) {
                (void) puts(line->text);
                return 0;
        }

        visible = visible_make(line->text);
        if (!visible)
                return -ENOMEM;

        if (format == LOG_FORMAT_SHORT)
                print_prefix(line, screen);
        print_colored(visible, line->stream, screen);
        return 0;
}

int log_line_print_cut(const LogLine *line, const Screen *screen) {
        _cleanup_free_ char *text = NULL, *fitting = NULL;
        char time[VISIBLE_TIME_MAX];

        if (asprintf(&text, "%s %s", visible_log_time(time, line->realtime_usec), line->text) < 0)
                return -ENOMEM;

        fitting = screen_fit(screen, text, screen->n_columns);
        if (!fitting)
                return -ENOMEM;

        print_colored(fitting, line->stream, screen);
        return 0;
}

void log_line_write(const LogLine *line, JsonWriter *writer) {
        json_open(writer, '{');
        json_member_unsigned(writer, "seq", line->number);
        json_member_unsigned(writer, "realtime-usec", line->realtime_usec);
        json_member(writer, "app", line->sidecar->app);
        json_member(writer, "sidecar", line->sidecar->name);
        json_member_unsigned(writer, "generation", line->generation);
        json_member(writer, "stream", line->stream);
        json_member(writer, "text", line->text);
        json_close(writer, '}');
}
