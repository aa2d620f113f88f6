/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Crashpoint
 *
 * Of builds with -Dfaults=true alone. Each passing is a line of a file, since it may be the second
 * thread that comes to a point, and another brain that comes to it for the second time.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/crashpoint.h"
#include "util/macro.h"

#define VARIABLE "SIDECARD_CRASHPOINT"
#define LIST ":list:"

/* Answers where the line ends in the file; 0: it could not be written. */
static off_t append_line(const char *file, const char *id) {
        _cleanup_close_ int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        char line[64];
        int n = snprintf(line, sizeof(line), "%s\n", id);

        return fd >= 0 && write(fd, line, (size_t) n) == n ? lseek(fd, 0, SEEK_CUR) : 0;
}

void crashpoint_reach(const char *id) {
        const char *wanted = getenv(VARIABLE);
        size_t n = strlen(id);
        unsigned long number;
        char *file;

        if (!wanted)
                return;
        if (strncmp(wanted, LIST, strlen(LIST)) == 0) {
                (void) append_line(wanted + strlen(LIST), id);
                return;
        }
        if (strncmp(wanted, id, n) != 0 || wanted[n] != ':')
                return;

        number = strtoul(wanted + n + 1, &file, 10);
        if (*file == ':' && append_line(file + 1, id) == (off_t) (number * (n + 1)))
                (void) raise(SIGKILL);
}
