/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * OpenLog, from outside: contract G1, G2, A6 and D2, and what its interface says of readers that
 * are slow, or leave.
 */

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "app-calls.h"
#include "log-lines.h"
#include "test.h"

#define TALKER                                                                 \
        "'talker': {'command': ['/bin/sh', '-c', 'echo out 1; echo err 1 >&2;" \
        " echo out 2; exec sleep 1000']}"

/* 8 MB of lines of 31 bytes, and then one that says so. */
#define FLOOD_LINES 270600
#define FLOOD                                                                                   \
        "'flood': {'command': ['/bin/sh', '-c', 'while ! [ -e @DIR@/go ]; do sleep 0.02; done;" \
        " yes 0123456789abcdefghijklmnopqrst | head -n 270600; echo the end; exec sleep 1000']}"

/* To the end of that line: a pipe that was full may give it in two pieces. */
#define FLOOD_END "\"the end\"}\n"

/* A pipe of OpenLog, and what came of it. */
typedef struct Reader {
        int fd;
        char *text;
        size_t n, n_allocated;
} Reader;

/* Options of OpenLog; zero is left out. */
typedef struct Query {
        bool has_after, follow;
        uint64_t after;
        const char *format, *stream;
        uint64_t generation;
} Query;

static int new_call(sd_bus *bus, const char *name, const Query *query, sd_bus_message **ret) {
        _cleanup_free_ char *path = sidecar_path(name);
        int r;

        r = sd_bus_message_new_method_call(bus, ret, WORLD_BUS_NAME, path,
                                           WORLD_BUS_NAME ".Sidecar", "OpenLog");
        if (r >= 0)
                r = sd_bus_message_open_container(*ret, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(*ret, "{sv}", "follow", "b", query->follow);
        if (r >= 0 && query->has_after)
                r = sd_bus_message_append(*ret, "{sv}", "after", "t", query->after);
        if (r >= 0 && query->format)
                r = sd_bus_message_append(*ret, "{sv}", "format", "s", query->format);
        if (r >= 0 && query->stream)
                r = sd_bus_message_append(*ret, "{sv}", "stream", "s", query->stream);
        if (r >= 0 && query->generation > 0)
                r = sd_bus_message_append(*ret, "{sv}", "generation", "t", query->generation);
        return r < 0 ? r : sd_bus_message_close_container(*ret);
}

static int try_open(sd_bus *bus, const char *name, Query query, Reader *ret, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r, fd;

        ck_assert_int_ge(new_call(bus, name, &query, &call), 0);
        r = sd_bus_call(bus, call, 0, error, &reply);
        if (r < 0)
                return r;

        ck_assert_int_gt(sd_bus_message_read(reply, "h", &fd), 0);
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        ck_assert_int_ge(fd, 0);
        *ret = (Reader){ .fd = fd };
        return 0;
}

static Reader open_log(const char *name, Query query) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        Reader reader = { .fd = -1 };
        int r = try_open(world->bus, name, query, &reader, &error);

        ck_assert_msg(r >= 0, "OpenLog of %s: %s: %s", name, error.name, error.message);
        return reader;
}

static void reader_done(Reader *reader) {
        safe_close(reader->fd);
        free(reader->text);
}

/* Waits for something, and reads n bytes of it at most; 0: the end. */
static size_t reader_take(Reader *reader, size_t n) {
        struct pollfd polled = { .fd = reader->fd, .events = POLLIN };
        ssize_t got;

        ck_assert_msg(poll(&polled, 1, WORLD_PATIENCE / USEC_PER_MSEC) > 0,
                      "Nothing comes through the pipe any more, after: %s",
                      reader->text ? reader->text : "");
        if (reader->n + n + 1 > reader->n_allocated) {
                reader->n_allocated = 2 * (reader->n + n + 1);
                reader->text = realloc(reader->text, reader->n_allocated);
                ck_assert_ptr_nonnull(reader->text);
        }
        got = read(reader->fd, reader->text + reader->n, n);
        ck_assert_int_ge(got, 0);
        reader->n += (size_t) got;
        reader->text[reader->n] = '\0';
        return (size_t) got;
}

/* Until that text has come, in what is read from now on too. */
static void reader_await(Reader *reader, const char *text) {
        size_t n_looked_at = 0, n_overlap = strlen(text) - 1;

        while (!reader->text || !strstr(reader->text + n_looked_at, text)) {
                n_looked_at = reader->n > n_overlap ? reader->n - n_overlap : 0;
                ck_assert_msg(reader_take(reader, 65536) > 0, "The end came before: %s", text);
        }
}

