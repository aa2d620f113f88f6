/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test.h"
#include "util/duration.h"

START_TEST(reads_what_manifests_write) {
        static const struct {
                const char *text;
                uint64_t usec;
        } cases[] = {
                { "0s", 0 },
                { "500ms", 500 * USEC_PER_MSEC },
                { "1m30s", 90 * USEC_PER_SEC },
                { "2h", 2 * USEC_PER_HOUR },
                { "7us", 7 },
                { "1m1ms", USEC_PER_MINUTE + USEC_PER_MSEC },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t usec = 1;

                ck_assert_int_eq(duration_parse(&usec, cases[i].text), 0);
                ck_assert_uint_eq(usec, cases[i].usec);
        }
}
END_TEST

START_TEST(refuses_all_else_and_leaves_the_result_alone) {
        static const char *const bad[] = { "", "5", "s", "5x", "-1s", "1.5s", "5 s", "5s ", "5S" };
        uint64_t usec = 42;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_int_eq(duration_parse(&usec, bad[i]), -EINVAL);

        ck_assert_int_eq(duration_parse(&usec, "99999999999999999999s"), -ERANGE);
        ck_assert_int_eq(duration_parse(&usec, "900000h"), -ERANGE);
        ck_assert_uint_eq(usec, 42);
}
END_TEST

START_TEST(what_is_written_is_read_back) {
        static const uint64_t spans[] = {
                0, 1, 999, 1000, 500000, 90 * USEC_PER_SEC, 25 * USEC_PER_HOUR + 1
        };
        char text[DURATION_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(spans); i++) {
                uint64_t usec = 42;

                ck_assert_int_eq(duration_parse(&usec, duration_format(text, spans[i])), 0);
                ck_assert_uint_eq(usec, spans[i]);
        }
        ck_assert_str_eq(duration_format(text, 90 * USEC_PER_SEC), "1m30s");
}
END_TEST

START_TEST(says_two_digits) {
        char text[DURATION_TEXT_MAX];

        ck_assert_str_eq(duration_say(text, 2345 * USEC_PER_MSEC), "2.3 s");
        ck_assert_str_eq(duration_say(text, 450 * USEC_PER_MSEC), "450 ms");
        ck_assert_str_eq(duration_say(text, 42 * USEC_PER_SEC), "42 s");
        ck_assert_str_eq(duration_say(text, 3 * USEC_PER_MINUTE), "3.0 min");
}
END_TEST

TEST_MAIN("duration",
          NULL,
          NULL,
          reads_what_manifests_write,
          refuses_all_else_and_leaves_the_result_alone,
          what_is_written_is_read_back,
          says_two_digits)
