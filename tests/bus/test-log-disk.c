/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A disk that takes no more, from outside: contract G3. The folder of logs is a small disk of its
 * own, mounted where nobody but the test and its daemon sees it, so most of these need root.
 */

#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

#define LOGS "state/sidecard/log"
#define DISK_OPTIONS "size=20m,mode=0700"
#define FLOOD "'command': ['yes', 'a line of a flood'], 'log': {'maxSize': '1M', 'maxFiles': 3}"

static unsigned count_events(const char *type) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        unsigned n = 0;

        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "GetEvents", NULL, &reply,
                                    "ta{sv}", UINT64_C(0), 1, "types", "as", 1, type),
                         0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        while (sd_bus_message_skip(reply, "a{sv}") > 0)
                n++;
        return n;
}

/* Answers when there is one after that number; the newest number of all. */
static uint64_t await_event(const char *type, uint64_t after) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE, last = after;
        bool is_there = false;

        while (!is_there) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

                ck_assert_msg(clock_monotonic_usec() < deadline, "No event %s", type);
                ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "GetEvents", NULL, &reply,
                                            "ta{sv}", after, 2, "types", "as", 1, type, "wait-usec",
                                            "t", 10 * USEC_PER_SEC),
                                 0);
                ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
                while (sd_bus_message_skip(reply, "a{sv}") > 0)
                        is_there = true;
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                ck_assert_int_gt(sd_bus_message_read(reply, "t", &last), 0);
        }

        return last;
}

/* false: this user may not. */
static bool mount_disk(void) {
        _cleanup_free_ char *place = NULL;

        world_write_file(world, LOGS "/empty", 0600, "");
        ck_assert_int_gt(asprintf(&place, "%s/" LOGS, world->dir), 0);
        if (unshare(CLONE_NEWNS) < 0 || mount("", "/", "", MS_REC | MS_PRIVATE, "") < 0 ||
            mount("tmpfs", place, "tmpfs", 0, DISK_OPTIONS) < 0) {
                printf("skipped, needs root: %s\n", strerror(errno));
                return false;
        }

        return true;
}

static void run_shell(const char *command) {
        _cleanup_free_ char *line = NULL;

        ck_assert_int_gt(asprintf(&line, "cd %s/" LOGS " && %s", world->dir, command), 0);
        ck_assert_int_eq(system(line), 0);
}

static unsigned count_logged(const char *text) {
        unsigned n = 0;

        (void) world_has_logged(world, text);
        for (const char *at = world->log; at && (at = strstr(at, text)); at += strlen(text))
                n++;
        return n;
}

/* The ring goes on, and so does who writes: far more lines than all pipes and rings hold. */
static void await_many_lines(const char *name) {
        _cleanup_(log_page_clear) LogPage first = log_query(world, name, (LogQuery){ .lines = 1 });
        uint64_t next = first.next;

        while (next < first.next + 500000) {
                _cleanup_(log_page_clear) LogPage page = log_query(
                        world, name,
                        (LogQuery){
                                .has_after = true, .after = next, .wait_usec = 10 * USEC_PER_SEC });

                ck_assert_uint_gt(page.next, next);
                next = page.next;
        }
}

static off_t size_of(const char *name) {
        _cleanup_free_ char *place = NULL;
        struct stat st;

        ck_assert_int_gt(asprintf(&place, "%s/" LOGS "/" WORLD_APP "/%s", world->dir, name), 0);
        return stat(place, &st) < 0 ? -1 : st.st_size;
}

/* The thread that writes it tells nobody: the daemon is asked something until it is there. */
static void await_file(const char *sidecar) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;
        char name[64];

        (void) snprintf(name, sizeof(name), "%s.log", sidecar);
        while (size_of(name) < 4) {
                ck_assert_msg(clock_monotonic_usec() < deadline, "%s is not written", name);
                (void) world_get_number(world, sidecar, "MainPID");
        }
}

static void assert_one_notice(void) {
        ck_assert_uint_eq(count_events("notice"), 1);
        ck_assert_uint_eq(count_logged("cannot be written"), 1);
}

