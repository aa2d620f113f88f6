/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Children
 *
 * Reads a list of pids as /proc/PID/task/TID/children and cgroup.procs have it, numbers between
 * white space, through a small buffer and without allocation.
 * Header only, because the keeper may include it and links nothing of ours.
 */

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/types.h>

#include "util/macro.h"

#define CHILDREN_OF_THIS_THREAD "/proc/thread-self/children"

/* A negative answer ends the reading. */
typedef int (*pid_handler_t)(pid_t pid, void *userdata);

static inline int pids_read(int dir_fd, const char *path, pid_handler_t on_pid, void *userdata) {
        _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
        char buffer[1024];
        pid_t pid = 0;
        ssize_t n;
        int r = 0;

        if (fd < 0)
                return -errno;
        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                for (ssize_t i = 0; i < n && r >= 0; i++)
                        if (isdigit((unsigned char) buffer[i]))
                                pid = pid * 10 + (buffer[i] - '0');
                        else if (pid > 0)
                                r = on_pid(TAKE(pid, 0), userdata);

        if (n < 0)
                return -errno;
        if (r >= 0 && pid > 0)
                r = on_pid(pid, userdata);
        return r < 0 ? r : 0;
}
