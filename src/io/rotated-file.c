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
        bool is_at_line_start; /* of the open file */
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

static int folders_make(const char *path) {
        char folder[PATH_MAX];

        for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                (void) snprintf(folder, sizeof(folder), "%.*s", (int) (slash - path), path);
                if (mkdir(folder, 0700) < 0 && errno != EEXIST)
                        return -errno;
        }

        return 0;
}

static RotatedFilePlace place_from(const struct stat *st) {
        return (RotatedFilePlace){ st->st_dev, st->st_ino, (uint64_t) st->st_size };
}

int rotated_file_find(const RotatedFile *file, RotatedFilePlace *ret) {
        struct stat st;

        if (lstat(file->path, &st) < 0)
                return -errno;

        *ret = place_from(&st);
        return 0;
}

/* A former life may have ended anywhere. */
static bool file_ends_with_newline(const RotatedFile *file, uint64_t size) {
        _cleanup_close_ int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        char last;

        return fd < 0 || pread(fd, &last, 1, (off_t) size - 1) != 1 || last == '\n';
}

bool rotated_file_is_at_line_start(const RotatedFile *file) {
        RotatedFilePlace place;

        if (file->fd >= 0)
                return file->is_at_line_start;

        return rotated_file_find(file, &place) < 0 || place.size == 0 ||
               file_ends_with_newline(file, place.size);
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
static int file_ensure_open(RotatedFile *file, RotatedFilePlace *ret_place) {
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
                file->is_at_line_start =
                        st.st_size == 0 || file_ends_with_newline(file, (uint64_t) st.st_size);
        }

        *ret_place = place_from(&st);
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
        uint32_t last = file->max_files > 1 ? file->max_files - 1 : 0, gap = 0;

        file->fd = safe_close(file->fd);

        /* Where a former life was killed in the midst of this there is a gap, and enough room. */
        while (gap < last && access(file_name(file, gap + 1, to), F_OK) >= 0)
                gap++;
        if (gap < last)
                last = gap + 1;

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

ssize_t rotated_file_prepare(RotatedFile *file,
                             const char *bytes,
                             size_t n_bytes,
                             RotatedFilePlace *ret_place) {
        RotatedFilePlace place = { 0 };
        size_t n = 0;
        int r;

        do {
                r = file_ensure_open(file, &place);
                if (r >= 0)
                        n = n_before_rotation(file, place.size, bytes, n_bytes);
                if (r >= 0 && n == 0)
                        r = file_rotate(file);
        } while (r >= 0 && n == 0);

        if (r < 0) {
                file->fd = safe_close(file->fd);
                return r;
        }

        *ret_place = place;
        return (ssize_t) n;
}

ssize_t rotated_file_write(RotatedFile *file, const char *bytes, size_t n_bytes) {
        ssize_t n = write(file->fd, bytes, n_bytes);

        if (n <= 0) {
                n = n < 0 ? -errno : -EIO;
                file->fd = safe_close(file->fd);
                return n;
        }

        file->is_at_line_start = bytes[n - 1] == '\n';
        return n;
}
