/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test.h"
#include "util/strv.h"

START_TEST(an_environment_is_set_replaced_and_unset) {
        _cleanup_(strv_freep) char **env = NULL;

        ck_assert_int_eq(strv_env_set(&env, "A", "1"), 0);
        ck_assert_int_eq(strv_env_set(&env, "AB", "2"), 0);
        ck_assert_int_eq(strv_env_set(&env, "A", "3"), 0);
        ck_assert_str_eq(strv_env_get(env, "A"), "3");
        ck_assert_str_eq(strv_env_get(env, "AB"), "2");
        ck_assert_uint_eq(strv_length(env), 2);

        ck_assert_int_eq(strv_env_set(&env, "A", NULL), 0);
        ck_assert_int_eq(strv_env_set(&env, "NEVER", NULL), 0);
        ck_assert_ptr_null(strv_env_get(env, "A"));
        ck_assert_uint_eq(strv_length(env), 1);
}
END_TEST

START_TEST(split_leaves_out_what_is_empty) {
        _cleanup_(strv_freep) char **strv = NULL;

        ck_assert_int_eq(strv_split(&strv, ":/usr/share::/opt:", ':'), 0);
        ck_assert_uint_eq(strv_length(strv), 2);
        ck_assert(strv_contains(strv, "/opt"));
        ck_assert(!strv_contains(strv, ""));
}
END_TEST

TEST_MAIN("strv",
          NULL,
          NULL,
          an_environment_is_set_replaced_and_unset,
          split_leaves_out_what_is_empty)
