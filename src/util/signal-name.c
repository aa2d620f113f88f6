/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Signal names
 *
 * glibc knows the abbreviations (sigabbrev_np(3)), without the prefix that people write.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "util/signal-name.h"

const char *signal_to_name(int signal) {
        static char name[32];
        const char *short_name = sigabbrev_np(signal);

        if (short_name)
                (void) snprintf(name, sizeof(name), "SIG%s", short_name);
        else if (signal >= SIGRTMIN && signal <= SIGRTMAX)
                (void) snprintf(name, sizeof(name), "SIGRTMIN+%d", signal - SIGRTMIN);
        else
                (void) snprintf(name, sizeof(name), "signal %d", signal);

        return name;
}

int signal_from_name(const char *name) {
        for (int signal = 1; signal < NSIG; signal++) {
                const char *short_name = sigabbrev_np(signal);

                if (short_name && strncmp(name, "SIG", 3) == 0 && strcmp(name + 3, short_name) == 0)
                        return signal;
        }

        return -EINVAL;
}
