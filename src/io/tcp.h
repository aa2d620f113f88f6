/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * TCP
 *
 * One attempt to connect to a port of this machine's loopback, or to a socket that has a name in
 * the file system instead, without a byte said. It has no timer of its own: who has waited long
 * enough frees it.
 */

#include <stdint.h>

#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct TcpConnect TcpConnect;

/* Borrowed while tcp_connect_start() runs. */
typedef struct TcpTarget {
        int family; /* AF_INET: 127.0.0.1; AF_INET6: ::1; AF_UNIX: unix_path */
        uint16_t port;
        const char *unix_path;
} TcpTarget;

/* error: 0 or a negative errno. Called once, from the event loop; it may free the TcpConnect. */
typedef void (*tcp_handler_t)(int error, void *userdata);

int tcp_connect_start(TcpConnect **ret,
                      sd_event *event,
                      const TcpTarget *target,
                      tcp_handler_t handler,
                      void *userdata);
/* Before its answer: there will be none. */
TcpConnect *tcp_connect_free(TcpConnect *connection);
DEFINE_CLEANUP(TcpConnect, tcp_connect_free);
