/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "model/secrets.h"
#include "seed.h"
#include "test.h"
#include "util/strv.h"

static char *blank(char *const *texts, const char *text, bool is_cut) {
        _cleanup_(secrets_freep) Secrets *secrets = NULL;
        size_t n_bytes = strlen(text);
        char *bytes = strdup(text);

        ck_assert_int_eq(secrets_new(&secrets, texts), 0);
        ck_assert_int_eq(secrets_blank(secrets, bytes, &n_bytes, is_cut), 0);
        ck_assert_uint_le(n_bytes, strlen(text));
        bytes[n_bytes] = '\0';
        return bytes;
}

static void assert_blanked(const char *text, const char *expected) {
        char *texts[] = { (char *) "hunter2",
                          (char *) "hunt",
                          (char *) "ter2go",
                          (char *) "abc",
                          (char *) "line one\n  line two \r\n",
                          NULL };
        _cleanup_free_ char *told = blank(texts, text, false);

        ck_assert_str_eq(told, expected);
}

START_TEST(each_secret_becomes_three_stars_wherever_it_stands) {
        assert_blanked("", "");
        assert_blanked("nothing here", "nothing here");
        assert_blanked("hunter2", "***");
        assert_blanked("a hunter2, and a hunt", "a ***, and a ***");
        assert_blanked("hunter", "***er");
        assert_blanked("line one and line two", "*** and ***");
}
END_TEST

START_TEST(of_those_that_overlap_or_touch_nothing_is_left) {
        assert_blanked("x hunter2go x", "x *** x");
        assert_blanked("hunthunthunter2", "***");
}
END_TEST

START_TEST(what_is_too_short_stands_in_too_many_harmless_places) {
        assert_blanked("abc", "abc");
}
END_TEST

START_TEST(the_beginning_of_one_at_a_cut_counts_as_one) {
        char *texts[] = { (char *) "correct horse", (char *) "recto", NULL };
        _cleanup_free_ char *cut = blank(texts, "it is correct hor", true);
        _cleanup_free_ char *whole = blank(texts, "it is correct hor", false);
        _cleanup_free_ char *short_cut = blank(texts, "it is c", true);
        _cleanup_free_ char *both = blank(texts, "correct horsecor", true);

        ck_assert_str_eq(cut, "it is ***");
        ck_assert_str_eq(whole, "it is correct hor");
        ck_assert_str_eq(short_cut, "it is *");
        ck_assert_str_eq(both, "***");
}
END_TEST

START_TEST(too_much_of_them_is_refused_and_none_blanks_nothing) {
        _cleanup_(secrets_freep) Secrets *secrets = NULL;
        _cleanup_free_ char *large = malloc(SECRETS_BYTES_MAX + 2), *told = NULL;
        char *texts[] = { large, NULL };

        memset(large, 'x', SECRETS_BYTES_MAX + 1);
        large[SECRETS_BYTES_MAX + 1] = '\0';
        ck_assert_int_eq(secrets_new(&secrets, texts), -E2BIG);
        ck_assert_ptr_null(secrets);

        large[SECRETS_BYTES_MAX] = '\0';
        told = blank(texts, large, false);
        ck_assert_str_eq(told, "***");
        free(told);
        told = blank(NULL, "as it is", true);
        ck_assert_str_eq(told, "as it is");
}
END_TEST

/* Marks by looking for each at every place, and then as the module has it. */
static void blank_plainly(char *const *texts, const char *text, char *told) {
        char marks[256] = { 0 };
        size_t n = strlen(text);

        STRV_FOREACH (secret, texts)
                for (size_t i = 0; i < n; i++)
                        if (strlen(*secret) >= SECRET_BYTES_MIN && startswith(text + i, *secret))
                                memset(marks + i, 1, strlen(*secret));
        for (size_t i = 0; i < n; i++)
                if (!marks[i])
                        *told++ = text[i];
                else if (i == 0 || !marks[i - 1])
                        told = stpcpy(told, "***");
        *told = '\0';
}

static void make_text(Random *random, char *text, uint32_t n_max) {
        uint32_t n = random_below(random, n_max);

        for (uint32_t i = 0; i < n; i++)
                text[i] = random_below(random, 2) == 0 ? 'a' : 'b';
        text[n] = '\0';
}

START_TEST(random_texts_are_blanked_as_by_plain_search) {
        Random random = seed_take();

        for (int round = 0; round < 20000; round++) {
                char secrets[4][12], text[200], expected[256];
                char *texts[] = { secrets[0], secrets[1], secrets[2], secrets[3], NULL };
                _cleanup_free_ char *told = NULL;

                for (size_t i = 0; i < 4; i++)
                        make_text(&random, secrets[i], sizeof(secrets[i]));
                make_text(&random, text, sizeof(text));
                blank_plainly(texts, text, expected);
                told = blank(texts, text, false);
                ck_assert_str_eq(told, expected);
        }
}
END_TEST

TEST_MAIN("secrets",
          NULL,
          NULL,
          each_secret_becomes_three_stars_wherever_it_stands,
          of_those_that_overlap_or_touch_nothing_is_left,
          what_is_too_short_stands_in_too_many_harmless_places,
          the_beginning_of_one_at_a_cut_counts_as_one,
          too_much_of_them_is_refused_and_none_blanks_nothing,
          random_texts_are_blanked_as_by_plain_search)
