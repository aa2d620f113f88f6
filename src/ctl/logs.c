/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl logs
 *
 * First what there is, of all sidecars named and in order of time; then, with -f, each is asked
 * by a call that stays open until there is more (a long poll), and what comes is printed as it
 * comes. Ctrl-C ends it, as it ends any program that has no better idea.
 */

#include <inttypes.h>

#include "ctl/client.h"
#include "ctl/log-lines.h"
#include "ctl/verbs.h"
#include "util/clock.h"
#include "util/duration.h"

#define POLL_USEC (20 * USEC_PER_SEC) /* the most that GetLog allows */

typedef struct Reader {
        const Arguments *arguments;
        sd_bus *bus;
        const Target *sidecar;
        uint64_t after; /* 0: nothing has been read yet */
        int result;     /* of a callback: what has ended the reading */
} Reader;

static int append_options(const Reader *reader, sd_bus_message *call, uint64_t wait_usec) {
        const Arguments *arguments = reader->arguments;
        int r;

        r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0 && reader->after > 0)
                r = sd_bus_message_append(call, "{sv}", "after", "t", reader->after);
        if (r >= 0 && reader->after == 0 && arguments->n_lines != UINT32_MAX)
                r = sd_bus_message_append(call, "{sv}", "lines", "u", arguments->n_lines);
        /* Without any of the two the answer is the newest hundred. */
        if (r >= 0 && reader->after == 0 && arguments->n_lines == UINT32_MAX &&
            ((arguments->given & OPTION_LINES) || arguments->since_usec > 0))
                r = sd_bus_message_append(call, "{sv}", "after", "t", UINT64_C(0));
        if (r >= 0 && arguments->stream)
                r = sd_bus_message_append(call, "{sv}", "stream", "s", arguments->stream);
        if (r >= 0 && wait_usec > 0)
                r = sd_bus_message_append(call, "{sv}", "wait-usec", "t", wait_usec);

        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int new_question(const Reader *reader, sd_bus_message **ret, uint64_t wait_usec) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = client_new_call(reader->bus, &call, reader->sidecar->path, INTERFACE_SIDECAR, "GetLog");
        if (r >= 0)
                r = append_options(reader, call, wait_usec);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(call);
        return 0;
}

static int take_reply(Reader *reader, LogLines *lines, sd_bus_message *reply) {
        uint64_t n_lost = 0;
        int r;

        r = log_lines_take(lines, reply, reader->sidecar, &reader->after, &n_lost);
        if (r == 0 && n_lost > 0)
                remark("%" PRIu64 " lines of %s/%s were overwritten before they could be read",
                       n_lost, reader->sidecar->app, reader->sidecar->name);

        return r;
}

/*
 * All there is now. One reply has 256 KiB at most, so it is asked for more until none comes, or
 * until what comes was written after we began.
 */
static int read_present(Reader *reader, LogLines *lines, uint64_t begun_usec) {
        size_t n_before;
        int r;

        do {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;

                n_before = lines->n_lines;
                r = new_question(reader, &call, 0);
                if (r == 0)
                        r = client_send(reader->bus, call, TIMEOUT_DEFAULT, &reply);
                if (r == 0)
                        r = take_reply(reader, lines, reply);
        } while (r == 0 && lines->n_lines > n_before &&
                 lines->lines[lines->n_lines - 1].realtime_usec < begun_usec);

        return r;
}

static int print_lines(const LogLines *lines, const Arguments *arguments) {
        bool is_json = arguments->json || arguments->format == LOG_FORMAT_JSON;
        JsonWriter writer = { .stream = stdout };
        int r;

        for (size_t i = 0; i < lines->n_lines; i++) {
                const LogLine *line = &lines->lines[i];

                if (line->realtime_usec < arguments->since_usec)
                        continue;
                if (is_json) {
                        log_line_write(line, &writer);
                        json_end(&writer);
                        continue;
                }
                r = log_line_print(line, arguments->format, &arguments->screen);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int ask_for_more(Reader *reader);

static int on_more(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        _cleanup_(log_lines_done) LogLines lines = { 0 };
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        Reader *reader = userdata;

        if (error) {
                reader->result = client_complain(error);
                return 1;
        }

        reader->result = take_reply(reader, &lines, reply);
        if (reader->result == 0)
                reader->result = print_lines(&lines, reader->arguments);
        if (reader->result == 0)
                reader->result = ask_for_more(reader);

        return 1;
}

static int ask_for_more(Reader *reader) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = new_question(reader, &call, POLL_USEC);
        if (r >= 0)
                r = sd_bus_call_async(reader->bus, NULL, call, on_more, reader, 2 * POLL_USEC);

        return r < 0 ? r : 0;
}

static int first_result(const Reader *readers, size_t n_readers) {
        for (size_t i = 0; i < n_readers; i++)
                if (readers[i].result != 0)
                        return readers[i].result;

        return 0;
}

static int follow(sd_bus *bus, Reader *readers, size_t n_readers) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < n_readers; i++)
                r = ask_for_more(&readers[i]);

        while (r == 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0) {
                        (void) fflush(stdout);
                        r = sd_bus_wait(bus, UINT64_MAX);
                }
                if (r == -EINTR || r > 0)
                        r = 0;
                if (r == 0)
                        r = first_result(readers, n_readers);
        }

        return r;
}

static int show_logs(const Arguments *arguments, sd_bus *bus, Reader *readers, size_t n_readers) {
        _cleanup_(log_lines_done) LogLines lines = { 0 };
        uint64_t begun_usec = clock_realtime_usec();
        int r = 0;

        for (size_t i = 0; r == 0 && i < n_readers; i++)
                r = read_present(&readers[i], &lines, begun_usec);
        if (r != 0)
                return r;

        log_lines_sort(&lines);
        r = print_lines(&lines, arguments);
        return r != 0 || !arguments->follow ? r : follow(bus, readers, n_readers);
}

int verb_logs(const Arguments *arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(targets_done) Targets sidecars = { 0 };
        _cleanup_free_ Reader *readers = NULL;
        int r;

        r = client_connect(&bus);
        if (r == 0)
                r = targets_resolve_sidecars(&sidecars, bus, arguments->names);
        if (r != 0)
                return r;

        readers = calloc(sidecars.n_items + 1, sizeof(*readers));
        if (!readers)
                return -ENOMEM;
        for (size_t i = 0; i < sidecars.n_items; i++)
                readers[i] = (Reader){ .arguments = arguments,
                                       .bus = bus,
                                       .sidecar = &sidecars.items[i] };

        return show_logs(arguments, bus, readers, sidecars.n_items);
}
