/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ModeFile
 *
 * Written beside its place and renamed there, so that a kill leaves the former one. It is not
 * synced: after a loss of power the mode before the last is as good as any.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/mode-file.h"
#include "util/mkdir.h"

/* A name of 63 bytes, and a URL that is longer than any that is of use. */
#define MODE_FILE_BYTES_MAX 8192

/* Anybody may have put something else there: it is not followed, and waits for nobody. */
static int read_text(const char *path, char text[static MODE_FILE_BYTES_MAX + 1]) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        struct stat st;
        ssize_t n;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > MODE_FILE_BYTES_MAX)
                return -EBADMSG;

        n = read(fd, text, MODE_FILE_BYTES_MAX);
        if (n < 0)
                return -errno;

        text[n] = '\0';
        return n > 0 && strlen(text) == (size_t) n && text[n - 1] == '\n' ? 0 : -EBADMSG;
}

int mode_file_read(const char *path, char **ret_mode, char **ret_server_url) {
        _cleanup_free_ char *mode = NULL, *server_url = NULL;
        char text[MODE_FILE_BYTES_MAX + 1], *second;
        int r;

        r = read_text(path, text);
        if (r < 0)
                return r;

        second = strchr(text, '\n');
        *second++ = '\0';
        if (!*text || (*second && strchr(second, '\n')[1]))
                return -EBADMSG;

        second[strcspn(second, "\n")] = '\0';
        mode = strdup(text);
        server_url = *second ? strdup(second) : NULL;
        if (!mode || (*second && !server_url))
                return -ENOMEM;

        *ret_mode = TAKE_PTR(mode);
        *ret_server_url = TAKE_PTR(server_url);
        return 0;
}

static int write_text(const char *path, const char *text, size_t n_bytes) {
        _cleanup_close_ int fd =
                open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        ssize_t n;

        if (fd < 0)
                return -errno;

        n = write(fd, text, n_bytes);
        if (n < 0)
                return -errno;
        return (size_t) n == n_bytes ? 0 : -EIO;
}

int mode_file_write(const char *path, const char *mode, const char *server_url) {
        _cleanup_free_ char *text = NULL, *folder = NULL, *fresh = NULL;
        int n = asprintf(&text, "%s\n%s%s", mode, server_url ? server_url : "",
                         server_url ? "\n" : "");
        int r;

        if (n < 0)
                return -ENOMEM;
        if (n > MODE_FILE_BYTES_MAX)
                return -EMSGSIZE;
        folder = strndup(path, (size_t) (strrchr(path, '/') - path));
        /* No id of an app begins with a dot, and there is one writer. */
        if (!folder || asprintf(&fresh, "%s/.new", folder) < 0)
                return -ENOMEM;

        r = mkdir_parents(folder, 0700);
        if (r >= 0)
                r = write_text(fresh, text, (size_t) n);
        if (r >= 0 && rename(fresh, path) < 0)
                r = -errno;
        if (r < 0)
                (void) unlink(fresh);
        return r;
}
