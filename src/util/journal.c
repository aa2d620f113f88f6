/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Journal
 *
 * The socket is never connected: journald may be restarted, and is found again by its path.
 */

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/journal.h"
#include "util/macro.h"

#define SOCKET_PATH "/run/systemd/journal/socket"
#define HEAD_BYTES_MAX 1024 /* an id has 255 bytes, a name 63 */

bool journal_is_there(void) {
        return access(SOCKET_PATH, W_OK) >= 0;
}

static int open_socket(void) {
        static int socket_fd = -1;

        if (socket_fd < 0)
                socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        return socket_fd < 0 ? -errno : socket_fd;
}

typedef struct Head {
        char text[HEAD_BYTES_MAX];
        size_t n_bytes;
} Head;

/* None of the values has a newline in it, so the simple form will do. */
static void add_field(Head *head, const char *name, const char *value) {
        size_t room = sizeof(head->text) - head->n_bytes;
        int n;

        if (!value)
                return;
        n = snprintf(head->text + head->n_bytes, room, "%s=%s\n", name, value);
        if (n > 0 && (size_t) n < room)
                head->n_bytes += (size_t) n;
}

static void write_head(Head *head, const JournalEntry *entry) {
        char priority[] = { (char) ('0' + entry->priority), '\0' };
        char generation[24];

        (void) snprintf(generation, sizeof(generation), "%" PRIu64, entry->generation);
        add_field(head, "PRIORITY", priority);
        add_field(head, "SYSLOG_IDENTIFIER", entry->identifier);
        add_field(head, "MESSAGE_ID", entry->message_id);
        add_field(head, "SIDECARD_APP", entry->app);
        add_field(head, "SIDECARD_NAME", entry->name);
        add_field(head, "SIDECARD_GENERATION", entry->generation != 0 ? generation : NULL);
}

int journal_send(const JournalEntry *entry) {
        static const char name[] = "MESSAGE\n", end[] = "\n";
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SOCKET_PATH };
        uint64_t n_bytes = htole64(entry->n_bytes);
        Head head;
        struct iovec iov[] = {
                { .iov_base = head.text },
                { .iov_base = (void *) (uintptr_t) name, .iov_len = strlen(name) },
                { .iov_base = &n_bytes, .iov_len = sizeof(n_bytes) },
                { .iov_base = (void *) (uintptr_t) entry->bytes, .iov_len = entry->n_bytes },
                { .iov_base = (void *) (uintptr_t) end, .iov_len = strlen(end) },
        };
        struct msghdr message = {
                .msg_name = &address,
                .msg_namelen = sizeof(address),
                .msg_iov = iov,
                .msg_iovlen = ELEMENTSOF(iov),
        };
        int socket_fd = open_socket();

        if (socket_fd < 0)
                return socket_fd;
        head.n_bytes = 0;
        write_head(&head, entry);
        iov[0].iov_len = head.n_bytes;
        return sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
