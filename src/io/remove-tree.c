/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * RemoveTree
 *
 * Always by a descriptor of the folder above, so that a path that is changed meanwhile leads
 * nowhere else.
 */

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "io/remove-tree.h"
#include "util/macro.h"
#include "util/strv.h"

#define DEPTH_MAX 64u /* a descriptor each, and a frame of the stack */

typedef struct Removal {
        dev_t device;
        unsigned *budget;
} Removal;

static int remove_entry(const Removal *removal, int fd, const char *name, unsigned depth);

/* Takes fd over. Goes on where something cannot be removed; the first such error is told. */
static int remove_entries(const Removal *removal, int fd, unsigned depth) {
        DIR *dir = fdopendir(fd);
        const struct dirent *entry;
        int error = 0;

        if (!dir) {
                safe_close(fd);
                return -ENOMEM;
        }
        while (error != -EAGAIN && (entry = readdir(dir))) {
                int r;

                if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                        continue;
                r = remove_entry(removal, dirfd(dir), entry->d_name, depth);
                if (r == -EAGAIN || error == 0)
                        error = r;
        }

        (void) closedir(dir);
        return error;
}

static int open_folder(const Removal *removal, int parent_fd, const char *name) {
        _cleanup_close_ int fd = -1;
        struct stat st;

        fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;

        return st.st_dev == removal->device ? TAKE_FD(fd) : -EXDEV;
}

static int remove_entry(const Removal *removal, int fd, const char *name, unsigned depth) {
        int below, r;

        if (*removal->budget == 0)
                return -EAGAIN;
        if (unlinkat(fd, name, 0) >= 0) {
                (*removal->budget)--;
                return 0;
        }
        if (errno != EISDIR)
                return errno == ENOENT ? 0 : -errno;

        if (depth == 0)
                return -ELOOP;
        below = open_folder(removal, fd, name);
        if (below < 0)
                return below;
        r = remove_entries(removal, below, depth - 1);
        if (r < 0)
                return r;
        if (unlinkat(fd, name, AT_REMOVEDIR) < 0)
                return -errno;

        (*removal->budget) -= *removal->budget > 0;
        return 0;
}

int remove_tree(int parent_fd, const char *name, unsigned *budget) {
        Removal removal = { .budget = budget };
        struct stat st;

        if (fstat(parent_fd, &st) < 0)
                return -errno;

        removal.device = st.st_dev;
        return remove_entry(&removal, parent_fd, name, DEPTH_MAX);
}
