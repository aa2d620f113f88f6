/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sched.h>
#include <sys/mount.h>

#include "io/log-writer.h"
#include "ring-harness.h"
#include "util/clock.h"
#include "util/duration.h"

/* Hands over what fits of that many more bytes of numbered lines, and answers what did not. */
static size_t write_numbered(size_t n) {
        while (n > 0) {
                size_t room = log_file_room(file, LAST_WORDS_BYTES), piece = n < 4096 ? n : 4096;

                if (room == 0)
                        break;
                piece = piece < room ? piece : room;
                put_numbered(piece);
                n -= piece;
        }

        return n;
}

static void write_all_numbered(size_t n) {
        while ((n = write_numbered(n)) > 0)
                turn();
}

/* False: we, or the disk, stood still for the second that the writer waits for it. */
static bool end_in_time(void) {
        uint64_t begun = clock_monotonic_usec();

        file = log_file_free(file);
        writer = log_writer_free(writer);
        return clock_monotonic_usec() - begun < USEC_PER_SEC;
}

START_TEST(what_is_written_before_the_end_is_in_the_file) {
        struct stat st;
        unsigned n = 0;

        for (;;) {
                /* What was left to itself in vain may write still: not to this one. */
                (void) snprintf(path, sizeof(path), "%s/log/app-%u/name.log", folder, n++);
                open_followed_file(1 << 20, 5);
                write_all_numbered(100000);
                if (end_in_time())
                        break;

                drop_ring();
                make_ring();
                n_written = 0;
                ck_assert_int_eq(log_writer_new(&writer, event), 0);
        }

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

        open_followed_file(100003, 99);
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
        open_followed_file(50000, 3);
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

        open_followed_file(50000, 1);
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
        open_followed_file(20000, 9);
        put(text, sizeof(text));
        finish();

        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_lt(st.st_size, 20000 + 8192 + 1);
        run_shell("test $(cat %s/log/app/* | wc -c) = 100000", folder);
}
END_TEST

START_TEST(a_former_life_is_appended_to) {
        open_followed_file(1 << 20, 5);
        ck_assert_uint_eq(write_numbered(800), 0);
        finish();
        ck_assert_int_eq(log_writer_new(&writer, event), 0);
        drop_ring();
        make_ring();
        open_followed_file(1 << 20, 5);
        ck_assert_uint_eq(write_numbered(800), 0);
        finish();

        ck_assert_uint_eq(read_file(path, found, sizeof(found)), 1600);
        ck_assert_int_eq(reckon(found, 1600, numbered_byte, 1600), 0);
}
END_TEST

START_TEST(a_removed_file_and_its_folders_are_made_again) {
        open_followed_file(1 << 20, 5);
        ck_assert_uint_eq(write_numbered(800), 0);
        wait_for_size(800);
        run_shell("rm -r %s/log", folder);

        put("again\n", 6);
        wait_for_size(6);
        ck_assert_mem_eq(found, "again\n", 6);
        ck_assert_uint_eq(n_states, 0);
}
END_TEST

START_TEST(a_link_is_not_followed) {
        run_shell("mkdir -p %s/log/app", folder);
        run_shell("ln -s ../../target %s/log/app/name.log", folder);
        open_followed_file(1 << 20, 5);
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
        open_followed_file(1 << 20, 5);
        while (n_states == 0) {
                ck_assert_uint_eq(write_numbered(800), 0);
                turn();
        }
        ck_assert_int_eq(last_error, ENOTDIR);

        /* Far more than the ring: there is always room. */
        ck_assert_uint_eq(write_numbered(8000000), 0);
        ck_assert_uint_gt(log_file_room(file, LAST_WORDS_BYTES), 0);
        ck_assert_uint_eq(n_states, 1);

        run_shell("rm %s/log", folder);
        while (n_states == 1)
                turn();
        ck_assert_int_eq(last_error, 0);
        write_all_numbered(800);
        finish();

        /* What was in the ring still is not lost. */
        ck_assert_uint_eq(n_states, 2);
        n_lost = reckon(found, read_file(path, found, sizeof(found)), numbered_byte, n_written);
        ck_assert_int_gt(n_lost, 7000000);
        ck_assert_int_le(n_lost, (int64_t) n_written - 200000);
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
        open_followed_file(1 << 20, 5);
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
        ck_assert_int_ge(n_lost, 1000000 - (int64_t) LOG_STORE_RING_BYTES);
        ck_assert_int_lt(n_lost, (int64_t) n_before);
        ck_assert_uint_eq(n_states, 2);
        while (n_told_lost == 0)
                turn();
        ck_assert_uint_eq(n_told_lost, n_lost);
        unmount_small_disk();
}
END_TEST

