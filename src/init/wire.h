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

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "util/macro.h"

#define WIRE_VERSION 2
#define WIRE_VERSION_WITHOUT_TABLE 1 /* such a keeper ends everything with its brain */
#define WIRE_SIDECARS_MAX 1024
#define WIRE_SLOTS_MAX (2 * WIRE_SIDECARS_MAX) /* one more each, for the program of a probe */
#define WIRE_HOLDERS_MAX 256
#define WIRE_FDS_MAX 9
#define WIRE_SOCKETS_MAX 16 /* that are handed over to one program */
#define WIRE_BRAIN_FD 3     /* the brain finds its end of the socket here */

typedef enum WireKind {
        /* The keeper's. Those of a slot carry its generation. */
        WIRE_HELLO = 1,   /* version, flags; the first to every brain. Descriptor: the ledger */
        WIRE_FORKED,      /* pid; descriptor: pidfd */
        WIRE_GUARDIAN,    /* pid; descriptor: the brain's end of the guardian's pair */
        WIRE_FORK_FAILED, /* error: there is no process and no entry */
        WIRE_EXEC,        /* error, 0: it succeeded */
        WIRE_EXITED,      /* code, status. Of a guardian: nothing of its tree is left; its main's */
        WIRE_TERMINATE,   /* stop all in order, then exit 0; from the brain: a SIGTERM reached me */

        /* The brain's. */
        WIRE_SPAWN,       /* flags; descriptors: payload, stdout, stderr, then as flags say */
        WIRE_ACKNOWLEDGE, /* the exit was taken: drop the entry. A later SPAWN says the same */
        WIRE_RELEASE,     /* the slot is given back: its generations mean nothing any more */
        WIRE_READY,       /* tell whoever started the keeper */
        WIRE_KILL,        /* to a guardian: kill to the last */

        /* The keeper's, since version 2: the table, between HELLO and TABLE_END. */
        WIRE_ENTRY,     /* all that is known of a slot: flags, pid, error, code, status */
        WIRE_HOLDER,    /* slot: its index; descriptor: pidfd */
        WIRE_TABLE_END, /* what follows is news */
        WIRE_PING,      /* to be answered by ALIVE within a minute */

        /* The brain's, since version 2. */
        WIRE_KEEP_MEMORY, /* of a slot, until RELEASE; descriptor: the memfd of its output */
        WIRE_KEEP_HOLDER, /* slot: its index, descriptor: pidfd; in place of the former one */
        WIRE_DROP_HOLDER, /* slot: its index */
        WIRE_KEEP_LEDGER, /* descriptor: in place of the former one */
        WIRE_UPGRADE,     /* a SIGHUP reached me: kill me, and start what is on disk now */
        WIRE_ALIVE,
        WIRE_RESEND,     /* to a guardian: all that is known, once more */
        WIRE_KEEP_STDIN, /* before the SPAWN of that generation; descriptor: where its stdin is fed
                          */
        WIRE_DROP_STDIN, /* it is to see the end of that */
        WIRE_KEEP_SOCKETS, /* of a slot, until RELEASE; descriptor: its packed sockets */
        WIRE_DROP_SOCKETS,
        WIRE_SUMMARY, /* tell whoever started the keeper: `code` sidecars are Running, `status`
                         have Failed */
} WireKind;

/* Flags of HELLO. */
enum {
        WIRE_HELLO_FIRST = 1 << 0, /* no brain of this keeper was ready before */
        WIRE_HELLO_SAFE = 1 << 1,  /* too many died: adopt, answer, stop, start nothing (D2) */
};

/* Optional descriptors of SPAWN, in this order. */
enum {
        WIRE_SPAWN_STDIN = 1 << 0,   /* else /dev/null */
        WIRE_SPAWN_CGROUP = 1 << 1,  /* directory to be born in, else under a guardian */
        WIRE_SPAWN_SOCKETS = 1 << 4, /* packed: what it finds from descriptor 3 on */
        WIRE_SPAWN_KEEP = 1 << 2,    /* two: where stdout and stderr are read, for the next brain */
        WIRE_SPAWN_NOTIFY = 1 << 3,  /* where it says how it is, for the next brain */
};

