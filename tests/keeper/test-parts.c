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

START_TEST(a_brain_that_never_came_up_is_not_started_again) {
        BrainRecord record = { 0 };

        ck_assert_int_eq(brain_record_death(&record, CLD_EXITED, 1, 0), BRAIN_GIVE_UP);
        record = (BrainRecord){ 0 };
        ck_assert_int_eq(brain_record_death(&record, CLD_EXITED, 0, 0), BRAIN_ALL_OVER);
        record = (BrainRecord){ 0 };
        ck_assert_int_eq(brain_record_death(&record, CLD_KILLED, SIGKILL, 0), BRAIN_AGAIN);
}
END_TEST

START_TEST(six_faults_in_a_minute_are_too_many) {
        BrainRecord record = { 0 };

        brain_record_ready(&record);
        for (uint64_t i = 0; i < 5; i++)
                ck_assert_int_eq(brain_record_death(&record, CLD_DUMPED, SIGSEGV, i * 11000),
                                 BRAIN_AGAIN);
        /* What is no fault of its own does not count, whenever it is. */
        ck_assert_int_eq(brain_record_death(&record, CLD_KILLED, SIGKILL, 55000), BRAIN_AGAIN);
        ck_assert_int_eq(brain_record_death(&record, CLD_EXITED, 75, 55000), BRAIN_AGAIN);
        ck_assert_int_eq(brain_record_death(&record, CLD_EXITED, 3, 60000), BRAIN_AGAIN);
        ck_assert_int_eq(brain_record_death(&record, CLD_EXITED, 3, 60001), BRAIN_GIVE_UP);
}
END_TEST

START_TEST(ten_deaths_before_ready_make_it_wait) {
        BrainRecord record = { 0 };

        brain_record_ready(&record);
        ck_assert_int_eq(brain_record_death(&record, CLD_KILLED, SIGKILL, 0), BRAIN_AGAIN);
        for (int i = 0; i < 9; i++)
                ck_assert_int_eq(brain_record_death(&record, CLD_KILLED, SIGKILL, 0), BRAIN_AGAIN);
        ck_assert_int_eq(brain_record_death(&record, CLD_KILLED, SIGKILL, 0), BRAIN_AGAIN_LATER);
        brain_record_ready(&record);
        ck_assert_int_eq(brain_record_death(&record, CLD_KILLED, SIGKILL, 0), BRAIN_AGAIN);
}
END_TEST

START_TEST(a_death_while_terminating_is_the_end) {
        BrainRecord record = { .terminating = true };

        ck_assert_int_eq(brain_record_death(&record, CLD_KILLED, SIGKILL, 0), BRAIN_ALL_OVER);
}
END_TEST

TEST_MAIN("keeper-parts",
          NULL,
          NULL,
          the_usual_bus_has_the_plain_folder,
          another_bus_has_a_folder_of_its_own,
          finds_its_own_cgroup,
          a_brain_that_never_came_up_is_not_started_again,
          six_faults_in_a_minute_are_too_many,
          ten_deaths_before_ready_make_it_wait,
          a_death_while_terminating_is_the_end)
