/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "io/ports.h"
#include "test.h"
#include "util/strv.h"

static int bind_to(const char *text, uint16_t port) {
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
        bool is_v6 = inet_pton(AF_INET6, text, &v6.sin6_addr) == 1;
        const struct sockaddr *address = is_v6 ? (const void *) &v6 : (const void *) &v4;
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert(is_v6 || inet_pton(AF_INET, text, &v4.sin_addr) == 1);
        ck_assert_int_ge(fd, 0);
        if (bind(fd, address, is_v6 ? sizeof(v6) : sizeof(v4)) < 0) {
                close(fd);
                return -1;
        }
        return fd;
}

static int listen_on(const char *text, uint16_t port, uint16_t *ret_port) {
        struct sockaddr_in6 address; /* the port is in the same place as in sockaddr_in */
        socklen_t n = sizeof(address);
        int fd = bind_to(text, port);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(listen(fd, 1), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &address, &n), 0);
        *ret_port = ntohs(address.sin6_port);
        return fd;
}

START_TEST(listeners_on_loopback_and_wildcards_count) {
        static const char *const addresses[] = { "127.0.0.1", "127.1.2.3",        "0.0.0.0",
                                                 "::1",       "::ffff:127.0.0.1", "::" };

        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                PortHolder holder;
                uint16_t port;
                int fd = listen_on(addresses[i], 0, &port);

                ck_assert_msg(port_find_listener(port, NULL) == 1, "%s", addresses[i]);
                ck_assert_int_eq(port_find_listener(port, &holder), 1);
                ck_assert_int_eq(holder.pid, getpid());
                ck_assert_str_eq(holder.program, "test-ports");

                close(fd);
                ck_assert_msg(port_find_listener(port, &holder) == 0, "%s", addresses[i]);
        }
}
END_TEST

/* A network of its own, of which the loopback has a second address. */
static bool has_another_address(void) {
        struct ifreq request = { .ifr_name = "lo:1" };
        struct sockaddr_in *address = (void *) &request.ifr_addr;
        int fd;

        if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
                return false;

        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        address->sin_family = AF_INET;
        address->sin_addr.s_addr = inet_addr("192.0.2.77");
        ck_assert_int_eq(ioctl(fd, SIOCSIFADDR, &request), 0);
        close(fd);
        return true;
}

START_TEST(a_listener_on_another_address_does_not_count) {
        PortHolder holder;
        uint16_t port;
        int fd;

        if (!has_another_address()) {
                puts("SKIP: a network of one's own takes root");
                return;
        }

        fd = listen_on("192.0.2.77", 0, &port);
        ck_assert_int_eq(port_find_listener(port, &holder), 0);
        close(fd);
}
END_TEST

START_TEST(neither_a_client_nor_a_bound_socket_is_a_listener) {
        struct sockaddr_in6 address;
        socklen_t n = sizeof(address);
        uint16_t port;
        int listener = listen_on("127.0.0.1", 0, &port), client = bind_to("127.0.0.1", 0);
        struct sockaddr_in server = { .sin_family = AF_INET,
                                      .sin_port = htons(port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

        ck_assert_int_eq(getsockname(client, (struct sockaddr *) &address, &n), 0);
        ck_assert_int_eq(port_find_listener(ntohs(address.sin6_port), NULL), 0);
        ck_assert_int_eq(connect(client, (struct sockaddr *) &server, sizeof(server)), 0);
        ck_assert_int_eq(port_find_listener(ntohs(address.sin6_port), NULL), 0);

        close(client);
        close(listener);
}
END_TEST

START_TEST(the_holder_is_named_by_pid_and_program) {
        PortHolder holder;
        uint16_t port;
        int fd = listen_on("127.0.0.1", 0, &port), ready[2];
        char byte;
        pid_t pid;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) prctl(PR_SET_NAME, "port holder");
                (void) !write(ready[1], "", 1);
                for (;;)
                        (void) pause();
        }
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        close(fd);

        ck_assert_int_eq(port_find_listener(port, &holder), 1);
        ck_assert_int_eq(holder.pid, pid);
        ck_assert_str_eq(holder.program, "port holder");

        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        ck_assert_int_eq(port_find_listener(port, &holder), 0);
        close(ready[0]);
        close(ready[1]);
}
END_TEST

