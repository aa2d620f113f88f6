/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Session
 *
 * What belongs to the login rather than to whoever holds: its environment, as the user manager has
 * it (contract S5), and the apps that live as long as it does (H5). Who the user manager is only
 * the observer knows.
 */

#include "core/supervisor.h"

/*
 * Somebody wants a start: asks for the environment, at most once a second. A start that somebody
 * asked for waits for the answer, but no longer than 200 ms.
 */
void session_want_environment(Supervisor *supervisor);

/* The answer, a vector of NAME=VALUE that is copied; NULL: there is none. */
void session_take_environment(Supervisor *supervisor, char *const *environment);

/* Whether this start waits for the answer, and then until when. */
bool session_holds_start_up(Sidecar *sidecar, uint64_t now, uint64_t *ret_until);

/*
 * The last known, or our own where there is no user manager; less what was meant for this daemon,
 * and less what belongs to an AppImage.
 */
int session_copy_environment(const Supervisor *supervisor, char ***ret);

/* Takes out of env what a service manager or a bus says to one process. */
void session_drop_private(char ***env);

/*
 * Starts what lives as long as the session does, once: what a user has stopped since is not
 * started again by a brain that comes later.
 */
void session_begin(Supervisor *supervisor);

/* No end of a hold takes down what its mode starts: it goes with the session. */
bool session_keeps(const App *app);
