/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the keeper decides without a process: names, places, verdicts.
 */

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "init/brain.h"
#include "init/containment.h"
#include "init/instance.h"
#include "init/watchdog.h"
#include "test.h"

static const char *folder(const char *address) {
        static char folders[2][INSTANCE_FOLDER_MAX];
        static int turn;

        instance_folder(folders[turn ^= 1], "/run/user/1000", address);
        return folders[turn];
}

START_TEST(the_usual_bus_has_the_plain_folder) {
        ck_assert_str_eq(folder(NULL), "sidecard");
        ck_assert_str_eq(folder(""), "sidecard");
        ck_assert_str_eq(folder("unix:path=/run/user/1000/bus"), "sidecard");
        ck_assert_str_eq(folder("unix:path=/run/user/1000/bus,guid=0123"), "sidecard");
        ck_assert_str_eq(folder("unix:guid=0123,path=/run/user/1000/bus"), "sidecard");
        ck_assert_str_eq(folder("unix:path=/run/user/1000/bus;tcp:host=a"), "sidecard");
        ck_assert_str_eq(folder("unix:path=/run/user/1%3000/b%75s"), "sidecard");
}
END_TEST

START_TEST(another_bus_has_a_folder_of_its_own) {
        const char *one = folder("unix:path=/tmp/bus");

        ck_assert_int_eq(strncmp(one, "sidecard-", 9), 0);
        ck_assert_uint_eq(strlen(one), 9 + 16);
        ck_assert_str_eq(one, folder("unix:path=/tmp/bus,guid=12"));
        ck_assert_str_ne(folder("unix:path=/tmp/bus"), folder("unix:abstract=/tmp/bus"));
        ck_assert_str_ne(folder("unix:path=/tmp/bus"), folder("unix:path=/tmp/bus2"));
        ck_assert_str_ne(folder("tcp:host=a,port=1"), folder("tcp:host=a,port=2"));
        /* FNV-1a by another program: the name is on disks, and must never change. */
        ck_assert_str_eq(folder("unix:path=/tmp/bus"), "sidecard-f4d8791651e4ffd0");
}
END_TEST

