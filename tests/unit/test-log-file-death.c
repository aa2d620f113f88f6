/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a brain left of a log file that was killed at a certain point: by its notes, which are made
 * here by hand. At random points: test-output-death.
 */

#include "ring-harness.h"

/* A brain that was killed: what it had in its head is gone, its memory and its files are there. */
static void inherit(const LogFileNote *note) {
        file = log_file_free(file);
        writer = log_writer_free(writer);
        ring = log_ring_free(ring);
        memory = log_memory_unref(memory);

        ck_assert_int_eq(log_memory_open(&memory, memory_fd), 0);
        ck_assert_int_eq(log_ring_new(&ring, 0), 0);
        ck_assert_int_eq(log_ring_resume(ring, log_memory_store(memory)), 0);
        log_store_note_file(log_memory_store(memory), note);
        ck_assert_int_eq(log_writer_new(&writer, event), 0);
        open_followed_file(1 << 20, 5);
}

static LogFileNote note_of(size_t raw, size_t size) {
        struct stat st;

        ck_assert_int_eq(stat(path, &st), 0);
        return (LogFileNote){
                .raw = raw,
                .device = st.st_dev,
                .inode = st.st_ino,
                .size = size,
        };
}

START_TEST(a_write_that_came_halfway_is_gone_on_with) {
        LogFileNote note;

        open_followed_file(1 << 20, 5);
        put_numbered(1000);
        wait_for_size(1000);
        note = note_of(1000, 1000);
        put_numbered(3000);
        wait_for_size(4000);

        /* As it was when 1234 bytes of the last 3000 were written and it was not noted yet. */
        finish();
        ck_assert_int_eq(truncate(path, 2234), 0);
        inherit(&note);
        finish();
        ck_assert_uint_eq(read_file(path, found, sizeof(found)), 4000);
        ck_assert_int_eq(reckon(found, 4000, numbered_byte, n_written), 0);
}
END_TEST

START_TEST(a_write_that_never_came_is_done_and_one_that_was_whole_is_not) {
        LogFileNote note;

        open_followed_file(1 << 20, 5);
        put_numbered(4000);
        wait_for_size(4000);
        finish();
        note = note_of(1000, 1000);
        inherit(&note);
        finish();
        ck_assert_uint_eq(read_file(path, found, sizeof(found)), 4000);

        ck_assert_int_eq(truncate(path, 1000), 0);
        inherit(&note);
        finish();
        ck_assert_uint_eq(read_file(path, found, sizeof(found)), 4000);
        ck_assert_int_eq(reckon(found, 4000, numbered_byte, n_written), 0);
}
END_TEST

START_TEST(what_was_noted_of_another_file_says_nothing_of_this_one) {
        LogFileNote note;

        open_followed_file(1 << 20, 5);
        put_numbered(4000);
        wait_for_size(4000);
        finish();
        note = note_of(3000, 0);
        /* Moved aside, and killed before anything was written to the next one. */
        run_shell("mv %s %s.1", path, path);
        inherit(&note);
        finish();
        ck_assert_uint_eq(read_file(path, found, sizeof(found)), 1000);
        ck_assert_int_eq(found[0], numbered_byte(3000));
}
END_TEST

START_TEST(the_line_about_lost_bytes_is_whole_or_written_again) {
        const char line[] = "[sidecard: 3200 bytes lost]\n";
        LogFileNote note;
        size_t n;

        open_followed_file(1 << 20, 5);
        put_numbered(320);
        wait_for_size(320);
        finish();
        note = note_of(320, 320);
        note.n_lost = 3200;
        note.n_line = sizeof(line) - 1;
        run_shell("echo '[sidecard: 3200 bytes lost]' >> %s", path);
        put_numbered(3200 + 640);

        inherit(&note);
        finish();
        n = read_file(path, found, sizeof(found));
        ck_assert_uint_eq(n, 320 + sizeof(line) - 1 + 640);
        ck_assert_int_eq(reckon(found, n, numbered_byte, n_written), 3200);
}
END_TEST

START_TEST(a_rotation_that_was_cut_short_costs_no_file) {
        unsigned n_files;

        open_followed_file(10016, 4);
        put_numbered(40064);
        finish();
        ck_assert_uint_eq(read_rotated(10016, &n_files), 40064);

        /* .2 was moved to .3, and nothing else yet: the oldest has gone by right. */
        run_shell("mv %s.2 %s.3", path, path);
        drop_ring();
        make_ring();
        ck_assert_int_eq(log_writer_new(&writer, event), 0);
        open_followed_file(10016, 4);
        put_numbered(10016);
        finish();
        ck_assert_uint_eq(read_rotated(10016, &n_files), 40064);
        ck_assert_uint_eq(n_files, 4);
        ck_assert_int_eq(found[0], numbered_byte(10016));
}
END_TEST

TEST_MAIN("log-file-death",
          setup,
          teardown,
          a_write_that_came_halfway_is_gone_on_with,
          a_write_that_never_came_is_done_and_one_that_was_whole_is_not,
          what_was_noted_of_another_file_says_nothing_of_this_one,
          the_line_about_lost_bytes_is_whole_or_written_again,
          a_rotation_that_was_cut_short_costs_no_file)
