/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <string.h>

#include "test.h"
#include "util/log.h"

/* Answers the reading end of what standard error is from now on. */
static int take_stderr(void) {
        int ends[2];

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
        close(ends[1]);
        return ends[0];
}

START_TEST(a_line_is_a_message_and_its_error) {
        int reader = take_stderr();
        char text[256] = "";

        log_debug("not at this level");
        ck_assert_int_eq(log_error_errno(-ENOENT, "no %s", "luck"), -ENOENT);
        ck_assert_int_gt(read(reader, text, sizeof(text) - 1), 0);
        ck_assert_str_eq(text, "no luck: No such file or directory\n");
}
END_TEST

START_TEST(a_reader_that_has_stopped_holds_nobody_up_and_is_told_what_it_missed) {
        char text[65536 + 1] = "";
        int reader = take_stderr();
        ssize_t n;

        for (int i = 0; i < 100000; i++)
                log_info("%d: a line that nobody reads", i);
        n = read(reader, text, sizeof(text) - 1);
        ck_assert_int_gt(n, 0);
        ck_assert_ptr_null(strstr(text, "were lost"));

        log_info("read again");
        n = read(reader, text, sizeof(text) - 1);
        ck_assert_int_gt(n, 0);
        text[n] = '\0';
        ck_assert_ptr_nonnull(strstr(text, "read again\n"));
        ck_assert_ptr_nonnull(strstr(text, " lines of the log were lost before this one\n"));
}
END_TEST

TEST_MAIN("log",
          NULL,
          NULL,
          a_line_is_a_message_and_its_error,
          a_reader_that_has_stopped_holds_nobody_up_and_is_told_what_it_missed)
