/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The list is closed: what the guide and the interface tell authors of apps is what the code has,
 * no more and no less.
 */

#include <stdio.h>
#include <string.h>

#include "model/reason-code.h"
#include "test.h"
#include "util/strv.h"

static char *read_source(const char *name) {
        _cleanup_free_ char *path = NULL;
        char *text = NULL;
        size_t n_allocated = 0;
        FILE *file;

        ck_assert_int_gt(asprintf(&path, "%s/%s", getenv("SIDECARD_SOURCE"), name), 0);
        file = fopen(path, "re");
        ck_assert_msg(file != NULL, "%s is not there", path);
        ck_assert_int_gt(getdelim(&text, &n_allocated, '\0', file), 0);
        (void) fclose(file);
        return text;
}

START_TEST(the_guide_has_each_word_with_its_meaning_and_no_other) {
        _cleanup_free_ char *guide = read_source("docs/guide.md");
        const char *at = strstr(guide, "| ReasonCode | means |\n|---|---|\n");

        ck_assert_ptr_nonnull(at);
        at = strchr(strchr(at, '\n') + 1, '\n') + 1;
        for (size_t i = 0; i < _REASON_CODE_MAX; i++) {
                _cleanup_free_ char *row = NULL;

                ck_assert_int_gt(asprintf(&row, "| `%s` | %s |\n", reason_codes[i].word,
                                          reason_codes[i].meaning),
                                 0);
                ck_assert_msg(startswith(at, row), "The guide lacks this row here: %s", row);
                at += strlen(row);
        }
        ck_assert_msg(*at == '\n', "The guide has a row too many: %.40s", at);
}
END_TEST

START_TEST(the_interface_has_each_word_and_no_other) {
        static const char blank[] = " \n";
        _cleanup_free_ char *xml = read_source("dbus/org.sidecard.Sidecars1.Sidecar.xml");
        char *at = strstr(xml, "A closed list of machine words:");

        ck_assert_ptr_nonnull(at);
        at = strchr(at, ':') + 1;
        for (size_t i = 0; i < _REASON_CODE_MAX; i++) {
                const char *word = reason_codes[i].word;
                size_t n;

                at += strspn(at, blank);
                n = strcspn(at, blank);
                ck_assert_msg(n == strlen(word) && startswith(at, word),
                              "The interface has %.*s where %s should be", (int) n, at, word);
                at += n;
        }
        at += strspn(at, blank);
        ck_assert(startswith(at, "-->"));
}
END_TEST

START_TEST(whoever_has_failed_is_told_what_would_help) {
        for (size_t i = 0; i < _REASON_CODE_MAX; i++) {
                ck_assert_ptr_nonnull(reason_codes[i].word);
                ck_assert_ptr_nonnull(reason_codes[i].remedy);
                /* A crash loop has the remedy of its last failure. */
                ck_assert_msg((*reason_codes[i].remedy != '\0') ==
                                      (i != REASON_NONE && i != REASON_CRASH_LOOP),
                              "%s", reason_codes[i].word);
        }
}
END_TEST

TEST_MAIN("reason codes",
          NULL,
          NULL,
          the_guide_has_each_word_with_its_meaning_and_no_other,
          the_interface_has_each_word_and_no_other,
          whoever_has_failed_is_told_what_would_help)
