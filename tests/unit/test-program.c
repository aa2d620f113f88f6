/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Contract S3: the order in which a program is looked for. */

#include "config.h"
#include "model/program.h"
#include "test.h"
#include "util/strv.h"

#define T "-" SIDECARD_TRIPLE

static const SidecarSpec plain = {
        .app_id = (char *) "org.example.App",
        .manifest_dir = (char *) "/usr/share/sidecard/apps",
};
static const SidecarSpec based = {
        .app_id = (char *) "org.example.App",
        .base_dir = (char *) "/opt/app/",
        .manifest_dir = (char *) "/usr/share/sidecard/apps",
};

static void assert_candidates(const SidecarSpec *spec,
                              const char *program,
                              const char *path,
                              const char *const *expected) {
        _cleanup_(strv_freep) char **list = NULL;
        size_t n = 0;

        ck_assert_int_eq(program_candidates(&list, spec, program, path), 0);
        for (; expected[n]; n++) {
                ck_assert_msg(n < strv_length(list), "%s is missing", expected[n]);
                ck_assert_str_eq(list[n], expected[n]);
        }
        ck_assert_uint_eq(strv_length(list), n);
}

START_TEST(a_bare_name_is_looked_for_in_every_folder_and_then_in_the_path) {
        static const char *const expected[] = {
                "/opt/app/server",
                "/opt/app/server" T,
                "/usr/share/sidecard/apps/server",
                "/usr/share/sidecard/apps/server" T,
                "/usr/lib/org.example.App/server",
                "/usr/lib/org.example.App/server" T,
                "/usr/libexec/server",
                "/usr/libexec/server" T,
                "/usr/bin/server",
                "/usr/bin/server" T,
                "/bin/server",
                "/bin/server" T,
                NULL,
        };

        /* /usr/bin is there already, and a relative folder means nothing. */
        assert_candidates(&based, "server", "/usr/bin::sbin:/bin/", expected);
}
END_TEST

START_TEST(a_leading_binaries_may_be_dropped_and_leaves_a_bare_name) {
        static const char *const expected[] = {
                "/opt/app/binaries/server",
                "/opt/app/binaries/server" T,
                "/opt/app/server",
                "/opt/app/server" T,
                "/usr/share/sidecard/apps/binaries/server",
                "/usr/share/sidecard/apps/binaries/server" T,
                "/usr/share/sidecard/apps/server",
                "/usr/share/sidecard/apps/server" T,
                "/usr/lib/org.example.App/binaries/server",
                "/usr/lib/org.example.App/binaries/server" T,
                "/usr/lib/org.example.App/server",
                "/usr/lib/org.example.App/server" T,
                "/usr/libexec/binaries/server",
                "/usr/libexec/binaries/server" T,
                "/usr/libexec/server",
                "/usr/libexec/server" T,
                "/usr/bin/binaries/server",
                "/usr/bin/binaries/server" T,
                "/usr/bin/server",
                "/usr/bin/server" T,
                "/bin/server",
                "/bin/server" T,
                NULL,
        };

        assert_candidates(&based, "binaries/server", "/bin", expected);
}
END_TEST

START_TEST(an_absolute_path_is_looked_for_there_alone) {
        static const char *const expected[] = { "/opt/x/server", "/opt/x/server" T, NULL };

        assert_candidates(&based, "/opt/y/..//x/./server", "/bin", expected);
}
END_TEST

START_TEST(a_name_with_a_slash_is_not_looked_for_in_the_path) {
        static const char *const expected[] = {
                "/usr/share/sidecard/apps/bin/server",
                "/usr/share/sidecard/apps/bin/server" T,
                "/usr/lib/org.example.App/bin/server",
                "/usr/lib/org.example.App/bin/server" T,
                "/usr/libexec/bin/server",
                "/usr/libexec/bin/server" T,
                "/usr/bin/bin/server",
                "/usr/bin/bin/server" T,
                NULL,
        };

        assert_candidates(&plain, "bin/server", "/bin", expected);
        assert_candidates(&plain, "./bin/server", NULL, expected);
}
END_TEST

START_TEST(dots_above_the_root_stay_there_and_make_no_duplicates) {
        static const SidecarSpec shallow = {
                .app_id = (char *) "a",
                .base_dir = (char *) "/",
                .manifest_dir = (char *) "/m",
        };
        static const char *const expected[] = {
                "/x",         "/x" T,         "/m/x",   "/m/x" T,   "/lib/a/x", "/lib/a/x" T,
                "/libexec/x", "/libexec/x" T, "/bin/x", "/bin/x" T, NULL,
        };

        assert_candidates(&shallow, "x", "/bin:/m", expected);
}
END_TEST

START_TEST(without_a_name_or_a_path_there_is_less) {
        static const char *const none[] = { NULL };
        _cleanup_(strv_freep) char **list = NULL;

        assert_candidates(&based, "", "/bin", none);
        ck_assert_int_eq(program_candidates(&list, &plain, "x", NULL), 0);
        ck_assert_uint_eq(strv_length(list), 8);
}
END_TEST

TEST_MAIN("program",
          NULL,
          NULL,
          a_bare_name_is_looked_for_in_every_folder_and_then_in_the_path,
          a_leading_binaries_may_be_dropped_and_leaves_a_bare_name,
          an_absolute_path_is_looked_for_there_alone,
          a_name_with_a_slash_is_not_looked_for_in_the_path,
          dots_above_the_root_stay_there_and_make_no_duplicates,
          without_a_name_or_a_path_there_is_less)
