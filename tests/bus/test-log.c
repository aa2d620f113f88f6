/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Logs, from outside: contract G1, G2, G5, and GetLog as its interface describes it.
 */

#include <string.h>
#include <sys/stat.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

static LogPage all_lines(const char *name) {
        return log_query(world, name, (LogQuery){ .lines = 1000 });
}

/* Only what the sidecar said, not what the supervisor says of it. */
static size_t own_lines(const LogPage *page, const LogLine **ret, size_t max) {
        size_t n = 0;

        for (size_t i = 0; i < page->n_lines && n < max; i++)
                if (!streq(page->lines[i].stream, "supervisor"))
                        ret[n++] = &page->lines[i];
        return n;
}

START_TEST(g1_lines_have_order_stream_time_and_generation) {
        _cleanup_(log_page_clear) LogPage page = { 0 }, errors = { 0 };
        const LogLine *lines[16];
        uint64_t before = clock_realtime_usec(), generation, last_out = 0;
        size_t n_out = 0, n_err = 0;

        world_write_sidecars(world, "'talker': {'command': ['/bin/sh', '-c',"
                                    " 'echo out 1; echo out 2; echo err 1 >&2; echo err 2 >&2;"
                                    " echo out 3']}");
        world_run(world);
        generation = world_start(world, "talker");
        (void) world_next(world, "talker", "Stopped/exited");
        page = all_lines("talker");

        ck_assert_uint_eq(own_lines(&page, lines, ELEMENTSOF(lines)), 5);
        for (size_t i = 0; i < 5; i++) {
                bool is_out = streq(lines[i]->stream, "stdout");
                char wanted[16];

                (void) snprintf(wanted, sizeof(wanted), "%s %zu", is_out ? "out" : "err",
                                is_out ? ++n_out : ++n_err);
                ck_assert_str_eq(lines[i]->text, wanted);
                ck_assert_uint_eq(lines[i]->generation, generation);
                ck_assert_uint_gt(lines[i]->seq, last_out);
                ck_assert_uint_ge(lines[i]->realtime_usec, before);
                ck_assert_uint_le(lines[i]->realtime_usec, clock_realtime_usec());
                last_out = lines[i]->seq;
        }
        ck_assert_uint_eq(n_out, 3);
        ck_assert_uint_eq(page.lost, 0);

        errors = log_query(world, "talker", (LogQuery){ .lines = 1000, .stream = "stderr" });
        ck_assert_uint_eq(errors.n_lines, 2);
}
END_TEST

START_TEST(getlog_tells_generations_apart) {
        _cleanup_(log_page_clear) LogPage page = { 0 };
        const LogLine *lines[8];
        uint64_t first, second;

        world_write_sidecars(world, "'talker': {'command': ['/bin/sh', '-c',"
                                    " 'echo I am $SIDECARD_GENERATION']}");
        world_run(world);
        first = world_start(world, "talker");
        (void) world_next(world, "talker", "Stopped/exited");
        second = world_start(world, "talker");
        (void) world_next(world, "talker", "Stopped/exited");
        ck_assert_uint_gt(second, first);

        page = log_query(world, "talker", (LogQuery){ .lines = 100, .generation = second });
        ck_assert_uint_eq(own_lines(&page, lines, ELEMENTSOF(lines)), 1);
        ck_assert_uint_eq(strtoull(lines[0]->text + strlen("I am "), NULL, 10), second);
}
END_TEST

START_TEST(getlog_pages_by_after_and_next) {
        uint64_t after = 0;
        int wanted = 1;

        world_write_sidecars(world, "'counter': {'command': ['/bin/sh', '-c', 'i=0; while [ $i -lt"
                                    " 250 ]; do i=$((i+1)); echo line $i; done']}");
        world_run(world);
        (void) world_start(world, "counter");
        (void) world_next(world, "counter", "Stopped/exited");

        /* Nothing asked: the newest hundred. */
        {
                _cleanup_(log_page_clear) LogPage page =
                        log_query(world, "counter", (LogQuery){ 0 });

                ck_assert_uint_eq(page.n_lines, 100);
        }

        for (;;) {
                _cleanup_(log_page_clear) LogPage page = log_query(
                        world, "counter", (LogQuery){ .has_after = true, .after = after });

                ck_assert_uint_eq(page.lost, 0);
                if (page.n_lines == 0)
                        break;
                for (size_t i = 0; i < page.n_lines; i++) {
                        char text[32];

                        if (streq(page.lines[i].stream, "supervisor"))
                                continue;
                        (void) snprintf(text, sizeof(text), "line %d", wanted++);
                        ck_assert_str_eq(page.lines[i].text, text);
                }
                ck_assert_uint_gt(page.next, after);
                after = page.next;
        }
        ck_assert_int_eq(wanted, 251);
}
END_TEST

