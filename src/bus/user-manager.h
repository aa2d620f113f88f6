/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * UserManager
 *
 * systemd as the manager of the user's session, where it is on our bus: the one that knows what the
 * session's environment is by now (contract S5). It is only ever asked, and never waited for.
 */

#include "bus/server.h"

/* Finds out whether it is there, now and from now on. */
int user_manager_watch(Server *server);

/* Asks for the environment, which session_take_environment() gets; false: it is not there. */
bool user_manager_ask(Server *server);
