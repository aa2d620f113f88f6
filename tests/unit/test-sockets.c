/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "io/ports.h"
#include "io/sockets.h"
#include "test.h"

static uint16_t free_port(void) {
        uint16_t port;

        ck_assert_int_eq(port_pick_free(&port, NULL, NULL), 0);
        return port;
}

static int connect_to(uint16_t port) {
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) >= 0)
                return fd;
        ck_assert_int_eq(errno, ECONNREFUSED);
        return safe_close(fd);
}

/* Packed, and nowhere else. */
static int pack_two(uint16_t ports[static 2]) {
        _cleanup_(sockets_done) Sockets sockets = { 0 };
        int packed_fd;

        for (int i = 0; i < 2; i++) {
                ports[i] = free_port();
                ck_assert_int_eq(sockets_listen(&sockets, ports[i]), 0);
        }
        ck_assert_int_eq(sockets_pack(&sockets, &packed_fd), 0);
        return packed_fd;
}

START_TEST(what_is_packed_listens_and_can_be_unpacked_again_and_again) {
        uint16_t ports[2];
        _cleanup_close_ int packed_fd = pack_two(ports), client = -1;

        for (int i = 0; i < 3; i++) {
                _cleanup_(sockets_done) Sockets sockets = { 0 };
                _cleanup_(sockets_done) Sockets taken = { 0 };

                ck_assert_int_eq(sockets_unpack(packed_fd, &sockets), 0);
                ck_assert_uint_eq(sockets.n, 2);
                ck_assert(sockets_has(&sockets, ports[0]) && sockets_has(&sockets, ports[1]));
                ck_assert_int_eq(fcntl(sockets.fds[0], F_GETFD), FD_CLOEXEC);
                /* They come in their order. */
                ck_assert_int_eq(sockets_take(&taken, &sockets, ports[1]), 0);
                ck_assert_int_eq(sockets_take(&taken, &sockets, ports[1]), -ENOENT);
                ck_assert(sockets_has(&sockets, ports[0]) && !sockets_has(&sockets, ports[1]));
        }
        client = connect_to(ports[1]);
        ck_assert_int_ge(client, 0);
}
END_TEST

START_TEST(without_any_there_is_nothing_to_unpack) {
        Sockets sockets = { 0 };

        ck_assert_int_eq(sockets_unpack(-1, &sockets), 0);
        ck_assert_uint_eq(sockets.n, 0);
}
END_TEST

START_TEST(what_is_shut_refuses_whoever_has_it_and_listens_again_once_it_is_taken) {
        _cleanup_(sockets_done) Sockets shut = { 0 }, sockets = { 0 }, taken = { 0 };
        uint16_t ports[2];
        _cleanup_close_ int packed_fd = pack_two(ports), waiting = connect_to(ports[0]), other = -1,
                            again = -1;
        char byte;

        ck_assert_int_eq(sockets_unpack(packed_fd, &shut), 0);
        sockets_shut_but(&shut, &ports[1], 1);
        ck_assert_uint_eq(shut.n, 1);
        ck_assert_int_eq(connect_to(ports[0]), -1);
        ck_assert_int_eq(read(waiting, &byte, 1), -1);
        ck_assert_int_eq(errno, ECONNRESET);
        other = connect_to(ports[1]);
        ck_assert_int_ge(other, 0);

        ck_assert_int_eq(sockets_unpack(packed_fd, &sockets), 0);
        ck_assert_int_eq(sockets_take(&taken, &sockets, ports[0]), 0);
        again = connect_to(ports[0]);
        ck_assert_int_ge(again, 0);
}
END_TEST

/* The next program has the same one, and may expect it to wait. */
START_TEST(what_a_program_has_set_to_nonblocking_is_blocking_for_the_next) {
        _cleanup_(sockets_done) Sockets former = { 0 }, taken = { 0 };
        uint16_t ports[2];
        _cleanup_close_ int packed_fd = pack_two(ports);

        ck_assert_int_eq(sockets_unpack(packed_fd, &former), 0);
        ck_assert_int_eq(fcntl(former.fds[0], F_SETFL, O_NONBLOCK), 0);
        ck_assert_int_eq(sockets_take(&taken, &former, ports[0]), 0);
        ck_assert_int_eq(fcntl(taken.fds[0], F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(a_port_that_somebody_has_is_in_use) {
        _cleanup_(sockets_done) Sockets sockets = { 0 };
        uint16_t ports[2];
        _cleanup_close_ int packed_fd = pack_two(ports);

        ck_assert_int_ge(packed_fd, 0);
        ck_assert_int_eq(sockets_listen(&sockets, ports[0]), -EADDRINUSE);
        ck_assert_uint_eq(sockets.n, 0);
}
END_TEST

START_TEST(they_are_told_from_other_listeners) {
        _cleanup_(listeners_done) Listeners listeners = { 0 };
        _cleanup_(sockets_done) Sockets sockets = { 0 };
        uint16_t ports[2];
        _cleanup_close_ int packed_fd = pack_two(ports);

        ck_assert_int_eq(sockets_unpack(packed_fd, &sockets), 0);
        ck_assert_int_eq(listeners_find(&listeners, ports[0]), 0);
        ck_assert_uint_eq(listeners.n, 1);
        sockets_strike(&sockets, &listeners);
        ck_assert_uint_eq(listeners.n, 0);
}
END_TEST

TEST_MAIN("sockets",
          NULL,
          NULL,
          what_is_packed_listens_and_can_be_unpacked_again_and_again,
          without_any_there_is_nothing_to_unpack,
          what_is_shut_refuses_whoever_has_it_and_listens_again_once_it_is_taken,
          what_a_program_has_set_to_nonblocking_is_blocking_for_the_next,
          a_port_that_somebody_has_is_in_use,
          they_are_told_from_other_listeners)
