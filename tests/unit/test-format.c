/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test.h"
#include "util/format.h"

START_TEST(a_text_is_as_long_as_it_has_to_be) {
        _cleanup_free_ char *empty = format_text("%s", "");
        _cleanup_free_ char *text = format_text("%05000d %s", 7, "end");

        ck_assert_str_eq(empty, "");
        ck_assert_uint_eq(strlen(text), 5004);
        ck_assert_str_eq(text + 4999, "7 end");
}
END_TEST

START_TEST(a_failure_has_its_error_and_its_message) {
        _cleanup_free_ char *message = NULL;

        ck_assert_int_eq(fail_with(&message, -EACCES, format_text("no %s", "entry")), -EACCES);
        ck_assert_str_eq(message, "no entry");
}
END_TEST

START_TEST(without_memory_for_its_message_a_failure_is_another) {
        char kept[] = "kept", *message = kept;

        ck_assert_int_eq(fail_with(&message, -EACCES, NULL), -ENOMEM);
        ck_assert_ptr_eq(message, kept);
}
END_TEST

TEST_MAIN("format",
          NULL,
          NULL,
          a_text_is_as_long_as_it_has_to_be,
          a_failure_has_its_error_and_its_message,
          without_memory_for_its_message_a_failure_is_another)
