/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What json-c lets pass and a manifest may not have (failures.md, cases 67 and 68). */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>
#include <json-c/json_visit.h>

#include "model/json-scan.h"
#include "test.h"

#define TEXT(literal) (literal), sizeof(literal) - 1

START_TEST(what_is_no_manifests_json_is_refused_with_line_and_pointer) {
        static const struct {
                const char *text;
                size_t n_bytes;
                unsigned line;
                const char *pointer, *says;
        } cases[] = {
                { TEXT(""), 1, "", "ends" },
                { TEXT(" \n\n "), 3, "", "ends" },
                { TEXT("[]"), 1, "", "an object" },
                { TEXT("1"), 1, "", "an object" },
                { TEXT("\xEF\xBB\xBF{}"), 1, "", "byte order mark" },
                { TEXT("{}x"), 1, "", "behind the end" },
                { TEXT("{}\n\n{}"), 3, "", "behind the end" },
                { TEXT("{}\0"), 1, "", "behind the end" },
                { TEXT("{\"a\":1,\n\"a\":2}"), 2, "/a", "twice" },
                { TEXT("{\"a\":{\"b/c\":1,\n\n\"b/c\":2}}"), 3, "/a/b~1c", "twice" },
                { TEXT("{\"port\":1,\"p\\u006Frt\":2}"), 1, "/port", "twice" },
                { TEXT("{\"\":1,\"\":2}"), 1, "/", "twice" },
                { TEXT("{\"\\u00fc\":1,\"\xC3\xBC\":2}"), 1, "/\xC3\xBC", "twice" },
                { TEXT("{\"\\ud83d\\ude00\":1,\"\xF0\x9F\x98\x80\":2}"), 1, "/\xF0\x9F\x98\x80",
                  "twice" },
                { TEXT("{\"a\\u0000b\":1}"), 1, "", "NUL" },
                { TEXT("{\"a\":\"\\u0000\"}"), 1, "/a", "NUL" },
                { TEXT("{\"a\":\"\0\"}"), 1, "/a", "control byte 0x00" },
                { TEXT("{\"a\":\"\x1F\"}"), 1, "/a", "control byte 0x1F" },
                { TEXT("{\"a\":\"\n\"}"), 1, "/a", "control byte 0x0A" },
                { TEXT("{\"a\":\"\\\n\"}"), 1, "/a", "control byte" },
                { TEXT("{\x01}"), 1, "", "byte 0x01" },
                { TEXT("{'a':1}"), 1, "", "single quote" },
                { TEXT("{\"a\":'b'}"), 1, "/a", "single quote" },
                { TEXT("{/* a */}"), 1, "", "no comments" },
                { TEXT("{\"a\":1 // b\n}"), 1, "", "no comments" },
                { TEXT("{\"a\":1} # b"), 1, "", "behind the end" },
                { TEXT("{\"a\":NaN}"), 1, "/a", "NaN" },
                { TEXT("{\"a\":Infinity}"), 1, "/a", "Infinity" },
                { TEXT("{\"a\":-Infinity}"), 1, "/a", "Infinity" },
                { TEXT("{\"a\":nan}"), 1, "/a", "no JSON" },
                { TEXT("{\"a\":TRUE}"), 1, "/a", "no JSON" },
                { TEXT("{\"a\":nul}"), 1, "/a", "no JSON" },
                { TEXT("{\"a\":truefalse}"), 1, "/a", "no JSON" },
                { TEXT("{\"a\":1234567890123456}"), 1, "/a", "15 digits" },
                { TEXT("{\"a\":0.123456789012345}"), 1, "/a", "15 digits" },
                { TEXT("{\"a\":1e100}"), 1, "/a", "15 digits" },
                { TEXT("{\"a\":01}"), 1, "/a", "leading zero" },
                { TEXT("{\"a\":+1}"), 1, "/a", "'+'" },
                { TEXT("{\"a\":.5}"), 1, "/a", "'.'" },
                { TEXT("{\"a\":1.}"), 1, "/a", "a digit" },
                { TEXT("{\"a\":1.e5}"), 1, "/a", "a digit" },
                { TEXT("{\"a\":1e}"), 1, "/a", "a digit" },
                { TEXT("{\"a\":-}"), 1, "/a", "a digit" },
                { TEXT("{\"a\":0x10}"), 1, "", "'x'" },
                { TEXT("{\"a\":\"\xFF\"}"), 1, "/a", "UTF-8" },
                { TEXT("{\"a\":\"\xC0\x80\"}"), 1, "/a", "UTF-8" },
                { TEXT("{\"a\":\"\xED\xA0\x80\"}"), 1, "/a", "UTF-8" },
                { TEXT("{\"\xE2\x82\":1}"), 1, "", "UTF-8" },
                { TEXT("{\xC3\xBC:1}"), 1, "", "byte 0xC3" },
                { TEXT("{\"a\":\"\\ud800\"}"), 1, "/a", "half" },
                { TEXT("{\"a\":\"\\udc00\\ud800\"}"), 1, "/a", "half" },
                { TEXT("{\"a\":\"\\ud800\\u0041\"}"), 1, "/a", "half" },
                { TEXT("{\"a\":\"\\u12\"}"), 1, "/a", "four hexadecimal" },
                { TEXT("{\"a\":\"\\u12g4\"}"), 1, "/a", "four hexadecimal" },
                { TEXT("{\"a\":\"\\x41\"}"), 1, "/a", "unknown escape" },
                { TEXT("{\"a\":\"\\'\"}"), 1, "/a", "unknown escape" },
                { TEXT("{\"a\":\"b"), 1, "/a", "without end" },
                { TEXT("{\"a\":\"b\\"), 1, "/a", "without end" },
                { TEXT("{\"a\":\"b\\\"}"), 1, "/a", "without end" },
                { TEXT("{\"a\""), 1, "/a", "a colon" },
                { TEXT("{\"a\":"), 1, "/a", "a value" },
                { TEXT("{\"a\":}"), 1, "/a", "a value" },
                { TEXT("{\"a\" 1}"), 1, "/a", "a colon" },
                { TEXT("{"), 1, "", "a key" },
                { TEXT("{\"a\":[1,[2,"), 1, "/a/1/1", "a value" },
                { TEXT("{\"a\":[1 2]}"), 1, "/a", "a comma" },
                { TEXT("{\"a\":[1}"), 1, "/a", "a comma or ]" },
                { TEXT("{\"a\":[,1]}"), 1, "/a/0", "a value" },
                { TEXT("{\"a\":[1,]}"), 1, "/a", "take the comma out" },
                { TEXT("{\"a\":1,}"), 1, "", "take the comma out" },
                { TEXT("{\"a\":1,,}"), 1, "", "a key" },
                { TEXT("{,}"), 1, "", "a key" },
                { TEXT("{a:1}"), 1, "", "a key" },
                { TEXT("{1:1}"), 1, "", "a key" },
                { TEXT("{\"a\":1\f}"), 1, "", "byte 0x0C" },
                { TEXT("{\"a\":[1,\n[2,\n\n{\"b\":?}]]}"), 4, "/a/1/1/b", "'?'" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                JsonScan scan = { 0 };
                JsonScanError error = { 0 };

                ck_assert_msg(json_scan(&scan, cases[i].text, cases[i].n_bytes, &error) == -EBADMSG,
                              "case %zu: %s", i, cases[i].text);
                ck_assert_ptr_null(scan.lines);
                ck_assert_msg(strstr(error.message, cases[i].says), "case %zu: %s: %s", i,
                              cases[i].text, error.message);
                ck_assert_msg(error.line == cases[i].line, "case %zu: line %u", i, error.line);
                ck_assert_str_eq(error.pointer, cases[i].pointer);
                json_scan_error_done(&error);
        }
}
END_TEST

static const unsigned *next_line;

static int note_line(json_object *value,
                     int flags,
                     json_object *parent _unused_,
                     const char *key _unused_,
                     size_t *index _unused_,
                     void *userdata) {
        if (flags == JSON_C_VISIT_SECOND)
                return JSON_C_VISIT_RETURN_CONTINUE;

        /* Each number in the text is the line that it stands in. */
        if (json_object_is_type(value, json_type_int))
                ck_assert_int_eq(json_object_get_int(value), (int) *next_line);
        next_line++;
        ++*(size_t *) userdata;
        return JSON_C_VISIT_RETURN_CONTINUE;
}

START_TEST(lines_are_in_the_order_in_which_json_c_visits) {
        static const char text[] =
                "\n{\"z\": 2, \"a\": [\n3, null, {\"x\": 3,\r\n\"b\": 4}, [],\n\n"
                "6, {\"\\n\": \"\\n\"}], \"m\":\n7, \"y\" : {}\n,\"b\": 8}\n\n";
        _cleanup_(json_scan_done) JsonScan scan = { 0 };
        JsonScanError error = { 0 };
        json_object *root = json_tokener_parse(text);
        size_t n_visited = 0;

        ck_assert_int_eq(json_scan(&scan, text, strlen(text), &error), 0);
        ck_assert_ptr_nonnull(root);
        next_line = scan.lines;
        ck_assert_int_eq(json_c_visit(root, 0, note_line, &n_visited), 0);
        ck_assert_uint_eq(n_visited, scan.n_values);
        ck_assert_uint_eq(n_visited, 15);
        json_object_put(root);
}
END_TEST

START_TEST(what_is_json_is_let_through) {
        static const char *const good[] = {
                "{}",
                " \t\r\n{ } \n",
                "{\"a\":-0,\"b\":0.5,\"c\":1e5,\"d\":-1.25E-10,\"e\":123456789012345}",
                "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00fc\\uD83D\\uDE00\x7F\"}",
                "{\"\":{\"\":[[],{},null,true,false]}}",
                "{\"a\":{\"k\":1},\"b\":{\"k\":1},\"c\":[{\"k\":1},{\"k\":1}]}",
                "{\"\xC3\xBC\":\"\xF4\x8F\xBF\xBF\"}",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_(json_scan_done) JsonScan scan = { 0 };
                JsonScanError error = { 0 };

                ck_assert_msg(json_scan(&scan, good[i], strlen(good[i]), &error) == 0, "%s: %s",
                              good[i], error.message);
        }
}
END_TEST

/* before, n times piece with "," between (a %zu in it is the count), after. */
static int scan_many(const char *before,
                     const char *piece,
                     const char *separator,
                     size_t n,
                     const char *after,
                     char **ret_message) {
        _cleanup_(json_scan_done) JsonScan scan = { 0 };
        JsonScanError error = { 0 };
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        int r;

        (void) fputs(before, out);
        for (size_t i = 0; i < n; i++) {
                const char *hash = strchr(piece, '#');

                (void) fputs(i > 0 ? separator : "", out);
                if (hash)
                        (void) fprintf(out, "%.*s%zu%s", (int) (hash - piece), piece, i, hash + 1);
                else
                        (void) fputs(piece, out);
        }
        (void) fputs(after, out);
        ck_assert_int_eq(fclose(out), 0);

        r = json_scan(&scan, text, size, &error);
        *ret_message = TAKE_PTR(error.message);
        json_scan_error_done(&error);
        return r;
}

START_TEST(each_limit_holds_to_the_last_one_and_not_beyond) {
        static const struct {
                const char *before, *piece, *separator, *after, *says;
                size_t most;
        } cases[] = {
                { "{", "\"k#\":0", ",", "}", "keys", JSON_KEYS_MAX },
                /* the object and the array are values too */
                { "{\"a\":[", "0", ",", "]}", "values", JSON_VALUES_MAX - 2 },
                { "{\"a\":\"", "x", "", "\"}", "bytes", JSON_BYTES_MAX - 8 },
                { "{\"a\":", "1", "", "}", "digits", JSON_DIGITS_MAX },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t beyond = 0; beyond < 2; beyond++) {
                        _cleanup_free_ char *message = NULL;
                        int r = scan_many(cases[i].before, cases[i].piece, cases[i].separator,
                                          cases[i].most + beyond, cases[i].after, &message);

                        ck_assert_int_eq(r, beyond ? -EBADMSG : 0);
                        ck_assert(!beyond || strstr(message, cases[i].says));
                }
}
END_TEST

START_TEST(sixteen_levels_are_enough) {
        static const struct {
                const char *text;
                int answer;
        } cases[] = {
                /* 1 object and 15 arrays; then one more */
                { "{\"a\":[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]}", 0 },
                { "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(json_scan_done) JsonScan scan = { 0 };
                JsonScanError error = { 0 };

                ck_assert_int_eq(json_scan(&scan, cases[i].text, strlen(cases[i].text), &error),
                                 cases[i].answer);
                json_scan_error_done(&error);
        }
}
END_TEST

TEST_MAIN("json-scan",
          NULL,
          NULL,
          what_is_no_manifests_json_is_refused_with_line_and_pointer,
          lines_are_in_the_order_in_which_json_c_visits,
          what_is_json_is_let_through,
          each_limit_holds_to_the_last_one_and_not_beyond,
          sixteen_levels_are_enough)
