/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ports
 *
 * Which TCP port of this machine is taken, before a sidecar is started, and which one is free.
 * Whether a listener is a sidecar's own is asked in io/listeners.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "io/listeners.h"

/*
 * 1 and *ret: someone listens there, on a loopback or wildcard address of IPv4 or IPv6;
 * 0: nobody does; negative errno: the kernel would not tell. ret may be NULL: finding the pid
 * walks /proc.
 */
int port_find_listener(uint16_t port, PortHolder *ret);

/* Must answer false for a port that somebody else was promised. */
typedef bool (*port_filter_t)(uint16_t port, void *userdata);

/*
 * A free port above 1024, outside the kernel's ephemeral range, and none that browsers refuse to
 * talk to; -EADDRINUSE: there is none. is_allowed may be NULL.
 */
int port_pick_free(uint16_t *ret, port_filter_t is_allowed, void *userdata);
