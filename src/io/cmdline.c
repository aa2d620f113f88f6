/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Command line
 *
 * proc(5): /proc/PID/cmdline has a NUL after each argument, and nothing for kernel threads and
 * zombies.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "io/cmdline.h"
#include "util/macro.h"
#include "util/utf8.h"

#define CMDLINE_BYTES_MAX 4096

static ssize_t read_proc(pid_t pid, const char *file, char *buffer, size_t n_bytes) {
        char path[64];
        _cleanup_close_ int fd = -1;
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, file);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        n = read(fd, buffer, n_bytes);
        return n < 0 ? -errno : n;
}

int process_cmdline(char **ret, pid_t pid) {
        char buffer[CMDLINE_BYTES_MAX], comm[64];
        ssize_t n = read_proc(pid, "cmdline", buffer, sizeof(buffer));
        char *text;

        if (n == 0) {
                n = read_proc(pid, "comm", comm, sizeof(comm));
                if (n > 0)
                        n = snprintf(buffer, sizeof(buffer), "[%.*s]", (int) n - 1, comm);
        }
        if (n < 0)
                return (int) n;

        while (n > 0 && buffer[n - 1] == '\0')
                n--;
        for (ssize_t i = 0; i < n; i++)
                if (buffer[i] == '\0' || buffer[i] == '\n')
                        buffer[i] = ' ';

        text = utf8_make_valid(buffer, (size_t) n);
        if (!text)
                return -ENOMEM;

        *ret = text;
        return 0;
}
