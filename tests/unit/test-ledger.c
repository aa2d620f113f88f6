/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "model/ledger.h"
#include "seed.h"
#include "test.h"

#define N_RECORDS 200u
#define PAYLOAD_BYTES_MAX 200u

static Random random_numbers;
static char ledger[LEDGER_HEADER_BYTES + N_RECORDS * (LEDGER_FRAME_BYTES + PAYLOAD_BYTES_MAX)];
static size_t n_ledger;
static size_t starts[N_RECORDS + 1]; /* where each begins, and where the last one ends */

static void put_record(uint32_t kind, const char *payload, size_t n_bytes) {
        ledger_make_frame(ledger + n_ledger, kind, payload, n_bytes);
        if (n_bytes > 0)
                memcpy(ledger + n_ledger + LEDGER_FRAME_BYTES, payload, n_bytes);
        n_ledger += LEDGER_FRAME_BYTES + n_bytes;
}

/* Kinds are random too: the loader knows none. */
static void setup(void) {
        random_numbers = seed_take();
        ledger_make_header(ledger);
        n_ledger = LEDGER_HEADER_BYTES;

        for (unsigned i = 0; i < N_RECORDS; i++) {
                char payload[PAYLOAD_BYTES_MAX];
                size_t n = random_span(&random_numbers, sizeof(payload));

                for (size_t j = 0; j < n; j++)
                        payload[j] = (char) random_next(&random_numbers);
                starts[i] = n_ledger;
                put_record((uint32_t) random_next(&random_numbers), payload, n);
        }
        starts[N_RECORDS] = n_ledger;
}

/*
 * What was written is whole at its place, as far as it is told. An assertion each would take most
 * of the time of the test, since libcheck writes every one down.
 */
static int expect_next(uint32_t kind, const char *payload, size_t n_bytes, void *userdata) {
        unsigned *n_told = userdata;
        const char *written = ledger + starts[*n_told];

        if (*n_told == N_RECORDS || memcmp(&kind, written, sizeof(kind)) != 0 ||
            n_bytes != starts[*n_told + 1] - starts[*n_told] - LEDGER_FRAME_BYTES ||
            memcmp(payload, written + LEDGER_FRAME_BYTES, n_bytes) != 0)
                ck_abort_msg("record %u is not what was written", *n_told);
        ++*n_told;
        return 0;
}

/* From an exact copy, so that a read beyond the end is seen. */
static void assert_reads(const char *bytes, size_t n_bytes, unsigned n_records, size_t valid) {
        _cleanup_free_ char *copy = malloc(n_bytes > 0 ? n_bytes : 1);
        size_t found = 1;
        unsigned n_told = 0;

        ck_assert_ptr_nonnull(copy);
        if (n_bytes > 0)
                memcpy(copy, bytes, n_bytes);
        ck_assert_int_eq(ledger_read(copy, n_bytes, expect_next, &n_told, &found), 0);
        ck_assert_uint_eq(n_told, n_records);
        ck_assert_uint_eq(found, valid);
}

START_TEST(no_bytes_are_an_empty_ledger) {
        size_t valid = 1;

        ck_assert_int_eq(ledger_read(NULL, 0, expect_next, NULL, &valid), 0);
        ck_assert_uint_eq(valid, 0);
}
END_TEST

START_TEST(every_prefix_has_the_whole_records_before_the_cut) {
        unsigned n_whole = 0;

        for (size_t cut = 0; cut <= n_ledger; cut++) {
                size_t valid = cut < LEDGER_HEADER_BYTES ? 0 : starts[n_whole];

                if (n_whole < N_RECORDS && cut == starts[n_whole + 1])
                        valid = starts[++n_whole];
                assert_reads(ledger, cut, n_whole, valid);
        }
        ck_assert_uint_eq(n_whole, N_RECORDS);
}
END_TEST

/* In a copy, since expect_next() compares with the ledger. */
static char *damaged_copy(size_t position, unsigned char flips) {
        char *copy = malloc(n_ledger);

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, ledger, n_ledger);
        copy[position] = (char) (copy[position] ^ flips);
        return copy;
}

START_TEST(a_wrong_byte_in_the_last_record_drops_only_that) {
        for (size_t at = starts[N_RECORDS - 1]; at < n_ledger; at++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        _cleanup_free_ char *copy = damaged_copy(at, (unsigned char) (1u << bit));

                        assert_reads(copy, n_ledger, N_RECORDS - 1, starts[N_RECORDS - 1]);
                }
}
END_TEST

START_TEST(a_wrong_byte_in_an_inner_record_ends_the_reading_there) {
        unsigned n_before = 0;

        for (size_t at = LEDGER_HEADER_BYTES; at < n_ledger; at++) {
                unsigned char flips = (unsigned char) (1 + random_below(&random_numbers, 255));
                _cleanup_free_ char *copy = damaged_copy(at, flips);

                if (at == starts[n_before + 1])
                        n_before++;
                assert_reads(copy, n_ledger, n_before, starts[n_before]);
        }
}
END_TEST

