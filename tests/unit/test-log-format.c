/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Golden outputs: what each format makes of bytes that nobody should write, and everybody does.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "model/log-format.h"
#include "test.h"

static const LogAuthor author = { "org.example.App", "api" };

static char written[LOG_FORMAT_BYTES_MAX + 1];

static void use_utc(void) {
        ck_assert_int_eq(setenv("TZ", "UTC", true), 0);
        tzset();
}

static const char *format_bytes(LogFormat format, const char *bytes, size_t n, LogEnding ending) {
        const LogLine line = {
                .number = 7,
                .realtime_usec = UINT64_C(1795345234123456), /* 2026-11-22 11:00:34.123456 */
                .generation = 3,
                .stream = LOG_STDERR,
                .ending = ending,
                .bytes = bytes,
                .n_bytes = n,
        };
        size_t size = log_format_line(written, format, &author, &line);

        ck_assert_uint_le(size, LOG_FORMAT_BYTES_MAX);
        written[size] = '\0';
        return written;
}

#define SHORT(text) "Nov 22 11:00:34.123 api: " text "\n"
#define JSON(text)                                                                              \
        "{\"seq\":7,\"realtime-usec\":1795345234123456,\"app\":\"org.example.App\",\"sidecar\"" \
        ":\"api\",\"generation\":3,\"stream\":\"stderr\",\"text\":\"" text "\"}\n"

START_TEST(what_people_read_drives_no_terminal_and_json_is_json) {
        static const struct {
                const char *bytes;
                const char *text, *json;
        } golden[] = {
                { "plain, \ttab", "plain, \ttab", "plain, \\ttab" },
                { "", "", "" },
                { "\"quoted\" \\ back", "\"quoted\" \\ back", "\\\"quoted\\\" \\\\ back" },
                { "50%\r100%", "50%\\x0d100%", "50%\\r100%" },
                { "\033[2J\033]0;title\a", "\\x1b[2J\\x1b]0;title\\x07",
                  "\\u001b[2J\\u001b]0;title\\u0007" },
                { "\b\f\x7f", "\\x08\\x0c\\x7f", "\\b\\f\\u007f" },
                { "\xC2\x9B"
                  "31m",
                  "\\u009b31m", "\\u009b31m" },
                { "\xE2\x80\xAE evil \xE2\x81\xA9\xE2\x80\xA8", "\\u202e evil \\u2069\\u2028",
                  "\\u202e evil \\u2069\\u2028" },
                { "a\xFF"
                  "b\xE2\x80",
                  "a\uFFFDb\uFFFD\uFFFD", "a\uFFFDb\uFFFD\uFFFD" },
                { "\xC0\x80 \xED\xA0\x80", "\uFFFD\uFFFD \uFFFD\uFFFD\uFFFD",
                  "\uFFFD\uFFFD \uFFFD\uFFFD\uFFFD" },
                { "grün 日本 \xF0\x9F\x98\x80", "grün 日本 \xF0\x9F\x98\x80",
                  "grün 日本 \xF0\x9F\x98\x80" },
        };

        for (size_t i = 0; i < ELEMENTSOF(golden); i++) {
                const char *bytes = golden[i].bytes;
                char wanted[512];

                (void) snprintf(wanted, sizeof(wanted), SHORT("%s"), golden[i].text);
                ck_assert_str_eq(format_bytes(LOG_FORMAT_SHORT, bytes, strlen(bytes), 0), wanted);
                (void) snprintf(wanted, sizeof(wanted), JSON("%s"), golden[i].json);
                ck_assert_str_eq(format_bytes(LOG_FORMAT_JSON, bytes, strlen(bytes), 0), wanted);
                (void) snprintf(wanted, sizeof(wanted), "%s\n", bytes);
                ck_assert_str_eq(format_bytes(LOG_FORMAT_RAW, bytes, strlen(bytes), 0), wanted);
        }
}
END_TEST