static void reader_await_end(Reader *reader) {
        while (reader_take(reader, 65536) > 0)
                ;
}

static unsigned count_of(const char *text, const char *part) {
        unsigned n = 0;

        for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
                n++;
        return n;
}

START_TEST(openlog_gives_what_there_is_and_ends) {
        _cleanup_(reader_done) Reader raw = { .fd = -1 }, out = { .fd = -1 }, none = { .fd = -1 };
        uint64_t generation;

        world_write_sidecars(world, TALKER);
        world_run(world);
        generation = world_start(world, "talker");
        log_await(world, "talker", "out 2");
        log_await(world, "talker", "err 1");

        raw = open_log("talker", (Query){ 0 });
        reader_await_end(&raw);
        ck_assert_uint_eq(raw.n, strlen("out 1\nerr 1\nout 2\n"));
        ck_assert_ptr_nonnull(strstr(raw.text, "err 1\n"));

        out = open_log("talker", (Query){ .stream = "stdout", .generation = generation });
        reader_await_end(&out);
        ck_assert_str_eq(out.text, "out 1\nout 2\n");

        none = open_log("talker", (Query){ .generation = generation + 1 });
        ck_assert_uint_eq(reader_take(&none, 1), 0);
}
END_TEST

START_TEST(openlog_refuses_what_makes_no_sense_in_a_pipe) {
        static const char *const words[][3] = {
                { "wait-usec", "t", "Unknown option: wait-usec" },
                { "format", "s", "Option format must be raw, short or json, not cat" },
                { "stream", "s", "Option stream must be stdout, stderr or supervisor, not cat" },
        };
        _cleanup_free_ char *path = sidecar_path("talker");

        world_write_sidecars(world, TALKER);
        world_run(world);
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                int r;

                if (streq(words[i][1], "t"))
                        r = world_call(world, path, "Sidecar", "OpenLog", &error, NULL, "a{sv}", 1,
                                       words[i][0], "t", UINT64_C(1));
                else
                        r = world_call(world, path, "Sidecar", "OpenLog", &error, NULL, "a{sv}", 1,
                                       words[i][0], "s", "cat");
                ck_assert_int_lt(r, 0);
                ck_assert_str_eq(error.name, SD_BUS_ERROR_INVALID_ARGS);
                ck_assert_str_eq(error.message, words[i][2]);
        }
}
END_TEST

/* All that a terminal, a parser or a splitter may stumble over. */
#define HARD_BYTES                        \
        "clear \033[2J bell \a\n"         \
        "bidi \xE2\x80\xAE evil\n"        \
        "invalid \xFF\xC3 utf-8\n"        \
        "progress 50%\rprogress 100%\r\n" \
        "quote \" and \\\n"               \
        "no end"

START_TEST(g1_openlog_raw_is_bytes_as_they_came_and_the_others_are_harmless) {
        _cleanup_(reader_done) Reader raw = { .fd = -1 }, brief = { .fd = -1 }, json = { .fd = -1 };
        static const char *const golden[] = {
                "bytes: clear \\x1b[2J bell \\x07\n",
                "bytes: bidi \\u202e evil\n",
                "bytes: invalid \xEF\xBF\xBD\xEF\xBF\xBD utf-8\n",
                "bytes: progress 50%\\x0dprogress 100%\n",
                "bytes: quote \" and \\\n",
                "bytes: no end\n",
        };
        static const char *const golden_json[] = {
                "\"text\":\"clear \\u001b[2J bell \\u0007\"}\n",
                "\"text\":\"bidi \\u202e evil\"}\n",
                "\"text\":\"invalid \xEF\xBF\xBD\xEF\xBF\xBD utf-8\"}\n",
                "\"text\":\"progress 50%\\rprogress 100%\"}\n",
                "\"text\":\"quote \\\" and \\\\\"}\n",
                "\"app\":\"org.example.App\",\"sidecar\":\"bytes\",\"generation\":",
        };

        world_write_file(world, "bytes", 0644, HARD_BYTES);
        world_write_sidecars(world, "'bytes': {'command': ['cat', '@DIR@/bytes']}");
        world_run(world);
        (void) world_start(world, "bytes");
        (void) world_next(world, "bytes", "Stopped/exited");

        raw = open_log("bytes", (Query){ .format = "raw" });
        reader_await_end(&raw);
        ck_assert_str_eq(raw.text, HARD_BYTES);

        brief = open_log("bytes", (Query){ .format = "short" });
        json = open_log("bytes", (Query){ .format = "json" });
        reader_await_end(&brief);
        reader_await_end(&json);
        for (size_t i = 0; i < ELEMENTSOF(golden); i++) {
                ck_assert_msg(strstr(brief.text, golden[i]), "%s lacks %s", brief.text, golden[i]);
                ck_assert_msg(strstr(json.text, golden_json[i]), "%s lacks %s", json.text,
                              golden_json[i]);
        }
}
END_TEST

