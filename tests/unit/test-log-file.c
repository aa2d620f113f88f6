/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sched.h>
#include <sys/mount.h>

#include "io/log-writer.h"
#include "log-harness.h"
#include "model/log-ring.h"

static char found[8 * 1024 * 1024];
static size_t n_written; /* of numbered lines, to the ring */

static LogMemory *memory;
static LogRing *ring;
static int memory_fd = -1;

static unsigned n_rooms;

static void on_room(void *userdata) {
        (void) userdata;
        n_rooms++;
}

static void make_ring(void) {
        ck_assert_int_eq(log_memory_new(&memory, &memory_fd), 0);
        ck_assert_int_eq(log_ring_new(&ring, 0), 0);
        log_ring_begin(ring, log_memory_store(memory));
}

static void drop_ring(void) {
        ring = log_ring_free(ring);
        memory = log_memory_unref(memory);
        memory_fd = safe_close(memory_fd);
}

static void follow(void) {
        LogExtent extent = log_ring_extent(ring);

        log_file_follow(file, memory, &extent, log_ring_reserved(ring));
}

static void open_followed_file(uint64_t max_size_bytes, uint32_t max_files) {
        open_file(max_size_bytes, max_files, on_room, NULL);
        follow();
}

/* As Output does it, whether there is room or not. */
static void put(const char *text, size_t n) {
        const LogOrigin origin = { LOG_STDOUT, 1, 7 };
        LogExtent extent = log_ring_extent(ring);

        if (file)
                log_file_reserve(file, extent.end + n + LOG_RING_COPY_BYTES_MAX);
        memcpy(log_ring_prepare(ring, &origin, n, n_written + 1), text, n);
        log_ring_take(ring, n);
        extent = log_ring_extent(ring);
        if (file)
                log_file_publish(file, &extent);
}

static void put_numbered(size_t n) {
        static char text[4096];

        while (n > 0) {
                size_t piece = n < sizeof(text) ? n : sizeof(text);

                numbered_fill(text, n_written, piece);
                put(text, piece);
                n_written += piece;
                n -= piece;
        }
}

/* Hands over what fits of that many more bytes of numbered lines, and answers what did not. */
static size_t write_numbered(size_t n) {
        while (n > 0) {
                size_t room = log_file_room(file), piece = n < 4096 ? n : 4096;

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

static void wait_for_size(size_t size) {
        while (read_file(path, found, sizeof(found)) < size)
                turn();
}

/* The thread writes all that was published before it ends. */
static void finish(void) {
        file = log_file_free(file);
        writer = log_writer_free(writer);
}

static void setup(void) {
        harness_setup();
        make_ring();
}

static void teardown(void) {
        harness_teardown();
        drop_ring();
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

        open_followed_file(1 << 20, 5);
        write_all_numbered(100000);
        finish();

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
        ck_assert_uint_gt(log_file_room(file), 0);
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
        ck_assert_int_ge(n_lost, 1000000 - (int64_t) LOG_RING_BYTES);
        ck_assert_int_lt(n_lost, (int64_t) n_before);
        ck_assert_uint_eq(n_states, 2);
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
        ck_assert_uint_eq(log_file_room(file), LOG_FILE_ROOM_BYTES);
        ck_assert_uint_gt(write_numbered(4000000), 0);
        ck_assert_uint_le(n_written, LOG_FILE_ROOM_BYTES + LOG_PIECE_BYTES);
        ck_assert_uint_eq(log_file_room(file), 0);

        /* Last words fit all the same; what comes after them pushes the oldest out. */
        put_numbered(128 * 1024);
        put_numbered(100000);
        ck_assert_uint_eq(n_rooms, 0);

        reader = unstall();
        while (reckon(found, n, numbered_byte, n_written) < 0) {
                ssize_t got = read(reader, found + n, sizeof(found) - n);

                n += got > 0 ? (size_t) got : 0;
        }
        ck_assert_int_gt(reckon(found, n, numbered_byte, n_written), 0);
        ck_assert_int_lt(reckon(found, n, numbered_byte, n_written), 150000);
        while (n_rooms == 0)
                turn();
        ck_assert_uint_eq(log_file_room(file), LOG_FILE_ROOM_BYTES);
        ck_assert_uint_eq(n_states, 0);
}
END_TEST

START_TEST(last_words_are_not_lost_to_a_stalled_disk) {
        _cleanup_close_ int reader = -1;
        size_t n = 0;

        make_stalled_path();
        open_followed_file(1 << 20, 5);
        ck_assert_uint_gt(write_numbered(4000000), 0);
        put_numbered(128 * 1024);

        reader = unstall();
        while (reckon(found, n, numbered_byte, n_written) < 0) {
                ssize_t got = read(reader, found + n, sizeof(found) - n);

                n += got > 0 ? (size_t) got : 0;
        }
        ck_assert_int_eq(reckon(found, n, numbered_byte, n_written), 0);
}
END_TEST

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
        ck_assert_uint_eq(write_numbered(1000), 0);
        wait_for_size(1000);
        note = note_of(1000, 1000);
        ck_assert_uint_eq(write_numbered(3000), 0);
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
        ck_assert_uint_eq(write_numbered(4000), 0);
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
        ck_assert_uint_eq(write_numbered(4000), 0);
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
        ck_assert_uint_eq(write_numbered(320), 0);
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
        write_all_numbered(40064);
        finish();
        ck_assert_uint_eq(read_rotated(10016, &n_files), 40064);

        /* .2 was moved to .3, and nothing else yet: the oldest has gone by right. */
        run_shell("mv %s.2 %s.3", path, path);
        drop_ring();
        make_ring();
        ck_assert_int_eq(log_writer_new(&writer, event), 0);
        open_followed_file(10016, 4);
        write_all_numbered(10016);
        finish();
        ck_assert_uint_eq(read_rotated(10016, &n_files), 40064);
        ck_assert_uint_eq(n_files, 4);
        ck_assert_int_eq(found[0], numbered_byte(10016));
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
        unsigned n_right = 0;

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
        writer = log_writer_free(writer);

        for (unsigned i = 0; i < ELEMENTSOF(all); i++) {
                (void) snprintf(path, sizeof(path), "%s/%u/name.log", folder, i);
                if (read_file(path, found, sizeof(found)) == 32000 &&
                    reckon(found, 32000, numbered_byte, 32000) == 0)
                        n_right++;
        }
        ck_assert_uint_eq(n_right, ELEMENTSOF(all));
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
          a_write_that_came_halfway_is_gone_on_with,
          a_write_that_never_came_is_done_and_one_that_was_whole_is_not,
          what_was_noted_of_another_file_says_nothing_of_this_one,
          the_line_about_lost_bytes_is_whole_or_written_again,
          a_rotation_that_was_cut_short_costs_no_file,
          a_disk_that_hangs_holds_up_the_end_for_a_second_at_most,
          many_files_share_the_thread)