/* What the child looks at is the socket of a root process. */
START_TEST(the_holder_of_another_user_is_not_seen_and_still_listens) {
        PortHolder holder = { .pid = 77, .program = "as before" };
        uint16_t port;
        int fd = listen_on("127.0.0.1", 0, &port), status;
        pid_t pid;

        if (geteuid() != 0) {
                puts("SKIP: being two users takes root");
                return;
        }

        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                close(fd);
                if (setgid(65534) < 0 || setuid(65534) < 0)
                        _exit(2);
                _exit(port_find_listener(port, &holder) == 1 && holder.pid == 0 &&
                                      streq(holder.program, "")
                              ? 0
                              : 1);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        close(fd);
}
END_TEST

START_TEST(a_picked_port_can_be_had_and_is_not_ephemeral) {
        FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
        unsigned low, high;

        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(fscanf(file, "%u %u", &low, &high), 2);
        fclose(file);

        for (size_t i = 0; i < 50; i++) {
                uint16_t port = 0, heard;
                int fd;

                ck_assert_int_eq(port_pick_free(&port, NULL, NULL), 0);
                ck_assert_uint_gt(port, 1024);
                ck_assert_msg(port < low || port > high, "port %u", port);

                fd = listen_on("127.0.0.1", port, &heard);
                ck_assert_uint_eq(heard, port);
                close(fd);
        }
}
END_TEST

static bool is_one_of(uint16_t port, void *userdata) {
        for (const uint16_t *one = userdata; *one; one++)
                if (*one == port)
                        return true;

        return false;
}

START_TEST(the_filter_has_the_last_word) {
        uint16_t first = 0, second = 0, none = 0;
        uint16_t both[3] = { 0 }, nothing[1] = { 0 };

        ck_assert_int_eq(port_pick_free(&first, NULL, NULL), 0);
        do
                ck_assert_int_eq(port_pick_free(&second, NULL, NULL), 0);
        while (second == first);

        for (size_t i = 0; i < 10; i++) {
                uint16_t port = 0;

                both[0] = first;
                both[1] = second;
                ck_assert_int_eq(port_pick_free(&port, is_one_of, both), 0);
                ck_assert(port == first || port == second);
        }

        ck_assert_int_eq(port_pick_free(&none, is_one_of, nothing), -EADDRINUSE);
        ck_assert_uint_eq(none, 0);
}
END_TEST

START_TEST(what_is_taken_in_any_way_is_not_picked) {
        static const char *const addresses[] = { "127.0.0.1", "0.0.0.0", "::1", "::" };
        uint16_t only[2] = { 0 }, port = 0, heard;
        int fd;

        ck_assert_int_eq(port_pick_free(&only[0], NULL, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                fd = listen_on(addresses[i], only[0], &heard);
                ck_assert_msg(port_pick_free(&port, is_one_of, only) == -EADDRINUSE, "%s",
                              addresses[i]);
                close(fd);
                ck_assert_int_eq(port_pick_free(&port, is_one_of, only), 0);
                ck_assert_uint_eq(port, only[0]);
        }

        /* Bound, and not listening yet. */
        fd = bind_to("127.0.0.1", only[0]);
        ck_assert_int_eq(port_pick_free(&port, is_one_of, only), -EADDRINUSE);
        close(fd);
}
END_TEST

START_TEST(what_browsers_refuse_is_not_picked) {
        uint16_t only[] = { 6000, 6667, 0 }, port;

        ck_assert_int_eq(port_pick_free(&port, is_one_of, only), -EADDRINUSE);
}
END_TEST

/* Where two supervisors pick at once, the port above the ephemeral range is no favourite. */
START_TEST(no_port_is_picked_more_often_than_others) {
        static unsigned n_picked[UINT16_MAX + 1];

        for (int i = 0; i < 500; i++) {
                uint16_t port;

                ck_assert_int_eq(port_pick_free(&port, NULL, NULL), 0);
                ck_assert_uint_lt(++n_picked[port], 10);
        }
}
END_TEST

TEST_MAIN("ports",
          NULL,
          NULL,
          listeners_on_loopback_and_wildcards_count,
          a_listener_on_another_address_does_not_count,
          neither_a_client_nor_a_bound_socket_is_a_listener,
          the_holder_is_named_by_pid_and_program,
          the_holder_of_another_user_is_not_seen_and_still_listens,
          a_picked_port_can_be_had_and_is_not_ephemeral,
          the_filter_has_the_last_word,
          what_is_taken_in_any_way_is_not_picked,
          what_browsers_refuse_is_not_picked,
          no_port_is_picked_more_often_than_others)
