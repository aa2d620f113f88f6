/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Log lines
 *
 * The lines of a page are copies: the message they came in is gone when a test looks at them.
 */

#include <check.h>
#include <string.h>

#include "log-lines.h"

static void append_option(sd_bus_message *message, const char *name, const char *type, ...) {
        va_list arguments;

        va_start(arguments, type);
        ck_assert_int_ge(sd_bus_message_open_container(message, 'e', "sv"), 0);
        ck_assert_int_ge(sd_bus_message_append(message, "s", name), 0);
        ck_assert_int_ge(sd_bus_message_open_container(message, 'v', type), 0);
        ck_assert_int_ge(sd_bus_message_appendv(message, type, arguments), 0);
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
        va_end(arguments);
}

static void append_query(sd_bus_message *message, const LogQuery *query) {
        ck_assert_int_ge(sd_bus_message_open_container(message, 'a', "{sv}"), 0);
        if (query->has_after)
                append_option(message, "after", "t", query->after);
        if (query->since_usec > 0)
                append_option(message, "since-usec", "t", query->since_usec);
        if (query->lines > 0)
                append_option(message, "lines", "u", query->lines);
        if (query->stream)
                append_option(message, "stream", "s", query->stream);
        if (query->generation > 0)
                append_option(message, "generation", "t", query->generation);
        if (query->wait_usec > 0)
                append_option(message, "wait-usec", "t", query->wait_usec);
        ck_assert_int_ge(sd_bus_message_close_container(message), 0);
}

static void read_page(sd_bus_message *reply, LogPage *page) {
        LogLine line = { 0 };
        const char *stream, *text;

        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(tttss)"), 0);
        while (sd_bus_message_read(reply, "(tttss)", &line.seq, &line.realtime_usec,
                                   &line.generation, &stream, &text) > 0) {
                line.stream = strdup(stream);
                line.text = strdup(text);
                page->lines = reallocarray(page->lines, page->n_lines + 1, sizeof(line));
                ck_assert_ptr_nonnull(page->lines);
                page->lines[page->n_lines++] = line;
        }
        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "tt", &page->next, &page->lost), 0);
}

LogPage log_query(World *w, const char *name, LogQuery query) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
        _cleanup_free_ char *path = sidecar_path(name);
        LogPage page = { 0 };
        int r;

        ck_assert_int_ge(sd_bus_message_new_method_call(w->bus, &message, WORLD_BUS_NAME, path,
                                                        WORLD_BUS_NAME ".Sidecar", "GetLog"),
                         0);
        append_query(message, &query);
        r = sd_bus_call(w->bus, message, 0, &error, &reply);
        ck_assert_msg(r >= 0, "GetLog of %s: %s: %s", name, error.name, error.message);
        read_page(reply, &page);
        return page;
}

void log_page_clear(LogPage *page) {
        for (size_t i = 0; i < page->n_lines; i++) {
                free(page->lines[i].stream);
                free(page->lines[i].text);
        }
        free(page->lines);
        *page = (LogPage){ 0 };
}

char *log_find(World *w, const char *name, const char *text) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;
        LogQuery query = { .has_after = true, .wait_usec = 5 * USEC_PER_SEC };

        do {
                _cleanup_(log_page_clear) LogPage page = log_query(w, name, query);

                for (size_t i = 0; i < page.n_lines; i++)
                        if (strstr(page.lines[i].text, text))
                                return strdup(page.lines[i].text);
                query.after = page.next;
        } while (clock_monotonic_usec() < deadline);

        ck_abort_msg("%s never said: %s", name, text);
}

void log_await(World *w, const char *name, const char *text) {
        free(log_find(w, name, text));
}

pid_t log_await_pid(World *w, const char *name, const char *before) {
        _cleanup_free_ char *line = log_find(w, name, before);

        return (pid_t) atoi(strstr(line, before) + strlen(before));
}
