/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/desktop-file.h"
#include "test.h"

#define APP "org.example.App"

static char folder[] = "/tmp/sidecard-desktop-file-XXXXXX";

static char *path_of(const char *name) {
        char *path;

        ck_assert_int_gt(asprintf(&path, "%s/%s", folder, name), 0);
        return path;
}

static void make_folder(const char *name) {
        _cleanup_free_ char *path = path_of(name);

        ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void write_file(const char *name, const char *text) {
        _cleanup_free_ char *path = path_of(name);
        FILE *file = fopen(path, "we");

        ck_assert_ptr_nonnull(file);
        ck_assert_int_ge(fputs(text, file), 0);
        ck_assert_int_eq(fclose(file), 0);
}

static void setup(void) {
        _cleanup_free_ char *home = NULL, *share = NULL;

        ck_assert_ptr_nonnull(mkdtemp(folder));
        home = path_of("home");
        share = path_of("share");
        make_folder("home");
        make_folder("home/applications");
        make_folder("share");
        make_folder("share/applications");
        ck_assert_int_eq(setenv("XDG_DATA_HOME", home, 1), 0);
        ck_assert_int_eq(setenv("XDG_DATA_DIRS", share, 1), 0);
}

static int remove_one(const char *path,
                      const struct stat *s _unused_,
                      int type _unused_,
                      struct FTW *f _unused_) {
        return remove(path);
}

static void teardown(void) {
        ck_assert_int_eq(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void assert_icon(const char *expected) {
        _cleanup_free_ char *icon = NULL;
        int r = desktop_file_find_icon(APP, &icon);

        ck_assert_int_eq(r, expected ? 0 : -ENOENT);
        if (expected)
                ck_assert_str_eq(icon, expected);
}

START_TEST(the_icon_is_that_of_the_entry) {
        assert_icon(NULL);
        write_file("share/applications/" APP ".desktop",
                   "# Icon=comment\n[Desktop Action x]\nIcon=action\n"
                   "[Desktop Entry]\r\nName=App\nIcon[de]=bild\nIconic=no\nIcon = app-icon\r\n");
        assert_icon("app-icon");
}
END_TEST

START_TEST(the_users_own_entry_hides_the_others) {
        write_file("share/applications/" APP ".desktop", "[Desktop Entry]\nIcon=system\n");
        write_file("home/applications/" APP ".desktop", "[Desktop Entry]\nIcon=own\n");
        assert_icon("own");
        write_file("home/applications/" APP ".desktop", "[Desktop Entry]\nName=x\n");
        assert_icon(NULL);
}
END_TEST

START_TEST(a_path_becomes_a_uri) {
        write_file("share/applications/" APP ".desktop",
                   "[Desktop Entry]\nIcon=/opt/My App/\xC3\xBC%.png\n");
        assert_icon("file:///opt/My%20App/%C3%BC%25.png");
}
END_TEST

START_TEST(what_is_no_entry_is_left_alone) {
        _cleanup_free_ char *fifo = path_of("home/applications/" APP ".desktop");

        ck_assert_int_eq(mkfifo(fifo, 0600), 0);
        assert_icon(NULL);
        write_file("share/applications/" APP ".desktop", "[Desktop Entry]\nIcon=\xFF\n");
        assert_icon(NULL);
        write_file("share/applications/" APP ".desktop", "[Desktop Entry]\nIcon=\n");
        assert_icon(NULL);
}
END_TEST

TEST_MAIN("desktop-file",
          setup,
          teardown,
          the_icon_is_that_of_the_entry,
          the_users_own_entry_hides_the_others,
          a_path_becomes_a_uri,
          what_is_no_entry_is_left_alone)
