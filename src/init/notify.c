/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Notify
 *
 * What the keeper says to the outside: READY=1 and STATUS= to whoever started it, sd_notify(3), and
 * a line now and then.
 * Neither may block, so the datagram is dropped where there is no room.
 */

#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "init/keeper.h"

void notify_send(const char *address, const char *text) {
        _cleanup_close_ int fd = -1;
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        size_t length = address ? strlen(address) : 0;

        if (length < 2 || length >= sizeof(to.sun_path))
                return;
        memcpy(to.sun_path, address, length);
        if (address[0] == '@') /* abstract, unix(7) */
                to.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0)
                (void) sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *) &to,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length));
}

void notify_send_summary(const char *address, int n_running, int n_failed, bool is_safe_mode) {
        char text[128], failed[32] = "";

        if (n_failed != 0)
                (void) snprintf(failed, sizeof(failed), ", %d failed", n_failed);
        (void) snprintf(text, sizeof(text), "STATUS=%s%d sidecar%s running%s",
                        is_safe_mode ? "safe mode, nothing is started: " : "", n_running,
                        n_running == 1 ? "" : "s", failed);
        notify_send(address, text);
}

void say(const char *format, ...) {
        struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
        char line[512] = "sidecard-init: ";
        size_t used = strlen(line);
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
        va_end(args);
        used += n < 0 ? 0 : (size_t) n;
        if (used > sizeof(line) - 2)
                used = sizeof(line) - 2;
        line[used++] = '\n';
        /* pipe(7): POLLOUT means room for PIPE_BUF bytes, so this write does not block. */
        if (poll(&room, 1, 0) == 1 && (room.revents & POLLOUT))
                (void) !write(STDERR_FILENO, line, used);
}