START_TEST(g2_an_endless_line_is_whole_in_raw) {
        _cleanup_(reader_done) Reader raw = { .fd = -1 }, brief = { .fd = -1 };

        world_write_sidecars(world, "'endless': {'command': ['/bin/sh', '-c', 'head -c 100000"
                                    " /dev/zero; echo done >&2; exec sleep 1000']}");
        world_run(world);
        (void) world_start(world, "endless");
        raw = open_log("endless", (Query){ .follow = true, .stream = "stdout" });
        while (raw.n < 12u * 8192u)
                ck_assert_uint_gt(reader_take(&raw, 4096), 0);
        for (size_t i = 0; i < raw.n; i++)
                ck_assert_int_eq(raw.text[i], '\0');

        log_await(world, "endless", "done");
        /* What follows the last full piece waits for its newline, or for the end. */
        world_stop(world, "endless");
        while (raw.n < 100000)
                ck_assert_uint_gt(reader_take(&raw, 4096), 0);
        ck_assert_uint_eq(raw.n, 100000);

        brief = open_log("endless", (Query){ .format = "short", .stream = "stdout" });
        reader_await_end(&brief);
        ck_assert_uint_eq(count_of(brief.text, "\xE2\x80\xA6\n"), 12);
}
END_TEST

START_TEST(openlog_follows_over_generations) {
        _cleanup_(reader_done) Reader reader = { .fd = -1 };
        char wanted[64];

        world_write_sidecars(world, "'talker': {'command': ['/bin/sh', '-c',"
                                    " 'echo I am $SIDECARD_GENERATION']}");
        world_run(world);
        reader = open_log("talker", (Query){ .follow = true });
        for (int i = 0; i < 3; i++) {
                (void) snprintf(wanted, sizeof(wanted), "I am %" PRIu64 "\n",
                                world_start(world, "talker"));
                reader_await(&reader, wanted);
                (void) world_next(world, "talker", "Stopped/exited");
        }
        ck_assert_uint_eq(count_of(reader.text, "I am"), 3);
}
END_TEST

/*
 * The lines that came and those that were told as lost, of the flood and its end. By lines, since
 * ASan measures all of a string that a strstr(3) looks into.
 */
static void check_flood(const Reader *reader) {
        static const char is_line[] = "{\"seq\":",
                          is_lost[] = "{\"app\":\"" WORLD_APP "\",\"sidecar\":\"flood\",\"lost\":";
        const char *line = reader->text, *end = reader->text + reader->n, *newline;
        uint64_t n = 0, n_lost = 0;

        for (; (newline = memchr(line, '\n', (size_t) (end - line))); line = newline + 1)
                if (strncmp(line, is_line, strlen(is_line)) == 0)
                        n++;
                else {
                        ck_assert_int_eq(strncmp(line, is_lost, strlen(is_lost)), 0);
                        n_lost += strtoull(line + strlen(is_lost), NULL, 10);
                }

        printf("%" PRIu64 " lines came, %" PRIu64 " were told as lost\n", n, n_lost);
        ck_assert_ptr_eq(line, end);
        ck_assert_uint_eq(n + n_lost, FLOOD_LINES + 1);
}

START_TEST(openlog_counts_for_a_reader_that_never_read_what_it_lost) {
        _cleanup_(reader_done) Reader never = { .fd = -1 }, quick = { .fd = -1 };

        world_write_sidecars(world, FLOOD);
        world_run(world);
        (void) world_start(world, "flood");
        never = open_log("flood", (Query){ .follow = true, .format = "json" });
        quick = open_log("flood", (Query){ .follow = true, .format = "json" });
        world_write_file(world, "go", 0644, "");

        /* That the end comes to another shows that the sidecar was not held up. */
        reader_await(&quick, FLOOD_END);
        check_flood(&quick);
        reader_await(&never, FLOOD_END);
        check_flood(&never);
        ck_assert_ptr_nonnull(strstr(never.text, "\"lost\":"));
}
END_TEST