START_TEST(nul_is_no_text_and_is_a_byte) {
        ck_assert_str_eq(format_bytes(LOG_FORMAT_SHORT, "a\0b", 3, 0), SHORT("a\uFFFDb"));
        ck_assert_str_eq(format_bytes(LOG_FORMAT_JSON, "a\0b", 3, 0), JSON("a\uFFFDb"));
        (void) format_bytes(LOG_FORMAT_RAW, "a\0b", 3, 0);
        ck_assert_mem_eq(written, "a\0b\n", 5);
}
END_TEST

START_TEST(raw_ends_as_it_came_and_what_is_split_is_marked_in_the_others) {
        static const char *const raw[_LOG_ENDING_MAX] = {
                [LOG_ENDING_NEWLINE] = "end\n",
                [LOG_ENDING_SPLIT] = "end",
                [LOG_ENDING_RETURN] = "end\r\n",
                [LOG_ENDING_NONE] = "end",
        };

        for (LogEnding ending = 0; ending < _LOG_ENDING_MAX; ending++) {
                bool is_split = ending == LOG_ENDING_SPLIT;

                ck_assert_str_eq(format_bytes(LOG_FORMAT_RAW, "end", 3, ending), raw[ending]);
                ck_assert_str_eq(format_bytes(LOG_FORMAT_SHORT, "end", 3, ending),
                                 is_split ? SHORT("end\u2026") : SHORT("end"));
                ck_assert_str_eq(format_bytes(LOG_FORMAT_JSON, "end", 3, ending),
                                 is_split ? JSON("end\u2026") : JSON("end"));
        }
}
END_TEST

START_TEST(the_longest_line_of_the_worst_bytes_fits) {
        static const char worst[] = { '\1', '\0', '"', '\xFF', '\x7f' };
        static char bytes[LOG_LINE_BYTES_MAX];

        for (size_t i = 0; i < sizeof(worst); i++) {
                memset(bytes, worst[i], sizeof(bytes));
                for (LogFormat format = 0; format < _LOG_FORMAT_MAX; format++)
                        (void) format_bytes(format, bytes, sizeof(bytes), LOG_ENDING_SPLIT);
        }
}
END_TEST

static const char *format_lost(LogFormat format, uint64_t n_lost, bool is_at_line_start) {
        size_t size = log_format_lost(written, format, &author, n_lost, is_at_line_start);

        written[size] = '\0';
        return written;
}

START_TEST(what_is_lost_is_told_in_a_line_of_its_own) {
        ck_assert_str_eq(format_lost(LOG_FORMAT_SHORT, 3, false), "[sidecard: 3 lines lost]\n");
        ck_assert_str_eq(format_lost(LOG_FORMAT_RAW, 1, true), "[sidecard: 1 line lost]\n");
        ck_assert_str_eq(format_lost(LOG_FORMAT_RAW, 2, false), "\n[sidecard: 2 lines lost]\n");
        ck_assert_str_eq(format_lost(LOG_FORMAT_JSON, 3, false),
                         "{\"app\":\"org.example.App\",\"sidecar\":\"api\",\"lost\":3}\n");
}
END_TEST

START_TEST(formats_have_names) {
        ck_assert_int_eq(log_format_from_string("raw"), LOG_FORMAT_RAW);
        ck_assert_int_eq(log_format_from_string("short"), LOG_FORMAT_SHORT);
        ck_assert_int_eq(log_format_from_string("json"), LOG_FORMAT_JSON);
        ck_assert_int_eq(log_format_from_string("cat"), _LOG_FORMAT_INVALID);
}
END_TEST

TEST_MAIN("log-format",
          use_utc,
          NULL,
          what_people_read_drives_no_terminal_and_json_is_json,
          nul_is_no_text_and_is_a_byte,
          raw_ends_as_it_came_and_what_is_split_is_marked_in_the_others,
          the_longest_line_of_the_worst_bytes_fits,
          what_is_lost_is_told_in_a_line_of_its_own,
          formats_have_names)
