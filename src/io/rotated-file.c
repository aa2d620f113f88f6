/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * RotatedFile
 *
 * The size is asked of the kernel before each write, and with it whether the file still has a
 * name: people remove logs, and their folders, while they are written. A file ends with a whole
 * line wherever a line ends within LOG_LINE_BYTES_MAX around its largest size.
 */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/rotated-file.h"
#include "model/log-ring.h"
#include "util/strv.h"

#define NAME_MAX_BYTES (PATH_MAX + sizeof(".4294967295"))

struct RotatedFile {
        char *path;
        uint64_t max_size_bytes;
        uint32_t max_files;
        int fd;
        bool is_at_line_start;
};

int rotated_file_new(RotatedFile **ret,
                     const char *path,
                     uint64_t max_size_bytes,
                     uint32_t max_files) {
        _cleanup_(rotated_file_freep) RotatedFile *file = NULL;
        int r;

        if (strlen(path) >= PATH_MAX)
                return -ENAMETOOLONG;

        file = calloc(1, sizeof(*file));
        if (!file)
                return -ENOMEM;

        file->fd = -1;
        file->is_at_line_start = true;
        file->max_size_bytes = max_size_bytes;
        file->max_files = max_files;
        r = free_and_strdup(&file->path, path);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(file);
        return 0;
}

RotatedFile *rotated_file_free(RotatedFile *file) {
        if (!file)
                return NULL;

        safe_close(file->fd);
        free(file->path);
        free(file);
        return NULL;
}

bool rotated_file_is_at_line_start(const RotatedFile *file) {
        return file->is_at_line_start;
}

static int folders_make(const char *path) {
        char folder[PATH_MAX];

        for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                (void) snprintf(folder, sizeof(folder), "%.*s", (int) (slash - path), path);
                if (mkdir(folder, 0700) < 0 && errno != EEXIST)
                        return -errno;
        }

        return 0;
}

static int file_open(RotatedFile *file) {
        int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, r;

        file->fd = open(file->path, flags, 0600);
        if (file->fd < 0 && errno == ENOENT) {
                r = folders_make(file->path);
                if (r < 0)
                        return r;
                file->fd = open(file->path, flags, 0600);
        }

        return file->fd < 0 ? -errno : 0;
}

/* Opens what is not open, or has lost its name. */
static int file_prepare(RotatedFile *file, uint64_t *ret_size) {
        struct stat st;
        int r;

        if (file->fd >= 0 && (fstat(file->fd, &st) < 0 || st.st_nlink == 0))
                file->fd = safe_close(file->fd);

        if (file->fd < 0) {
                r = file_open(file);
                if (r < 0)
                        return r;
                if (fstat(file->fd, &st) < 0)
                        return -errno;
                if (st.st_size == 0)
                        file->is_at_line_start = true;
        }

        *ret_size = (uint64_t) st.st_size;
        return 0;
}

static char *file_name(const RotatedFile *file, uint32_t number, char name[static NAME_MAX_BYTES]) {
        if (number == 0)
                (void) snprintf(name, NAME_MAX_BYTES, "%s", file->path);
        else
                (void) snprintf(name, NAME_MAX_BYTES, "%s.%u", file->path, number);

        return name;
}

static int file_rotate(RotatedFile *file) {
        char from[NAME_MAX_BYTES], to[NAME_MAX_BYTES];
        uint32_t last = file->max_files > 1 ? file->max_files - 1 : 0;

        file->fd = safe_close(file->fd);

        /*
         * A former life may have been allowed more of them. And ext4 writes a file to the disk at
         * once when it is renamed over another one (ext4(5), auto_da_alloc).
         */
        for (uint32_t i = last; unlink(file_name(file, i, to)) >= 0; i++)
                continue;
        if (errno != ENOENT)
                return -errno;

        for (uint32_t i = last; i > 0; i--)
                if (rename(file_name(file, i - 1, from), file_name(file, i, to)) < 0 &&
                    errno != ENOENT)
                        return -errno;

        return 0;
}

/* How many of the bytes belong into a file of that size; 0: none, and never so for an empty one. */
static size_t
n_before_rotation(const RotatedFile *file, uint64_t size, const char *bytes, size_t n_bytes) {
        uint64_t room = file->max_size_bytes > size ? file->max_size_bytes - size : 0;
        uint64_t limit = file->max_size_bytes + LOG_LINE_BYTES_MAX;
        const char *newline;

        if (n_bytes <= room)
                return n_bytes;

        newline = memrchr(bytes, '\n', room);
        if (newline)
                return (size_t) (newline - bytes) + 1;
        if (size > 0 && file->is_at_line_start)
                return 0;
        if (size >= limit)
                return 0;

        /* In the middle of a line, which may take a little more than there is room. */
        if (n_bytes > limit - size)
                n_bytes = limit - size;
        newline = memchr(bytes, '\n', n_bytes);
        return newline ? (size_t) (newline - bytes) + 1 : n_bytes;
}

static ssize_t file_write(RotatedFile *file, const char *bytes, size_t n_bytes) {
        uint64_t size = 0;
        ssize_t n;
        int r;

        r = file_prepare(file, &size);
        if (r < 0)
                return r;

        n_bytes = n_before_rotation(file, size, bytes, n_bytes);
        if (n_bytes == 0)
                return 0;

        n = write(file->fd, bytes, n_bytes);
        if (n <= 0)
                return n < 0 ? -errno : -EIO;

        file->is_at_line_start = bytes[n - 1] == '\n';
        return n;
}

ssize_t rotated_file_write(RotatedFile *file, const char *bytes, size_t n_bytes) {
        ssize_t n = 0;
        int r = 0;

        while (n == 0 && r >= 0) {
                n = file_write(file, bytes, n_bytes);
                if (n == 0)
                        r = file_rotate(file);
        }
        if (n > 0)
                return n;

        file->fd = safe_close(file->fd);
        return n < 0 ? n : r;
}