/* Since each time that there is: all lines from the first one on that is no older. */
START_TEST(getlog_finds_a_time) {
        _cleanup_(log_page_clear) LogPage all = { 0 }, none = { 0 }, two = { 0 };
        uint64_t newest_usec;

        world_write_sidecars(world, "'counter': {'command': ['/bin/sh', '-c', 'i=0; while [ $i -lt"
                                    " 30 ]; do i=$((i+1)); sleep 0.001; echo line $i; done']}");
        world_run(world);
        (void) world_start(world, "counter");
        (void) world_next(world, "counter", "Stopped/exited");
        all = all_lines("counter");
        ck_assert_uint_ge(all.n_lines, 30);
        newest_usec = all.lines[all.n_lines - 1].realtime_usec;

        for (size_t i = 0, first = 0; i < all.n_lines; i++) {
                _cleanup_(log_page_clear) LogPage page = log_query(
                        world, "counter", (LogQuery){ .since_usec = all.lines[i].realtime_usec });

                while (all.lines[first].realtime_usec < all.lines[i].realtime_usec)
                        first++;
                ck_assert_uint_eq(page.n_lines, all.n_lines - first);
                ck_assert_uint_eq(page.lines[0].seq, all.lines[first].seq);
                ck_assert_uint_eq(page.next, all.next);
        }

        none = log_query(world, "counter", (LogQuery){ .since_usec = newest_usec + 1 });
        ck_assert_uint_eq(none.n_lines, 0);
        two = log_query(world, "counter",
                        (LogQuery){ .since_usec = all.lines[0].realtime_usec, .lines = 2 });
        ck_assert_uint_eq(two.n_lines, 2);
        ck_assert_uint_eq(two.lines[1].seq, all.lines[all.n_lines - 1].seq);
}
END_TEST

START_TEST(getlog_counts_what_was_overwritten) {
        _cleanup_(log_page_clear) LogPage first = { 0 }, page = { 0 };
        /* 1 MiB through a ring of 256 KiB. */
        world_write_sidecars(world, "'flood': {'command': ['/bin/sh', '-c', 'echo begin; until [ -e"
                                    " @DIR@/go ]; do sleep 0.05; done; yes"
                                    " 0123456789abcdefghijklmnopqrst | head -n 32768;"
                                    " echo the end; exec sleep 1000']}");
        world_run(world);
        (void) world_start(world, "flood");
        log_await(world, "flood", "begin");
        first = all_lines("flood");
        world_write_file(world, "go", 0644, "");
        log_await(world, "flood", "the end");

        page = log_query(world, "flood", (LogQuery){ .has_after = true, .after = first.next });
        ck_assert_uint_gt(page.n_lines, 0);
        ck_assert_uint_gt(page.lost, 0);
        ck_assert_uint_eq(page.lost, page.lines[0].seq - first.next - 1);
}
END_TEST

START_TEST(getlog_with_an_after_above_the_newest_counts_as_0) {
        _cleanup_(log_page_clear) LogPage page = { 0 };

        world_write_sidecars(world, "'talker': {'command': ['echo', 'hello']}");
        world_run(world);
        (void) world_start(world, "talker");
        (void) world_next(world, "talker", "Stopped/exited");
        page = log_query(world, "talker", (LogQuery){ .has_after = true, .after = UINT64_MAX / 2 });
        ck_assert_uint_gt(page.n_lines, 0);
}
END_TEST

