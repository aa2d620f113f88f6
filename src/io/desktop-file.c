/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * DesktopFile
 *
 * Looked up when it is needed, since that is seldom, and an app may have been installed since. Of
 * the specification's rules for ids only the plain one is followed: the file ID.desktop.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/desktop-file.h"
#include "util/strv.h"
#include "util/uri.h"
#include "util/utf8.h"
#include "util/xdg.h"

#define DESKTOP_FILE_BYTES_MAX (64 * 1024)
#define GROUP "[Desktop Entry]"
#define KEY "Icon"
#define BLANKS " \t"

/* The value in a line "Icon = VALUE", in place; NULL: it is another line. */
static char *find_value(char *line) {
        char *value;

        if (!startswith(line, KEY))
                return NULL;
        value = line + strlen(KEY);
        value += strspn(value, BLANKS);
        if (*value != '=')
                return NULL;

        value++;
        return value + strspn(value, BLANKS);
}

static int take_icon(const char *value, char **ret) {
        if (*value == '\0' || !utf8_is_valid(value, strlen(value)))
                return -ENOENT;

        *ret = *value == '/' ? uri_of_path(value) : strdup(value);
        return *ret ? 0 : -ENOMEM;
}

static int read_icon(FILE *file, char **ret) {
        _cleanup_free_ char *line = NULL;
        bool is_in_group = false;
        size_t n_allocated = 0;

        while (getline(&line, &n_allocated, file) >= 0) {
                const char *value;

                line[strcspn(line, "\r\n")] = '\0';
                if (line[0] == '[')
                        is_in_group = streq(line, GROUP);
                value = is_in_group ? find_value(line) : NULL;
                if (value)
                        return take_icon(value, ret);
        }

        return -ENOENT;
}

/* Nothing is opened that could keep us waiting, as a FIFO would. */
static int open_regular(FILE **ret, const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat status;
        FILE *file;

        if (fd < 0 || fstat(fd, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode) || status.st_size > DESKTOP_FILE_BYTES_MAX)
                return -ENOENT;

        file = fdopen(fd, "r");
        if (!file)
                return -errno;

        (void) TAKE_FD(fd);
        *ret = file;
        return 0;
}

int desktop_file_find_icon(const char *id, char **ret) {
        _cleanup_(strv_freep) char **folders = NULL;
        int r;

        r = xdg_data_path(&folders);
        if (r < 0)
                return r;

        STRV_FOREACH (folder, folders) {
                _cleanup_free_ char *path = NULL;
                FILE *file = NULL;

                if (asprintf(&path, "%s/applications/%s.desktop", *folder, id) < 0)
                        return -ENOMEM;
                if (open_regular(&file, path) < 0)
                        continue;
                /* The first one hides the others, whatever it says. */
                r = read_icon(file, ret);
                (void) fclose(file);
                return r;
        }

        return -ENOENT;
}
