/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl logs
 *
 * First what there is, of all sidecars named and in order of time; then, with -f, what comes, as it
 * comes. All of it comes through pipes, so that nothing is asked for twice. A pipe ends with the
 * daemon that wrote it: the next one is asked to go on behind the last line that was read. There is
 * one at once after a crash or an upgrade; where none comes, that was the end. Ctrl-C ends it, as
 * it ends any program that has no better idea.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>

#include "ctl/client.h"
#include "ctl/log-feed.h"
#include "ctl/verbs.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/strv.h"

/* So long is the next daemon waited for. */
#define PATIENCE_USEC (10 * USEC_PER_SEC)

typedef struct Logs {
        const Arguments *arguments;
        sd_bus *bus;
        LogFeed *feeds;
        size_t n_feeds;
} Logs;

static bool is_json(const Arguments *arguments) {
        return arguments->json || arguments->format == LOG_FORMAT_JSON;
}

/* The newest N, what is no older, or, once that was read, what follows its last line. */
static int
append_place(const Arguments *arguments, const LogFeed *feed, bool follow, sd_bus_message *call) {
        bool wants_all = (arguments->given & OPTION_LINES) && arguments->n_lines == UINT32_MAX;
        int r = 0;

        if (follow || wants_all)
                r = sd_bus_message_append(call, "{sv}", "after", "t", feed->last);
        else if (arguments->n_lines != UINT32_MAX)
                r = sd_bus_message_append(call, "{sv}", "lines", "u", arguments->n_lines);
        if (r >= 0 && arguments->since_usec > 0 && feed->last == 0)
                r = sd_bus_message_append(call, "{sv}", "since-usec", "t", arguments->since_usec);

        return r;
}

static int new_question(const Logs *logs, const LogFeed *feed, bool follow, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        const Arguments *arguments = logs->arguments;
        int r;

        r = client_new_call(logs->bus, &call, feed->sidecar->path, INTERFACE_SIDECAR, "OpenLog");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(call, "{sv}{sv}", "format", "s", "json", "follow", "b",
                                          follow);
        if (r >= 0)
                r = append_place(arguments, feed, follow, call);
        if (r >= 0 && arguments->stream)
                r = sd_bus_message_append(call, "{sv}", "stream", "s", arguments->stream);
        if (r >= 0 && arguments->generation > 0)
                r = sd_bus_message_append(call, "{sv}", "generation", "t", arguments->generation);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(call);
        return 0;
}

static int take_pipe(LogFeed *feed, sd_bus_message *reply) {
        int fd, r;

        r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return r;

        /* The message closes its own. */
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;

        log_feed_set(feed, fd);
        return 0;
}

static int open_present(const Logs *logs, LogFeed *feed) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r;

        r = new_question(logs, feed, false, &call);
        if (r == 0)
                r = client_send(logs->bus, call, TIMEOUT_DEFAULT, &reply);

        return r == 0 ? take_pipe(feed, reply) : r;
}

static bool is_between_daemons(const sd_bus_error *error) {
        return sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
               sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
               sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN);
}

/* Something that the bus has to say: that the name has another owner. Negative: it is too late. */
static int await_news(sd_bus *bus, uint64_t until_usec) {
        uint64_t now_usec = clock_monotonic_usec();
        int r = 0;

        while (r == 0 && now_usec < until_usec) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, until_usec - now_usec);
                if (r == -EINTR)
                        r = 0;
                now_usec = clock_monotonic_usec();
        }

        return r == 0 ? -ETIMEDOUT : r;
}

/* Nobody is started by this: who ended the daemon wants it to have ended. */
static int open_following(const Logs *logs, LogFeed *feed) {
        uint64_t until_usec = clock_monotonic_usec() + PATIENCE_USEC;

        for (;;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                int r;

                r = new_question(logs, feed, true, &call);
                if (r == 0)
                        r = sd_bus_message_set_auto_start(call, false);
                if (r < 0)
                        return r;

                r = sd_bus_call(logs->bus, call, TIMEOUT_DEFAULT, &error, &reply);
                if (r >= 0)
                        return take_pipe(feed, reply);
                if (!is_between_daemons(&error) || await_news(logs->bus, until_usec) < 0)
                        return client_complain(&error);
        }
}

static int print_line(const LogLine *line, const Arguments *arguments) {
        if (is_json(arguments)) {
                (void) puts(line->json);
                return 0;
        }
        if (line->n_lost > 0) {
                (void) fflush(stdout);
                remark("%" PRIu64 " lines of %s/%s were overwritten before they could be read",
                       line->n_lost, line->sidecar->app, line->sidecar->name);
                return 0;
        }

        return log_line_print(line, arguments->format, &arguments->screen);
}

static int print_lines(LogLines *lines, const Arguments *arguments) {
        int r = 0;

        log_lines_sort(lines);
        for (size_t i = 0; r >= 0 && i < lines->n_lines; i++)
                r = print_line(&lines->lines[i], arguments);
        (void) fflush(stdout);

        return r < 0 ? r : 0;
}

