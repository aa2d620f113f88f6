/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A brain that decides nothing and says nothing: it gives its end of the keeper's socket to the
 * test, which then speaks the wire itself, and so can do what no right brain does. Commands come
 * as to the other test brain: "socket" (answered by the descriptor), "ready", "leave CODE".
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/un.h>

#include "init/wire.h"
#include "util/strv.h"

static int connect_control(void) {
        struct sockaddr_un to = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void) snprintf(to.sun_path, sizeof(to.sun_path), "%.90s/control",
                        getenv("XDG_RUNTIME_DIR"));
        if (fd < 0 || connect(fd, (const struct sockaddr *) &to, sizeof(to)) < 0)
                exit(EXIT_FAILURE);
        return fd;
}

static void tell(int control_fd, const char *text) {
        if (send(control_fd, text, strlen(text), MSG_NOSIGNAL) < 0)
                exit(EXIT_FAILURE);
}

static void obey(int control_fd, const char *command) {
        static const WireMessage ready = { .kind = WIRE_READY }, socket_is = { 0 };
        static const int keeper_fd = WIRE_BRAIN_FD;

        if (streq(command, "socket")) {
                (void) wire_send(control_fd, &socket_is, &keeper_fd, 1);
                return;
        }
        tell(control_fd, "did 0");
        if (streq(command, "ready"))
                (void) wire_send(keeper_fd, &ready, NULL, 0);
        else
                exit(atoi(command + strlen("leave ")));
}

int main(int argc, char **argv) {
        const char *folder = "", *containment = "reaper";
        int control_fd = connect_control();
        char text[128];
        ssize_t n;

        for (int i = 1; i < argc; i++)
                if (startswith(argv[i], "--folder="))
                        folder = argv[i] + strlen("--folder=");
                else if (startswith(argv[i], "--trees="))
                        containment = "cgroup";

        (void) snprintf(text, sizeof(text), "hello %d %.60s %s quiet", (int) getpid(), folder,
                        containment);
        tell(control_fd, text);
        while ((n = recv(control_fd, text, sizeof(text) - 1, 0)) > 0) {
                text[n] = '\0';
                obey(control_fd, text);
        }
        return EXIT_FAILURE;
}
