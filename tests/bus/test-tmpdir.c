/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What PyInstaller packed has a TMPDIR of its own, of which nothing is left in the end, whoever
 * was killed. It is played by children/bootloader, with the cookie by which it is recognised.
 */

#include <endian.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

#define MANIFEST "'packed': {'command': ['@DIR@/packed'], 'restart': {'delay': '10ms'}}"

/* An archive as PyInstaller appends it: data, table, cookie. */
static void append_archive(FILE *file) {
        uint32_t numbers[] = { htobe32(228), htobe32(100), htobe32(40), htobe32(311) };
        char archive[228] = { 0 };

        memcpy(archive + 140, "MEI\014\013\012\013\016", 8);
        memcpy(archive + 148, numbers, sizeof(numbers));
        memcpy(archive + 164, "libpython3.11.so.1.0", 20);
        ck_assert_uint_eq(fwrite(archive, 1, sizeof(archive), file), sizeof(archive));
}

static void pack_bootloader(void) {
        _cleanup_free_ char *path = NULL;
        FILE *from = fopen(TEST_CHILDREN "/bootloader", "re"), *to;
        char bytes[4096];
        size_t n;

        ck_assert_int_gt(asprintf(&path, "%s/packed", world->dir), 0);
        to = fopen(path, "we");
        ck_assert(from != NULL && to != NULL);
        while ((n = fread(bytes, 1, sizeof(bytes), from)) > 0)
                ck_assert_uint_eq(fwrite(bytes, 1, n, to), n);
        append_archive(to);
        ck_assert_int_eq(fclose(to), 0);
        (void) fclose(from);
        ck_assert_int_eq(chmod(path, 0755), 0);
}

static char *tmp_folder(void) {
        char *path;

        ck_assert_int_gt(asprintf(&path, "%s/run/sidecard/tmp", world->dir), 0);
        return path;
}

/* Where the generation that is up has unpacked itself; freed by the caller. */
static char *unpacked_folder(void) {
        _cleanup_free_ char *line = log_find(world, "packed", "directory /");

        return strdup(strchr(line, '/'));
}

static void assert_own_folder(const char *folder) {
        _cleanup_free_ char *tmp = tmp_folder(), *own = NULL;
        struct stat st;

        ck_assert_int_gt(asprintf(&own, "%s/" WORLD_APP "/packed/%lld/_MEI", tmp,
                                  (long long) world_get_number(world, "packed", "Generation")),
                         0);
        ck_assert_msg(startswith(folder, own), "%s is not in %s", folder, own);
        ck_assert_int_eq(stat(folder, &st), 0);
}

/* Until nothing is in there any more: each removal is an event of the kernel. */
static void await_gone(const char *folder) {
        _cleanup_close_ int fd = inotify_init1(IN_CLOEXEC);
        struct pollfd pfd = { .fd = fd, .events = POLLIN };
        char events[4096];

        ck_assert_int_ge(fd, 0);
        if (inotify_add_watch(fd, folder, IN_DELETE_SELF) < 0) {
                ck_assert_int_eq(errno, ENOENT);
                return;
        }
        ck_assert_msg(poll(&pfd, 1, (int) (WORLD_PATIENCE / USEC_PER_MSEC)) == 1, "%s stays",
                      folder);
        ck_assert_int_gt(read(fd, events, sizeof(events)), 0);
}

/* What a killed program leaves: a file in a folder of the one that it has unpacked. */
static void fill(const char *folder) {
        char path[4096];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/lib", folder);
        ck_assert_int_eq(mkdir(path, 0755), 0);
        for (int i = 0; i < 200; i++) {
                (void) snprintf(path, sizeof(path), "%s/lib/%d.so", folder, i);
                fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
                ck_assert_int_ge(fd, 0);
                (void) close(fd);
        }
        (void) snprintf(path, sizeof(path), "%s/lib/away", folder);
        ck_assert_int_eq(symlink(world->dir, path), 0);
}

static void run_packed(void) {
        pack_bootloader();
        world_write_sidecars(world, MANIFEST);
        world_run(world);
        (void) world_start_ready(world, "packed");
}

START_TEST(each_generation_has_its_own_folder_and_cleans_it_up_when_it_is_stopped) {
        _cleanup_free_ char *folder = NULL, *tmp = tmp_folder(), *app = NULL;

        run_packed();
        folder = unpacked_folder();
        assert_own_folder(folder);
        ck_assert_int_gt(asprintf(&app, "%s/" WORLD_APP, tmp), 0);
        world_stop(world, "packed");
        await_gone(folder);
        await_gone(app);
}
END_TEST

