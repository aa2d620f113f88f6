/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Mkdir
 *
 * The deepest folder is tried first: it is nearly always only the last one that is missing.
 */

#include <string.h>
#include <sys/stat.h>

#include "util/macro.h"
#include "util/mkdir.h"

int mkdir_parents(const char *path, mode_t mode) {
        _cleanup_free_ char *parent = NULL;
        char *slash;
        int r;

        if (mkdir(path, mode) >= 0 || errno == EEXIST)
                return 0;
        if (errno != ENOENT)
                return -errno;

        parent = strdup(path);
        if (!parent)
                return -ENOMEM;
        slash = strrchr(parent, '/');
        if (!slash || slash == parent)
                return -ENOENT;
        *slash = '\0';

        r = mkdir_parents(parent, mode);
        if (r < 0)
                return r;

        return mkdir(path, mode) >= 0 || errno == EEXIST ? 0 : -errno;
}