/*
 * Flags of ENTRY. Its generation is that of the last SPAWN that was obeyed, 0: none. Descriptors,
 * in this order, where flags say so: pidfd of the main, or the brain's end of the guardian's pair;
 * the reading ends of stdout and stderr; the memory of the output; the notify socket; the writing
 * end of stdin; the packed sockets. A SPAWN that failed is not among it: whoever wants that
 * generation orders it again.
 *
 * A guardian that has ended can be asked no more, and its last words may have been read by a brain
 * that is dead. So at its end the keeper tells what it knew of its main, as EXEC and EXITED or in
 * ENTRY: no EXEC, or code 0, is what it did not know.
 */
enum {
        WIRE_ENTRY_GUARDED = 1 << 0, /* pid and end are the guardian's, the main's come from it */
        WIRE_ENTRY_THERE = 1 << 1,   /* spawned and not acknowledged yet */
        WIRE_ENTRY_EXEC = 1 << 2,    /* the exec has come to something: error */
        WIRE_ENTRY_ENDED = 1 << 3,   /* code, status */
        WIRE_ENTRY_MAIN_FD = 1 << 4, /* one descriptor */
        WIRE_ENTRY_OUTPUT = 1 << 5,  /* two descriptors */
        WIRE_ENTRY_MEMORY = 1 << 6,  /* one descriptor */
        WIRE_ENTRY_NOTIFY = 1 << 7,  /* one descriptor */
        WIRE_ENTRY_STDIN = 1 << 8,   /* one descriptor */
        WIRE_ENTRY_SOCKETS = 1 << 9, /* one descriptor */
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
 *
 * The vectors follow at once, so where argv begins tells how much of this a brain knew of: a
 * keeper outlives upgrades, both ways. What the kernel refuses of the limits is no failure: the
 * brain reads from the process what it has.
 */
typedef struct WirePayload {
        uint64_t path;
        uint64_t working_directory;
        uint64_t argv;
        uint64_t envp;
        /* What came later: see wire_payload_is_long(). */
        uint64_t oom_score_adj; /* the number, as a string; 0: a little above the keeper's */
        uint64_t open_files;    /* soft and hard; 0: as the session has it */
        int64_t nice;           /* WIRE_NICE_NONE: as the session has it */
        uint64_t listen_pid;    /* room for the child's pid in decimals, WIRE_PID_MAX; 0: nowhere */
} WirePayload;

#define WIRE_NICE_NONE INT64_MAX
#define WIRE_PID_MAX (sizeof("2147483647") - 1)

static inline bool wire_payload_is_long(const WirePayload *payload) {
        return payload->argv >= sizeof(*payload);
}

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

/* Of an answer of wire_send(): it had room, and yet did not go, which no event tells the end of. */
static inline bool wire_is_to_be_repeated(int r) {
        return r == -ETOOMANYREFS || r == -ENOBUFS || r == -ENOMEM;
}

static inline void wire_close_fds(int *fds, size_t n_fds) {
        for (size_t i = 0; i < n_fds; i++)
                fds[i] = safe_close(fds[i]);
}

/*
 * Listening sockets travel packed: as the one message that waits in a socket, to which nobody can
 * send any more. So any number of them is one descriptor, for whoever keeps it and lends it. This
 * looks into it and leaves it as it is. flags: as of recvmsg(2); the descriptors are the caller's.
 */
static inline int wire_unpack_sockets(int packed_fd,
                                      int flags,
                                      int ret_fds[static WIRE_SOCKETS_MAX],
                                      size_t *ret_n_fds) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(WIRE_SOCKETS_MAX * sizeof(int))];
        } control;
        char byte;
        struct iovec iov = { .iov_base = &byte, .iov_len = sizeof(byte) };
        struct msghdr msg = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        const struct cmsghdr *header;

        if (recvmsg(packed_fd, &msg, flags | MSG_PEEK | MSG_DONTWAIT) < 0)
                return -errno;
        header = CMSG_FIRSTHDR(&msg);
        if (!header || header->cmsg_type != SCM_RIGHTS)
                return -EMFILE;
        *ret_n_fds = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(ret_fds, CMSG_DATA(header), *ret_n_fds * sizeof(int));
        if (!(msg.msg_flags & MSG_CTRUNC))
                return 0;

        wire_close_fds(ret_fds, *ret_n_fds);
        return -EMFILE;
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
