/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sched.h>
#include <sys/mount.h>

#include "log-harness.h"

#define LOG_FILE_ROOM (256u * 1024u)

static char found[8 * 1024 * 1024];
static size_t n_written; /* of numbered lines, to the file */

static unsigned n_rooms;

static void on_room(void *userdata) {
        (void) userdata;
        n_rooms++;
}

/* Hands over what fits of that many more bytes of numbered lines, and answers what did not. */
static size_t write_numbered(size_t n) {
        while (n > 0) {
                static char text[4096];
                size_t piece = n < sizeof(text) ? n : sizeof(text), n_taken;

                numbered_fill(text, n_written, piece);
                n_taken = log_file_write(file, text, piece);
                n_written += n_taken;
                n -= n_taken;
                if (n_taken < piece)
                        return n;
        }

        return 0;
}

static void write_all_numbered(size_t n) {
        while ((n = write_numbered(n)) > 0)
                turn();
}

static void wait_for_size(size_t size) {
        while (read_file(path, found, sizeof(found)) < size)
                turn();
}

static void wait_until_written(void) {
        while (log_file_room(file) < LOG_FILE_ROOM)
                turn();
}

static void finish(void) {
        wait_until_written();
        file = log_file_free(file);
        writer = log_writer_free(writer);
}

/* NAME.log.N ... NAME.log.1, NAME.log; answers all of it, and how many files there were. */
static size_t read_rotated(uint64_t max_size_bytes, unsigned *ret_n_files) {
        size_t n = 0;

        *ret_n_files = 0;
        for (int i = 100; i >= 0; i--) {
                char name[160];
                size_t got;

                (void) snprintf(name, sizeof(name), i > 0 ? "%s.%d" : "%s", path, i);
                if (access(name, F_OK) < 0)
                        continue;
                got = read_file(name, found + n, sizeof(found) - n);
                if (i > 0)
                        ck_assert_int_eq(found[n + got - 1], '\n');
                ck_assert_uint_le(got, max_size_bytes);
                n += got;
                (*ret_n_files)++;
        }

        return n;
}

START_TEST(what_is_written_before_the_end_is_in_the_file) {
        struct stat st;

        open_file(1 << 20, 5, on_room, NULL);
        ck_assert_uint_eq(write_numbered(100000), 0);
        file = log_file_free(file);
        writer = log_writer_free(writer);

        ck_assert_uint_eq(read_file(path, found, sizeof(found)), 100000);
        ck_assert_int_eq(reckon(found, 100000, numbered_byte, 100000), 0);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        *strrchr(path, '/') = '\0';
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0700);
}
END_TEST

START_TEST(a_full_file_is_moved_aside_at_the_end_of_a_line) {
        unsigned n_files;
        size_t n;

        open_file(100003, 99, on_room, NULL);
        write_all_numbered(2000000);
        finish();

        n = read_rotated(100003, &n_files);
        ck_assert_uint_eq(n_files, 20);
        ck_assert_uint_eq(n, 2000000);
        ck_assert_int_eq(reckon(found, n, numbered_byte, n_written), 0);
}
END_TEST

START_TEST(only_so_many_files_are_kept_and_they_are_the_newest) {
        unsigned n_files;
        size_t n;

        run_shell("mkdir -p %s/log/app", folder);
        run_shell("echo old > %s/log/app/name.log.3; ", folder);
        open_file(50000, 3, on_room, NULL);
        write_all_numbered(1000000);
        finish();

        n = read_rotated(50000, &n_files);
        ck_assert_uint_eq(n_files, 3);
        ck_assert_uint_gt(n, 100000);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(found[i], numbered_byte(1000000 - n + i));
}
END_TEST

START_TEST(a_single_file_begins_anew) {
        unsigned n_files;
        size_t n;

        open_file(50000, 1, on_room, NULL);
        write_all_numbered(170000);
        finish();

        n = read_rotated(50000, &n_files);
        ck_assert_uint_eq(n_files, 1);
        ck_assert_uint_eq(n, 170000 - 3 * 49984);
}
END_TEST

START_TEST(a_line_without_end_cannot_make_a_file_without_end) {
        static char text[100000];
        struct stat st;

        memset(text, 'x', sizeof(text));
        open_file(20000, 9, on_room, NULL);
        ck_assert_uint_eq(log_file_write(file, text, sizeof(text)), sizeof(text));
        finish();

        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_lt(st.st_size, 20000 + 8192 + 1);
        run_shell("test $(cat %s/log/app/* | wc -c) = 100000", folder);
}
END_TEST

START_TEST(a_former_life_is_appended_to) {
        open_file(1 << 20, 5, on_room, NULL);
        ck_assert_uint_eq(write_numbered(800), 0);
        finish();
        ck_assert_int_eq(log_writer_new(&writer, event), 0);
        open_file(1 << 20, 5, on_room, NULL);
        ck_assert_uint_eq(write_numbered(800), 0);
        finish();

        ck_assert_uint_eq(read_file(path, found, sizeof(found)), 1600);
        ck_assert_int_eq(reckon(found, 1600, numbered_byte, 1600), 0);
}
END_TEST

