/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "model/record.h"
#include "sample-record.h"
#include "seed.h"
#include "test.h"

static RecordBuffer buffer;
static Sample sample;

static void teardown(void) {
        record_buffer_done(&buffer);
        sample_done(&sample);
}

static void put(const void *bytes, size_t n_bytes) {
        buffer.bytes = realloc(buffer.bytes, buffer.n_bytes + n_bytes);
        ck_assert_ptr_nonnull(buffer.bytes);
        memcpy(buffer.bytes + buffer.n_bytes, bytes, n_bytes);
        buffer.n_bytes += n_bytes;
        buffer.n_allocated = buffer.n_bytes;
}

/* A field by hand, so that the form itself is held fast: a later brain must read it. */
static void put_field(uint16_t tag, const void *bytes, uint32_t n_bytes) {
        put(&tag, sizeof(tag));
        put(&n_bytes, sizeof(n_bytes));
        put(bytes, n_bytes);
}

static void put_u32(uint32_t number) {
        put(&number, sizeof(number));
}

/* From an exact copy, so that a read beyond the end is seen. */
static int decode(const char *bytes, size_t n_bytes, Sample *ret) {
        _cleanup_free_ char *copy = malloc(n_bytes > 0 ? n_bytes : 1);

        ck_assert_ptr_nonnull(copy);
        if (n_bytes > 0)
                memcpy(copy, bytes, n_bytes);
        return record_decode(copy, n_bytes, sample_fields, ret);
}

static void assert_refused(void) {
        ck_assert_int_eq(decode(buffer.bytes, buffer.n_bytes, &sample), -EBADMSG);
        ck_assert_ptr_null(sample.token);
        ck_assert_ptr_null(sample.argv);
        ck_assert_ptr_null(sample.part.name);
        record_buffer_done(&buffer);
        sample_done(&sample);
}

static void assert_same_text(const char *a, const char *b) {
        ck_assert_int_eq(!a, !b);
        if (a)
                ck_assert_str_eq(a, b);
}

static void assert_same(const Sample *a, const Sample *b) {
        ck_assert_int_eq(a->is_up, b->is_up);
        ck_assert_int_eq(a->pid, b->pid);
        ck_assert_uint_eq(a->port, b->port);
        ck_assert_uint_eq(a->slot, b->slot);
        ck_assert_uint_eq(a->generation, b->generation);
        assert_same_text(a->token, b->token);
        ck_assert_int_eq(!a->argv, !b->argv);
        ck_assert_uint_eq(strv_length(a->argv), strv_length(b->argv));
        for (size_t i = 0; i < strv_length(a->argv); i++)
                ck_assert_str_eq(a->argv[i], b->argv[i]);
        ck_assert_uint_eq(a->part.number, b->part.number);
        assert_same_text(a->part.name, b->part.name);
}

static char *random_text(Random *random) {
        size_t n = random_span(random, 1000);
        char *text = malloc(n + 1);

        ck_assert_ptr_nonnull(text);
        for (size_t i = 0; i < n; i++)
                text[i] = (char) (1 + random_below(random, 255));
        text[n] = '\0';
        return text;
}

/* Every field is zero or NULL now and then. */
static Sample random_sample(Random *random) {
        Sample made = {
                .is_up = random_chance(random, 50),
                .pid = (pid_t) random_span(random, INT32_MAX) - 1,
                .port = (uint16_t) random_span(random, UINT16_MAX),
                .slot = (uint32_t) random_span(random, UINT32_MAX),
                .generation = random_span(random, UINT64_MAX - 1),
        };

        if (random_chance(random, 80))
                made.token = random_text(random);
        if (random_chance(random, 80)) {
                made.argv = calloc(1, sizeof(char *));
                ck_assert_ptr_nonnull(made.argv);
                for (uint64_t n = random_span(random, 40); n > 0; n--)
                        ck_assert_int_eq(strv_consume(&made.argv, random_text(random)), 0);
        }
        if (random_chance(random, 50)) {
                made.part.number = (uint32_t) random_span(random, UINT32_MAX);
                made.part.name = random_text(random);
        }
        return made;
}

START_TEST(what_is_written_is_read_back) {
        Random random = seed_take();

        for (unsigned i = 0; i < 2000; i++) {
                Sample written = random_sample(&random);

                buffer.n_bytes = 0;
                ck_assert_int_eq(record_encode(&buffer, sample_fields, &written), 0);
                ck_assert_int_eq(decode(buffer.bytes, buffer.n_bytes, &sample), 0);
                assert_same(&written, &sample);
                sample_done(&written);
                sample_done(&sample);
        }
}
END_TEST

