/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "model/log-pattern.h"
#include "test.h"
#include "util/utf8.h"

/* Work without a bound would take hours; a sanitizer, a valgrind or a busy machine does not. */
#define CPU_SECONDS_MAX 20.0

static LogPattern *pattern_new(const char *text) {
        LogPattern *pattern = NULL;
        char *message = NULL;

        ck_assert_msg(log_pattern_new(&pattern, text, &message) == 0, "%s: %s", text, message);
        ck_assert_ptr_null(message);
        return pattern;
}

static int match(const char *text, const char *line) {
        _cleanup_(log_pattern_freep) LogPattern *pattern = pattern_new(text);

        return log_pattern_match(pattern, line, strlen(line));
}

START_TEST(what_servers_say_is_found_anywhere_in_the_line) {
        static const struct {
                const char *pattern;
                const char *line;
                int matches;
        } cases[] = {
                { "running on http", "INFO:     Uvicorn running on http://127.0.0.1:8000", 1 },
                { "Ready to accept connections", "1:M * Ready to accept connections tcp", 1 },
                { "^listening", "now listening on 80", 0 },
                { "listening on [0-9]+$", "now listening on 80", 1 },
                { "listening on [0-9]+$", "now listening on 80\r", 1 },
                { "(?i)READY", "the server is ready", 1 },
                { "READY", "the server is ready", 0 },
                { "pr\xc3\xaat.$", "le serveur est pr\xc3\xaat\xe2\x80\xa6", 1 },
                { "^.$", "\xe2\x80\xa6", 1 },
                { "ready", "\xff\xfe not text, and ready", 1 },
                { "(a)(b)(c)", "abc", 1 },
                { "", "", 1 },
                { "x", "", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                ck_assert_msg(match(cases[i].pattern, cases[i].line) == cases[i].matches, "%s",
                              cases[i].pattern);
}
END_TEST

START_TEST(a_line_may_have_any_bytes_and_is_not_read_beyond_its_end) {
        _cleanup_(log_pattern_freep) LogPattern *pattern = pattern_new("b.*ready");
        _cleanup_free_ char *line = malloc(13);

        memcpy(line,
               "\xff"
               "a\0b\0 \xc3\xa9ready",
               13);
        ck_assert_int_eq(log_pattern_match(pattern, line, 13), 1);
        ck_assert_int_eq(log_pattern_match(pattern, line, 12), 0);
        /* What is no character is none of any pattern. */
        line[7] = '\xff';
        ck_assert_int_eq(log_pattern_match(pattern, line, 13), 0);
}
END_TEST

START_TEST(only_the_beginning_of_a_long_line_is_looked_at) {
        _cleanup_(log_pattern_freep) LogPattern *pattern = pattern_new("ready"),
                                                *end = pattern_new("x$");
        char line[LOG_PATTERN_LINE_BYTES_MAX + 8];

        memset(line, 'x', sizeof(line));
        memcpy(line + LOG_PATTERN_LINE_BYTES_MAX - 5, "ready", 5);
        ck_assert_int_eq(log_pattern_match(pattern, line, sizeof(line)), 1);
        line[LOG_PATTERN_LINE_BYTES_MAX - 6] = 'r';
        memcpy(line + LOG_PATTERN_LINE_BYTES_MAX - 4, "ready", 5);
        line[LOG_PATTERN_LINE_BYTES_MAX - 5] = 'x';
        ck_assert_int_eq(log_pattern_match(pattern, line, sizeof(line)), 0);

        /* Where it was cut is not its end. */
        memset(line, 'x', sizeof(line));
        ck_assert_int_eq(log_pattern_match(end, line, sizeof(line)), 0);
        ck_assert_int_eq(log_pattern_match(end, line, LOG_PATTERN_LINE_BYTES_MAX), 1);
}
END_TEST

START_TEST(a_wrong_pattern_is_refused_with_why_and_where) {
        static const struct {
                const char *text;
                const char *message;
        } cases[] = {
                { "(ready", "missing closing parenthesis, at character 7" },
                { "\xc3\xa9(", "missing closing parenthesis, at character 3" },
                { "*", "quantifier does not follow a repeatable item, at character 1" },
                { "[b-a]", "range out of order in character class, at character 4" },
                { "\\C", "using \\C is disabled by the application, at character 3" },
        };
        LogPattern *pattern = NULL;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *message = NULL;

                ck_assert_int_eq(log_pattern_new(&pattern, cases[i].text, &message), -EINVAL);
                ck_assert_ptr_null(pattern);
                ck_assert_str_eq(message, cases[i].message);
                free(message);
        }
}
END_TEST

static double cpu_seconds(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
        return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

/* What is compiled at all is matched with lines that make it work. */
static void check_hostile(const char *text, unsigned *n_compiled, unsigned *n_cut) {
        static const char *const units[] = { "a", "ab", "\xc3\xa9", "\xff", "(" };
        _cleanup_(log_pattern_freep) LogPattern *pattern = NULL;
        _cleanup_free_ char *message = NULL;
        double before = cpu_seconds();
        char line[8192];

        if (log_pattern_new(&pattern, text, &message) < 0) {
                ck_assert_ptr_nonnull(message);
                ck_assert(utf8_is_valid(message, strlen(message)));
        } else
                ++*n_compiled;

        for (size_t i = 0; pattern && i < ELEMENTSOF(units); i++) {
                int r;

                for (size_t at = 0; at < sizeof(line); at++)
                        line[at] = units[i][at % strlen(units[i])];
                r = log_pattern_match(pattern, line, sizeof(line));
                ck_assert(r == 0 || r == 1 || r == -EOVERFLOW);
                *n_cut += r == -EOVERFLOW;
        }

        ck_assert_msg(cpu_seconds() - before < CPU_SECONDS_MAX, "%.60s took %.1f s", text,
                      cpu_seconds() - before);
}

START_TEST(what_takes_for_ever_is_cut_short) {
        static const char *const patterns[] = {
                "(a+)+[xy]",
                "(a|a)*[xy]",
                "(a|aa)+[xy]",
                "(.*)*[xy]",
                "(?:a?){30}a{30}[xy]",
                ".*.*.*.*[xy]",
                "(\\w+\\s?)*[xy]",
                "(a*)*\\1[xy]",
                "^(([a-z])+.)+[A-Z]([a-z])+$",
                "(?=(a+))a*b?\\1[xy]",
                "(?<=a{200}|a{201}|a{202})[xy]",
                "(a(?1)?a)+[xy]",
                "(?:(?:a*)*)*[xy]",
                "(x+x+)+y|(a+a+)+[xy]",
        };
        unsigned n_compiled = 0, n_cut = 0;

        for (size_t i = 0; i < ELEMENTSOF(patterns); i++) {
                unsigned n_before = n_compiled;

                check_hostile(patterns[i], &n_compiled, &n_cut);
                ck_assert_msg(n_compiled > n_before, "%s", patterns[i]);
        }
        ck_assert_uint_ge(n_cut, ELEMENTSOF(patterns));
}
END_TEST

/* 2 to the 9th ways to fail at each byte: few enough for one of them, too many for them all. */
START_TEST(the_work_of_a_line_is_counted_as_a_whole) {
        _cleanup_(log_pattern_freep) LogPattern *pattern = pattern_new("(?:a?){9}[xy]");
        char line[2048];

        memset(line, 'a', sizeof(line));
        ck_assert_int_eq(log_pattern_match(pattern, line, 9), 0);
        ck_assert_int_eq(log_pattern_match(pattern, line, sizeof(line)), -EOVERFLOW);
        /* One line that was cut short takes nothing from the next. */
        ck_assert_int_eq(log_pattern_match(pattern, "aax", 3), 1);
}
END_TEST

/* begin, then unit as often as there is room for with end behind, up to 64 KiB. */
static char *grow(const char *begin, const char *unit, const char *end) {
        char *text = malloc(LOG_PATTERN_BYTES_MAX + 1), *at = stpcpy(text, begin);

        while ((size_t) (at - text) + strlen(unit) + strlen(end) <= LOG_PATTERN_BYTES_MAX)
                at = stpcpy(at, unit);
        (void) strcpy(at, end);
        return text;
}

START_TEST(patterns_of_64_kilobytes_take_bounded_time) {
        static const struct {
                const char *begin, *unit, *end;
        } shapes[] = {
                { "", "a", "" },
                { "", "a?", "[xy]" },
                { "", "a*", "[xy]" },
                { "", "(", "" },
                { "", "()", "" },
                { "", "(?:a|", "" },
                { "(?:", "a*b|", "[xy])" },
                { "(?:", "a{1000}|", "[xy])" },
                { "", "[^a]", "" },
                { "[", "a-z\xc3\xa9", "]" },
                { "", "(?=a", "" },
                { "", "(?<=a)", "" },
                { "", "(a)\\1", "" },
                { "", "((a{9}){9}){9}", "" },
                { "", "\\p{Lu}?", "" },
                { "", "(?i)\xc3\xa9", "" },
                { "", "(*F)|", "" },
                { "", "(?C1)", "" },
                { "", "(?#", "" },
                { "(?:", "(?<n", ">a)" },
                { "", "(?|(a)|(b))", "" },
                { "(a", "(?1)?", ")" },
                { "(*LIMIT_MATCH=4000000000)", "a?", "[xy]" },
                { "", "\\Q", "" },
                { "", "\\x{10ffff}", "" },
        };
        unsigned n_compiled = 0, n_cut = 0;

        for (size_t i = 0; i < ELEMENTSOF(shapes); i++) {
                _cleanup_free_ char *text = grow(shapes[i].begin, shapes[i].unit, shapes[i].end);

                check_hostile(text, &n_compiled, &n_cut);
        }
        ck_assert_uint_gt(n_compiled, 0);
        ck_assert_uint_lt(n_compiled, ELEMENTSOF(shapes));
}
END_TEST

START_TEST(a_longer_pattern_is_refused) {
        _cleanup_free_ char *text = malloc(LOG_PATTERN_BYTES_MAX + 2), *message = NULL;
        LogPattern *pattern = NULL;

        memset(text, '.', LOG_PATTERN_BYTES_MAX + 1);
        text[LOG_PATTERN_BYTES_MAX + 1] = '\0';
        ck_assert_int_eq(log_pattern_new(&pattern, text, &message), -EINVAL);
        ck_assert_ptr_nonnull(message);
}
END_TEST

TEST_MAIN_TIMEOUT("log-pattern",
                  240,
                  NULL,
                  NULL,
                  what_servers_say_is_found_anywhere_in_the_line,
                  a_line_may_have_any_bytes_and_is_not_read_beyond_its_end,
                  only_the_beginning_of_a_long_line_is_looked_at,
                  a_wrong_pattern_is_refused_with_why_and_where,
                  what_takes_for_ever_is_cut_short,
                  the_work_of_a_line_is_counted_as_a_whole,
                  patterns_of_64_kilobytes_take_bounded_time,
                  a_longer_pattern_is_refused)