START_TEST(getlog_waits_for_the_next_line_and_no_longer_than_asked) {
        _cleanup_(log_page_clear) LogPage begin = { 0 }, next = { 0 }, none = { 0 };
        const LogLine *first;
        uint64_t asked_usec;

        world_write_sidecars(world, "'late': {'command': ['/bin/sh', '-c', 'echo begin; sleep 1;"
                                    " echo late; exec sleep 1000']}");
        world_run(world);
        (void) world_start(world, "late");
        log_await(world, "late", "begin");
        begin = all_lines("late");
        ck_assert_uint_eq(own_lines(&begin, &first, 1), 1);
        next = log_query(world, "late",
                         (LogQuery){ .has_after = true,
                                     .after = first->seq,
                                     .wait_usec = 20 * USEC_PER_SEC });
        ck_assert_uint_eq(next.n_lines, 1);
        ck_assert_str_eq(next.lines[0].text, "late");

        asked_usec = clock_monotonic_usec();
        none = log_query(world, "late",
                         (LogQuery){ .has_after = true,
                                     .after = next.next,
                                     .wait_usec = 300 * USEC_PER_MSEC });
        ck_assert_uint_eq(none.n_lines, 0);
        ck_assert_uint_eq(none.next, next.next);
        ck_assert_uint_ge(clock_monotonic_usec(), asked_usec + 300 * USEC_PER_MSEC);
}
END_TEST

/* The file of the sidecar, whole. */
static char *read_log_file(const char *name) {
        char place[128];

        (void) snprintf(place, sizeof(place), "state/sidecard/log/" WORLD_APP "/%s.log", name);
        return world_read_file(world, place);
}

START_TEST(g1_bytes_are_valid_utf8_on_the_bus_and_as_they_came_in_the_file) {
        _cleanup_(log_page_clear) LogPage page = { 0 };
        _cleanup_free_ char *file = NULL;
        const LogLine *lines[8];

        world_write_file(world, "bytes", 0644, "valid \xc3\xa9\nbroken \xff\xfe end\n");
        world_write_sidecars(world, "'bytes': {'command': ['cat', '@DIR@/bytes']}");
        world_run(world);
        (void) world_start(world, "bytes");
        (void) world_next(world, "bytes", "Stopped/exited");
        page = all_lines("bytes");
        ck_assert_uint_eq(own_lines(&page, lines, ELEMENTSOF(lines)), 2);
        ck_assert_str_eq(lines[0]->text, "valid \xc3\xa9");
        ck_assert_str_eq(lines[1]->text, "broken \xef\xbf\xbd\xef\xbf\xbd end");

        /* The file is written by the end of the daemon, whatever its own pace is. */
        world_end(world);
        file = read_log_file("bytes");
        ck_assert_ptr_nonnull(strstr(file, "valid \xc3\xa9\nbroken \xff\xfe end\n"));
}
END_TEST

START_TEST(g1_the_log_file_is_where_logpath_says_and_only_the_user_s) {
        _cleanup_free_ char *path = NULL, *wanted = NULL, *file = NULL;
        struct stat status;

        world_write_sidecars(world, "'talker': {'command': ['/bin/sh', '-c', 'echo one; echo two"
                                    " >&2; exit 3'], 'restart': {'delay': '50ms', 'attempts': 1}}");
        world_run(world);
        (void) world_start(world, "talker");
        (void) world_next(world, "talker", "Failed/failed");
        path = world_get_text(world, "talker", "LogPath");
        ck_assert_int_ge(
                asprintf(&wanted, "%s/state/sidecard/log/%s/talker.log", world->dir, WORLD_APP), 0);
        ck_assert_str_eq(path, wanted);
        world_end(world);

        file = read_log_file("talker");
        ck_assert_msg(strstr(file, "one\n") && strstr(file, "two\n"), "The file: %s", file);
        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_uint_eq(status.st_mode & 077, 0);
}
END_TEST

