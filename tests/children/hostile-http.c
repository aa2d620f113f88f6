/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * hostile-http [ADDRESS]
 *
 * An HTTP server that misbehaves in the way that the path of the request names, each connection in
 * a process of its own. An address with a slash is a socket's path. It says its port on stdout, and
 * then, a line each, what a test may want to wait for.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "util/macro.h"

static int listen_fd;
static const char *request; /* the whole head */

static void say(const char *text) {
        (void) dprintf(STDOUT_FILENO, "%s\n", text);
}

static bool send_bytes(int fd, const char *bytes, size_t n) {
        return send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t) n;
}

static bool send_text(int fd, const char *text) {
        return send_bytes(fd, text, strlen(text));
}

static void send_for_ever(int fd, const char *text) {
        while (send_text(fd, text))
                ;
}

static void send_slowly_for_ever(int fd) {
        const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };

        while (send_text(fd, "a"))
                (void) nanosleep(&pause, NULL);
}

static void serve_status(int fd) {
        char head[128];

        (void) snprintf(head, sizeof(head), "HTTP/1.1 %.3s Said\r\nContent-Length: 0\r\n\r\n",
                        request + strlen("GET /status/"));
        (void) send_text(fd, head);
}

static void serve_silent(int fd) {
        char byte;

        say("silent");
        while (recv(fd, &byte, 1, 0) > 0)
                ;
        say("gone");
}

static void serve_loris(int fd) {
        (void) send_text(fd, "HTTP/1.1 200 OK\r\nX-Slow: ");
        send_slowly_for_ever(fd);
}

static void serve_loris_body(int fd) {
        (void) send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        send_slowly_for_ever(fd);
}

static void serve_body(int fd) {
        (void) send_text(fd, "HTTP/1.1 200 OK\r\n\r\n");
        send_for_ever(fd, "a body that never ends, of which nobody wants to keep a byte\n");
}

static void serve_chunks(int fd) {
        (void) send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        send_for_ever(fd, "8\r\n12345678\r\n");
}

static void serve_headers(int fd) {
        (void) send_text(fd, "HTTP/1.1 200 OK\r\n");
        send_for_ever(fd, "X-Bomb: one more of those\r\n");
}

static void serve_trailers(int fd) {
        (void) send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
        send_for_ever(fd, "X-Bomb: one more of those\r\n");
}

static void serve_informational(int fd) {
        send_for_ever(fd, "HTTP/1.1 103 Early Hints\r\n\r\n");
}

