/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Crashpoint
 *
 * Of builds with -Dfaults=true alone.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "util/crashpoint.h"
#include "util/macro.h"

#define VARIABLE "SIDECARD_CRASHPOINT"

void crashpoint_reach(const char *id) {
        static unsigned n_reached;
        const char *wanted = getenv(VARIABLE), *file;
        size_t n = strlen(id);
        int fd;

        if (!wanted || strncmp(wanted, id, n) != 0 || wanted[n] != ':')
                return;
        file = strchr(wanted + n + 1, ':');
        if (!file || ++n_reached != strtoul(wanted + n + 1, NULL, 10))
                return;

        fd = open(file + 1, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0)
                (void) raise(SIGKILL);
}
