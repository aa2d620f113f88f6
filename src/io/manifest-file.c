/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestFile
 *
 * What is checked is the file that was opened, not its name: nothing can be swapped in between.
 */

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/manifest-file.h"

/* The file as a whole is not what it should be. */
static _printf_(3, 4) int load_fail(ManifestError *ret_error,
                                    const char *path,
                                    const char *format,
                                    ...) {
        ManifestError error = { .path = strdup(path), .pointer = strdup("") };
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&error.message, format, args);
        va_end(args);

        if (n < 0)
                error.message = NULL;
        if (!error.path || !error.pointer || !error.message) {
                manifest_error_done(&error);
                return -ENOMEM;
        }

        *ret_error = error;
        return -EBADMSG;
}

static int check_file(const struct stat *st, const char *path, ManifestError *ret_error) {
        if (!S_ISREG(st->st_mode))
                return load_fail(ret_error, path, "not a regular file: put the manifest here");
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return load_fail(ret_error, path,
                                 "it belongs to uid %u: chown it to root or to uid %u",
                                 (unsigned) st->st_uid, (unsigned) geteuid());
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return load_fail(ret_error, path, "others may write it: chmod go-w it");
        if (st->st_size > MANIFEST_BYTES_MAX)
                return load_fail(ret_error, path, "%lld bytes, of at most %u: make it smaller",
                                 (long long) st->st_size, MANIFEST_BYTES_MAX);
        return 0;
}

/* At most n_max bytes, which a file that grows meanwhile may well have. */
static ssize_t read_all(int fd, char *buffer, size_t n_max) {
        size_t n = 0;

        while (n < n_max) {
                ssize_t k = TEMP_FAILURE_RETRY(read(fd, buffer + n, n_max - n));

                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t) k;
        }

        return (ssize_t) n;
}

static bool
is_same(const ManifestSource *source, const char *path, const char *text, size_t n_bytes) {
        return strcmp(source->path, path) == 0 && source->n_bytes == n_bytes &&
               memcmp(source->text, text, n_bytes) == 0;
}

int manifest_load(Manifest **ret,
                  const Manifest *former,
                  const char *path,
                  ManifestError *ret_error) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -1;
        struct stat st;
        ssize_t n;
        int r;

        /* O_NONBLOCK: open(2) of a FIFO would wait for a writer, and of a device do as it likes. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 && errno == ELOOP)
                return load_fail(ret_error, path, "a symbolic link: put the file itself here");
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        r = check_file(&st, path, ret_error);
        if (r < 0)
                return r;

        /* One byte more than there may be, so that growth past the limit is seen. */
        text = malloc(MANIFEST_BYTES_MAX + 1);
        if (!text)
                return -ENOMEM;
        n = read_all(fd, text, MANIFEST_BYTES_MAX + 1);
        if (n < 0)
                return (int) n;

        if (former && is_same(former->source, path, text, (size_t) n))
                return 1;

        return manifest_parse(ret, path, text, (size_t) n, ret_error);
}

bool manifest_is_masked(const char *path) {
        char target[sizeof("/dev/null")];
        ssize_t n = readlink(path, target, sizeof(target));

        return n == (ssize_t) strlen("/dev/null") && memcmp(target, "/dev/null", (size_t) n) == 0;
}
