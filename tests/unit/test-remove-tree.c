/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/remove-tree.h"
#include "test.h"

static char root[] = "/tmp/sidecard-remove-XXXXXX";
static int root_fd;

static void setup(void) {
        ck_assert_ptr_nonnull(mkdtemp(root));
        root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(root_fd, 0);
}

static void teardown(void) {
        unsigned budget = UINT_MAX;

        (void) remove_tree(root_fd, "other", &budget);
        (void) remove_tree(root_fd, "tree", &budget);
        (void) rmdir(root);
}

static bool is_there(const char *name) {
        return faccessat(root_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

static void make_folder(const char *name) {
        ck_assert_int_eq(mkdirat(root_fd, name, 0755), 0);
}

static void make_file(const char *name) {
        int fd = openat(root_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        ck_assert_int_ge(fd, 0);
        (void) close(fd);
}

START_TEST(all_of_it_goes_and_what_its_links_lead_to_stays) {
        unsigned budget = 100;

        make_folder("other");
        make_file("other/kept");
        make_folder("tree");
        make_folder("tree/below");
        make_file("tree/below/.hidden");
        make_file("tree/file");
        ck_assert_int_eq(symlinkat("../other", root_fd, "tree/link"), 0);
        ck_assert_int_eq(symlinkat("/", root_fd, "tree/below/root"), 0);

        ck_assert_int_eq(remove_tree(root_fd, "tree", &budget), 0);
        ck_assert(!is_there("tree"));
        ck_assert(is_there("other/kept"));
        ck_assert_uint_eq(budget, 94);
        ck_assert_int_eq(remove_tree(root_fd, "tree", &budget), 0);
}
END_TEST

START_TEST(it_goes_in_slices_of_any_size) {
        unsigned n_slices = 0;
        int r;

        make_folder("tree");
        for (int i = 0; i < 20; i++) {
                char name[32];

                (void) snprintf(name, sizeof(name), "tree/%d", i);
                make_folder(name);
                (void) snprintf(name, sizeof(name), "tree/%d/file", i);
                make_file(name);
        }

        do {
                unsigned budget = 3;

                r = remove_tree(root_fd, "tree", &budget);
                n_slices++;
                ck_assert_uint_le(n_slices, 41);
        } while (r == -EAGAIN);
        ck_assert_int_eq(r, 0);
        ck_assert(!is_there("tree"));
        /* A folder that a slice has emptied goes with it. */
        ck_assert_uint_ge(n_slices, 41 / 4);
}
END_TEST

START_TEST(what_is_too_deep_stays_and_says_so) {
        unsigned budget = UINT_MAX;
        char name[512] = "tree";

        for (int i = 0; i < 80; i++) {
                make_folder(name);
                (void) strcat(name, "/d");
        }
        make_file("tree/file");

        ck_assert_int_eq(remove_tree(root_fd, "tree", &budget), -ELOOP);
        ck_assert(is_there("tree"));
        ck_assert(!is_there("tree/file"));

        /* Shallow enough once its lower half is removed on its own. */
        name[strlen("tree") + 2 * 40] = '\0';
        ck_assert_int_eq(remove_tree(root_fd, name, &budget), 0);
}
END_TEST

TEST_MAIN("remove tree",
          setup,
          teardown,
          all_of_it_goes_and_what_its_links_lead_to_stays,
          it_goes_in_slices_of_any_size,
          what_is_too_deep_stays_and_says_so)