START_TEST(openlog_counts_for_a_reader_that_takes_a_byte_a_message) {
        _cleanup_(reader_done) Reader slow = { .fd = -1 };
        uint64_t after = 0;
        bool has_ended = false;

        world_write_sidecars(world, FLOOD);
        world_run(world);
        (void) world_start(world, "flood");
        slow = open_log("flood", (Query){ .follow = true, .format = "json" });
        world_write_file(world, "go", 0644, "");

        while (!has_ended) {
                _cleanup_(log_page_clear) LogPage page = log_query(
                        world, "flood",
                        (LogQuery){
                                .has_after = true, .after = after, .wait_usec = 5 * USEC_PER_SEC });

                after = page.next;
                for (size_t i = 0; i < page.n_lines; i++)
                        has_ended |= streq(page.lines[i].text, "the end");
                ck_assert_uint_eq(reader_take(&slow, 1), 1);
        }
        reader_await(&slow, FLOOD_END);
        check_flood(&slow);
}
END_TEST

START_TEST(a6_sixteen_logs_a_connection_and_the_17th_is_refused) {
        Reader readers[16], more;
        sd_bus *other = NULL;

        world_write_sidecars(world, TALKER);
        world_run(world);
        (void) world_start(world, "talker");
        for (size_t i = 0; i < ELEMENTSOF(readers); i++)
                readers[i] = open_log("talker", (Query){ .has_after = true, .follow = true });
        for (size_t i = 0; i < ELEMENTSOF(readers); i++)
                reader_await(&readers[i], "out 2\n");

        /* Another connection is not concerned. */
        other = client_open(world);
        for (int round = 0; round < 3; round++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                int r = try_open(world->bus, "talker", (Query){ .follow = true }, &more, &error);

                ck_assert_int_lt(r, 0);
                ck_assert_str_eq(error.name, WORLD_ERROR "LimitsExceeded");
                ck_assert_int_ge(try_open(other, "talker", (Query){ .follow = true }, &more, NULL),
                                 0);
                reader_done(&more);
        }

        /* Who closes one may open another; the daemon hears of it through the pipe alone. */
        reader_done(&readers[3]);
        for (;;) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

                if (try_open(world->bus, "talker", (Query){ .follow = true }, &readers[3],
                             &error) >= 0)
                        break;
                ck_assert_str_eq(error.name, WORLD_ERROR "LimitsExceeded");
        }

        /* Who leaves the bus has closed its connection, and not its pipe. */
        ck_assert_int_ge(try_open(other, "talker", (Query){ .follow = true }, &more, NULL), 0);
        sd_bus_close_unref(other);
        world_stop(world, "talker");
        (void) world_start(world, "talker");
        while (!more.text || count_of(more.text, "out 2\n") < 2)
                ck_assert_uint_gt(reader_take(&more, 4096), 0);
        reader_done(&more);
        for (size_t i = 0; i < ELEMENTSOF(readers); i++)
                reader_done(&readers[i]);
}
END_TEST

START_TEST(openlog_has_a_limit_for_all_connections_together) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        static Reader readers[16 * 16];
        sd_bus *buses[16];
        Reader more;

        world_write_sidecars(world, TALKER);
        world_run(world);
        for (size_t i = 0; i < ELEMENTSOF(readers); i++) {
                if (i % 16 == 0)
                        buses[i / 16] = client_open(world);
                ck_assert_int_ge(try_open(buses[i / 16], "talker", (Query){ .follow = true },
                                          &readers[i], NULL),
                                 0);
        }

        ck_assert_int_lt(try_open(world->bus, "talker", (Query){ .follow = true }, &more, &error),
                         0);
        ck_assert_str_eq(error.name, WORLD_ERROR "LimitsExceeded");

        /* And nobody else notices. */
        (void) world_start_ready(world, "talker");
        for (size_t i = 0; i < ELEMENTSOF(readers); i++) {
                reader_await(&readers[i], "out 2\n");
                reader_done(&readers[i]);
        }
        for (size_t i = 0; i < ELEMENTSOF(buses); i++)
                sd_bus_close_unref(buses[i]);
}
END_TEST

/* The numbers of json lines follow each other, from `first` on; answers the last. */
static uint64_t check_numbers(const Reader *reader, uint64_t first) {
        const char *marker = "{\"seq\":";
        uint64_t next = first;

        for (const char *at = reader->text; (at = strstr(at, marker)); next++)
                ck_assert_uint_eq(strtoull(at += strlen(marker), NULL, 10), next);
        ck_assert_uint_gt(next, first);
        return next - 1;
}

