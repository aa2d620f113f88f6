/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sockets
 *
 * The listening TCP sockets that a sidecar is handed over (sd_listen_fds(3)): at 127.0.0.1, one a
 * port. They are kept packed, see wire_unpack_sockets(), and are here unpacked only for as long as
 * somebody looks at them. Which port one of them is of it tells itself.
 *
 * What is packed counts as in flight, of which a user has as many as RLIMIT_NOFILE says, unix(7).
 */

#include <stdbool.h>
#include <stdint.h>

#include "init/wire.h"
#include "io/listeners.h"

/* All zero at first. */
typedef struct Sockets {
        int fds[WIRE_SOCKETS_MAX];
        size_t n;
} Sockets;

void sockets_done(Sockets *sockets);

bool sockets_has(const Sockets *sockets, uint16_t port);

/* Adds a new one, which listens from now on. -EADDRINUSE: somebody else has that port. */
int sockets_listen(Sockets *sockets, uint16_t port);

/* Adds that of another, as if it were new; its clients go on waiting. -ENOENT: it has none. */
int sockets_take(Sockets *sockets, Sockets *from, uint16_t port);

/*
 * Takes all but those ports out, and shuts them: nobody listens there any more, in whatever
 * process, and whoever waits is turned away.
 */
void sockets_shut_but(Sockets *sockets, const uint16_t *ports, size_t n_ports);

/* *ret_fd is the caller's, and keeps them all. At least one. */
int sockets_pack(const Sockets *sockets, int *ret_fd);
/* -1: there are none. */
int sockets_unpack(int packed_fd, Sockets *ret);

/* Takes them out of those listeners. */
void sockets_strike(const Sockets *sockets, Listeners *listeners);
