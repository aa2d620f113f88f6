/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Each allocation of a module fails once, one after the other, until none is left to fail. That
 * nothing leaks is for the sanitizers to say.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "faults/allocation.h"
#include "io/ledger-file.h"
#include "sample-record.h"
#include "test.h"

static char *argv[] = { (char *) (uintptr_t) "python3", (char *) (uintptr_t) "app.py", NULL };
static const Sample sample = {
        .slot = 7,
        .token = (char *) (uintptr_t) "token",
        .argv = argv,
        .part = { 3, (char *) (uintptr_t) "part" },
};

START_TEST(an_encoding_that_failed_adds_nothing) {
        static char long_text[4000];
        Sample large = sample;
        unsigned n = 0;
        int r = -ENOMEM;

        memset(long_text, 'x', sizeof(long_text) - 1);
        large.token = long_text;
        for (n = 1; r < 0; n++) {
                _cleanup_(record_buffer_done) RecordBuffer buffer = { 0 };
                size_t before;

                ck_assert_int_eq(record_encode(&buffer, sample_fields, &sample), 0);
                before = buffer.n_bytes;
                fail_allocation(n);
                r = record_encode(&buffer, sample_fields, &large);
                fail_allocation(0);
                ck_assert(r == 0 || (r == -ENOMEM && buffer.n_bytes == before));
        }
        ck_assert_uint_ge(n, 3);
}
END_TEST

START_TEST(a_decoding_that_failed_has_made_nothing) {
        _cleanup_(record_buffer_done) RecordBuffer buffer = { 0 };
        unsigned n;
        int r = -ENOMEM;

        ck_assert_int_eq(record_encode(&buffer, sample_fields, &sample), 0);
        for (n = 1; r < 0; n++) {
                _cleanup_(sample_done) Sample read = { 0 };

                fail_allocation(n);
                r = record_decode(buffer.bytes, buffer.n_bytes, sample_fields, &read);
                fail_allocation(0);
                ck_assert(r == 0 || (r == -ENOMEM && !read.token && !read.argv && !read.part.name));
        }
        /* token, vector, two strings of it, name, and the one that did not fail. */
        ck_assert_uint_eq(n, 7);
}
END_TEST

START_TEST(a_huge_count_is_refused_before_anything_is_made_for_it) {
        const struct __attribute__((packed)) {
                uint16_t tag;
                uint32_t n_bytes, count;
        } record = { 7, sizeof(uint32_t), UINT32_MAX };
        Sample read = { 0 };

        fail_allocation(1);
        ck_assert_int_eq(
                record_decode((const char *) &record, sizeof(record), sample_fields, &read),
                -EBADMSG);
        fail_allocation(0);
}
END_TEST

static int count_record(uint32_t kind, const char *payload, size_t n_bytes, void *userdata) {
        (void) kind;
        (void) payload;
        (void) n_bytes;
        ++*(unsigned *) userdata;
        return 0;
}

static int write_one(LedgerFile *fresh, void *userdata) {
        (void) userdata;
        return ledger_file_append(fresh, 1, "one", 3);
}

static int keep(int fd, void *userdata) {
        (void) fd;
        (void) userdata;
        return 0;
}

START_TEST(a_ledger_that_was_not_opened_is_still_the_callers) {
        int fd = memfd_create("test", MFD_CLOEXEC), r = -ENOMEM;
        _cleanup_(ledger_file_freep) LedgerFile *ledger = NULL;
        unsigned n;

        ck_assert_int_ge(fd, 0);
        for (n = 1; r < 0; n++) {
                unsigned n_told = 0;

                fail_allocation(n);
                r = ledger_file_open(&ledger, fd, count_record, &n_told);
                fail_allocation(0);
                ck_assert(r == 0 || (r == -ENOMEM && !ledger && fcntl(fd, F_GETFD) >= 0));
        }
        ck_assert_uint_ge(n, 3);
}
END_TEST

START_TEST(a_rewrite_that_failed_leaves_the_ledger_as_it_was) {
        int fd = memfd_create("test", MFD_CLOEXEC), r = -ENOMEM;
        _cleanup_(ledger_file_freep) LedgerFile *ledger = NULL;
        unsigned n_told = 0, n;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ledger_file_open(&ledger, fd, count_record, &n_told), 0);
        for (n = 1; r < 0; n++) {
                fail_allocation(n);
                r = ledger_file_rewrite(ledger, write_one, keep, NULL);
                fail_allocation(0);
                ck_assert(r == 0 || (r == -ENOMEM && fcntl(fd, F_GETFD) >= 0));
                if (r < 0)
                        ck_assert_int_eq(write_one(ledger, NULL), 0);
        }
        ck_assert_uint_ge(n, 3);

        /* Nothing is allocated to append: what must be noted when memory is short can be. */
        fail_allocation(1);
        ck_assert_int_eq(write_one(ledger, NULL), 0);
        fail_allocation(0);
}
END_TEST

TEST_MAIN("allocation",
          NULL,
          NULL,
          an_encoding_that_failed_adds_nothing,
          a_decoding_that_failed_has_made_nothing,
          a_huge_count_is_refused_before_anything_is_made_for_it,
          a_ledger_that_was_not_opened_is_still_the_callers,
          a_rewrite_that_failed_leaves_the_ledger_as_it_was)
