/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * KeeperExec
 *
 * The keeper lies beside us, in a build tree as where it is installed.
 */

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "io/keeper-exec.h"

#define PROGRAM "sidecard-init"

int keeper_exec(void) {
        char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
        char *slash;

        if (n < 0)
                return -errno;

        path[n] = '\0';
        slash = strrchr(path, '/');
        if ((size_t) (slash + 1 - path) + sizeof(PROGRAM) > sizeof(path))
                return -ENAMETOOLONG;

        (void) strcpy(slash + 1, PROGRAM);
        (void) execl(path, path, (char *) NULL);
        return -errno;
}