START_TEST(g3_a_full_disk_is_one_notice_and_the_file_resumes_and_counts_what_it_misses) {
        uint64_t after;

        world_write_sidecars(world, "'flood': {" FLOOD "}");
        if (!mount_disk())
                return;
        run_shell("head -c 19800K /dev/zero > filler");
        world_run(world);
        (void) world_start(world, "flood");
        after = await_event("notice", 0);
        await_many_lines("flood");
        assert_one_notice();

        run_shell("rm filler");
        (void) await_event("log-dropped", after);
        await_many_lines("flood");
        assert_one_notice();
        ck_assert_uint_eq(count_logged("is written again"), 1);

        world_stop(world, "flood");
        ck_assert_int_le(size_of("flood.log"), 1024 * 1024 + 8192);
        ck_assert_int_le(size_of("flood.log.2"), 1024 * 1024 + 8192);
        ck_assert_int_eq(size_of("flood.log.3"), -1);
}
END_TEST

START_TEST(g3_a_read_only_disk_is_one_notice_and_the_file_resumes) {
        uint64_t after;

        world_write_sidecars(world, "'flood': {" FLOOD "}");
        if (!mount_disk())
                return;
        run_shell("mount -o remount,ro .");
        world_run(world);
        (void) world_start(world, "flood");
        after = await_event("notice", 0);
        await_many_lines("flood");
        assert_one_notice();

        run_shell("mount -o remount,rw .");
        (void) await_event("log-dropped", after);
        world_stop(world, "flood");
        assert_one_notice();
        await_file("flood");
}
END_TEST

START_TEST(g3_a_folder_that_is_removed_is_made_again_without_a_word) {
        world_write_sidecars(world, "'talker': {'command': ['/bin/sh', '-c', 'echo one; read line <"
                                    " @DIR@/cue; echo two; exec sleep 1000']}");
        world_write_file(world, LOGS "/empty", 0600, "");
        run_shell("mkfifo ../../../cue");
        world_run(world);
        (void) world_start(world, "talker");
        log_await(world, "talker", "one");
        await_file("talker");

        run_shell("rm -r " WORLD_APP);
        run_shell("echo go > ../../../cue");
        log_await(world, "talker", "two");
        world_stop(world, "talker");
        await_file("talker");
        ck_assert_uint_eq(count_events("notice"), 0);
        ck_assert_uint_eq(count_events("log-dropped"), 0);
}
END_TEST

/* setrlimit(2): who goes over it is killed, unless the signal is ignored. memfds count too. */
START_TEST(a_limit_of_file_sizes_ends_neither_the_brain_nor_what_it_does) {
        const struct rlimit small = { 256 * 1024, 256 * 1024 };
        _cleanup_free_ char *status = NULL;
        char *ignored;
        pid_t brain;

        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        world_write_sidecars(world, "'flood': {" FLOOD "}, 'other': {'command': ['/bin/sh', '-c',"
                                    " 'exec 2> @DIR@/other; grep SigIgn /proc/self/status >&2']}");
        world_run(world);
        brain = world_brain(world);
        (void) world_start_ready(world, "flood");
        (void) world_start(world, "other");
        (void) world_next(world, "other", "Stopped/exited");
        world_stop(world, "flood");
        ck_assert_int_eq(world_brain(world), brain);

        status = world_read_file(world, "other");
        ignored = strstr(status, "SigIgn:");
        ck_assert_ptr_nonnull(ignored);
        ck_assert_uint_eq(strtoull(ignored + strlen("SigIgn:"), NULL, 16), 0);
}
END_TEST

TEST_MAIN_TIMEOUT("log-disk",
                  180,
                  world_setup,
                  world_teardown,
                  g3_a_full_disk_is_one_notice_and_the_file_resumes_and_counts_what_it_misses,
                  g3_a_read_only_disk_is_one_notice_and_the_file_resumes,
                  g3_a_folder_that_is_removed_is_made_again_without_a_word,
                  a_limit_of_file_sizes_ends_neither_the_brain_nor_what_it_does)