START_TEST(finds_its_own_cgroup) {
        static const struct {
                const char *mountinfo, *cgroup, *path;
        } cases[] = {
                { "38 31 0:37 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw",
                  "0::/user.slice/a.service\n", "/sys/fs/cgroup/user.slice/a.service" },
                { "41 31 0:38 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw",
                  "9:name=systemd:/x\n0::/\n", "/sys/fs/cgroup/unified" },
                { "41 31 0:38 /box /my\\040mount rw - cgroup2 none rw", "1:cpu:/\n0::/box/inner\n",
                  "/my mount/inner" },
                { "41 31 0:38 /box /sys/fs/cgroup rw - cgroup2 none rw", "0::/boxes/inner\n",
                  NULL },
                { "41 31 0:38 /box /sys/fs/cgroup rw - cgroup2 none rw", "0::/\n", NULL },
                { "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu", "0::/\n", NULL },
                { "38 31 0:37 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", "1:cpu:/\n", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char path[PATH_MAX] = "untouched";
                int r = containment_parse_mount(path, cases[i].mountinfo, cases[i].cgroup);

                ck_assert_int_eq(r, cases[i].path ? 0 : -ENOENT);
                ck_assert_str_eq(path, cases[i].path ? cases[i].path : "untouched");
        }
}
END_TEST

static BrainRecord record;

static BrainVerdict die(int code, int status, uint64_t now_msec) {
        BrainDeath death = { .code = code, .status = status, .now_msec = now_msec };
        BrainVerdict verdict = brain_record_death(&record, &death);

        brain_record_start(&record);
        return verdict;
}

static BrainVerdict be_ready_and_die(int code, int status, uint64_t now_msec) {
        brain_record_ready(&record);
        return die(code, status, now_msec);
}

static void no_brain_yet(void) {
        record = (BrainRecord){ 0 };
}

START_TEST(a_brain_that_never_came_up_is_not_started_again) {
        ck_assert_int_eq(die(CLD_EXITED, 1, 0), BRAIN_GIVE_UP);
        no_brain_yet();
        ck_assert_int_eq(die(CLD_EXITED, 75, 0), BRAIN_GIVE_UP);
        no_brain_yet();
        ck_assert_int_eq(die(CLD_EXITED, 0, 0), BRAIN_ALL_OVER);
        no_brain_yet();
        ck_assert_int_eq(die(CLD_KILLED, SIGKILL, 0), BRAIN_AGAIN);
}
END_TEST

START_TEST(six_faults_in_a_minute_are_too_many) {
        for (uint64_t i = 0; i < 5; i++)
                ck_assert_int_eq(be_ready_and_die(CLD_DUMPED, SIGSEGV, i * 11000), BRAIN_AGAIN);
        /* What is no fault of its own does not count, whenever it is. */
        ck_assert_int_eq(be_ready_and_die(CLD_KILLED, SIGKILL, 55000), BRAIN_AGAIN);
        ck_assert_int_eq(be_ready_and_die(CLD_EXITED, 75, 55000), BRAIN_AGAIN);
        ck_assert_int_eq(be_ready_and_die(CLD_EXITED, 3, 60000), BRAIN_AGAIN);
        ck_assert_int_eq(be_ready_and_die(CLD_EXITED, 3, 60001), BRAIN_GIVE_UP);
}
END_TEST

START_TEST(three_faults_in_a_minute_are_followed_by_safe_mode_for_good) {
        (void) be_ready_and_die(CLD_KILLED, SIGABRT, 0);
        (void) be_ready_and_die(CLD_EXITED, 1, 30000);
        (void) be_ready_and_die(CLD_EXITED, 1, 60000);
        ck_assert(!record.safe);
        (void) be_ready_and_die(CLD_EXITED, 75, 61000);
        (void) be_ready_and_die(CLD_KILLED, SIGKILL, 62000);
        ck_assert(!record.safe);
        ck_assert_int_eq(be_ready_and_die(CLD_EXITED, 1, 89999), BRAIN_AGAIN);
        ck_assert(record.safe);
        ck_assert_int_eq(be_ready_and_die(CLD_EXITED, 1, 10 * 60000), BRAIN_AGAIN);
        ck_assert(record.safe);
}
END_TEST

START_TEST(an_upgrade_is_no_fault_and_clears_the_record) {
        for (uint64_t i = 0; i < 5; i++)
                (void) be_ready_and_die(CLD_EXITED, 1, i);
        ck_assert(record.safe);

        brain_record_upgrade(&record);
        ck_assert(!record.safe);
        ck_assert_int_eq(be_ready_and_die(CLD_KILLED, SIGSEGV, 6), BRAIN_AGAIN);
        ck_assert_uint_eq(record.n_faults, 0);
        /* That excuses one death. */
        ck_assert_int_eq(be_ready_and_die(CLD_KILLED, SIGSEGV, 7), BRAIN_AGAIN);
        ck_assert_uint_eq(record.n_faults, 1);
}
END_TEST

START_TEST(a_kill_is_a_fault_if_it_was_hungry_or_memory_had_run_out) {
        BrainDeath killed = { .code = CLD_KILLED, .status = SIGKILL };
        BrainDeath by_oom = { .code = CLD_KILLED, .status = SIGKILL, .oom = true };
        BrainDeath cut_off = { .code = CLD_EXITED, .status = 75, .oom = true };

        brain_record_ready(&record);
        (void) brain_record_death(&record, &killed);
        (void) brain_record_death(&record, &cut_off);
        ck_assert_uint_eq(record.n_faults, 0);
        (void) brain_record_death(&record, &by_oom);
        ck_assert_uint_eq(record.n_faults, 1);
        record.is_hungry = true;
        (void) brain_record_death(&record, &killed);
        ck_assert_uint_eq(record.n_faults, 2);
        brain_record_start(&record);
        (void) brain_record_death(&record, &killed);
        ck_assert_uint_eq(record.n_faults, 2);
}
END_TEST

START_TEST(ten_deaths_before_ready_make_it_wait) {
        ck_assert_int_eq(be_ready_and_die(CLD_KILLED, SIGKILL, 0), BRAIN_AGAIN);
        for (int i = 0; i < 9; i++)
                ck_assert_int_eq(die(CLD_KILLED, SIGKILL, 0), BRAIN_AGAIN);
        ck_assert_int_eq(die(CLD_KILLED, SIGKILL, 0), BRAIN_AGAIN_LATER);
        ck_assert_int_eq(die(CLD_KILLED, SIGKILL, 0), BRAIN_AGAIN_LATER);
        ck_assert_int_eq(be_ready_and_die(CLD_KILLED, SIGKILL, 0), BRAIN_AGAIN);
}
END_TEST

START_TEST(reads_the_count_of_the_oom_killer) {
        ck_assert_uint_eq(brain_parse_oom_kills("oom_kill 3\n"), 3);
        ck_assert_uint_eq(brain_parse_oom_kills("nr_free_pages 7\noom_kill 12\nnuma_hit 9"), 12);
        ck_assert_uint_eq(brain_parse_oom_kills("drop_oom_kill 5\noom_killed 4\noom_kill 1"), 1);
        ck_assert_uint_eq(brain_parse_oom_kills("nr_free_pages 7\n"), 0);
        ck_assert_uint_eq(brain_parse_oom_kills("oom_kill"), 0);
        ck_assert_uint_eq(brain_parse_oom_kills(""), 0);
}
END_TEST

START_TEST(silence_is_asked_about_and_then_is_hunger) {
        Watchdog watchdog;

        watchdog_feed(&watchdog, 1000);
        ck_assert_uint_eq(watchdog_wait_msec(&watchdog, 1000), 30000);
        ck_assert_int_eq(watchdog_look(&watchdog, 30999), WATCHDOG_WAIT);
        ck_assert_int_eq(watchdog_look(&watchdog, 31000), WATCHDOG_ASK);
        ck_assert_uint_eq(watchdog_wait_msec(&watchdog, 31000), 60000);
        ck_assert_int_eq(watchdog_look(&watchdog, 90999), WATCHDOG_WAIT);
        ck_assert_int_eq(watchdog_look(&watchdog, 91000), WATCHDOG_HUNGRY);
        ck_assert_uint_eq(watchdog_wait_msec(&watchdog, 91000), 30000);
}
END_TEST

START_TEST(an_answer_ends_the_hunger) {
        Watchdog watchdog;

        watchdog_feed(&watchdog, 0);
        ck_assert_int_eq(watchdog_look(&watchdog, 30000), WATCHDOG_ASK);
        watchdog_feed(&watchdog, 89999);
        ck_assert_int_eq(watchdog_look(&watchdog, 90000), WATCHDOG_WAIT);
        ck_assert_uint_eq(watchdog_wait_msec(&watchdog, 90000), 29999);
        ck_assert_uint_eq(watchdog_wait_msec(&watchdog, 500000), 0);
}
END_TEST

START_TEST(a_keeper_that_was_stopped_itself_asks_once_more) {
        Watchdog watchdog;

        watchdog_feed(&watchdog, 0);
        ck_assert_int_eq(watchdog_look(&watchdog, 500000), WATCHDOG_ASK);
        ck_assert_int_eq(watchdog_look(&watchdog, 565001), WATCHDOG_ASK);
        ck_assert_int_eq(watchdog_look(&watchdog, 625001), WATCHDOG_HUNGRY);
}
END_TEST

TEST_MAIN("keeper-parts",
          no_brain_yet,
          NULL,
          the_usual_bus_has_the_plain_folder,
          another_bus_has_a_folder_of_its_own,
          finds_its_own_cgroup,
          a_brain_that_never_came_up_is_not_started_again,
          six_faults_in_a_minute_are_too_many,
          three_faults_in_a_minute_are_followed_by_safe_mode_for_good,
          an_upgrade_is_no_fault_and_clears_the_record,
          a_kill_is_a_fault_if_it_was_hungry_or_memory_had_run_out,
          ten_deaths_before_ready_make_it_wait,
          reads_the_count_of_the_oom_killer,
          silence_is_asked_about_and_then_is_hunger,
          an_answer_ends_the_hunger,
          a_keeper_that_was_stopped_itself_asks_once_more)
