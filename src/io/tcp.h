/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * TCP
 *
 * One attempt to connect to a port of this machine's loopback, without a byte said. It has no
 * timer of its own: who has waited long enough frees it.
 */

#include <stdint.h>

#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct TcpConnect TcpConnect;

/* error: 0 or a negative errno. Called once, from the event loop; it may free the TcpConnect. */
typedef void (*tcp_handler_t)(int error, void *userdata);

/* family: AF_INET for 127.0.0.1, AF_INET6 for ::1. */
int tcp_connect_start(TcpConnect **ret,
                      sd_event *event,
                      int family,
                      uint16_t port,
                      tcp_handler_t handler,
                      void *userdata);
/* Before its answer: there will be none. */
TcpConnect *tcp_connect_free(TcpConnect *connection);
DEFINE_CLEANUP(TcpConnect, tcp_connect_free);
