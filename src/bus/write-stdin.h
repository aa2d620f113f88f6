/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * WriteStdin
 *
 * The method of a Sidecar that answers when the pipe has taken what it brought.
 */

#include "bus/server.h"

int method_write_stdin(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

/* Whether that connection has a call that waits for room. */
bool stdin_calls_has_of(const Server *server, const char *sender);

/* The connection has gone: what it wanted to write, and has not, is not written. */
void stdin_calls_drop_of(Server *server, const char *sender);

void stdin_calls_free(Server *server);
