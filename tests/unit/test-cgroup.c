/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On a stand-in: a folder with the files that the kernel would have there, since controllers of
 * memory are rarely given to tests.
 */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/cgroup.h"
#include "test.h"

#define LEAF "3-web"

static char trees[] = "/tmp/sidecard-cgroup-XXXXXX";
static int trees_fd, leaf_fd;

static const char *const files[] = { "cgroup.events", "cgroup.subtree_control", "memory.events",
                                     "memory.max" };

static void write_file(const char *name, const char *text) {
        int fd = openat(leaf_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
        ck_assert_int_eq(close(fd), 0);
}

static void setup(void) {
        ck_assert_ptr_nonnull(mkdtemp(trees));
        trees_fd = open(trees, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(trees_fd, 0);
        ck_assert_int_eq(mkdirat(trees_fd, LEAF, 0755), 0);
        leaf_fd = openat(trees_fd, LEAF, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(leaf_fd, 0);
        write_file("cgroup.events", "populated 0\nfrozen 0\n");
        write_file("cgroup.subtree_control", "\n");
}

static void teardown(void) {
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                (void) unlinkat(leaf_fd, files[i], 0);
        (void) unlinkat(trees_fd, LEAF, AT_REMOVEDIR);
        (void) rmdir(trees);
}

static uint64_t count(void) {
        _cleanup_(cgroup_freep) Cgroup *cgroup = NULL;

        ck_assert_int_eq(cgroup_open(&cgroup, trees_fd, "/trees", LEAF), 0);
        return cgroup_count_oom_kills(cgroup);
}

START_TEST(kills_for_lack_of_memory_are_counted) {
        ck_assert_uint_eq(count(), 0); /* there is no controller */
        write_file("memory.events", "low 0\nhigh 4\nmax 17\noom 2\noom_kill 0\n");
        ck_assert_uint_eq(count(), 0);
        write_file("memory.events", "low 0\nhigh 4\nmax 17\noom 5\noom_kill 3\noom_group_kill 1\n");
        ck_assert_uint_eq(count(), 3);
}
END_TEST

START_TEST(the_limit_is_read_where_there_is_one) {
        _cleanup_(cgroup_freep) Cgroup *cgroup = NULL;
        uint64_t limit = 0;

        ck_assert_int_eq(cgroup_open(&cgroup, trees_fd, "/trees", LEAF), 0);
        ck_assert_int_eq(cgroup_read_number(cgroup, "memory.max", NULL, &limit), -ENODATA);
        write_file("memory.max", "max\n");
        ck_assert_int_eq(cgroup_read_number(cgroup, "memory.max", NULL, &limit), -ENODATA);
        write_file("memory.max", "536870912\n");
        ck_assert_int_eq(cgroup_read_number(cgroup, "memory.max", NULL, &limit), 0);
        ck_assert_uint_eq(limit, 536870912);
}
END_TEST

TEST_MAIN("cgroup",
          setup,
          teardown,
          kills_for_lack_of_memory_are_counted,
          the_limit_is_read_where_there_is_one)