START_TEST(a_removed_file_and_its_folders_are_made_again) {
        open_file(1 << 20, 5, on_room, NULL);
        ck_assert_uint_eq(write_numbered(800), 0);
        wait_for_size(800);
        run_shell("rm -r %s/log", folder);

        ck_assert_uint_eq(log_file_write(file, "again\n", 6), 6);
        wait_for_size(6);
        ck_assert_mem_eq(found, "again\n", 6);
        ck_assert_uint_eq(n_states, 0);
}
END_TEST

START_TEST(a_link_is_not_followed) {
        run_shell("mkdir -p %s/log/app", folder);
        run_shell("ln -s ../../target %s/log/app/name.log", folder);
        open_file(1 << 20, 5, on_room, NULL);
        ck_assert_uint_eq(write_numbered(800), 0);
        while (n_states == 0)
                turn();

        ck_assert_int_eq(last_error, ELOOP);
        run_shell("test ! -e %s/target", folder);
}
END_TEST

START_TEST(a_file_that_cannot_be_made_is_said_once_and_heals) {
        int64_t n_lost;

        run_shell("touch %s/log", folder);
        open_file(1 << 20, 5, on_room, NULL);
        while (n_states == 0) {
                ck_assert_uint_eq(write_numbered(800), 0);
                turn();
        }
        ck_assert_int_eq(last_error, ENOTDIR);

        /* Far more than any buffer: it is all taken, and dropped. */
        ck_assert_uint_eq(write_numbered(8000000), 0);
        ck_assert_uint_gt(log_file_room(file), 0);
        ck_assert_uint_eq(n_states, 1);

        run_shell("rm %s/log", folder);
        while (n_states == 1)
                turn();
        ck_assert_int_eq(last_error, 0);
        write_all_numbered(800);
        finish();

        ck_assert_uint_eq(n_states, 2);
        n_lost = reckon(found, read_file(path, found, sizeof(found)), numbered_byte, n_written);
        ck_assert_int_eq(n_lost, (int64_t) n_written - 800);
}
END_TEST

/* A disk of a megabyte that nobody else sees; false: this user may not. */
static bool mount_small_disk(void) {
        (void) snprintf(path, sizeof(path), "%s/disk/app/name.log", folder);
        run_shell("mkdir %s/disk", folder);
        (void) snprintf(found, sizeof(found), "%s/disk", folder);

        if (unshare(CLONE_NEWNS) < 0 || mount("", "/", "", MS_REC | MS_PRIVATE, "") < 0 ||
            mount("tmpfs", found, "tmpfs", 0, "size=1m,mode=0700") < 0) {
                printf("skipped, needs root: %s\n", strerror(errno));
                return false;
        }

        return true;
}

static void unmount_small_disk(void) {
        finish();
        run_shell("umount %s/disk", folder);
}

START_TEST(a_full_disk_is_said_once_and_the_file_resumes_with_the_count) {
        int64_t n_lost;
        size_t n_before;

        if (!mount_small_disk())
                return;

        run_shell("head -c 900K /dev/zero > %s/disk/filler", folder);
        open_file(1 << 20, 5, on_room, NULL);
        while (n_states == 0) {
                (void) write_numbered(40000);
                turn();
        }
        ck_assert_int_eq(last_error, ENOSPC);
        ck_assert_uint_eq(write_numbered(1000000), 0);

        run_shell("rm %s/disk/filler", folder);
        while (n_states == 1)
                turn();
        ck_assert_int_eq(last_error, 0);
        n_before = n_written;
        write_all_numbered(80000);
        while (reckon(found, read_file(path, found, sizeof(found)), numbered_byte, n_written) < 0)
                turn();

        n_lost = reckon(found, read_file(path, found, sizeof(found)), numbered_byte, n_written);
        ck_assert_int_ge(n_lost, 1000000);
        ck_assert_int_lt(n_lost, (int64_t) n_before);
        ck_assert_uint_eq(n_states, 2);
        unmount_small_disk();
}
END_TEST

START_TEST(a_disk_that_becomes_read_only_is_no_end) {
        if (!mount_small_disk())
                return;

        open_file(1 << 20, 5, on_room, NULL);
        ck_assert_uint_eq(write_numbered(800), 0);
        wait_for_size(800);
        finish();
        ck_assert_int_eq(log_writer_new(&writer, event), 0);
        run_shell("mount -o remount,ro %s/disk", folder);

        open_file(1 << 20, 5, on_room, NULL);
        ck_assert_uint_eq(write_numbered(800), 0);
        while (n_states == 0)
                turn();
        ck_assert_int_eq(last_error, EROFS);

        run_shell("mount -o remount,rw %s/disk", folder);
        while (n_states == 1)
                turn();
        ck_assert_int_eq(last_error, 0);
        write_all_numbered(800);
        unmount_small_disk();
}
END_TEST

