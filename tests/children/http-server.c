/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * HTTP server
 *
 * Answers each path as it is told to, and prints the path of each request, so that a test can
 * read from its log what a prober asked, and in which order. Paths it was not told of are 404.
 * 127.0.0.1 alone, one request a connection, one connection at a time.
 *
 *   http-server PORT [--after MILLISECONDS] [--loads-until FILE] [PATH=STATUS[,STATUS...]...]
 *
 * --after waits before it listens. --loads-until answers 503 as long as that file is not there.
 * Several statuses are given in turn, the last one for ever. Status 0 keeps the connection and
 * never answers. A 3xx points to /moved.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct Route {
        const char *path; /* up to the equals sign of the argument */
        size_t path_length;
        char *next; /* the statuses still to be given */
} Route;

static Route routes[16];
static size_t n_routes;
static const char *loads_until;

static int add_route(char *argument) {
        char *equals = strchr(argument, '=');

        if (!equals || n_routes == sizeof(routes) / sizeof(routes[0]))
                return -1;

        routes[n_routes++] = (Route){ argument, (size_t) (equals - argument), equals + 1 };
        return 0;
}

static int route_take_status(const char *path, size_t length) {
        if (loads_until && access(loads_until, F_OK) < 0)
                return 503;

        for (size_t i = 0; i < n_routes; i++) {
                Route *route = &routes[i];
                char *comma;
                int status;

                if (route->path_length != length || strncmp(route->path, path, length) != 0)
                        continue;

                status = atoi(route->next);
                comma = strchr(route->next, ',');
                if (comma)
                        route->next = comma + 1;
                return status;
        }

        return 404;
}

/* 0: an answer was given, the connection may go. */
static int answer(int connection) {
        char request[4096], reply[256];
        const char *path, *end;
        ssize_t n = read(connection, request, sizeof(request) - 1);
        int status, length;

        if (n <= 0)
                return 0;
        request[n] = '\0';

        path = strchr(request, ' ');
        end = path ? strchr(path + 1, ' ') : NULL;
        if (!end)
                return 0;

        path++;
        printf("asked for %.*s\n", (int) (end - path), path);
        (void) fflush(stdout);

        status = route_take_status(path, (size_t) (end - path));
        if (status == 0)
                return 1;

        length = snprintf(reply, sizeof(reply),
                          "HTTP/1.1 %d As told\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n",
                          status, status / 100 == 3 ? "Location: /moved\r\n" : "");
        if (write(connection, reply, (size_t) length) < 0)
                return 0;
        return 0;
}

static int listen_on(int port) {
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons((uint16_t) port),
                .sin_addr = { htonl(INADDR_LOOPBACK) },
        };
        int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(fd, 16) < 0) {
                perror("http-server");
                exit(EXIT_FAILURE);
        }
        return fd;
}

int main(int argc, char *argv[]) {
        int listener;

        if (argc < 2)
                return 2;

        for (int i = 2; i < argc; i++)
                if (strcmp(argv[i], "--after") == 0 && i + 1 < argc) {
                        long milliseconds = atol(argv[++i]);
                        const struct timespec span = { milliseconds / 1000,
                                                       milliseconds % 1000 * 1000000 };

                        (void) nanosleep(&span, NULL);
                } else if (strcmp(argv[i], "--loads-until") == 0 && i + 1 < argc)
                        loads_until = argv[++i];
                else if (add_route(argv[i]) < 0)
                        return 2;

        (void) signal(SIGPIPE, SIG_IGN);
        listener = listen_on(atoi(argv[1]));
        printf("listening on %s\n", argv[1]);
        (void) fflush(stdout);

        for (;;) {
                int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

                if (connection >= 0 && answer(connection) == 0)
                        (void) close(connection);
        }
}
