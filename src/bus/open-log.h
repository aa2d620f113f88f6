/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * OpenLog
 *
 * Lines of a sidecar's ring through a pipe. It lives as long as its reader keeps it open, whoever
 * that is by then: a caller that leaves the bus has closed its connection, not its pipe. It ends
 * with the sidecar's removal, and with the daemon.
 */

#include <systemd/sd-bus.h>

#include "bus/server.h"

#define LOG_PIPES_PER_SENDER_MAX 16u
/* Whoever comes with one connection after the other may not use up our descriptors. */
#define LOG_PIPES_MAX 256u

int method_open_log(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

/* There are new lines of that sidecar. */
void log_pipes_wake(Server *server, const Sidecar *sidecar);
/* It is about to go. */
void log_pipes_dismiss(Server *server, const Sidecar *sidecar);
void log_pipes_free(Server *server);
