/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "test.h"
#include "util/utf8.h"

static const struct {
        const char *bytes;
        size_t n_bytes;
        const char *valid; /* what it is made into */
} cases[] = {
        { "plain", 5, "plain" },
        { "gr\xC3\xBC\xC3\x9F", 6, "gr\xC3\xBC\xC3\x9F" },
        { "\xF0\x9F\x98\x80", 4, "\xF0\x9F\x98\x80" },
        { "a\xFF"
          "b",
          3,
          "a\xEF\xBF\xBD"
          "b" },
        { "\xC0\x80", 2, "\xEF\xBF\xBD\xEF\xBF\xBD" },                 /* overlong NUL */
        { "\xED\xA0\x80", 3, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" }, /* surrogate */
        { "\xE2\x82", 2, "\xEF\xBF\xBD\xEF\xBF\xBD" },                 /* cut short */
        { "a\0b", 3,
          "a\xEF\xBF\xBD"
          "b" },
};

START_TEST(everything_becomes_valid) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *text = utf8_make_valid(cases[i].bytes, cases[i].n_bytes);

                ck_assert_str_eq(text, cases[i].valid);
                ck_assert(utf8_is_valid(text, strlen(text)));
        }
}
END_TEST

START_TEST(validity_is_told) {
        ck_assert(utf8_is_valid(cases[1].bytes, cases[1].n_bytes));
        for (size_t i = 3; i < 7; i++)
                ck_assert(!utf8_is_valid(cases[i].bytes, cases[i].n_bytes));
}
END_TEST

START_TEST(what_is_printable_is_one_line_and_drives_no_terminal) {
        char text[] = "a\033[31m\nb\x7F\xC2\x9B"
                      "c\xC3\xBC\xE2\x82\xAC";
        char longest[2048];

        ck_assert_str_eq(utf8_make_printable(text), "a?[31m?b??c\xC3\xBC\xE2\x82\xAC");

        /* 1,024 bytes end in the middle of a character of three. */
        for (size_t i = 0; i + 3 < sizeof(longest); i += 3)
                memcpy(longest + i, "\xE2\x82\xAC", 4);
        ck_assert_uint_eq(strlen(utf8_make_printable(longest)), 1023);
        ck_assert(utf8_is_valid(longest, 1023));
}
END_TEST

TEST_MAIN("utf8",
          NULL,
          NULL,
          everything_becomes_valid,
          validity_is_told,
          what_is_printable_is_one_line_and_drives_no_terminal)
