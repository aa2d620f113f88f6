/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Wire
 *
 * What keeper and brain say to each other over one SOCK_SEQPACKET pair, and a guardian and the
 * brain over another: messages of one fixed size, and descriptors beside them. Both ends include
 * this header, so there is one definition and nothing is parsed.
 *
 * Nobody ever waits for room: a send that finds none answers -EAGAIN, and whoever has news keeps
 * it until the socket is writable.
 */

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "util/macro.h"

#define WIRE_VERSION 1
#define WIRE_SLOTS_MAX 1024
#define WIRE_FDS_MAX 5
#define WIRE_BRAIN_FD 3 /* the brain finds its end of the socket here */

typedef enum WireKind {
        /* The keeper's. Those of a slot carry its generation. */
        WIRE_HELLO = 1,   /* version; the first message to every brain */
        WIRE_FORKED,      /* pid; descriptor: pidfd */
        WIRE_GUARDIAN,    /* pid; descriptor: the brain's end of the guardian's pair */
        WIRE_FORK_FAILED, /* error: there is no process and no entry */
        WIRE_EXEC,        /* error, 0: it succeeded */
        WIRE_EXITED,      /* code, status. Of a guardian: nothing of its tree is left */
        WIRE_TERMINATE,   /* stop all in order, then exit 0; from the brain: a SIGTERM reached me */

        /* The brain's. */
        WIRE_SPAWN,       /* flags; descriptors: payload, stdout, stderr, then as flags say */
        WIRE_ACKNOWLEDGE, /* the exit was taken: drop the entry */
        WIRE_RELEASE,     /* the slot is given back: its generations mean nothing any more */
        WIRE_READY,       /* tell whoever started the keeper */
        WIRE_KILL,        /* to a guardian: kill to the last */
} WireKind;

/* Optional descriptors of SPAWN, in this order. */
enum {
        WIRE_SPAWN_STDIN = 1 << 0,  /* else /dev/null */
        WIRE_SPAWN_CGROUP = 1 << 1, /* directory to be born in, else under a guardian */
};

typedef struct WireMessage {
        uint32_t kind;
        uint32_t slot;
        uint64_t generation;
        uint32_t flags;
        uint32_t version;
        int32_t pid;
        int32_t error; /* positive errno */
        int32_t code;  /* as si_code and si_status of a siginfo_t */
        int32_t status;
} WireMessage;

/*
 * The sealed memfd of a SPAWN begins with this. All are offsets into it; argv and envp lead to
 * vectors of offsets of strings, ended by a 0. The child maps it privately and adds the address
 * to each offset, and so has what execve(2) takes without allocating anything.
 */
typedef struct WirePayload {
        uint64_t path;
        uint64_t working_directory;
        uint64_t argv;
        uint64_t envp;
} WirePayload;

static inline int
wire_send(int socket_fd, const WireMessage *message, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
        } control = { 0 };
        struct iovec iov = { .iov_base = (void *) (uintptr_t) message,
                             .iov_len = sizeof(*message) };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds > 0) {
                msg.msg_control = &control;
                msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
        }
        return sendmsg(socket_fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static inline void wire_close_fds(int *fds, size_t n_fds) {
        for (size_t i = 0; i < n_fds; i++)
                fds[i] = safe_close(fds[i]);
}

/*
 * 1: a message, and n_fds descriptors that are the caller's (none if we ran out of descriptors);
 * 0: the other end is gone and everything has been read; negative errno, -EAGAIN: nothing there.
 */
static inline int
wire_receive(int socket_fd, WireMessage *ret, int ret_fds[static WIRE_FDS_MAX], size_t *ret_n_fds) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
        } control;
        WireMessage message;
        struct iovec iov = { .iov_base = &message, .iov_len = sizeof(message) };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        const struct cmsghdr *header;
        size_t n_fds = 0;
        ssize_t n;

        /*
         * An end that was closed with unread messages leaves ECONNRESET before what it had sent;
         * reading the error clears it.
         */
        do {
                msg.msg_control = &control;
                msg.msg_controllen = sizeof(control);
                n = recvmsg(socket_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        } while (n < 0 && (errno == ECONNRESET || errno == EINTR));
        if (n <= 0)
                return n < 0 ? -errno : 0;

        header = CMSG_FIRSTHDR(&msg);
        if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
                n_fds = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                memcpy(ret_fds, CMSG_DATA(header), n_fds * sizeof(int));
        }
        if (msg.msg_flags & MSG_CTRUNC) {
                wire_close_fds(ret_fds, n_fds);
                n_fds = 0;
        }
        if (n != sizeof(message) || (msg.msg_flags & MSG_TRUNC)) {
                wire_close_fds(ret_fds, n_fds);
                return -EBADMSG;
        }
        *ret = message;
        *ret_n_fds = n_fds;
        return 1;
}
