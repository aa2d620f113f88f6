/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Journal socket
 *
 * A journald of our own: a socket where everybody looks for that of the machine, in a mount
 * namespace that is the calling process's and its children's alone. Needs root.
 */

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "test.h"

#define JOURNAL_SKIPPED 77
#define JOURNAL_PATH "/run/systemd/journal/socket"

typedef struct JournalDatagram {
        char bytes[16384];
        size_t n_bytes;
} JournalDatagram;

/* From here on /run is empty but for the socket; answers that. */
static inline int journal_socket_make(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOURNAL_PATH };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
        ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
        ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, "mode=755"), 0);
        ck_assert_int_eq(mkdir("/run/systemd", 0755), 0);
        ck_assert_int_eq(mkdir("/run/systemd/journal", 0755), 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

/* false: nothing came in that time. */
static inline bool journal_receive(int fd, int timeout_msec, JournalDatagram *ret) {
        struct pollfd event = { .fd = fd, .events = POLLIN };
        ssize_t n;

        if (poll(&event, 1, timeout_msec) != 1)
                return false;
        n = recv(fd, ret->bytes, sizeof(ret->bytes), 0);
        ck_assert_int_gt(n, 0);
        ret->n_bytes = (size_t) n;
        return true;
}

/* Of a field whose value has no newline; NULL: there is none of that name. Freed by the caller. */
static inline char *journal_field(const JournalDatagram *datagram, const char *name) {
        const char *at = datagram->bytes, *end = at + datagram->n_bytes;
        size_t n = strlen(name);

        while (at < end) {
                const char *newline = memchr(at, '\n', (size_t) (end - at));

                /* What has no "=" is the name of a binary one, and that is the last here. */
                if (!newline || !memchr(at, '=', (size_t) (newline - at)))
                        return NULL;
                if (strncmp(at, name, n) == 0 && at[n] == '=')
                        return strndup(at + n + 1, (size_t) (newline - at) - n - 1);
                at = newline + 1;
        }
        return NULL;
}

static inline void
journal_assert_field(const JournalDatagram *datagram, const char *name, const char *value) {
        _cleanup_free_ char *got = journal_field(datagram, name);

        ck_assert_msg(got != NULL, "no %s in: %.*s", name, (int) datagram->n_bytes,
                      datagram->bytes);
        ck_assert_str_eq(got, value);
}

/* Borrowed; MESSAGE is in the binary form. */
static inline const char *journal_message(const JournalDatagram *datagram, size_t *ret_n) {
        static const char name[] = "MESSAGE\n";
        const char *at = memmem(datagram->bytes, datagram->n_bytes, name, strlen(name));
        uint64_t n_bytes;

        ck_assert_ptr_nonnull(at);
        memcpy(&n_bytes, at + strlen(name), sizeof(n_bytes)); /* little endian */
        at += strlen(name) + sizeof(n_bytes);
        ck_assert_ptr_eq(at + n_bytes + 1, datagram->bytes + datagram->n_bytes);
        *ret_n = (size_t) n_bytes;
        return at;
}

static inline bool journal_is_message(const JournalDatagram *datagram, const char *text) {
        size_t n_bytes;
        const char *bytes = journal_message(datagram, &n_bytes);

        return n_bytes == strlen(text) && memcmp(bytes, text, n_bytes) == 0;
}