static int show_present(const Logs *logs) {
        _cleanup_(log_lines_done) LogLines lines = { 0 };
        int r = 0;

        for (size_t i = 0; r == 0 && i < logs->n_feeds; i++) {
                LogFeed *feed = &logs->feeds[i];
                ssize_t n;

                r = open_present(logs, feed);
                if (r != 0)
                        return r;
                while ((n = log_feed_read(feed)) > 0)
                        ;
                r = n < 0 ? (int) n : log_feed_take(feed, &lines);
        }

        return r == 0 ? print_lines(&lines, logs->arguments) : r;
}

/* Of what none is to be shown the end is asked for: what follows it is not to be lost either. */
static int find_end(const Logs *logs, LogFeed *feed) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = client_call(logs->bus, &reply, feed->sidecar->path, INTERFACE_SIDECAR, "GetLog",
                        "a{sv}", 1, "lines", "u", 0);
        if (r != 0)
                return r;

        r = sd_bus_message_skip(reply, "a(tttss)");
        if (r >= 0)
                r = sd_bus_message_read(reply, "t", &feed->last);
        return r < 0 ? r : 0;
}

/* What came of one pipe; at its end the next daemon is asked for another one. */
static int read_more(const Logs *logs, LogFeed *feed, LogLines *lines) {
        ssize_t n = log_feed_read(feed);

        if (n == 0)
                return open_following(logs, feed);

        return n < 0 ? (int) n : log_feed_take(feed, lines);
}

static int follow_turn(const Logs *logs, struct pollfd *polled) {
        _cleanup_(log_lines_done) LogLines lines = { 0 };
        int r = 0;

        for (size_t i = 0; i < logs->n_feeds; i++)
                polled[i] = (struct pollfd){ .fd = logs->feeds[i].fd, .events = POLLIN };
        if (poll(polled, logs->n_feeds, -1) < 0)
                return errno == EINTR ? 0 : -errno;

        for (size_t i = 0; r == 0 && i < logs->n_feeds; i++)
                if (polled[i].revents)
                        r = read_more(logs, &logs->feeds[i], &lines);

        return r == 0 ? print_lines(&lines, logs->arguments) : r;
}

static int follow(const Logs *logs) {
        _cleanup_free_ struct pollfd *polled = calloc(logs->n_feeds + 1, sizeof(*polled));
        int r;

        if (!polled)
                return -ENOMEM;

        r = sd_bus_add_match(logs->bus, NULL,
                             "type='signal',sender='org.freedesktop.DBus',"
                             "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                             "arg0='" BUS_NAME "'",
                             NULL, NULL);
        if (r < 0)
                return r;

        r = 0;
        for (size_t i = 0; r == 0 && i < logs->n_feeds; i++)
                r = open_following(logs, &logs->feeds[i]);
        while (r == 0)
                r = follow_turn(logs, polled);

        return r;
}

/* One needs no more than its name; of several each has a colour, and those of two apps both. */
static int name_feeds(const Logs *logs, const Targets *sidecars) {
        static const Color colors[] = { COLOR_CYAN, COLOR_MAGENTA, COLOR_GREEN, COLOR_BLUE };
        bool is_one_app = true;

        for (size_t i = 0; i < sidecars->n_items; i++)
                is_one_app &= streq(sidecars->items[i].app, sidecars->items[0].app);

        for (size_t i = 0; i < sidecars->n_items; i++) {
                const Target *sidecar = &sidecars->items[i];
                LogFeed *feed = &logs->feeds[i];

                *feed = (LogFeed){ .sidecar = sidecar,
                                   .keeps_json = is_json(logs->arguments),
                                   .fd = -1 };
                if (sidecars->n_items > 1)
                        feed->color = colors[i % ELEMENTSOF(colors)];
                if (!is_one_app &&
                    asprintf(&feed->prefix, "%s/%s", sidecar->app, sidecar->name) < 0)
                        return -ENOMEM;
        }

        return 0;
}

static int show_logs(const Logs *logs) {
        const Arguments *arguments = logs->arguments;
        int r = 0;

        if (arguments->n_lines > 0)
                r = show_present(logs);
        else
                for (size_t i = 0; r == 0 && i < logs->n_feeds; i++)
                        r = find_end(logs, &logs->feeds[i]);

        return r == 0 && arguments->follow ? follow(logs) : r;
}

int verb_logs(const Arguments *arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(targets_done) Targets sidecars = { 0 };
        Logs logs = { .arguments = arguments };
        int r;

        r = client_connect(&bus);
        if (r == 0)
                r = targets_resolve_sidecars(&sidecars, bus, arguments->names);
        if (r != 0)
                return r;

        logs.bus = bus;
        logs.n_feeds = sidecars.n_items;
        logs.feeds = calloc(sidecars.n_items + 1, sizeof(*logs.feeds));
        if (!logs.feeds)
                return -ENOMEM;

        r = name_feeds(&logs, &sidecars);
        if (r == 0)
                r = show_logs(&logs);

        for (size_t i = 0; i < logs.n_feeds; i++)
                log_feed_done(&logs.feeds[i]);
        free(logs.feeds);
        return r != 0 ? r : sidecars.told;
}