START_TEST(d2_a_pipe_ends_with_its_brain_and_the_next_one_goes_on_behind_it) {
        uint64_t after = 0, n_said = 0;

        world_write_sidecars(world, "'counter': {'command': ['/bin/sh', '-c', 'i=0; while :; do"
                                    " i=$((i+1)); echo line $i; sleep 0.01; done']}");
        world_run(world);
        (void) world_start(world, "counter");
        log_await(world, "counter", "line 1");

        for (int round = 0; round < 4; round++) {
                _cleanup_(reader_done) Reader reader =
                        open_log("counter", (Query){ .has_after = true,
                                                     .after = after,
                                                     .follow = true,
                                                     .format = "json" });
                _cleanup_close_ int brain = process_open(world_brain(world));
                _cleanup_free_ char *former = strdup(world->owner);
                char wanted[32];

                (void) snprintf(wanted, sizeof(wanted), "\"line %" PRIu64 "\"", n_said + 3);
                reader_await(&reader, wanted);
                process_signal(brain, SIGKILL);
                reader_await_end(&reader);

                /* The last line may be torn: it was not written to its end. */
                *(strrchr(reader.text, '\n') + 1) = '\0';
                (void) snprintf(wanted, sizeof(wanted), "\"line %" PRIu64 "\"", n_said + 1);
                ck_assert_msg(strstr(strchr(reader.text, '{'), wanted), "Not there: %s", wanted);
                after = check_numbers(&reader,
                                      round == 0 ? strtoull(reader.text + 7, NULL, 10) : after + 1);
                n_said += count_of(reader.text, "\n");
                WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));
        }
}
END_TEST

START_TEST(a_pipe_ends_with_the_removal_of_its_sidecar) {
        _cleanup_(reader_done) Reader reader = { .fd = -1 };
        _cleanup_free_ char *path = NULL;

        world_write_sidecars(world, TALKER);
        world_run(world);
        (void) world_start(world, "talker");
        log_await(world, "talker", "out 2");
        log_await(world, "talker", "err 1");
        reader = open_log("talker", (Query){ .follow = true });

        /* It goes when its manifest has gone and it is down. */
        ck_assert_int_gt(asprintf(&path, "%s/data/sidecard/apps/" WORLD_APP ".json", world->dir),
                         0);
        ck_assert_int_ge(unlink(path), 0);
        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "Reload", NULL, NULL, ""), 0);
        world_ask_to_stop(world, "talker", false);
        reader_await_end(&reader);
        ck_assert_uint_eq(reader.n, strlen("out 1\nerr 1\nout 2\n"));
}
END_TEST

START_TEST(a_pipe_ends_with_the_daemon_and_has_the_last_words) {
        _cleanup_(reader_done) Reader reader = { .fd = -1 };

        world_write_sidecars(world,
                             "'polite': {'command': ['/bin/sh', '-c', 'trap \\'echo farewell;"
                             " exit 0\\' TERM; echo ready; while :; do sleep 0.02; done']}");
        world_run(world);
        (void) world_start(world, "polite");
        log_await(world, "polite", "ready");
        reader = open_log("polite", (Query){ .has_after = true, .follow = true });
        world_end(world);
        reader_await_end(&reader);
        ck_assert_str_eq(reader.text, "ready\nfarewell\n");
}
END_TEST

TEST_MAIN_TIMEOUT("open-log",
                  120,
                  world_setup,
                  world_teardown,
                  openlog_gives_what_there_is_and_ends,
                  openlog_refuses_what_makes_no_sense_in_a_pipe,
                  g1_openlog_raw_is_bytes_as_they_came_and_the_others_are_harmless,
                  g2_an_endless_line_is_whole_in_raw,
                  openlog_follows_over_generations,
                  openlog_counts_for_a_reader_that_never_read_what_it_lost,
                  openlog_counts_for_a_reader_that_takes_a_byte_a_message,
                  a6_sixteen_logs_a_connection_and_the_17th_is_refused,
                  openlog_has_a_limit_for_all_connections_together,
                  d2_a_pipe_ends_with_its_brain_and_the_next_one_goes_on_behind_it,
                  a_pipe_ends_with_the_removal_of_its_sidecar,
                  a_pipe_ends_with_the_daemon_and_has_the_last_words)
