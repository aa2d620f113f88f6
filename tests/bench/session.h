/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Session
 *
 * A user's session for one bench, with nothing of the real one in it: a folder on tmpfs for all
 * XDG directories, a dbus-daemon, and the paths of the programs, which lie where the build has put
 * them. All that is started here dies with the bench.
 */

#include <limits.h>
#include <sys/types.h>

typedef struct Session {
        char folder[64];
        char bare[PATH_MAX];
        char stamp[PATH_MAX];
        char keeper[PATH_MAX];
        pid_t bus_pid;
} Session;

/* daemon: sidecard-init, or NULL for the one of the build. Sets the environment too. */
void session_open(Session *ret, const char *daemon);
/* What failed is worth a look, so the folder is removed only here. */
void session_close(Session *session);

/* control_fd becomes descriptor 3, unless it is negative; what it says goes to FOLDER/log. */
pid_t session_run(const Session *session, const char *const argv[], int control_fd);

/* Until its name is on the bus. ret_pids: keeper, brain. */
void session_run_daemon(const Session *session, pid_t ret_pids[static 2]);
