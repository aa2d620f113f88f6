/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Ports
 *
 * A port is free if nobody listens on it, if it can be bound, and if those who will talk to it do
 * not refuse to.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "io/ports.h"

#define PORT_LOWEST 1025
#define PORT_HIGHEST 65535

int port_find_listener(uint16_t port, PortHolder *ret) {
        _cleanup_(listeners_done) Listeners listeners = { 0 };
        int r;

        r = listeners_find(&listeners, port);
        if (r < 0)
                return r;
        if (listeners.n == 0)
                return 0;

        if (ret)
                *ret = listeners_find_holder(&listeners);
        return 1;
}

typedef struct PortRange {
        unsigned low, high;
} PortRange;

static int ephemeral_range_read(PortRange *ret) {
        _cleanup_close_ int fd = -1;
        char text[64];
        ssize_t n;
        unsigned low, high;

        fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;

        text[n] = '\0';
        if (sscanf(text, "%u %u", &low, &high) != 2)
                return -EBADMSG;

        *ret = (PortRange){ low, high };
        return 0;
}

/* Above 1024 browsers refuse these, whatever listens there (Fetch Standard, "port blocking"): a
 * page of the app could not reach its own sidecar. */
static bool port_is_blocked_by_browsers(uint16_t port) {
        static const uint16_t blocked[] = {
                1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,  6000,
                6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
        };

        for (size_t i = 0; i < ELEMENTSOF(blocked); i++)
                if (blocked[i] == port)
                        return true;

        return false;
}

/*
 * Also refuses what sock_diag does not list: what is bound and does not listen yet, and where
 * connections of a former life linger in TIME_WAIT, which a server without SO_REUSEADDR cannot
 * have.
 */
static bool port_can_be_bound(uint16_t port) {
        _cleanup_close_ int fd = -1;
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };

        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        return fd >= 0 && bind(fd, (const struct sockaddr *) &address, sizeof(address)) >= 0;
}

/* 1: take it; 0: not this one. */
static int port_is_free(uint16_t port, port_filter_t is_allowed, void *userdata) {
        int r;

        if (port_is_blocked_by_browsers(port) || (is_allowed && !is_allowed(port, userdata)) ||
            !port_can_be_bound(port))
                return 0;

        r = port_find_listener(port, NULL);
        return r < 0 ? r : r == 0;
}

/* The ports that are ours to give, numbered from 0: those below the ephemeral range, then above. */
static unsigned candidate(const PortRange *ephemeral, unsigned n) {
        unsigned port = PORT_LOWEST + n;

        return port < ephemeral->low ? port : port + ephemeral->high - ephemeral->low + 1;
}

int port_pick_free(uint16_t *ret, port_filter_t is_allowed, void *userdata) {
        PortRange ephemeral = { 0 };
        unsigned start, n_candidates;
        int r;

        r = ephemeral_range_read(&ephemeral);
        if (r < 0)
                return r;
        if (ephemeral.low < PORT_LOWEST)
                ephemeral.low = PORT_LOWEST;
        n_candidates = PORT_HIGHEST - PORT_LOWEST - (ephemeral.high - ephemeral.low);

        /*
         * Two supervisors that start at once should not look at the same ports in turn: so each
         * candidate is as likely as any other, the first one above the range too.
         */
        if (getrandom(&start, sizeof(start), 0) != (ssize_t) sizeof(start))
                return -errno;

        for (unsigned i = 0; i < n_candidates; i++) {
                unsigned port = candidate(&ephemeral, (start % n_candidates + i) % n_candidates);

                r = port_is_free((uint16_t) port, is_allowed, userdata);
                if (r < 0)
                        return r;
                if (r > 0) {
                        *ret = (uint16_t) port;
                        return 0;
                }
        }

        return -EADDRINUSE;
}
