/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <locale.h>
#include <string.h>

#include "ctl/json-writer.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "test.h"
#include "util/clock.h"
#include "util/visible.h"

static void check_visible(const char *text, const char *expected) {
        _cleanup_free_ char *visible = visible_make(text);

        ck_assert_str_eq(visible, expected);
}

START_TEST(what_drives_a_terminal_is_made_visible) {
        check_visible("plain \tand tab", "plain \tand tab");
        check_visible("\033[2J\r\n\x7f", "\\x1b[2J\\x0d\\x0a\\x7f");
        check_visible("\xC2\x9B"
                      "31m",
                      "\\u009b31m");
        check_visible("\xE2\x80\xAE\xE2\x81\xA6\xE2\x81\xA9", "\\u202e\\u2066\\u2069");
        check_visible("grün 日本 \xF0\x9F\x98\x80", "grün 日本 \xF0\x9F\x98\x80");
}
END_TEST

START_TEST(bytes_that_are_no_text_are_replaced) {
        check_visible("a\xFF"
                      "b\xE2\x80",
                      "a\xEF\xBF\xBD"
                      "b\xEF\xBF\xBD\xEF\xBF\xBD");
}
END_TEST

static void check_cut(const char *text, unsigned n_columns, const char *expected) {
        _cleanup_free_ char *copy = strdup(text);

        ck_assert_int_eq(text_cut(&copy, n_columns, ">"), 0);
        ck_assert_str_eq(copy, expected);
        ck_assert_uint_le(text_width(copy), n_columns);
}

START_TEST(text_is_cut_between_characters_and_by_columns) {
        check_cut("abcdef", 6, "abcdef");
        check_cut("abcdef", 5, "abcd>");
        check_cut("grüner", 4, "grü>");
        check_cut("日本語", 6, "日本語");
        check_cut("日本語", 5, "日本>");
        check_cut("日本語", 4, "日>");
        check_cut("abc", 1, ">");
}
END_TEST

static char *print_table(unsigned n_columns) {
        Screen screen = { .is_terminal = n_columns < UINT_MAX, .n_columns = n_columns };
        Table table = { .n_columns = 2 };
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size), *saved = stdout;

        ck_assert_int_eq(table_add(&table, "NAME", COLOR_BOLD), 0);
        ck_assert_int_eq(table_add(&table, "STATUS", COLOR_BOLD), 0);
        ck_assert_int_eq(table_add(&table, "a-long-name", COLOR_NONE), 0);
        ck_assert_int_eq(table_add(&table, "Running", COLOR_GREEN), 0);
        stdout = stream;
        table_print(&table, &screen);
        stdout = saved;
        ck_assert_int_eq(fclose(stream), 0);
        table_done(&table);
        return text;
}

START_TEST(a_table_is_cut_where_it_is_widest_and_only_on_a_terminal) {
        _cleanup_free_ char *wide = print_table(80), *narrow = print_table(16);
        _cleanup_free_ char *piped = print_table(UINT_MAX);

        ck_assert_str_eq(wide, "NAME         STATUS\na-long-name  Running\n");
        ck_assert_str_eq(narrow, "NAME     STATUS\na-long>  Running\n");
        ck_assert_str_eq(piped, wide);
}
END_TEST

START_TEST(json_is_escaped_and_its_commas_are_where_they_belong) {
        char *text = NULL;
        size_t size = 0;
        JsonWriter writer = { .stream = open_memstream(&text, &size) };

        json_open(&writer, '[');
        json_open(&writer, '{');
        json_member(&writer, "a\"", "\\ \b\f\n\r\t \x01 \x7f / ü \xFF");
        json_member_unsigned(&writer, "max", UINT64_MAX);
        json_key(&writer, "list");
        json_open(&writer, '[');
        json_signed(&writer, INT64_MIN);
        json_double(&writer, 0.5);
        json_double(&writer, __builtin_inf());
        json_bool(&writer, true);
        json_close(&writer, ']');
        json_close(&writer, '}');
        json_open(&writer, '{');
        json_close(&writer, '}');
        json_close(&writer, ']');
        json_end(&writer);
        ck_assert_int_eq(fclose(writer.stream), 0);

        ck_assert_str_eq(text,
                         "[{\"a\\\"\":\"\\\\ \\b\\f\\n\\r\\t \\u0001 \\u007f / ü \xEF\xBF\xBD\","
                         "\"max\":18446744073709551615,"
                         "\"list\":[-9223372036854775808,0.5,null,true]},{}]\n");
        free(text);
}
END_TEST

START_TEST(since_is_a_while_ago_or_a_date) {
        uint64_t now = clock_realtime_usec(), usec = 0;

        ck_assert_int_eq(text_parse_since(&usec, "10m"), 0);
        ck_assert_uint_ge(usec, now - 10 * USEC_PER_MINUTE);
        ck_assert_uint_le(usec, clock_realtime_usec() - 10 * USEC_PER_MINUTE);

        ck_assert_int_eq(setenv("TZ", "UTC", 1), 0);
        ck_assert_int_eq(text_parse_since(&usec, "2026-11-22 11:00:34"), 0);
        ck_assert_uint_eq(usec, UINT64_C(1795345234) * USEC_PER_SEC);
        ck_assert_int_eq(text_parse_since(&usec, "2026-11-22"), 0);
        ck_assert_uint_eq(usec % (24 * USEC_PER_HOUR), 0);

        ck_assert_int_eq(text_parse_since(&usec, "noon"), -EINVAL);
        ck_assert_int_eq(text_parse_since(&usec, "11:00 or so"), -EINVAL);
}
END_TEST

static void set_up(void) {
        ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
}

TEST_MAIN("text",
          set_up,
          NULL,
          what_drives_a_terminal_is_made_visible,
          bytes_that_are_no_text_are_replaced,
          text_is_cut_between_characters_and_by_columns,
          a_table_is_cut_where_it_is_widest_and_only_on_a_terminal,
          json_is_escaped_and_its_commas_are_where_they_belong,
          since_is_a_while_ago_or_a_date)
