/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * holder ADDRESS APP LINGER_USEC alone|leaves-socket default|set [SIDECAR...]
 *
 * A client in a process of its own, that can be stopped and killed: holds the app, says "held",
 * and stays. With leaves-socket it has a child that keeps the connection after its death, as a
 * forked helper of a desktop app does; the child says "released" when HoldReleased comes, and
 * goes with the bus at the latest.
 */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "util/strv.h"

static void say(const char *line) {
        (void) printf("%s\n", line);
        (void) fflush(stdout);
}

static int append_hold(sd_bus_message *call, char *argv[]) {
        int r;

        r = sd_bus_message_append(call, "ss", argv[2], "a process of its own");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(call, "{sv}", "linger-usec", "t",
                                          (uint64_t) strtoull(argv[3], NULL, 10));
        if (r < 0 || !streq(argv[5], "set"))
                return r < 0 ? r : sd_bus_message_close_container(call);

        r = sd_bus_message_open_container(call, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", "sidecars");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(call, argv + 6);
        for (size_t depth = 0; r >= 0 && depth < 3; depth++)
                r = sd_bus_message_close_container(call);

        return r;
}

static int hold(char *argv[], sd_bus **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, argv[1]);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, 1);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &call, "org.sidecard.Sidecars1",
                                                   "/org/sidecard/Sidecars1",
                                                   "org.sidecard.Sidecars1.Manager", "Hold");
        if (r >= 0)
                r = append_hold(call, argv);
        if (r >= 0)
                r = sd_bus_call(bus, call, 0, &error, NULL);
        if (r < 0) {
                say(error.message ? error.message : strerror(-r));
                return r;
        }

        *ret = TAKE_PTR(bus);
        return 0;
}

/* sd-bus refuses to work after a fork, and the name of the signal stands in the bytes as it is. */
static _Noreturn void keep_socket(int fd) {
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
        char bytes[65536];
        size_t n_bytes = 0;
        ssize_t n;

        while (n_bytes < sizeof(bytes) && poll(&poll_fd, 1, -1) > 0 &&
               (n = recv(fd, bytes + n_bytes, sizeof(bytes) - n_bytes, 0)) > 0) {
                n_bytes += (size_t) n;
                if (memmem(bytes, n_bytes, "HoldReleased", strlen("HoldReleased"))) {
                        say("released");
                        break;
                }
        }

        _exit(EXIT_SUCCESS);
}

int main(int argc, char *argv[]) {
        sd_bus *bus;
        int fd;

        if (argc < 6)
                return 2;
        if (hold(argv, &bus) < 0)
                return EXIT_FAILURE;

        fd = sd_bus_get_fd(bus);
        if (streq(argv[4], "leaves-socket") && fork() == 0)
                keep_socket(fd);
        say("held");
        for (;;)
                (void) pause();
}
