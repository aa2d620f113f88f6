/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a manifest lets its clients hand over: contract A3, and the values of "passEnv".
 */

#include "manifest.h"
#include "model/passed.h"
#include "util/strv.h"

#define LISTED ", \"args\": [\"--verbose\", {\"pattern\": \"--level=[0-9]\"}]"

/* "": they are allowed. Freed by the caller. */
static char *judge(const char *more, const char *arguments) {
        _cleanup_(sidecar_spec_unrefp) SidecarSpec *spec = parse_sidecar("", more);
        _cleanup_(strv_freep) char **split = NULL;
        char *message = NULL;
        int r;

        ck_assert_int_eq(strv_split(&split, arguments, ' '), 0);
        r = passed_check_arguments(spec, split, &message);
        ck_assert(r == 0 || r == -EACCES);
        return r == 0 ? strdup("") : message;
}

START_TEST(a3_arguments_are_allowed_by_the_rule_of_their_position) {
        static const struct {
                const char *more, *arguments, *says;
        } cases[] = {
                { "", "", "" },
                { "", "--x", "argument 1: its manifest allows none" },
                { ", \"args\": false", "--x", "argument 1: its manifest allows none" },
                { ", \"args\": true", "--x y -- z", "" },
                { ", \"args\": []", "--x", "argument 1: its manifest allows 0" },
                { LISTED, "", "" },
                { LISTED, "--verbose", "" },
                { LISTED, "--verbose --level=3", "" },
                { LISTED, "--level=3", "argument 1 must be \"--verbose\"" },
                { LISTED, "--verbose --level=10", "argument 2 must match --level=[0-9]" },
                { LISTED, "--verbose x--level=1", "argument 2 must match --level=[0-9]" },
                { LISTED, "--verbose --level=1 more", "argument 3: its manifest allows 2" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *got = judge(cases[i].more, cases[i].arguments);

                ck_assert_msg(streq(got, cases[i].says), "%s with \"%s\": %s", cases[i].more,
                              cases[i].arguments, got);
        }
}
END_TEST

static int check_value(const char *pattern, const char *value) {
        return passed_check_value(
                &(PassedVariable){ .name = (char *) "X", .pattern = (char *) pattern }, value);
}

START_TEST(a_value_matches_its_pattern_from_end_to_end) {
        char longer[4096];

        ck_assert_int_eq(check_value(NULL, "any\nthing"), 1);
        ck_assert_int_eq(check_value("[a-z]+", "abc"), 1);
        ck_assert_int_eq(check_value("[a-z]+", "abc1"), 0);
        ck_assert_int_eq(check_value("[a-z]+", "1abc"), 0);
        ck_assert_int_eq(check_value("[a-z]+", "abc\n"), 0);
        ck_assert_int_eq(check_value("[a-z]+$", "abc\n"), 0);
        ck_assert_int_eq(check_value("a|ab", "ab"), 1);
        ck_assert_int_eq(check_value("(a+)+b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"), 0);
        ck_assert_int_eq(check_value("", ""), 1);
        ck_assert_int_eq(check_value("", "x"), 0);

        /* What is too long to be judged is not allowed. */
        memset(longer, 'a', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = '\0';
        ck_assert_int_eq(check_value("a*", longer), 0);
}
END_TEST

START_TEST(names_are_those_of_variables) {
        ck_assert(passed_is_name("PATH", 4) && passed_is_name("_x1", 3));
        ck_assert(!passed_is_name("", 0) && !passed_is_name("1X", 2));
        ck_assert(!passed_is_name("A=B", 3) && passed_is_name("A=B", 1));
        ck_assert(!passed_is_name("A B", 3) && !passed_is_name("\xC3\x84", 2));
}
END_TEST

START_TEST(there_are_limits_to_what_one_call_hands_over) {
        _cleanup_(strv_freep) char **many = NULL;
        _cleanup_free_ char *one = malloc(PASSED_BYTES_MAX + 2);

        for (unsigned i = 0; i < PASSED_MAX; i++)
                ck_assert_int_eq(strv_extend(&many, "A=1"), 0);
        ck_assert(!passed_is_too_much(many));
        ck_assert_int_eq(strv_extend(&many, "A=1"), 0);
        ck_assert(passed_is_too_much(many));

        memset(one, 'x', PASSED_BYTES_MAX + 1);
        one[PASSED_BYTES_MAX + 1] = '\0';
        ck_assert(passed_is_too_much((char *[]){ one, NULL }));
        ck_assert(!passed_is_too_much((char *[]){ one + 1, NULL }));
        ck_assert(!passed_is_too_much(NULL));
}
END_TEST

START_TEST(what_is_declared_is_there_in_the_order_of_its_names) {
        _cleanup_(sidecar_spec_unrefp) SidecarSpec *spec = parse_sidecar(
                "", ", \"passEnv\": {\"ZONE\": {\"pattern\": \"[a-z]*\", \"default\": \"eu\"},"
                    " \"A\": {}}");

        ck_assert_uint_eq(spec->n_passed, 2);
        ck_assert_str_eq(spec->passed[0].name, "A");
        ck_assert_ptr_null(spec->passed[0].fallback);
        ck_assert_str_eq(spec->passed[1].fallback, "eu");
        ck_assert_ptr_eq(sidecar_spec_find_passed(spec, "ZONE"), &spec->passed[1]);
        ck_assert_ptr_null(sidecar_spec_find_passed(spec, "ZON"));
        ck_assert_ptr_nonnull(strstr(spec->effective_json, "\"passEnv\""));
}
END_TEST

TEST_MAIN("passed",
          NULL,
          NULL,
          a3_arguments_are_allowed_by_the_rule_of_their_position,
          a_value_matches_its_pattern_from_end_to_end,
          names_are_those_of_variables,
          there_are_limits_to_what_one_call_hands_over,
          what_is_declared_is_there_in_the_order_of_its_names)
