/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "model/notification-text.h"
#include "test.h"

#define AGAIN "It is not started again by itself."

static void assert_text(char *text, const char *expected) {
        _cleanup_free_ char *owned = text;

        ck_assert_str_eq(owned, expected);
}

START_TEST(a_title_names_app_and_sidecar) {
        assert_text(notification_summary("Xgen", "Local server"), "Xgen: Local server has failed");
        assert_text(notification_summary("A & B", "<b>"), "A & B: <b> has failed");
        assert_text(notification_summary_of_more("Xgen", 1), "Xgen: one more has failed");
        assert_text(notification_summary_of_more("Xgen", 12), "Xgen: 12 more have failed");
}
END_TEST

START_TEST(a_body_says_why_and_what_comes_next) {
        char *names[] = { (char *) "api", (char *) "web", NULL };

        assert_text(notification_body("exited with code 1", true), "exited with code 1\n" AGAIN);
        assert_text(notification_body("", true), AGAIN);
        assert_text(notification_body_of_more(names, true), "api, web");
}
END_TEST

START_TEST(markup_of_strangers_is_text) {
        assert_text(notification_body("<a href=\"x\">&amp;</a>", true),
                    "&lt;a href=\"x\"&gt;&amp;amp;&lt;/a&gt;\n" AGAIN);
        assert_text(notification_body("<i>&</i>", false), "<i>&</i>\n" AGAIN);
}
END_TEST

START_TEST(nothing_turns_the_line_or_drives_a_terminal) {
        assert_text(notification_body("a\x1B[31mb\nc\x7F\xC2\x9B", false), "a?[31mb?c??\n" AGAIN);
        assert_text(
                notification_body("exe.\xE2\x80\xAEgpj\xE2\x81\xA9\xD8\x9C\xE2\x80\x8F!", false),
                "exe.gpj!\n" AGAIN);
        /* Letters of the same rows stay, whichever way they run. */
        assert_text(notification_body("\xD8\xA7\xE2\x80\xA6\xE2\x81\xBF", false),
                    "\xD8\xA7\xE2\x80\xA6\xE2\x81\xBF\n" AGAIN);
}
END_TEST

START_TEST(what_is_long_is_cut) {
        char text[5000];
        _cleanup_free_ char *body = NULL;

        memset(text, '&', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        body = notification_body(text, true);
        ck_assert_uint_le(strlen(body), 1024 * strlen("&amp;") + strlen("\n" AGAIN));
        ck_assert_ptr_nonnull(strstr(body, "&amp;\n" AGAIN));
}
END_TEST

TEST_MAIN("notification-text",
          NULL,
          NULL,
          a_title_names_app_and_sidecar,
          a_body_says_why_and_what_comes_next,
          markup_of_strangers_is_text,
          nothing_turns_the_line_or_drives_a_terminal,
          what_is_long_is_cut)