START_TEST(g2_a_long_line_is_split_and_marked) {
        _cleanup_(log_page_clear) LogPage page = { 0 };
        const LogLine *lines[8];
        size_t n, size = 0;

        /* 20,000 bytes: three pieces of at most 8 KiB, the last one whole. */
        world_write_sidecars(world, "'long': {'command': ['/bin/sh', '-c', 'head -c 20000 /dev/zero"
                                    " | tr \\'\\\\\\\\000\\' x; echo; echo short']}");
        world_run(world);
        (void) world_start(world, "long");
        (void) world_next(world, "long", "Stopped/exited");
        page = all_lines("long");
        n = own_lines(&page, lines, ELEMENTSOF(lines));

        ck_assert_uint_eq(n, 4);
        for (size_t i = 0; i < 3; i++) {
                const char *text = lines[i]->text;
                size_t n_bytes = strspn(text, "x");

                ck_assert_uint_le(n_bytes, 8192);
                size += n_bytes;
                /* A piece that goes on says so, behind what was written: an ellipsis. */
                ck_assert_str_eq(text + n_bytes, i < 2 ? "\xe2\x80\xa6" : "");
        }
        ck_assert_uint_eq(size, 20000);
        ck_assert_str_eq(lines[3]->text, "short");
}
END_TEST

START_TEST(a_last_line_without_an_end_is_a_line) {
        _cleanup_(log_page_clear) LogPage page = { 0 };
        const LogLine *lines[4];

        world_write_sidecars(world, "'cut': {'command': ['printf', 'no end of line']}");
        world_run(world);
        (void) world_start(world, "cut");
        (void) world_next(world, "cut", "Stopped/exited");
        page = all_lines("cut");
        ck_assert_uint_eq(own_lines(&page, lines, ELEMENTSOF(lines)), 1);
        ck_assert_str_eq(lines[0]->text, "no end of line");
}
END_TEST

START_TEST(g5_every_end_is_told_in_the_supervisor_s_own_log) {
        world_write_sidecars(world, "'crasher': {'command': ['/bin/sh', '-c', 'exit 42'],"
                                    " 'restart': 'no'},"
                                    "'killed': {'command': ['/bin/sh', '-c', 'kill -KILL $$'],"
                                    " 'restart': 'no'}");
        world_run(world);
        (void) world_start(world, "crasher");
        (void) world_start(world, "killed");

        WORLD_AWAIT(world, world_has_logged(world, "[crasher] terminated (exit code: 42)"));
        WORLD_AWAIT(world, world_has_logged(world, "[killed] terminated (signal: SIGKILL)"));
}
END_TEST

START_TEST(g5_lines_are_in_the_supervisor_s_own_log_at_level_debug) {
        world_write_sidecars(world, "'talker': {'command': ['/bin/sh', '-c', 'echo hello $0; echo"
                                    " alas >&2', 'there']}");
        world_run(world);
        (void) world_start(world, "talker");
        WORLD_AWAIT(world, world_has_logged(world, "[talker] terminated (exit code: 0)"));
        ck_assert(!world_has_logged(world, "[talker] hello there"));

        ck_assert_int_ge(
                sd_bus_set_property(world->bus, WORLD_BUS_NAME, "/org/freedesktop/LogControl1",
                                    "org.freedesktop.LogControl1", "LogLevel", NULL, "s", "debug"),
                0);
        (void) world_start(world, "talker");
        WORLD_AWAIT(world, world_has_logged(world, "[talker] hello there"));
        WORLD_AWAIT(world, world_has_logged(world, "[talker] alas"));
}
END_TEST

TEST_MAIN_TIMEOUT("log",
                  120,
                  world_setup,
                  world_teardown,
                  g1_lines_have_order_stream_time_and_generation,
                  getlog_tells_generations_apart,
                  getlog_pages_by_after_and_next,
                  getlog_finds_a_time,
                  getlog_counts_what_was_overwritten,
                  getlog_with_an_after_above_the_newest_counts_as_0,
                  getlog_waits_for_the_next_line_and_no_longer_than_asked,
                  g1_bytes_are_valid_utf8_on_the_bus_and_as_they_came_in_the_file,
                  g1_the_log_file_is_where_logpath_says_and_only_the_user_s,
                  g2_a_long_line_is_split_and_marked,
                  a_last_line_without_an_end_is_a_line,
                  g5_every_end_is_told_in_the_supervisor_s_own_log,
                  g5_lines_are_in_the_supervisor_s_own_log_at_level_debug)
