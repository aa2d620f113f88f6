/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * NotifyMessage
 *
 * What a service says of itself in a datagram of sd_notify(3). Whoever sent it is not trusted:
 * what cannot be read is passed over, as are words that mean nothing here, and whether the sender
 * may say so at all is for others to find out.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NOTIFY_BYTES_MAX 4096
#define NOTIFY_STATUS_BYTES_MAX 512

/* What a message has said; what comes with a value has it in the field beside it. */
enum {
        NOTIFY_READY = 1 << 0,
        NOTIFY_RELOADING = 1 << 1,
        NOTIFY_STOPPING = 1 << 2,
        NOTIFY_BARRIER = 1 << 3, /* the sender waits until its descriptor is closed */
        NOTIFY_STATUS = 1 << 4,
        NOTIFY_ERRNO = 1 << 5,
        NOTIFY_MAIN_PID = 1 << 6,
        NOTIFY_EXTEND_TIMEOUT = 1 << 7,
        NOTIFY_WATCHDOG = 1 << 8,          /* it is alive */
        NOTIFY_WATCHDOG_TRIGGER = 1 << 9,  /* it is not: as if the time were up */
        NOTIFY_WATCHDOG_TIMEOUT = 1 << 10, /* how long it may be silent from now on */
};

typedef struct NotifyMessage {
        unsigned said;
        char status[NOTIFY_STATUS_BYTES_MAX + 1]; /* UTF-8 without control characters */
        int error;                                /* positive errno */
        pid_t main_pid;                           /* as the sender has it; to be proven */
        uint64_t extend_timeout_usec;
        uint64_t watchdog_timeout_usec; /* 0: it wants no watchdog any more */
} NotifyMessage;

/* -EBADMSG: too long, or with a NUL that is not its end. An empty message says nothing. */
int notify_message_parse(NotifyMessage *ret, const char *bytes, size_t n_bytes);