START_TEST(the_form_is_tag_length_and_bytes) {
        static const unsigned char one[] = { 1 };
        Sample written = { .is_up = true, .token = (char *) (uintptr_t) "abc" };
        RecordBuffer made = { 0 };

        ck_assert_int_eq(record_encode(&made, sample_fields, &written), 0);
        put_field(1, one, 1);
        put_field(6, "abc", 3);
        ck_assert_uint_eq(made.n_bytes, buffer.n_bytes);
        ck_assert_mem_eq(made.bytes, buffer.bytes, made.n_bytes);
        record_buffer_done(&made);
}
END_TEST

START_TEST(what_is_zero_takes_no_bytes_and_changes_nothing) {
        ck_assert_int_eq(record_encode(&buffer, sample_fields, &sample), 0);
        ck_assert_uint_eq(buffer.n_bytes, 0);

        sample = (Sample){ .pid = -1, .slot = 7 };
        ck_assert_int_eq(record_decode(NULL, 0, sample_fields, &sample), 0);
        ck_assert_int_eq(sample.pid, -1);
        ck_assert_uint_eq(sample.slot, 7);
}
END_TEST

START_TEST(what_is_empty_is_not_null) {
        char *none[] = { NULL };
        Sample written = { .token = (char *) (uintptr_t) "", .argv = none };

        ck_assert_int_eq(record_encode(&buffer, sample_fields, &written), 0);
        ck_assert_int_eq(decode(buffer.bytes, buffer.n_bytes, &sample), 0);
        ck_assert_ptr_nonnull(sample.token);
        ck_assert_str_eq(sample.token, "");
        ck_assert_ptr_nonnull(sample.argv);
        ck_assert_ptr_null(sample.argv[0]);
        ck_assert_ptr_null(sample.part.name);
}
END_TEST

START_TEST(is_added_to_what_is_in_the_buffer) {
        Sample written = { .slot = 3 };

        put_field(5, "12345678", 8);
        ck_assert_int_eq(record_encode(&buffer, sample_fields, &written), 0);
        ck_assert_int_eq(decode(buffer.bytes, buffer.n_bytes, &sample), 0);
        ck_assert_mem_eq(&sample.generation, "12345678", 8);
        ck_assert_uint_eq(sample.slot, 3);
}
END_TEST

START_TEST(unknown_tags_are_skipped_at_every_depth) {
        static const RecordField older[] = {
                { 4, FIELD_U32, offsetof(Sample, slot), NULL },
                { 8, FIELD_STRUCT, offsetof(Sample, part), sample_part_fields + 1 },
                RECORD_END,
        };
        Random random = seed_take();
        Sample written = random_sample(&random);

        written.slot = 5;
        written.part.number = 9;
        ck_assert_int_eq(free_and_strdup(&written.part.name, "part"), 0);
        ck_assert_int_eq(record_encode(&buffer, sample_fields, &written), 0);
        ck_assert_int_eq(record_decode(buffer.bytes, buffer.n_bytes, older, &sample), 0);
        ck_assert_uint_eq(sample.slot, 5);
        ck_assert_str_eq(sample.part.name, "part");
        ck_assert_uint_eq(sample.part.number, 0);
        ck_assert_ptr_null(sample.token);
        ck_assert_uint_eq(sample.generation, 0);
        sample_done(&written);
}
END_TEST

START_TEST(a_known_tag_of_the_wrong_length_is_refused) {
        static const struct {
                uint16_t tag;
                uint32_t width;
        } cases[] = { { 1, 1 }, { 2, 4 }, { 3, 2 }, { 4, 4 }, { 5, 8 } };
        static const char zeros[16] = { 0 };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                for (uint32_t n = 0; n < sizeof(zeros); n++) {
                        if (n == cases[i].width)
                                continue;
                        put_field(6, "made before", 11);
                        put_field(cases[i].tag, zeros, n);
                        assert_refused();
                }
                put_field(cases[i].tag, zeros, cases[i].width);
                ck_assert_int_eq(decode(buffer.bytes, buffer.n_bytes, &sample), 0);
                record_buffer_done(&buffer);
        }
}
END_TEST

START_TEST(a_bool_is_one_of_two) {
        for (unsigned i = 2; i < 256; i++) {
                const unsigned char byte = (unsigned char) i;

                put_field(1, &byte, 1);
                assert_refused();
        }
}
END_TEST

START_TEST(a_string_with_a_nul_is_refused) {
        put_field(6, "a\0b", 3);
        assert_refused();
        put_field(6, "ab", 3);
        assert_refused();
}
END_TEST

START_TEST(tag_zero_is_refused) {
        /* Ten fields, were it a tag. */
        static const char zeros[60] = { 0 };

        put(zeros, sizeof(zeros));
        assert_refused();
}
END_TEST

/* One of 7: count, then whatever. */
static void put_strv_head(uint32_t n_bytes, uint32_t count) {
        const uint16_t tag = 7;

        put(&tag, sizeof(tag));
        put_u32(n_bytes);
        put_u32(count);
}

