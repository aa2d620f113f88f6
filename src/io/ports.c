/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Ports
 *
 * The kernel filters: a dump of sock_diag(7) with a source port answers with the few sockets that
 * listen on it, whatever else is open. What counts is who would get, or keep us from getting, a
 * connection to the loopback: listeners on its addresses and on the wildcards. A stranger on the
 * address of a network card is nobody's conflict.
 */

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "io/ports.h"
#include "util/macro.h"

#define PORT_LOWEST 1025
#define PORT_HIGHEST 65535

/* SO_REUSEPORT may put many sockets on a port; to name a holder a few will do. */
#define INODES_MAX 16

typedef struct Listeners {
        uint32_t inodes[INODES_MAX];
        size_t n_inodes; /* of these; there may be more listeners */
} Listeners;

static bool address_v4_counts(uint32_t address) {
        return address == htonl(INADDR_ANY) || (ntohl(address) >> 24) == IN_LOOPBACKNET;
}

static bool address_counts(const struct inet_diag_msg *socket) {
        struct in6_addr v6;

        if (socket->idiag_family == AF_INET)
                return address_v4_counts(socket->id.idiag_src[0]);

        memcpy(&v6, socket->id.idiag_src, sizeof(v6));
        if (IN6_IS_ADDR_V4MAPPED(&v6))
                return address_v4_counts(socket->id.idiag_src[3]);

        return IN6_IS_ADDR_UNSPECIFIED(&v6) || IN6_IS_ADDR_LOOPBACK(&v6);
}

static int diag_send(int fd, uint8_t family, uint16_t port) {
        struct {
                struct nlmsghdr header;
                struct inet_diag_req_v2 body;
        } request = {
                .header = {
                        .nlmsg_len = sizeof(request),
                        .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                },
                .body = {
                        .sdiag_family = family,
                        .sdiag_protocol = IPPROTO_TCP,
                        .idiag_states = 1u << TCP_LISTEN,
                        .id.idiag_sport = htons(port),
                },
        };

        return send(fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

static void listeners_add(Listeners *listeners, const struct nlmsghdr *message) {
        const struct inet_diag_msg *socket = NLMSG_DATA(message);

        if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*socket)) || !address_counts(socket) ||
            listeners->n_inodes >= INODES_MAX)
                return;

        listeners->inodes[listeners->n_inodes++] = socket->idiag_inode;
}

/* 1: that was the last of them. */
static int diag_read_some(int fd, Listeners *listeners) {
        union {
                struct nlmsghdr header;
                char bytes[16 * 1024];
        } buffer;
        ssize_t n = recv(fd, &buffer, sizeof(buffer), 0);

        if (n < 0)
                return errno == EINTR ? 0 : -errno;

        for (const struct nlmsghdr *message = &buffer.header; NLMSG_OK(message, (size_t) n);
             message = NLMSG_NEXT(message, n)) {
                if (message->nlmsg_type == NLMSG_DONE)
                        return 1;
                if (message->nlmsg_type == NLMSG_ERROR) {
                        const struct nlmsgerr *error = NLMSG_DATA(message);

                        return error->error < 0 ? error->error : -EPROTO;
                }
                if (message->nlmsg_type == SOCK_DIAG_BY_FAMILY)
                        listeners_add(listeners, message);
        }

        return 0;
}

static int diag_list(int fd, uint8_t family, uint16_t port, Listeners *listeners) {
        int r;

        r = diag_send(fd, family, port);
        if (r < 0)
                return r;

        do
                r = diag_read_some(fd, listeners);
        while (r == 0);

        return r < 0 ? r : 0;
}

static int listeners_find(Listeners *ret, uint16_t port) {
        _cleanup_close_ int fd = -1;
        /* The kernel answers within the call; this is for the day that it does not. */
        const struct timeval guard = { .tv_sec = 1 };
        Listeners listeners = { 0 };
        int r;

        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &guard, sizeof(guard)) < 0)
                return -errno;

        r = diag_list(fd, AF_INET, port, &listeners);
        if (r < 0)
                return r;
        r = diag_list(fd, AF_INET6, port, &listeners);
        if (r < 0)
                return r;

        *ret = listeners;
        return 0;
}

static bool listeners_have(const Listeners *listeners, const char *link) {
        unsigned inode;

        if (sscanf(link, "socket:[%u]", &inode) != 1)
                return false;

        for (size_t i = 0; i < listeners->n_inodes; i++)
                if (listeners->inodes[i] == inode)
                        return true;

        return false;
}

static bool process_holds(int proc_fd, pid_t pid, const Listeners *listeners) {
        char path[64], link[64];
        int fd;
        DIR *directory;
        bool holds = false;

        (void) snprintf(path, sizeof(path), "%d/fd", (int) pid);
        fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return false;
        directory = fdopendir(fd);
        if (!directory) {
                safe_close(fd);
                return false;
        }

        for (struct dirent *entry; !holds && (entry = readdir(directory));) {
                ssize_t n = readlinkat(fd, entry->d_name, link, sizeof(link) - 1);

                if (n < 0)
                        continue;
                link[n] = '\0';
                holds = listeners_have(listeners, link);
        }

        (void) closedir(directory);
        return holds;
}

static void program_read(int proc_fd, pid_t pid, char *program, size_t n_program) {
        _cleanup_close_ int fd = -1;
        char path[64];
        ssize_t n = 0;

        (void) snprintf(path, sizeof(path), "%d/comm", (int) pid);
        fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
                n = read(fd, program, n_program - 1);

        program[n > 0 ? n : 0] = '\0';
        program[strcspn(program, "\n")] = '\0';
}

/* Of several that share the socket, the one with the lowest pid: most often their parent. */
static PortHolder holder_find(const Listeners *listeners) {
        PortHolder holder = { 0 };
        DIR *proc = opendir("/proc");

        if (!proc)
                return holder;

        for (struct dirent *entry; holder.pid == 0 && (entry = readdir(proc));) {
                pid_t pid = (pid_t) atoi(entry->d_name);

                if (pid <= 0 || !process_holds(dirfd(proc), pid, listeners))
                        continue;

                holder.pid = pid;
                program_read(dirfd(proc), pid, holder.program, sizeof(holder.program));
        }

        (void) closedir(proc);
        return holder;
}

int port_find_listener(uint16_t port, PortHolder *ret) {
        Listeners listeners = { 0 };
        int r;

        r = listeners_find(&listeners, port);
        if (r < 0)
                return r;
        if (listeners.n_inodes == 0)
                return 0;

        if (ret)
                *ret = holder_find(&listeners);
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
