/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * On a stand-in: folders with the files that the kernel would have there. What the kernel makes of
 * them is shown by tools/booted-limits.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/kernel-limits.h"
#include "test.h"

static const char *const folders[] = { "root", "root/trees", "root/trees/leaf" };
static const char *const files[] = {
        "cgroup.controllers",
        "cgroup.procs",
        "cgroup.type",
        "cgroup.subtree_control",
        "root/cgroup.subtree_control",
        "root/trees/cgroup.subtree_control",
        "root/trees/leaf/memory.max",
        "root/trees/leaf/pids.max",
        "root/trees/leaf/cpu.weight",
};

static char base[] = "/tmp/sidecard-limits-XXXXXX";
static int base_fd, trees_fd, leaf_fd;

static void write_file(const char *name, const char *text) {
        int fd = openat(base_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
        ck_assert_int_eq(close(fd), 0);
}

static void assert_file(const char *name, const char *expected) {
        char text[64] = "";
        int fd = openat(base_fd, name, O_RDONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_ge(read(fd, text, sizeof(text) - 1), 0);
        ck_assert_int_eq(close(fd), 0);
        ck_assert_str_eq(text, expected);
}

static int open_folder(const char *path) {
        int fd = openat(base_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

static void setup(void) {
        ck_assert_ptr_nonnull(mkdtemp(base));
        base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(base_fd, 0);
        for (size_t i = 0; i < ELEMENTSOF(folders); i++)
                ck_assert_int_eq(mkdirat(base_fd, folders[i], 0755), 0);
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                write_file(files[i], "");
        trees_fd = open_folder("root/trees");
        leaf_fd = open_folder("root/trees/leaf");
}

static void teardown(void) {
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                (void) unlinkat(base_fd, files[i], 0);
        for (size_t i = ELEMENTSOF(folders); i-- > 0;)
                (void) unlinkat(base_fd, folders[i], AT_REMOVEDIR);
        (void) rmdir(base);
}

START_TEST(only_what_is_asked_for_is_handed_down_and_written) {
        Limits limits = { 0 };

        limits_set(&limits, LIMIT_MEMORY_MAX, 52428800);
        write_file("root/trees/leaf/pids.max", "max\n");
        limits_give_cgroup(&limits, trees_fd, leaf_fd);

        assert_file("cgroup.subtree_control", "+memory");
        assert_file("root/cgroup.subtree_control", "+memory");
        assert_file("root/trees/cgroup.subtree_control", "+memory");
        assert_file("root/trees/leaf/memory.max", "52428800");
        assert_file("root/trees/leaf/pids.max", "max\n");
}
END_TEST

START_TEST(what_is_handed_down_already_is_let_be) {
        Limits limits = { 0 };

        limits_set(&limits, LIMIT_TASKS_MAX, 7);
        write_file("root/trees/cgroup.subtree_control", "memory pids\n");
        limits_give_cgroup(&limits, trees_fd, leaf_fd);

        assert_file("cgroup.subtree_control", "");
        assert_file("root/trees/cgroup.subtree_control", "memory pids\n");
        assert_file("root/trees/leaf/pids.max", "7");
}
END_TEST

static void assert_fault(const Limits *limits, Limit limit, int fd, const char *expected) {
        _cleanup_free_ char *fault = NULL;

        ck_assert_int_eq(limit_find_fault(limits, limit, fd, 0, &fault), 0);
        if (expected)
                ck_assert_msg(fault && strstr(fault, expected), "%s", fault);
        else
                ck_assert_msg(!fault, "%s", fault);
}

START_TEST(what_is_not_in_force_is_found) {
        Limits limits = { 0 };

        assert_fault(&limits, LIMIT_MEMORY_MAX, -1, NULL);
        limits_set(&limits, LIMIT_MEMORY_MAX, 5000);
        limits_set(&limits, LIMIT_MEMORY_HIGH, 5000);
        limits_set(&limits, LIMIT_TASKS_MAX, 7);
        limits_set(&limits, LIMIT_CPU_WEIGHT, 50);
        limits_set(&limits, LIMIT_NICE, 5);

        assert_fault(&limits, LIMIT_MEMORY_MAX, -1, "no cgroup");
        write_file("root/trees/leaf/memory.max", "4096\n"); /* whole pages */
        assert_fault(&limits, LIMIT_MEMORY_MAX, leaf_fd, NULL);
        assert_fault(&limits, LIMIT_MEMORY_HIGH, leaf_fd, "no memory controller");
        write_file("root/trees/leaf/pids.max", "max\n");
        assert_fault(&limits, LIMIT_TASKS_MAX, leaf_fd, "refuses 7");
        write_file("root/trees/leaf/cpu.weight", "100\n");
        assert_fault(&limits, LIMIT_CPU_WEIGHT, leaf_fd, "refuses 50");
        assert_fault(&limits, LIMIT_NICE, leaf_fd, NULL); /* of nobody */
}
END_TEST

START_TEST(a_controller_is_there_if_it_could_be_handed_down) {
        ck_assert(!limits_have_controller(trees_fd, "memory"));
        write_file("cgroup.controllers", "cpuset memory pids\n");
        ck_assert(limits_have_controller(trees_fd, "memory"));
        ck_assert(limits_have_controller(trees_fd, "pids"));
        ck_assert(!limits_have_controller(trees_fd, "cpu"));

        /* Whoever has processes of its own hands nothing down. */
        write_file("cgroup.procs", "1\n");
        ck_assert(!limits_have_controller(trees_fd, "memory"));
}
END_TEST

TEST_MAIN("kernel-limits",
          setup,
          teardown,
          only_what_is_asked_for_is_handed_down_and_written,
          what_is_handed_down_already_is_let_be,
          what_is_not_in_force_is_found,
          a_controller_is_there_if_it_could_be_handed_down)