START_TEST(a_vector_whose_count_does_not_add_up_is_refused) {
        /* More strings than there are bytes: nothing is allocated for them. */
        put_strv_head(4, UINT32_MAX);
        assert_refused();
        put_strv_head(12, 3);
        put_u32(0);
        put_u32(0);
        assert_refused();

        /* Fewer, and something is left over. */
        put_strv_head(12, 1);
        put_u32(0);
        put_u32(0);
        assert_refused();

        /* A string longer than the vector, and one that lies about its end. */
        put_strv_head(8, 1);
        put_u32(1);
        put_field(6, "behind the vector", 17);
        assert_refused();
        put_strv_head(8, 1);
        put_u32(UINT32_MAX);
        assert_refused();

        put_field(7, "\1\0\0", 3);
        assert_refused();
}
END_TEST

START_TEST(a_length_beyond_the_end_is_refused) {
        const uint16_t unknown = 99;

        put(&unknown, sizeof(unknown));
        put_u32(UINT32_MAX);
        assert_refused();

        /* A field of the nested struct that reaches out of it. */
        put_field(8, "\2\0\4\0\0\0", 6);
        put_field(6, "behind the struct", 17);
        assert_refused();
}
END_TEST

START_TEST(of_a_tag_that_is_there_twice_the_last_counts) {
        put_field(6, "first", 5);
        put_field(7, "\0\0\0\0", 4);
        put_field(6, "second", 6);
        put_field(7, "\1\0\0\0\0\0\0\0", 8);
        ck_assert_int_eq(decode(buffer.bytes, buffer.n_bytes, &sample), 0);
        ck_assert_str_eq(sample.token, "second");
        ck_assert_uint_eq(strv_length(sample.argv), 1);
}
END_TEST

/* What is accepted of a part of a record is that part: nothing is read that is not there. */
START_TEST(a_cut_record_is_refused_or_has_the_fields_before_the_cut) {
        Random random = seed_take();

        for (unsigned i = 0; i < 20; i++) {
                Sample written = random_sample(&random);
                unsigned n_accepted = 0;

                buffer.n_bytes = 0;
                ck_assert_int_eq(record_encode(&buffer, sample_fields, &written), 0);
                for (size_t cut = 0; cut < buffer.n_bytes; cut++) {
                        _cleanup_(record_buffer_done) RecordBuffer again = { 0 };
                        int r = decode(buffer.bytes, cut, &sample);

                        if (r == 0) {
                                n_accepted++;
                                ck_assert_int_eq(record_encode(&again, sample_fields, &sample), 0);
                                ck_assert_uint_eq(again.n_bytes, cut);
                                if (cut > 0)
                                        ck_assert_mem_eq(again.bytes, buffer.bytes, cut);
                        } else
                                ck_assert_int_eq(r, -EBADMSG);
                        sample_done(&sample);
                }
                ck_assert_uint_le(n_accepted, ELEMENTSOF(sample_fields) - 1);
                sample_done(&written);
        }
}
END_TEST

START_TEST(any_bytes_are_a_record_or_refused) {
        Random random = seed_take();
        unsigned n_refused = 0;

        for (unsigned i = 0; i < 20000; i++) {
                Sample written = random_sample(&random);
                int r;

                buffer.n_bytes = 0;
                ck_assert_int_eq(record_encode(&buffer, sample_fields, &written), 0);
                for (uint64_t n = 1 + random_below(&random, 4); n > 0 && buffer.n_bytes > 0; n--)
                        buffer.bytes[random_span(&random, buffer.n_bytes - 1)] =
                                (char) random_next(&random);
                r = decode(buffer.bytes, buffer.n_bytes, &sample);
                ck_assert(r == 0 || r == -EBADMSG);
                if (r < 0) {
                        ck_assert(!sample.token && !sample.argv && !sample.part.name);
                        n_refused++;
                }
                sample_done(&written);
                sample_done(&sample);
        }
        ck_assert_uint_gt(n_refused, 1000);
}
END_TEST

TEST_MAIN("record",
          NULL,
          teardown,
          what_is_written_is_read_back,
          the_form_is_tag_length_and_bytes,
          what_is_zero_takes_no_bytes_and_changes_nothing,
          what_is_empty_is_not_null,
          is_added_to_what_is_in_the_buffer,
          unknown_tags_are_skipped_at_every_depth,
          a_known_tag_of_the_wrong_length_is_refused,
          a_bool_is_one_of_two,
          a_string_with_a_nul_is_refused,
          tag_zero_is_refused,
          a_vector_whose_count_does_not_add_up_is_refused,
          a_length_beyond_the_end_is_refused,
          of_a_tag_that_is_there_twice_the_last_counts,
          a_cut_record_is_refused_or_has_the_fields_before_the_cut,
          any_bytes_are_a_record_or_refused)