static void serve_hints(int fd) {
        (void) send_text(fd, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        (void) send_text(fd, "HTTP/1.1 204 No Content\r\n\r\n");
}

static void serve_switching(int fd) {
        (void) send_text(fd, "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
        send_for_ever(fd, "no HTTP any more\n");
}

static void serve_status_line(int fd) {
        (void) send_text(fd, "HTTP/1.1 200 ");
        send_for_ever(fd, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

static void serve_http09(int fd) {
        (void) send_text(fd, "just text, as in 1991\n");
}

static void serve_garbage(int fd) {
        char bytes[4096];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (char) (i * 167 + i / 7);
        (void) send_bytes(fd, bytes, sizeof(bytes));
}

static void serve_close(_unused_ int fd) {
}

static void serve_reset(int fd) {
        const struct linger linger = { .l_onoff = 1 };

        (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void serve_redirect(int fd) {
        struct sockaddr_in address = { 0 };
        socklen_t n = sizeof(address);
        char head[256];

        (void) getsockname(fd, (struct sockaddr *) &address, &n);
        (void) snprintf(head, sizeof(head),
                        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/followed\r\n"
                        "Content-Length: 0\r\n\r\n",
                        (unsigned) ntohs(address.sin_port));
        (void) send_text(fd, head);
}

static void serve_followed(int fd) {
        say("followed");
        (void) send_text(fd, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
}

static void serve_long_length(int fd) {
        (void) send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nshort");
}

static void serve_short_length(int fd) {
        (void) send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
        send_for_ever(fd, "more than was announced\n");
}

static void serve_bad_length(int fd) {
        (void) send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n");
}

static void serve_header(int fd) {
        const char *answer = strstr(request, "\r\nX-Probe: yes\r\n")
                                     ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                                     : "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n";

        (void) send_text(fd, answer);
}

/* A test may look away in the meantime. */
static void serve_later(int fd) {
        const struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };

        say("asked");
        (void) nanosleep(&pause, NULL);
        (void) send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        say("answered");
}

/* From before the answer on nobody listens any more: shutdown(2) acts on the socket itself, which
 * the parent shares. */
static void serve_last(int fd) {
        (void) shutdown(listen_fd, SHUT_RDWR);
        (void) send_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static const struct {
        const char *path;
        void (*serve)(int fd);
} modes[] = {
        { "/status/", serve_status },
        { "/silent ", serve_silent },
        { "/loris ", serve_loris },
        { "/loris-body ", serve_loris_body },
        { "/body ", serve_body },
        { "/chunks ", serve_chunks },
        { "/headers ", serve_headers },
        { "/trailers ", serve_trailers },
        { "/informational ", serve_informational },
        { "/hints ", serve_hints },
        { "/switching ", serve_switching },
        { "/status-line ", serve_status_line },
        { "/http09 ", serve_http09 },
        { "/garbage ", serve_garbage },
        { "/close ", serve_close },
        { "/reset ", serve_reset },
        { "/redirect ", serve_redirect },
        { "/followed ", serve_followed },
        { "/long-length ", serve_long_length },
        { "/short-length ", serve_short_length },
        { "/bad-length ", serve_bad_length },
        { "/header ", serve_header },
        { "/later ", serve_later },
        { "/last ", serve_last },
};

static void serve(int fd) {
        static char head[8192];
        size_t n_head = 0;

        while (n_head < sizeof(head) - 1 && !strstr(head, "\r\n\r\n")) {
                ssize_t n = recv(fd, head + n_head, sizeof(head) - 1 - n_head, 0);

                if (n <= 0)
                        return;
                n_head += (size_t) n;
        }
        request = head;

        for (size_t i = 0; i < ELEMENTSOF(modes); i++)
                if (strncmp(head + strlen("GET "), modes[i].path, strlen(modes[i].path)) == 0)
                        modes[i].serve(fd);
}

static int listen_on_path(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(fd, 128) < 0)
                return -errno;

        return fd;
}

static int listen_on(const char *text) {
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
        struct sockaddr_in v4 = { .sin_family = AF_INET };
        bool is_v6 = inet_pton(AF_INET6, text, &v6.sin6_addr) == 1;
        const struct sockaddr *address = is_v6 ? (const void *) &v6 : (const void *) &v4;
        socklen_t n = is_v6 ? sizeof(v6) : sizeof(v4);
        int fd;

        if (strchr(text, '/'))
                return listen_on_path(text);
        fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (!is_v6 && inet_pton(AF_INET, text, &v4.sin_addr) != 1)
                return -EINVAL;
        if (fd < 0 || bind(fd, address, n) < 0 || listen(fd, 128) < 0)
                return -errno;

        return fd;
}

static unsigned port_of(int fd) {
        struct sockaddr_in6 address = { 0 }; /* the port is in the same place as in sockaddr_in */
        socklen_t n = sizeof(address);

        (void) getsockname(fd, (struct sockaddr *) &address, &n);
        return ntohs(address.sin6_port);
}

int main(int argc, char *argv[]) {
        pid_t self = getpid();

        (void) signal(SIGCHLD, SIG_IGN);
        listen_fd = listen_on(argc > 1 ? argv[1] : "127.0.0.1");
        if (listen_fd < 0)
                return EXIT_FAILURE;
        (void) dprintf(STDOUT_FILENO, "%u\n", port_of(listen_fd));

        for (;;) {
                int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

                if (fd < 0)
                        break;
                if (fork() == 0) {
                        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                        if (getppid() == self)
                                serve(fd);
                        _exit(EXIT_SUCCESS);
                }
                (void) close(fd);
        }

        /* Mode "last": its answer is still to be sent, by a child that dies with this process. */
        for (;;)
                (void) pause();
}
