/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * TCP
 *
 * On the loopback connect(2) mostly knows its answer at once. It is told by the event loop all the
 * same, so that there is one path for the caller to think of.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io/tcp.h"

struct TcpConnect {
        int fd;
        int error; /* of connect(2) itself */
        sd_event_source *source;
        tcp_handler_t handler;
        void *userdata;
};

typedef union SocketAddress {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
} SocketAddress;

static socklen_t target_address(SocketAddress *ret, const TcpTarget *target) {
        *ret = (SocketAddress){ .any.sa_family = (sa_family_t) target->family };

        switch (target->family) {
        case AF_INET:
                ret->v4.sin_port = htons(target->port);
                ret->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                return sizeof(ret->v4);
        case AF_INET6:
                ret->v6.sin6_port = htons(target->port);
                ret->v6.sin6_addr = in6addr_loopback;
                return sizeof(ret->v6);
        default:
                (void) strncpy(ret->local.sun_path, target->unix_path,
                               sizeof(ret->local.sun_path) - 1);
                return sizeof(ret->local);
        }
}

/*
 * A port of the ephemeral range on which nobody listens may be given to our own end, and then TCP
 * connects the socket with itself (simultaneous open, RFC 9293, 3.5).
 */
static bool socket_is_own_peer(int fd) {
        SocketAddress own = { 0 }, peer = { 0 };
        socklen_t n_own = sizeof(own), n_peer = sizeof(peer);

        return getsockname(fd, &own.any, &n_own) >= 0 && getpeername(fd, &peer.any, &n_peer) >= 0 &&
               n_own == n_peer && memcmp(&own, &peer, n_own) == 0;
}

static int tcp_on_decided(_unused_ sd_event_source *source,
                          int fd,
                          _unused_ uint32_t revents,
                          void *userdata) {
        TcpConnect *connection = userdata;
        int error = 0;
        socklen_t n = sizeof(error);

        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
                error = errno;
        else if (error == 0 && socket_is_own_peer(fd))
                error = ECONNREFUSED;

        connection->handler(-error, connection->userdata);
        return 0;
}

static int tcp_on_failed(_unused_ sd_event_source *source, void *userdata) {
        TcpConnect *connection = userdata;

        connection->handler(connection->error, connection->userdata);
        return 0;
}

int tcp_connect_start(TcpConnect **ret,
                      sd_event *event,
                      const TcpTarget *target,
                      tcp_handler_t handler,
                      void *userdata) {
        _cleanup_(tcp_connect_freep) TcpConnect *connection = NULL;
        SocketAddress address;
        socklen_t n_address = target_address(&address, target);
        int r;

        connection = calloc(1, sizeof(*connection));
        if (!connection)
                return -ENOMEM;

        connection->handler = handler;
        connection->userdata = userdata;
        connection->fd = socket(target->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connection->fd < 0)
                return -errno;

        if (connect(connection->fd, &address.any, n_address) < 0 && errno != EINPROGRESS) {
                connection->error = -errno;
                r = sd_event_add_defer(event, &connection->source, tcp_on_failed, connection);
        } else
                r = sd_event_add_io(event, &connection->source, connection->fd, EPOLLOUT,
                                    tcp_on_decided, connection);
        if (r < 0)
                return r;

        r = sd_event_source_set_enabled(connection->source, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(connection);
        return 0;
}

TcpConnect *tcp_connect_free(TcpConnect *connection) {
        if (!connection)
                return NULL;

        sd_event_source_disable_unref(connection->source);
        safe_close(connection->fd);
        free(connection);
        return NULL;
}