START_TEST(what_a_killed_one_leaves_is_purged_and_nothing_else) {
        _cleanup_free_ char *first = NULL, *second = NULL;
        uint64_t generation;
        LogPage page;

        run_packed();
        first = unpacked_folder();
        fill(first);
        generation = (uint64_t) world_get_number(world, "packed", "Generation");
        process_signal(world_open_main(world, "packed"), SIGKILL);
        await_gone(first);

        world_wait_ready(world, "packed");
        do {
                page = log_query(world, "packed", (LogQuery){ .generation = generation + 1 });
                for (size_t i = 0; i < page.n_lines && !second; i++)
                        if (startswith(page.lines[i].text, "directory "))
                                second = strdup(page.lines[i].text + strlen("directory "));
                log_page_clear(&page);
        } while (!second);
        assert_own_folder(second);
        ck_assert_str_ne(first, second);
        /* The link that lay in there led here. */
        ck_assert_int_eq(access(world->dir, F_OK), 0);
}
END_TEST

START_TEST(a_successor_purges_what_died_under_no_brain) {
        _cleanup_close_ int brain = -1, pidfd = -1;
        _cleanup_free_ char *folder = NULL;

        run_packed();
        folder = unpacked_folder();
        fill(folder);
        pidfd = world_open_main(world, "packed");
        brain = process_open(world_brain(world));
        process_signal(brain, SIGSTOP);
        process_signal(pidfd, SIGKILL);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
        process_signal(brain, SIGKILL);
        await_gone(folder);
}
END_TEST

START_TEST(the_folder_of_one_that_is_up_outlives_a_brain) {
        _cleanup_free_ char *folder = NULL, *former = NULL;
        _cleanup_close_ int brain = -1;

        run_packed();
        folder = unpacked_folder();
        former = strdup(world->owner);
        brain = process_open(world_brain(world));
        process_signal(brain, SIGKILL);
        WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));
        ck_assert_str_eq(world_state(world, "packed"), "Running/ready");
        assert_own_folder(folder);
        world_stop(world, "packed");
        await_gone(folder);
}
END_TEST

START_TEST(the_next_daemon_purges_what_a_killed_one_left) {
        _cleanup_free_ char *folder = NULL;

        run_packed();
        folder = unpacked_folder();
        fill(folder);
        process_signal(world->keeper.pidfd, SIGKILL);
        (void) process_reap(&world->keeper);
        WORLD_AWAIT(world, world->owner[0] == '\0');
        world_assert_empty(world, WORLD_PATIENCE);
        ck_assert_int_eq(access(folder, F_OK), 0);
        world_run(world);
        await_gone(folder);
}
END_TEST

static void assert_has_its_way(const char *more) {
        _cleanup_free_ char *folder = NULL, *tmp = tmp_folder();

        pack_bootloader();
        world_write_sidecars(world, "'packed': {'command': ['@DIR@/packed'], %s}", more);
        world_run(world);
        (void) world_start_ready(world, "packed");
        folder = unpacked_folder();
        ck_assert(startswith(folder, world->dir));
        ck_assert(!startswith(folder, tmp));
        ck_assert_int_lt(access(tmp, F_OK), 0);
        world_stop(world, "packed");
}

START_TEST(a_manifest_that_sets_tmpdir_has_its_way) {
        assert_has_its_way("'env': {'TMPDIR': '@DIR@'}");
}
END_TEST

START_TEST(a_manifest_that_has_tmpdir_passed_on_has_its_way) {
        assert_has_its_way("'passEnv': {'TMPDIR': {'default': '@DIR@'}}");
}
END_TEST

TEST_MAIN_TIMEOUT("tmpdir",
                  120,
                  world_setup,
                  world_teardown,
                  each_generation_has_its_own_folder_and_cleans_it_up_when_it_is_stopped,
                  what_a_killed_one_leaves_is_purged_and_nothing_else,
                  a_successor_purges_what_died_under_no_brain,
                  the_folder_of_one_that_is_up_outlives_a_brain,
                  the_next_daemon_purges_what_a_killed_one_left,
                  a_manifest_that_sets_tmpdir_has_its_way,
                  a_manifest_that_has_tmpdir_passed_on_has_its_way)