START_TEST(bytes_of_zero_are_no_record) {
        _cleanup_free_ char *grown = calloc(1, n_ledger + 4096);

        ck_assert_ptr_nonnull(grown);
        memcpy(grown, ledger, n_ledger);
        assert_reads(grown, n_ledger + 4096, N_RECORDS, n_ledger);
}
END_TEST

START_TEST(an_empty_payload_is_a_record) {
        size_t before = n_ledger = LEDGER_HEADER_BYTES;

        put_record(7, NULL, 0);
        starts[0] = before;
        starts[1] = n_ledger;
        assert_reads(ledger, n_ledger, 1, n_ledger);
}
END_TEST

static int take_any(uint32_t kind, const char *payload, size_t n_bytes, void *userdata) {
        (void) kind;
        (void) payload;
        *(size_t *) userdata = n_bytes;
        return 0;
}

/* With a checksum that adds up: it is the length alone that is refused. */
START_TEST(a_record_over_the_limit_is_none) {
        size_t room = LEDGER_HEADER_BYTES + LEDGER_FRAME_BYTES + LEDGER_RECORD_BYTES_MAX + 1;
        _cleanup_free_ char *large = calloc(1, room);
        char *frame = large + LEDGER_HEADER_BYTES, *payload = frame + LEDGER_FRAME_BYTES;
        size_t valid = 0, n_bytes = 0;

        ck_assert_ptr_nonnull(large);
        ledger_make_header(large);
        ledger_make_frame(frame, 1, payload, LEDGER_RECORD_BYTES_MAX);
        ck_assert_int_eq(ledger_read(large, room - 1, take_any, &n_bytes, &valid), 0);
        ck_assert_uint_eq(n_bytes, LEDGER_RECORD_BYTES_MAX);
        ck_assert_uint_eq(valid, room - 1);

        n_bytes = 0;
        ledger_make_frame(frame, 1, payload, LEDGER_RECORD_BYTES_MAX + 1);
        ck_assert_int_eq(ledger_read(large, room, take_any, &n_bytes, &valid), 0);
        ck_assert_uint_eq(n_bytes, 0);
        ck_assert_uint_eq(valid, LEDGER_HEADER_BYTES);
}
END_TEST

START_TEST(another_major_is_not_read_and_another_minor_is) {
        const uint32_t major = LEDGER_MAJOR + 1, minor = 1000;
        unsigned n_told = 0;
        size_t valid = 1;

        memcpy(ledger + 12, &minor, sizeof(minor));
        assert_reads(ledger, n_ledger, N_RECORDS, n_ledger);

        memcpy(ledger + 8, &major, sizeof(major));
        ck_assert_int_eq(ledger_read(ledger, n_ledger, expect_next, &n_told, &valid),
                         -EPROTONOSUPPORT);
        ck_assert_uint_eq(n_told, 0);
        ck_assert_uint_eq(valid, 1);
}
END_TEST

START_TEST(what_is_no_ledger_is_refused) {
        static const char zeros[4096] = { 0 };
        unsigned n_told = 0;
        size_t valid = 1;

        for (size_t at = 0; at < 8; at++) {
                _cleanup_free_ char *copy = damaged_copy(at, 0x20);

                ck_assert_int_eq(ledger_read(copy, n_ledger, expect_next, &n_told, &valid),
                                 -EBADMSG);
                ck_assert_int_eq(ledger_read(copy, at + 1, expect_next, &n_told, &valid), -EBADMSG);
        }
        ck_assert_int_eq(ledger_read(zeros, sizeof(zeros), expect_next, &n_told, &valid), -EBADMSG);
        ck_assert_uint_eq(n_told, 0);
        ck_assert_uint_eq(valid, 1);
}
END_TEST

static int
give_up_at_the_third(uint32_t kind, const char *payload, size_t n_bytes, void *userdata) {
        (void) expect_next(kind, payload, n_bytes, userdata);
        return *(unsigned *) userdata == 3 ? -ENOMEM : 0;
}

START_TEST(the_reader_may_give_up) {
        unsigned n_told = 0;
        size_t valid = 1;

        ck_assert_int_eq(ledger_read(ledger, n_ledger, give_up_at_the_third, &n_told, &valid),
                         -ENOMEM);
        ck_assert_uint_eq(n_told, 3);
        ck_assert_uint_eq(valid, 1);
}
END_TEST

TEST_MAIN("ledger",
          setup,
          NULL,
          no_bytes_are_an_empty_ledger,
          every_prefix_has_the_whole_records_before_the_cut,
          a_wrong_byte_in_the_last_record_drops_only_that,
          a_wrong_byte_in_an_inner_record_ends_the_reading_there,
          bytes_of_zero_are_no_record,
          an_empty_payload_is_a_record,
          a_record_over_the_limit_is_none,
          another_major_is_not_read_and_another_minor_is,
          what_is_no_ledger_is_refused,
          the_reader_may_give_up)