START_TEST(a_disk_that_becomes_read_only_is_no_end) {
        if (!mount_small_disk())
                return;

        open_followed_file(1 << 20, 5);
        ck_assert_uint_eq(write_numbered(800), 0);
        wait_for_size(800);
        finish();
        ck_assert_int_eq(log_writer_new(&writer, event), 0);
        run_shell("mount -o remount,ro %s/disk", folder);

        open_followed_file(1 << 20, 5);
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

START_TEST(a_stalled_disk_takes_the_room_and_gives_it_back_when_it_moves) {
        _cleanup_close_ int reader = -1;
        size_t n = 0;

        make_stalled_path();
        open_followed_file(1 << 20, 5);
        ck_assert_uint_eq(log_file_room(file, LAST_WORDS_BYTES),
                          LOG_FILE_ROOM_BYTES - LAST_WORDS_BYTES);
        ck_assert_uint_gt(write_numbered(4000000), 0);
        ck_assert_uint_le(n_written, LOG_FILE_ROOM_BYTES - LAST_WORDS_BYTES);
        ck_assert_uint_eq(log_file_room(file, LAST_WORDS_BYTES), 0);

        /* Last words fit all the same; what comes after them pushes the oldest out that is not on
         * its way. */
        put_numbered(LAST_WORDS_BYTES);
        put_numbered(250000);
        ck_assert_uint_eq(n_rooms, 0);

        reader = unstall();
        while (reckon(found, n, numbered_byte, n_written) < 0) {
                ssize_t got = read(reader, found + n, sizeof(found) - n);

                n += got > 0 ? (size_t) got : 0;
        }
        ck_assert_int_gt(reckon(found, n, numbered_byte, n_written), 0);
        ck_assert_int_lt(reckon(found, n, numbered_byte, n_written), 300000);
        while (n_rooms == 0)
                turn();
        /* We may have read the last of it before the thread knows that it is written. */
        while (log_file_room(file, LAST_WORDS_BYTES) < LOG_FILE_ROOM_BYTES - LAST_WORDS_BYTES)
                turn();
        ck_assert_uint_eq(n_states, 0);
}
END_TEST

START_TEST(last_words_are_not_lost_to_a_stalled_disk) {
        _cleanup_close_ int reader = -1;
        size_t n = 0;

        make_stalled_path();
        open_followed_file(1 << 20, 5);
        ck_assert_uint_gt(write_numbered(4000000), 0);
        put_numbered(LAST_WORDS_BYTES);

        reader = unstall();
        while (reckon(found, n, numbered_byte, n_written) < 0) {
                ssize_t got = read(reader, found + n, sizeof(found) - n);

                n += got > 0 ? (size_t) got : 0;
        }
        ck_assert_int_eq(reckon(found, n, numbered_byte, n_written), 0);
}
END_TEST

START_TEST(a_disk_that_hangs_holds_up_the_end_for_a_second_at_most) {
        _cleanup_close_ int reader = -1;
        struct timespec before, after;

        make_stalled_path();
        open_followed_file(1 << 20, 5);
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
        static struct {
                LogFile *file;
                LogMemory *memory;
                LogRing *ring;
        } all[50];

        drop_ring();
        for (unsigned i = 0; i < ELEMENTSOF(all); i++) {
                (void) snprintf(path, sizeof(path), "%s/%u/name.log", folder, i);
                make_ring();
                open_followed_file(1 << 20, 5);
                all[i].file = TAKE_PTR(file);
                all[i].memory = TAKE_PTR(memory);
                all[i].ring = TAKE_PTR(ring);
                memory_fd = safe_close(memory_fd);
        }
        for (size_t position = 0; position < 32000; position += NUMBERED_BYTES)
                for (unsigned i = 0; i < ELEMENTSOF(all); i++) {
                        n_written = position;
                        file = all[i].file;
                        ring = all[i].ring;
                        put_numbered(NUMBERED_BYTES);
                }

        /* Each holds its memory until it is written, whoever has left. */
        ring = NULL;
        for (unsigned i = 0; i < ELEMENTSOF(all); i++) {
                log_file_free(all[i].file);
                log_ring_free(all[i].ring);
                log_memory_unref(all[i].memory);
        }
        file = NULL;

        for (unsigned i = 0; i < ELEMENTSOF(all); i++) {
                (void) snprintf(path, sizeof(path), "%s/%u/name.log", folder, i);
                wait_for_size(32000);
                ck_assert_int_eq(reckon(found, 32000, numbered_byte, 32000), 0);
        }
}
END_TEST

TEST_MAIN("log-file",
          setup,
          teardown,
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
          a_stalled_disk_takes_the_room_and_gives_it_back_when_it_moves,
          last_words_are_not_lost_to_a_stalled_disk,
          a_disk_that_hangs_holds_up_the_end_for_a_second_at_most,
          many_files_share_the_thread)
