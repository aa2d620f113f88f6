/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Liveness, from outside: contract L1 and L2, with servers that answer as they are told, or not at
 * all because they are stopped.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

/*
 * Its statuses are given one a probe: the first is the answer to readiness. An answer that came too
 * late would be a status too, so each has the time that it takes where no other is named.
 */
#define SERVER_WITHIN(timeout, statuses, liveness)                                   \
        "'web': {'command': ['@CHILDREN@/http-server', '{port}', '/health=" statuses \
        "'], 'port': 'auto',"                                                        \
        " 'readiness': {'http': {'path': '/health'}, 'interval': '50ms', 'timeout':" \
        " '30s'}, 'restart': {'delay': '50ms', 'jitter': 0},"                        \
        " 'liveness': {" liveness ", 'interval': '100ms', 'timeout': '" timeout "'}}"
#define SERVER(statuses, liveness) SERVER_WITHIN("1m", statuses, liveness)

static void run(const char *sidecars) {
        world_write_sidecars(world, "%s", sidecars);
        world_run(world);
        (void) world_start_ready(world, "web");
        (void) world_next(world, "web", "Running/ready");
}

/* Waits until the server has been asked so often. */
static void await_asked(size_t n_wanted) {
        LogQuery query = { .has_after = true, .wait_usec = USEC_PER_SEC };
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;

        for (size_t n = 0; n < n_wanted;) {
                _cleanup_(log_page_clear) LogPage page = log_query(world, "web", query);

                ck_assert_msg(clock_monotonic_usec() < deadline, "Asked %zu times only", n);
                query.after = page.next;
                for (size_t i = 0; i < page.n_lines; i++)
                        n += startswith(page.lines[i].text, "asked for ");
        }
}

START_TEST(l1_misses_in_a_row_make_it_unhealthy_and_one_answer_ready_again) {
        const Change *unhealthy, *ready;
        uint64_t generation;

        run(SERVER("200,200,500,500,500,200", "'http': {'path': '/health'}, 'failures': 3"));
        generation = (uint64_t) world_get_number(world, "web", "Generation");
        unhealthy = world_next(world, "web", "Running/unhealthy");
        ck_assert_str_eq(unhealthy->reason_code, "unhealthy");
        ready = world_next(world, "web", "Running/ready");
        ck_assert_uint_eq(ready->generation, generation);
        ck_assert_uint_eq(world_count(world, "web", "Starting/spawning"), 1);
}
END_TEST

START_TEST(l1_misses_that_are_not_in_a_row_do_not_count) {
        run(SERVER("200,500,200,500,500,200,500,500,200",
                   "'http': {'path': '/health'}, 'failures': 3"));
        /* All nine, and one more: the last but one has been judged. */
        await_asked(10);
        ck_assert_str_eq(world_state(world, "web"), "Running/ready");
        ck_assert_uint_eq(world_count(world, "web", "Running/unhealthy"), 0);
}
END_TEST

START_TEST(l1_who_is_only_reported_stays_up) {
        _cleanup_free_ char *reason = NULL;
        int pidfd;

        run(SERVER("200,500", "'http': {'path': '/health'}, 'failures': 2"));
        pidfd = world_open_main(world, "web");
        (void) world_next(world, "web", "Running/unhealthy");
        reason = world_get_text(world, "web", "Reason");
        ck_assert_str_ne(reason, "");
        ck_assert(!process_is_gone(pidfd, 500 * USEC_PER_MSEC));
        ck_assert_str_eq(world_state(world, "web"), "Running/unhealthy");

        /* Unhealthy is ready as far as Wait is concerned. */
        world_wait_ready(world, "web");
        world_stop(world, "web");
}
END_TEST

START_TEST(l1_who_is_to_be_restarted_is_restarted) {
        const Change *failure;
        uint64_t generation;
        int pidfd;

        run(SERVER("200,500", "'http': {'path': '/health'}, 'failures': 2, 'onFailure':"
                              " 'restart'"));
        pidfd = world_open_main(world, "web");
        failure = world_next(world, "web", "Starting/backoff");
        ck_assert_str_eq(failure->reason_code, "unhealthy");
        generation = failure->generation;
        ck_assert_uint_gt(world_next(world, "web", "Running/ready")->generation, generation);
        ck_assert(process_is_gone(pidfd, 0));
        ck_assert_int_ge(world_get_number(world, "web", "NRestarts"), 1);
}
END_TEST

START_TEST(l1_a_server_that_hangs_is_unhealthy_and_one_that_goes_on_is_ready) {
        int pidfd;

        run(SERVER_WITHIN("500ms", "200", "'http': {'path': '/health'}, 'failures': 2"));
        pidfd = world_open_main(world, "web");
        process_signal(pidfd, SIGSTOP);
        (void) world_next(world, "web", "Running/unhealthy");
        process_signal(pidfd, SIGCONT);
        (void) world_next(world, "web", "Running/ready");
        ck_assert(!process_is_gone(pidfd, 0));
}
END_TEST

START_TEST(l1_before_it_is_ready_only_readiness_is_asked) {
        run("'web': {'command': ['@CHILDREN@/http-server', '{port}', '/ready=404,404,404,200',"
            " '/live=200'], 'port': 'auto', 'readiness': {'http': {'path': '/ready'}, 'timeout':"
            " '30s', 'interval': '100ms'}, 'liveness': {'http': {'path': '/live'}, 'interval':"
            " '50ms'}}");
        free(log_find(world, "web", "asked for /live"));
        {
                _cleanup_(log_page_clear) LogPage page =
                        log_query(world, "web", (LogQuery){ .lines = 1000 });
                size_t n_ready = 0;

                for (size_t i = 0; i < page.n_lines; i++) {
                        if (strstr(page.lines[i].text, "/live"))
                                break;
                        n_ready += strstr(page.lines[i].text, "/ready") != NULL;
                }
                ck_assert_uint_eq(n_ready, 4);
        }
}
END_TEST

