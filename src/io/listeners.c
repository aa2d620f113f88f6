/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Listeners
 *
 * The kernel filters: a dump of sock_diag(7) with a source port answers with the few sockets that
 * listen on it, whatever else is open. What counts is who would get, or keep us from getting, a
 * connection to the loopback: listeners on its addresses and on the wildcards. A stranger on the
 * address of a network card is nobody's conflict.
 *
 * The cgroup of a socket needs no right on its process, so it is looked at first. Where it is not
 * the tree's own, the descriptors decide: a tree may have made cgroups below its own, or have got
 * the listening socket from somebody else.
 */

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "io/listeners.h"
#include "util/cgroup-dir.h"

void listeners_done(Listeners *listeners) {
        free(listeners->all);
        *listeners = (Listeners){ 0 };
}

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

/* Not asked for: since Linux 5.8 it comes with every socket. */
static uint64_t message_cgroup_id(const struct nlmsghdr *message) {
        const struct inet_diag_msg *socket = NLMSG_DATA(message);
        const struct rtattr *attribute = (const void *) (socket + 1);
        int n = (int) (message->nlmsg_len - NLMSG_LENGTH(sizeof(*socket)));
        uint64_t id = 0;

        for (; RTA_OK(attribute, n); attribute = RTA_NEXT(attribute, n))
                if (attribute->rta_type == INET_DIAG_CGROUP_ID &&
                    RTA_PAYLOAD(attribute) == sizeof(id))
                        memcpy(&id, RTA_DATA(attribute), sizeof(id));

        return id;
}

static int listeners_add(Listeners *listeners, const struct nlmsghdr *message) {
        const struct inet_diag_msg *socket = NLMSG_DATA(message);

        /* Without an inode it is being closed: no descriptor leads to it any more. */
        if (message->nlmsg_len < NLMSG_LENGTH(sizeof(*socket)) || !address_counts(socket) ||
            socket->idiag_inode == 0)
                return 0;

        /* Room doubles whenever the number is a power of two. */
        if ((listeners->n & (listeners->n - 1)) == 0) {
                size_t room = listeners->n == 0 ? 1 : 2 * listeners->n;
                Listener *grown = reallocarray(listeners->all, room, sizeof(Listener));

                if (!grown)
                        return -ENOMEM;
                listeners->all = grown;
        }

        listeners->all[listeners->n++] = (Listener){
                .inode = socket->idiag_inode,
                .cgroup_id = message_cgroup_id(message),
        };
        return 0;
}

/* 1: that was the last of them. */
static int diag_read_some(int fd, Listeners *listeners) {
        union {
                struct nlmsghdr header;
                char bytes[16 * 1024];
        } buffer;
        ssize_t n = recv(fd, &buffer, sizeof(buffer), 0);
        int r;

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
                if (message->nlmsg_type == SOCK_DIAG_BY_FAMILY) {
                        r = listeners_add(listeners, message);
                        if (r < 0)
                                return r;
                }
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

int listeners_find(Listeners *ret, uint16_t port) {
        _cleanup_(listeners_done) Listeners listeners = { 0 };
        _cleanup_close_ int fd = -1;
        /* The kernel answers within the call; this is for the day that it does not. */
        const struct timeval guard = { .tv_sec = 1 };
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

        *ret = TAKE(listeners, ((Listeners){ 0 }));
        return 0;
}

bool listeners_strike_inode(Listeners *listeners, uint32_t inode) {
        for (size_t i = 0; i < listeners->n; i++)
                if (listeners->all[i].inode == inode) {
                        listeners->all[i] = listeners->all[--listeners->n];
                        return true;
                }

        return false;
}

/* Takes out the one that a link of /proc/PID/fd leads to; false: it leads elsewhere. */
static bool listeners_strike(Listeners *listeners, const char *link) {
        unsigned inode;

        return sscanf(link, "socket:[%u]", &inode) == 1 && listeners_strike_inode(listeners, inode);
}

/*
 * Takes out those that the process has a descriptor of, and answers how many; -EACCES: it lets
 * nobody look (another user's, or one that is not dumpable, see ptrace(2)).
 */
static int process_strike(pid_t pid, Listeners *listeners) {
        char path[64], link[64];
        DIR *directory;
        int n_struck = 0;

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);
        directory = opendir(path);
        if (!directory)
                return errno == ENOENT ? 0 : -errno; /* gone: it holds nothing */

        for (struct dirent *entry; listeners->n > 0 && (entry = readdir(directory));) {
                ssize_t n = readlinkat(dirfd(directory), entry->d_name, link, sizeof(link) - 1);

                if (n < 0)
                        continue;
                link[n] = '\0';
                n_struck += listeners_strike(listeners, link);
        }

        (void) closedir(directory);
        return n_struck;
}

static void program_read(pid_t pid, char *program, size_t n_program) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/%d/comm", (int) pid);
        if (kernel_file_read(AT_FDCWD, path, program, n_program) < 0)
                program[0] = '\0';
        program[strcspn(program, "\n")] = '\0';
}

/* Of several that share the socket, the one with the lowest pid: most often their parent. */
PortHolder listeners_find_holder(Listeners *listeners) {
        PortHolder holder = { 0 };
        DIR *proc = opendir("/proc");

        if (!proc)
                return holder;

        for (struct dirent *entry; holder.pid == 0 && (entry = readdir(proc));) {
                pid_t pid = (pid_t) atoi(entry->d_name);

                if (pid <= 0 || process_strike(pid, listeners) <= 0)
                        continue;

                holder.pid = pid;
                program_read(pid, holder.program, sizeof(holder.program));
        }

        (void) closedir(proc);
        return holder;
}

static void listeners_strike_cgroup(Listeners *listeners, uint64_t cgroup_id) {
        size_t n = 0;

        for (size_t i = 0; i < listeners->n; i++)
                if (listeners->all[i].cgroup_id != cgroup_id)
                        listeners->all[n++] = listeners->all[i];

        listeners->n = n;
}

PortOwner listeners_judge(Listeners *listeners,
                          uint64_t cgroup_id,
                          const pid_t *pids,
                          size_t n_pids,
                          PortHolder *ret_stranger) {
        bool all_were_seen = true;
        PortHolder holder;

        if (listeners->n == 0)
                return PORT_OWNER_NOBODY;

        if (cgroup_id != 0)
                listeners_strike_cgroup(listeners, cgroup_id);
        for (size_t i = 0; i < n_pids && listeners->n > 0; i++)
                all_were_seen &= process_strike(pids[i], listeners) >= 0;
        if (listeners->n == 0)
                return PORT_OWNER_TREE;

        /* Nobody of the tree whom we could look at, since theirs were taken out. */
        holder = listeners_find_holder(listeners);
        if (holder.pid == 0 && !all_were_seen)
                return PORT_OWNER_UNKNOWN;

        *ret_stranger = holder;
        return PORT_OWNER_STRANGER;
}
