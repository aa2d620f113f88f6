/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "model/notify-message.h"
#include "test.h"
#include "util/duration.h"

static NotifyMessage message;

/* Of a copy without its end, so that a read beyond it is seen. */
static int parse(const char *bytes, size_t n_bytes) {
        _cleanup_free_ char *copy = malloc(n_bytes + 1);

        memcpy(copy, bytes, n_bytes);
        copy = realloc(copy, n_bytes > 0 ? n_bytes : 1);
        return notify_message_parse(&message, copy, n_bytes);
}

static unsigned says(const char *text) {
        ck_assert_int_eq(parse(text, strlen(text)), 0);
        return message.said;
}

START_TEST(every_word_is_understood_in_any_order) {
        static const char text[] =
                "STATUS=Ready to go\nREADY=1\nERRNO=2\nMAINPID=4711\n"
                "EXTEND_TIMEOUT_USEC=5000000\nWATCHDOG=1\nWATCHDOG_USEC=20000000\n"
                "RELOADING=1\nSTOPPING=1\nBARRIER=1\nWATCHDOG=trigger";

        ck_assert_uint_eq(says(text), (NOTIFY_WATCHDOG_TIMEOUT << 1) - 1);
        ck_assert_str_eq(message.status, "Ready to go");
        ck_assert_int_eq(message.error, 2);
        ck_assert_int_eq(message.main_pid, 4711);
        ck_assert_uint_eq(message.extend_timeout_usec, 5 * USEC_PER_SEC);
        ck_assert_uint_eq(message.watchdog_timeout_usec, 20 * USEC_PER_SEC);
}
END_TEST

START_TEST(each_word_says_one_thing) {
        static const struct {
                const char *text;
                unsigned says;
        } cases[] = {
                { "READY=1", NOTIFY_READY },
                { "READY=1\n", NOTIFY_READY },
                { "\n\nREADY=1\n\n", NOTIFY_READY },
                { "RELOADING=1\nMONOTONIC_USEC=12", NOTIFY_RELOADING },
                { "STOPPING=1", NOTIFY_STOPPING },
                { "BARRIER=1", NOTIFY_BARRIER },
                { "WATCHDOG=1", NOTIFY_WATCHDOG },
                { "WATCHDOG=trigger", NOTIFY_WATCHDOG_TRIGGER },
                { "WATCHDOG_USEC=0", NOTIFY_WATCHDOG_TIMEOUT },
                { "STATUS=", NOTIFY_STATUS },
                { "STATUS=a=b", NOTIFY_STATUS },
                { "MAINPID=1", NOTIFY_MAIN_PID },
                { "MAINPID=2147483647", NOTIFY_MAIN_PID },
                { "ERRNO=4095", NOTIFY_ERRNO },
                { "EXTEND_TIMEOUT_USEC=1", NOTIFY_EXTEND_TIMEOUT },
                { "FDSTORE=1\nX_ANY=thing\nREADY=1\nnonsense", NOTIFY_READY },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                ck_assert_msg(says(cases[i].text) == cases[i].says, "%s", cases[i].text);
}
END_TEST

START_TEST(what_is_wrong_says_nothing_and_spoils_nothing) {
        static const char *const wrong[] = {
                "READY=0",
                "READY=",
                "READY=11",
                "READY",
                "ready=1",
                " READY=1",
                "READY=1 ",
                "READY =1",
                "=1",
                "=",
                "WATCHDOG=2",
                "WATCHDOG=triggers",
                "MAINPID=0",
                "MAINPID=-1",
                "MAINPID=+1",
                "MAINPID= 1",
                "MAINPID=1x",
                "MAINPID=",
                "MAINPID=2147483648",
                "MAINPID=18446744073709551617",
                "ERRNO=0",
                "ERRNO=4096",
                "WATCHDOG_USEC=18446744073709551615",
                "EXTEND_TIMEOUT_USEC=99999999999999999999999999",
                "EXTEND_TIMEOUT_USEC=0x10",
                "STATUS=\xff",
                "STATUS=\xc3",
        };
        char text[128];

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                ck_assert_msg(says(wrong[i]) == 0, "%s", wrong[i]);
                (void) snprintf(text, sizeof(text), "%s\nREADY=1\n%s", wrong[i], wrong[i]);
                ck_assert_msg(says(text) == NOTIFY_READY, "%s", wrong[i]);
        }
}
END_TEST

START_TEST(of_a_word_said_twice_the_last_counts) {
        ck_assert_uint_eq(says("STATUS=first, and longer\nSTATUS=second"), NOTIFY_STATUS);
        ck_assert_str_eq(message.status, "second");
        ck_assert_uint_eq(says("MAINPID=7\nMAINPID=8\nMAINPID=x"), NOTIFY_MAIN_PID);
        ck_assert_int_eq(message.main_pid, 8);
}
END_TEST

START_TEST(a_status_is_one_line_for_people) {
        char text[NOTIFY_BYTES_MAX] = "STATUS=";

        (void) says("STATUS=\x1b[31mred\ttape\x7f \xc2\x9b");
        ck_assert_str_eq(message.status, "?[31mred?tape? ?");

        /* 256 characters of two bytes fit, and one byte in front of them moves the cut. */
        for (size_t i = 0; i < 300; i++)
                (void) strcat(text, "\xc3\xa9");
        (void) says(text);
        ck_assert_uint_eq(strlen(message.status), NOTIFY_STATUS_BYTES_MAX);
        (void) strcpy(text, "STATUS=!");
        for (size_t i = 0; i < 300; i++)
                (void) strcat(text, "\xc3\xa9");
        (void) says(text);
        ck_assert_uint_eq(strlen(message.status), NOTIFY_STATUS_BYTES_MAX - 1);
}
END_TEST

START_TEST(a_message_too_long_or_with_a_nul_inside_is_refused) {
        char text[NOTIFY_BYTES_MAX + 1];

        memset(text, 'x', sizeof(text));
        memcpy(text, "READY=1\n", 8);
        ck_assert_int_eq(parse(text, NOTIFY_BYTES_MAX), 0);
        ck_assert_uint_eq(message.said, NOTIFY_READY);

        message.said = 42;
        ck_assert_int_eq(parse(text, NOTIFY_BYTES_MAX + 1), -EBADMSG);
        ck_assert_int_eq(parse("READY=1\0STOPPING=1", 18), -EBADMSG);
        ck_assert_int_eq(parse("READY=1\0\0", 9), -EBADMSG);
        ck_assert_int_eq(parse("\0READY=1", 8), -EBADMSG);
        ck_assert_uint_eq(message.said, 42);

        ck_assert_int_eq(parse("READY=1\0", 8), 0);
        ck_assert_uint_eq(message.said, NOTIFY_READY);
        ck_assert_int_eq(parse("", 0), 0);
        ck_assert_uint_eq(message.said, 0);
}
END_TEST

TEST_MAIN("notify-message",
          NULL,
          NULL,
          every_word_is_understood_in_any_order,
          each_word_says_one_thing,
          what_is_wrong_says_nothing_and_spoils_nothing,
          of_a_word_said_twice_the_last_counts,
          a_status_is_one_line_for_people,
          a_message_too_long_or_with_a_nul_inside_is_refused)
