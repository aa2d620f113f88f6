/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sockets
 *
 * Of IPv4 alone: that is where an endpoint leads, and a program that gets one socket a name has
 * nothing to choose. As the manuals of servers expect it, a socket comes blocking: a program that
 * has changed that has changed it for the next one too, since they share it.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "io/sockets.h"

void sockets_done(Sockets *sockets) {
        wire_close_fds(sockets->fds, sockets->n);
        sockets->n = 0;
}

/* 0: the kernel does not say. */
static uint16_t port_of(int fd) {
        struct sockaddr_in address = { 0 };
        socklen_t size = sizeof(address);

        return getsockname(fd, (struct sockaddr *) &address, &size) < 0 ? 0
                                                                        : ntohs(address.sin_port);
}

/* -1: none. */
static int find(const Sockets *sockets, uint16_t port) {
        for (size_t i = 0; i < sockets->n; i++)
                if (port_of(sockets->fds[i]) == port)
                        return (int) i;

        return -1;
}

bool sockets_has(const Sockets *sockets, uint16_t port) {
        return find(sockets, port) >= 0;
}

/* Connections of a former life may linger in TIME_WAIT, and are no reason to refuse: tcp(7). */
int sockets_listen(Sockets *sockets, uint16_t port) {
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int yes = 1;

        if (sockets->n == WIRE_SOCKETS_MAX)
                return -ENOSPC;
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
            bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(fd, SOMAXCONN) < 0)
                return -errno;

        sockets->fds[sockets->n++] = TAKE_FD(fd);
        return 0;
}

static void remove_at(Sockets *sockets, int at) {
        sockets->fds[at] = sockets->fds[--sockets->n];
}

/* One that a program has shut down listens again: it still has its port. */
int sockets_take(Sockets *sockets, Sockets *from, uint16_t port) {
        int at = find(from, port), flags;

        if (at < 0)
                return -ENOENT;
        flags = fcntl(from->fds[at], F_GETFL);
        if (flags < 0 || fcntl(from->fds[at], F_SETFL, flags & ~O_NONBLOCK) < 0 ||
            listen(from->fds[at], SOMAXCONN) < 0)
                return -errno;

        sockets->fds[sockets->n++] = from->fds[at];
        remove_at(from, at);
        return 0;
}

static bool is_one_of(uint16_t port, const uint16_t *ports, size_t n_ports) {
        for (size_t i = 0; i < n_ports; i++)
                if (ports[i] == port)
                        return true;

        return false;
}

/* A close would not do: others have it too. It may be shut already. */
void sockets_shut_but(Sockets *sockets, const uint16_t *ports, size_t n_ports) {
        for (int at = (int) sockets->n - 1; at >= 0; at--) {
                int fd = sockets->fds[at];

                if (is_one_of(port_of(fd), ports, n_ports))
                        continue;
                (void) shutdown(fd, SHUT_RDWR);
                remove_at(sockets, at);
                safe_close(fd);
        }
}

/* Once the sending end is closed what is in the other one stays as it is. */
int sockets_pack(const Sockets *sockets, int *ret_fd) {
        _cleanup_close_ int sending_fd = -1, packed_fd = -1;
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(WIRE_SOCKETS_MAX * sizeof(int))];
        } control = { 0 };
        char byte = 0;
        struct iovec iov = { .iov_base = &byte, .iov_len = sizeof(byte) };
        struct msghdr msg = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = CMSG_SPACE(sockets->n * sizeof(int)),
        };
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        packed_fd = pair[0];
        sending_fd = pair[1];

        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sockets->n * sizeof(int));
        memcpy(CMSG_DATA(&control.header), sockets->fds, sockets->n * sizeof(int));
        if (sendmsg(sending_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return -errno;

        *ret_fd = TAKE_FD(packed_fd);
        return 0;
}

int sockets_unpack(int packed_fd, Sockets *ret) {
        Sockets sockets = { 0 };
        int r = 0;

        if (packed_fd >= 0)
                r = wire_unpack_sockets(packed_fd, MSG_CMSG_CLOEXEC, sockets.fds, &sockets.n);
        if (r < 0)
                return r;

        *ret = sockets;
        return 0;
}

void sockets_strike(const Sockets *sockets, Listeners *listeners) {
        struct stat st;

        for (size_t i = 0; i < sockets->n; i++)
                if (fstat(sockets->fds[i], &st) >= 0)
                        (void) listeners_strike_inode(listeners, (uint32_t) st.st_ino);
}