START_TEST(a_stalled_disk_fills_the_buffer_and_room_is_told_when_it_moves) {
        _cleanup_close_ int reader = -1;
        size_t n = 0;

        make_stalled_path();
        open_file(1 << 20, 5, on_room, NULL);
        ck_assert_uint_eq(log_file_room(file), LOG_FILE_ROOM);
        ck_assert_uint_eq(write_numbered(LOG_FILE_ROOM), 0);
        ck_assert_uint_eq(log_file_room(file), 0);
        ck_assert_uint_gt(write_numbered(4000000), 0);
        ck_assert_uint_lt(n_written, 500000);
        log_file_note_lost(file, 40);
        ck_assert_uint_eq(n_rooms, 0);

        /* The disk moves a little: nothing may be taken before the loss has its line. */
        reader = unstall();
        while (n < 128 * 1024) {
                ssize_t got = read(reader, found + n, 4096);

                n += got > 0 ? (size_t) got : 0;
        }
        ck_assert_uint_eq(log_file_room(file), 0);
        ck_assert_uint_eq(write_numbered(32), 32);

        while (n_rooms == 0) {
                ssize_t got = read(reader, found + n, sizeof(found) - n);

                n += got > 0 ? (size_t) got : 0;
                turn();
        }

        n_written += 40;
        ck_assert_uint_eq(write_numbered(80), 0);
        while (reckon(found, n, numbered_byte, n_written) < 0) {
                ssize_t got = read(reader, found + n, sizeof(found) - n);

                n += got > 0 ? (size_t) got : 0;
                turn();
        }
        ck_assert_int_eq(reckon(found, n, numbered_byte, n_written), 40);
        ck_assert_uint_eq(n_rooms, 1);
        ck_assert_uint_eq(n_states, 0);
}
END_TEST

START_TEST(a_disk_that_hangs_holds_up_the_end_for_a_second_at_most) {
        _cleanup_close_ int reader = -1;
        struct timespec before, after;

        make_stalled_path();
        open_file(1 << 20, 5, on_room, NULL);
        ck_assert_uint_eq(write_numbered(80), 0);
        file = log_file_free(file);

        (void) clock_gettime(CLOCK_MONOTONIC, &before);
        writer = log_writer_free(writer);
        (void) clock_gettime(CLOCK_MONOTONIC, &after);
        ck_assert_int_lt(after.tv_sec - before.tv_sec, 20);

        /* The thread that was left to itself comes out of the kernel, and frees what it had. */
        reader = unstall();
}
END_TEST

START_TEST(many_files_share_the_thread) {
        static LogFile *files[50];
        unsigned n_right = 0;

        for (unsigned i = 0; i < ELEMENTSOF(files); i++) {
                (void) snprintf(path, sizeof(path), "%s/%u/name.log", folder, i);
                open_file(1 << 20, 5, on_room, NULL);
                files[i] = TAKE_PTR(file);
        }
        for (size_t position = 0; position < 32000; position += NUMBERED_BYTES)
                for (unsigned i = 0; i < ELEMENTSOF(files); i++) {
                        char text[NUMBERED_BYTES];

                        numbered_fill(text, position, sizeof(text));
                        ck_assert_uint_eq(log_file_write(files[i], text, sizeof(text)),
                                          sizeof(text));
                }
        for (unsigned i = 0; i < ELEMENTSOF(files); i++) {
                file = files[i];
                wait_until_written();
                file = log_file_free(file);
        }
        writer = log_writer_free(writer);

        for (unsigned i = 0; i < ELEMENTSOF(files); i++) {
                (void) snprintf(path, sizeof(path), "%s/%u/name.log", folder, i);
                if (read_file(path, found, sizeof(found)) == 32000 &&
                    reckon(found, 32000, numbered_byte, 32000) == 0)
                        n_right++;
        }
        ck_assert_uint_eq(n_right, ELEMENTSOF(files));
}
END_TEST

TEST_MAIN("log-file",
          harness_setup,
          harness_teardown,
          what_is_written_before_the_end_is_in_the_file,
          a_full_file_is_moved_aside_at_the_end_of_a_line,
          only_so_many_files_are_kept_and_they_are_the_newest,
          a_single_file_begins_anew,
          a_line_without_end_cannot_make_a_file_without_end,
          a_former_life_is_appended_to,
          a_removed_file_and_its_folders_are_made_again,
          a_link_is_not_followed,
          a_file_that_cannot_be_made_is_said_once_and_heals,
          a_full_disk_is_said_once_and_the_file_resumes_with_the_count,
          a_disk_that_becomes_read_only_is_no_end,
          a_stalled_disk_fills_the_buffer_and_room_is_told_when_it_moves,
          a_disk_that_hangs_holds_up_the_end_for_a_second_at_most,
          many_files_share_the_thread)