/*
 * The server hangs, and then the brain does not run for longer than any timer may be late. When it
 * goes on, the probe that was under way is unanswered by far.
 */
START_TEST(l2_nobody_is_killed_for_what_went_unanswered_while_the_brain_did_not_run) {
        _cleanup_close_ int server = -1, brain = -1;
        int64_t generation;

        run(SERVER_WITHIN("5s", "200",
                          "'http': {'path': '/health'}, 'failures': 1, 'onFailure': 'restart'"));
        generation = world_get_number(world, "web", "Generation");
        server = world_open_main(world, "web");
        brain = process_open(world_brain(world));
        process_signal(server, SIGSTOP);
        /* Time for a probe to begin. */
        ck_assert(!process_is_gone(server, 300 * USEC_PER_MSEC));
        process_signal(brain, SIGSTOP);
        ck_assert(!process_is_gone(brain, 11 * USEC_PER_SEC));
        process_signal(brain, SIGCONT);
        WORLD_AWAIT(world, world_has_logged(world, "nobody is blamed"));
        process_signal(server, SIGCONT);

        await_asked(20);
        ck_assert_str_eq(world_state(world, "web"), "Running/ready");
        ck_assert_int_eq(world_get_number(world, "web", "Generation"), generation);
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);
}
END_TEST

static int listen_without_a_queue(uint16_t *ret_port) {
        struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_addr = { htonl(INADDR_LOOPBACK) },
        };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t n = sizeof(address);

        ck_assert_int_eq(bind(fd, (const struct sockaddr *) &address, n), 0);
        ck_assert_int_eq(listen(fd, 0), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &address, &n), 0);
        *ret_port = ntohs(address.sin_port);
        return fd;
}

static int connect_to(uint16_t port) {
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr = { htonl(INADDR_LOOPBACK) },
        };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(connect(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

/* Somebody's connection to that port is not made yet: state 02, SYN_SENT, of proc_net_tcp. */
static bool somebody_connects(uint16_t port) {
        FILE *sockets = fopen("/proc/net/tcp", "re");
        char line[512];
        bool is_found = false;

        ck_assert_ptr_nonnull(sockets);
        while (!is_found && fgets(line, sizeof(line), sockets)) {
                unsigned int remote_port, state;

                is_found = sscanf(line, "%*d: %*x:%*x %*x:%x %x", &remote_port, &state) == 2 &&
                           remote_port == port && state == 2;
        }

        (void) fclose(sockets);
        return is_found;
}

/* Answers 200 to whoever comes, until that many were answered. */
static void answer(int listener, size_t n_wanted) {
        static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        char request[1024];

        for (size_t n = 0; n < n_wanted;) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

                ck_assert_int_ge(fd, 0);
                if (read(fd, request, sizeof(request)) > 0 &&
                    send(fd, text, strlen(text), MSG_NOSIGNAL) > 0)
                        n++;
                (void) close(fd);
        }
}

/*
 * The kernel finishes the connection of a brain that is stopped, and then nothing comes, since
 * that would be the brain's to send. The queue of the listener is full until the brain is stopped,
 * so that it is just there when it stops; it has four seconds for that.
 */
START_TEST(l2_a_question_that_could_not_be_sent_is_not_an_answer_that_did_not_come) {
        _cleanup_close_ int brain = -1, listener = -1, first = -1;
        struct pollfd comes = { .events = POLLIN };
        uint64_t over_usec;
        uint16_t port;

        listener = comes.fd = listen_without_a_queue(&port);
        first = connect_to(port);
        world_write_sidecars(world,
                             "'web': {'command': ['sleep', '1000'], 'liveness': {'http': {'path':"
                             " '/', 'port': %u}, 'anyOwner': true, 'interval': '100ms', 'timeout':"
                             " '4s', 'failures': 1, 'onFailure': 'restart'}}",
                             (unsigned int) port);
        world_run(world);
        brain = process_open(world_brain(world));
        (void) world_start_ready(world, "web");
        while (!somebody_connects(port))
                ck_assert(!process_is_gone(brain, USEC_PER_MSEC));
        over_usec = clock_monotonic_usec() + 4 * USEC_PER_SEC;
        process_signal(brain, SIGSTOP);

        /* Its own turn comes with the next try of its kernel, within three seconds. */
        (void) close(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
        ck_assert_int_eq(poll(&comes, 1, (int) (WORLD_PATIENCE / USEC_PER_MSEC)), 1);
        while (clock_monotonic_usec() < over_usec + USEC_PER_SEC)
                ck_assert(!process_is_gone(brain, 100 * USEC_PER_MSEC));
        process_signal(brain, SIGCONT);

        answer(listener, 3);
        ck_assert_str_eq(world_state(world, "web"), "Running/ready");
        ck_assert_uint_eq(world_count(world, "web", "Running/unhealthy"), 0);
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);
}
END_TEST

TEST_MAIN_TIMEOUT("liveness",
                  120,
                  world_setup,
                  world_teardown,
                  l1_misses_in_a_row_make_it_unhealthy_and_one_answer_ready_again,
                  l1_misses_that_are_not_in_a_row_do_not_count,
                  l1_who_is_only_reported_stays_up,
                  l1_who_is_to_be_restarted_is_restarted,
                  l1_a_server_that_hangs_is_unhealthy_and_one_that_goes_on_is_ready,
                  l1_before_it_is_ready_only_readiness_is_asked,
                  l2_nobody_is_killed_for_what_went_unanswered_while_the_brain_did_not_run,
                  l2_a_question_that_could_not_be_sent_is_not_an_answer_that_did_not_come)
