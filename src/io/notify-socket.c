/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * NotifySocket
 *
 * The kernel says who sent a datagram, and nobody can claim another's pid without being root
 * (SO_PASSCRED, unix(7)). Descriptors that come along are of no use here and closed, but only
 * after the message has had its effect: sd_notify_barrier(3) waits for just that.
 *
 * A message is older than the exit that follows it and so comes before it on the loop; but a
 * sidecar that never stops talking must not be all the loop does: every few messages its turn
 * comes after everybody else's.
 */

#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "io/notify-socket.h"

#define PRIORITY_FIRST (-10)
#define PRIORITY_LAST 10
#define READS_FIRST 4u /* in a row */
#define DRAIN_MAX 512u

/* A barrier has one; room for it is all there is, so that nobody can fill our table with theirs. */
#define CONTROL_BYTES (CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int)))

struct NotifySocket {
        int fd;
        char path[sizeof(((struct sockaddr_un *) NULL)->sun_path)];
        sd_event_source *source;
        unsigned n_reads;
        notify_handler_t handler;
        void *userdata;
};

/* One datagram as it came. msg points into it. */
typedef struct Datagram {
        char bytes[NOTIFY_BYTES_MAX];
        size_t n_bytes;
        _Alignas(struct cmsghdr) char control[CONTROL_BYTES];
        struct iovec iov;
        struct msghdr msg;
} Datagram;

/* Descriptors that were received are in there until datagram_close_fds(). */
static int datagram_receive(Datagram *datagram, int fd) {
        ssize_t n;

        datagram->iov = (struct iovec){ datagram->bytes, sizeof(datagram->bytes) };
        datagram->msg = (struct msghdr){
                .msg_iov = &datagram->iov,
                .msg_iovlen = 1,
                .msg_control = datagram->control,
                .msg_controllen = sizeof(datagram->control),
        };
        n = recvmsg(fd, &datagram->msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return -errno;

        datagram->n_bytes = (size_t) n;
        return 0;
}

static void fds_close(const struct cmsghdr *header) {
        size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        for (size_t i = 0; i < n; i++) {
                int fd;

                memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
                safe_close(fd);
        }
}

static void datagram_close_fds(Datagram *datagram) {
        struct msghdr *msg = &datagram->msg;

        for (struct cmsghdr *header = CMSG_FIRSTHDR(msg); header; header = CMSG_NXTHDR(msg, header))
                if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
                        fds_close(header);
}

/* 0: of another user, or in a namespace of pids that we have no number in (pid_namespaces(7)). */
static pid_t datagram_sender(Datagram *datagram) {
        struct msghdr *msg = &datagram->msg;
        struct ucred sender = { 0 };

        for (struct cmsghdr *header = CMSG_FIRSTHDR(msg); header; header = CMSG_NXTHDR(msg, header))
                if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS)
                        memcpy(&sender, CMSG_DATA(header), sizeof(sender));

        return sender.uid == getuid() ? sender.pid : 0;
}

/* What was cut short is not what was said. */
static bool datagram_is_whole(const Datagram *datagram) {
        return !(datagram->msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
}

/* Among equals sd-event takes who has waited longest, so that nobody waits longer than a round. */
static void socket_yield(NotifySocket *socket) {
        bool is_last = ++socket->n_reads % (READS_FIRST + 1) == READS_FIRST;

        (void) sd_event_source_set_priority(socket->source,
                                            is_last ? PRIORITY_LAST : PRIORITY_FIRST);
}

/* 1: there was a message; the socket may be gone then. */
static int socket_hear(NotifySocket *socket) {
        NotifyMessage message;
        Datagram datagram;
        pid_t sender;

        if (datagram_receive(&datagram, socket->fd) < 0)
                return 0;

        sender = datagram_sender(&datagram);
        if (datagram_is_whole(&datagram) && sender > 0 &&
            notify_message_parse(&message, datagram.bytes, datagram.n_bytes) >= 0 &&
            message.said != 0)
                socket->handler(&message, sender, socket->userdata); /* which may free it */

        datagram_close_fds(&datagram);
        return 1;
}

static int socket_on_readable(_unused_ sd_event_source *source,
                              _unused_ int fd,
                              _unused_ uint32_t revents,
                              void *userdata) {
        socket_yield(userdata);
        (void) socket_hear(userdata);
        return 0;
}

int notify_socket_adopt(
        NotifySocket **ret, sd_event *event, int fd, notify_handler_t handler, void *userdata) {
        _cleanup_(notify_socket_freep) NotifySocket *socket = NULL;
        struct sockaddr_un address = { 0 };
        socklen_t n = sizeof(address);
        int r;

        if (getsockname(fd, (struct sockaddr *) &address, &n) < 0)
                return -errno;

        socket = calloc(1, sizeof(*socket));
        if (!socket)
                return -ENOMEM;
        socket->fd = -1;
        socket->handler = handler;
        socket->userdata = userdata;
        memcpy(socket->path, address.sun_path, sizeof(socket->path));

        r = sd_event_add_io(event, &socket->source, fd, EPOLLIN, socket_on_readable, socket);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(socket->source, PRIORITY_FIRST);
        if (r >= 0)
                r = sd_event_source_set_enabled(socket->source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        socket->fd = fd;
        *ret = TAKE_PTR(socket);
        return 0;
}

int notify_socket_new(NotifySocket **ret,
                      sd_event *event,
                      const char *path,
                      notify_handler_t handler,
                      void *userdata) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -1;
        int r, on = 1;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        (void) strcpy(address.sun_path, path);

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* The mode of the socket becomes that of its name, so that it is never wider. */
        if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 || fchmod(fd, 0600) < 0)
                return -errno;

        /* Of a brain that died before it had handed its socket over. */
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        if (bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;

        r = notify_socket_adopt(ret, event, fd, handler, userdata);
        if (r < 0) {
                (void) unlink(path);
                return r;
        }

        (void) TAKE_FD(fd);
        return 0;
}

NotifySocket *notify_socket_free(NotifySocket *socket) {
        if (!socket)
                return NULL;

        sd_event_source_disable_unref(socket->source);
        safe_close(socket->fd);
        free(socket);
        return NULL;
}

int notify_socket_listen(NotifySocket *socket) {
        return sd_event_source_set_enabled(socket->source, SD_EVENT_ON);
}

/* As many as a queue of datagrams holds, net.unix.max_dgram_qlen: others of its tree may go on. */
void notify_socket_drain(NotifySocket *socket) {
        for (unsigned n = 0; n < DRAIN_MAX && socket_hear(socket) > 0; n++)
                ;
}

void notify_socket_remove_path(const NotifySocket *socket) {
        (void) unlink(socket->path);
}

const char *notify_socket_path(const NotifySocket *socket) {
        return socket->path;
}

int notify_socket_fd(const NotifySocket *socket) {
        return socket->fd;
}
