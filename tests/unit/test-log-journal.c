/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The log of the supervisor where standard error is a stream of the journal.
 */

#include <stdio.h>

#include "journal-socket.h"
#include "util/log.h"

static int journal_fd, stream_fd;
static JournalDatagram datagram;

/* As systemd would: a stream, and its place in the environment, systemd.exec(5). */
static void setup(void) {
        char place[64];
        struct stat st;
        int ends[2];

        journal_fd = journal_socket_make();
        ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
        stream_fd = ends[0];
        ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
        (void) snprintf(place, sizeof(place), "%llu:%llu", (unsigned long long) st.st_dev,
                        (unsigned long long) st.st_ino);
        ck_assert_int_eq(setenv("JOURNAL_STREAM", place, true), 0);
}

START_TEST(a_message_is_an_entry_with_fields) {
        const LogSubject subject = { "org.example.App", "web", 7,
                                     "5b5068b124ab4cd6ada4349881492a34" };

        log_about(&subject, LOG_ERR, -ENOENT, "[%s] no luck", "web");
        ck_assert(journal_receive(journal_fd, 0, &datagram));
        ck_assert(journal_is_message(&datagram, "[web] no luck: No such file or directory"));
        journal_assert_field(&datagram, "PRIORITY", "3");
        journal_assert_field(&datagram, "SYSLOG_IDENTIFIER", "sidecard");
        journal_assert_field(&datagram, "SIDECARD_APP", "org.example.App");
        journal_assert_field(&datagram, "SIDECARD_NAME", "web");
        journal_assert_field(&datagram, "SIDECARD_GENERATION", "7");
        journal_assert_field(&datagram, "MESSAGE_ID", "5b5068b124ab4cd6ada4349881492a34");
        ck_assert_int_lt(read(stream_fd, &datagram, 1), 0);
}
END_TEST

START_TEST(what_is_of_no_sidecar_has_none_of_its_fields) {
        log_notice("Stopping");
        ck_assert(journal_receive(journal_fd, 0, &datagram));
        ck_assert(journal_is_message(&datagram, "Stopping"));
        journal_assert_field(&datagram, "PRIORITY", "5");
        ck_assert_ptr_null(journal_field(&datagram, "SIDECARD_APP"));
        ck_assert_ptr_null(journal_field(&datagram, "SIDECARD_GENERATION"));
        ck_assert_ptr_null(journal_field(&datagram, "MESSAGE_ID"));
}
END_TEST

START_TEST(what_the_journal_does_not_take_is_a_line_with_its_priority) {
        char text[64] = "";

        ck_assert_int_eq(unlink(JOURNAL_PATH), 0);
        log_warning("no journal");
        ck_assert_int_gt(read(stream_fd, text, sizeof(text) - 1), 0);
        ck_assert_str_eq(text, "<4>no journal\n");
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_message_is_an_entry_with_fields,
                what_is_of_no_sidecar_has_none_of_its_fields,
                what_the_journal_does_not_take_is_a_line_with_its_priority,
        };

        if (geteuid() != 0) {
                puts("Skipped: only root can have a journal of its own");
                return JOURNAL_SKIPPED;
        }
        return test_run("log-journal", 60, setup, NULL, tests, ELEMENTSOF(tests));
}
