/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Ports, from outside: contract P1 to P4, and whose they are, R3.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

static int listen_on(uint16_t port) {
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr = { htonl(INADDR_LOOPBACK) },
        };
        int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        ck_assert_int_eq(listen(fd, 16), 0);
        return fd;
}

/* A server of somebody else, listening when this returns. */
static Process spawn_holder(uint16_t port) {
        const char *argv[] = { TEST_CHILDREN "/http-server", NULL, NULL };
        char number[8], line[64] = "";
        ProcessSpec spec = { .argv = argv };
        Process holder;
        int ends[2];

        (void) snprintf(number, sizeof(number), "%u", (unsigned int) port);
        argv[1] = number;
        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        spec.output_fd = ends[1];
        holder = process_spawn(&spec);
        (void) close(ends[1]);
        ck_assert_int_gt(read(ends[0], line, sizeof(line) - 1), 0);
        ck_assert(startswith(line, "listening"));
        (void) close(ends[0]);
        return holder;
}

static void assert_fact(const char *name, const char *fact, const char *wanted) {
        _cleanup_free_ char *value = world_fact(world, name, fact);

        ck_assert_msg(value, "No fact %s", fact);
        ck_assert_str_eq(value, wanted);
}

START_TEST(p1_a_fixed_port_that_is_held_names_the_holder_and_is_tried_again) {
        _cleanup_free_ char *reason = NULL;
        uint16_t port = world_free_port();
        Process holder = spawn_holder(port);
        char number[16], pid[16];
        const Change *change;

        world_write_sidecars(world,
                             "'web': {'command': ['@CHILDREN@/http-server', '{port}'],"
                             " 'port': %u, 'restart': {'delay': '300ms', 'factor': 1,"
                             " 'attempts': 'unlimited'}}",
                             (unsigned int) port);
        world_run(world);
        (void) world_start(world, "web");
        change = world_next(world, "web", "Starting/backoff");
        reason = world_get_text(world, "web", "Reason");
        (void) snprintf(number, sizeof(number), "%u", (unsigned int) port);
        (void) snprintf(pid, sizeof(pid), "%d", (int) holder.pid);

        ck_assert_str_eq(change->reason_code, "port-in-use");
        ck_assert_msg(strstr(reason, number) && strstr(reason, pid) &&
                              strstr(reason, "http-server"),
                      "Reason: %s", reason);
        assert_fact("web", "port", number);
        assert_fact("web", "pid", pid);
        assert_fact("web", "holder", "http-server");

        process_signal(holder.pidfd, SIGKILL);
        (void) process_reap(&holder);
        world_wait_ready(world, "web");
        ck_assert_uint_eq(world_get_port(world, "web", "http"), port);
}
END_TEST

START_TEST(p1_each_try_for_a_held_port_is_told_with_the_time_of_the_next) {
        uint16_t port = world_free_port();
        int holder = listen_on(port);
        uint64_t generation = 0;

        world_write_sidecars(world,
                             "'web': {'command': ['@CHILDREN@/http-server', '{port}'],"
                             " 'port': %u, 'restart': {'delay': '200ms', 'factor': 1,"
                             " 'attempts': 'unlimited'}}",
                             (unsigned int) port);
        world_run(world);
        (void) world_start(world, "web");
        for (unsigned int i = 0; i < 4; i++) {
                const Change *change = world_next(world, "web", "Starting/backoff");
                int64_t changed_at = world_get_number(world, "web", "StateChangeTimestamp");

                ck_assert_uint_gt(change->generation, generation);
                generation = change->generation;
                ck_assert_int_gt(world_get_number(world, "web", "NextRestartTimestamp"),
                                 changed_at);
                if (i == 1)
                        world_kill_brain(world);
        }
        ck_assert_uint_ge(world_count(world, "web", "Starting/spawning"), 2);

        (void) close(holder);
        world_wait_ready(world, "web");
}
END_TEST

START_TEST(p1_with_reassign_it_moves_on) {
        uint16_t port = world_free_port();
        int holder = listen_on(port);

        world_write_sidecars(world,
                             "'web': {'command': ['@CHILDREN@/http-server', '{port}'], 'ports':"
                             " {'http': {'port': %u, 'onConflict': 'reassign'}}}",
                             (unsigned int) port);
        world_run(world);
        (void) world_start_ready(world, "web");

        ck_assert_uint_ne(world_get_port(world, "web", "http"), port);
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);
        (void) close(holder);
}
END_TEST

START_TEST(p2_p4_auto_ports_are_outside_the_ephemeral_range_and_all_different) {
        FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
        unsigned int low, high;
        uint16_t ports[4];

        ck_assert_ptr_nonnull(range);
        ck_assert_int_eq(fscanf(range, "%u %u", &low, &high), 2);
        (void) fclose(range);
        world_write_sidecars(world, "'a': {'command': ['@CHILDREN@/http-server', '{port}'],"
                                    " 'ports': {'http': 'auto', 'more': 'auto'},"
                                    " 'readiness': {'tcp': {'port': 'http'}}},"
                                    "'b': {'command': ['@CHILDREN@/http-server', '{port}'],"
                                    " 'ports': {'http': 'auto', 'more': 'auto'},"
                                    " 'readiness': {'tcp': {'port': 'http'}}}");
        world_run(world);
        (void) world_start_ready(world, "a");
        (void) world_start_ready(world, "b");

        ports[0] = world_get_port(world, "a", "http");
        ports[1] = world_get_port(world, "a", "more");
        ports[2] = world_get_port(world, "b", "http");
        ports[3] = world_get_port(world, "b", "more");
        for (size_t i = 0; i < ELEMENTSOF(ports); i++) {
                ck_assert_uint_gt(ports[i], 0);
                ck_assert_msg(ports[i] < low || ports[i] > high, "%u is ephemeral",
                              (unsigned int) ports[i]);
                for (size_t j = 0; j < i; j++)
                        ck_assert_uint_ne(ports[i], ports[j]);
        }
}
END_TEST

static void run_auto_server(void) {
        world_write_sidecars(world, "'web': {'command': ['@CHILDREN@/http-server', '{port}'],"
                                    " 'port': 'auto', 'restart': {'delay': '1s'}}");
        world_run(world);
        (void) world_start_ready(world, "web");
        (void) world_next(world, "web", "Running/ready");
}

START_TEST(p3_the_port_stays_over_automatic_restarts) {
        _cleanup_free_ char *endpoint = NULL, *again = NULL;
        uint16_t port;

        run_auto_server();
        port = world_get_port(world, "web", "http");
        endpoint = world_get_text(world, "web", "Endpoint");
        process_signal(world_open_main(world, "web"), SIGKILL);
        (void) world_next(world, "web", "Starting/backoff");
        (void) world_next(world, "web", "Running/ready");

        again = world_get_text(world, "web", "Endpoint");
        ck_assert_uint_eq(world_get_port(world, "web", "http"), port);
        ck_assert_str_eq(again, endpoint);
}
END_TEST

/* The brain does not hear of the death before somebody has the port. */
START_TEST(p3_an_auto_port_that_was_taken_meanwhile_moves) {
        _cleanup_close_ int brain = -1, main_fd = -1;
        uint16_t port;
        int holder;

        run_auto_server();
        port = world_get_port(world, "web", "http");
        main_fd = world_open_main(world, "web");
        brain = process_open(world_brain(world));
        process_signal(brain, SIGSTOP);
        process_signal(main_fd, SIGKILL);
        ck_assert(process_is_gone(main_fd, WORLD_PATIENCE));
        holder = listen_on(port);
        process_signal(brain, SIGCONT);
        (void) world_next(world, "web", "Starting/backoff");
        (void) world_next(world, "web", "Running/ready");

        ck_assert_uint_ne(world_get_port(world, "web", "http"), port);
        (void) close(holder);
}
END_TEST

/* It comes to listen once there is the file "go". */
#define LATE_SERVER(port)                                                                        \
        "{'command': ['sh', '-c', 'until [ -e @DIR@/go ]; do sleep 0.02; done; exec $0 $1',"     \
        " '@CHILDREN@/http-server', '{port}'], 'ports': {'http': " port "}, 'restart': {'delay'" \
        ": '300ms', 'factor': 1, 'attempts': 'unlimited'}}"

#define OTHER_APP "org.example.Other"

static int other_call(const char *method) {
        _cleanup_free_ char *path = app_path(OTHER_APP);

        return world_call(world, path, "App", method, NULL, NULL, "a{sv}", 0);
}

/* Two apps, who know nothing of each other, with the same number; the first is not ready yet. */
static uint16_t run_two_apps(const char *conflict) {
        _cleanup_free_ char *other = NULL;
        uint16_t port = world_free_port();

        ck_assert_int_ge(asprintf(&other,
                                  "{'manifestVersion': 1, 'id': '" OTHER_APP
                                  "', 'sidecars': {'redis': " LATE_SERVER("%u") "}}",
                                  (unsigned int) port),
                         0);
        world_write_manifest(world, OTHER_APP, other);
        world_write_sidecars(world, "'web': " LATE_SERVER("{'port': %u, 'onConflict': '%s'}"),
                             (unsigned int) port, conflict);
        world_run(world);
        ck_assert_int_ge(other_call("Start"), 0);
        return port;
}

START_TEST(p4_a_port_of_a_sidecar_of_another_app_is_in_use_before_anybody_listens) {
        _cleanup_free_ char *reason = NULL;
        uint16_t port = run_two_apps("fail");
        char number[16];

        (void) world_start(world, "web");
        ck_assert_str_eq(world_next(world, "web", "Starting/backoff")->reason_code, "port-in-use");
        reason = world_get_text(world, "web", "Reason");
        ck_assert_msg(strstr(reason, "held by " OTHER_APP "/redis"), "Reason: %s", reason);
        (void) snprintf(number, sizeof(number), "%u", (unsigned int) port);
        assert_fact("web", "port", number);
        assert_fact("web", "holder", OTHER_APP "/redis");

        /* Once it is given back it is there for whoever waits for it. */
        world_write_file(world, "go", 0600, "");
        ck_assert_int_ge(other_call("Stop"), 0);
        world_wait_ready(world, "web");
        ck_assert_uint_eq(world_get_port(world, "web", "http"), port);
}
END_TEST

START_TEST(p4_with_reassign_it_moves_and_stays_there_over_automatic_restarts) {
        uint16_t port = run_two_apps("reassign"), moved;

        world_write_file(world, "go", 0600, "");
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Running/ready");
        moved = world_get_port(world, "web", "http");
        ck_assert_uint_ne(moved, port);
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);

        ck_assert_int_ge(other_call("Stop"), 0);
        process_signal(world_open_main(world, "web"), SIGKILL);
        (void) world_next(world, "web", "Starting/backoff");
        (void) world_next(world, "web", "Running/ready");
        ck_assert_uint_eq(world_get_port(world, "web", "http"), moved);
}
END_TEST

/*
 * Listens nowhere: whoever answers on its port is somebody else. What is told of that is told for
 * as long as its restart is to come, which is on another port.
 */
#define SLEEPER_WITH_PORT                                                                  \
        "'web': {'command': ['sleep', '1000'], 'port': 'auto', 'readiness': {'tcp': {}%s," \
        " 'interval': '100ms'}, 'restart': {'delay': '1m'}, 'startTimeout': '1m'}"

static Process spawn_stranger(void) {
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Starting/probing");
        return spawn_holder(world_get_port(world, "web", "http"));
}

START_TEST(r3_a_stranger_on_the_port_is_port_in_use_and_never_running) {
        _cleanup_free_ char *reason = NULL;
        const Change *change;
        Process stranger;
        char pid[16];

        world_write_sidecars(world, SLEEPER_WITH_PORT, "");
        world_run(world);
        stranger = spawn_stranger();
        change = world_next(world, "web", "Starting/backoff");
        reason = world_get_text(world, "web", "Reason");
        (void) snprintf(pid, sizeof(pid), "%d", (int) stranger.pid);

        ck_assert_str_eq(change->reason_code, "port-in-use");
        ck_assert_msg(strstr(reason, "http-server") && strstr(reason, pid), "Reason: %s", reason);
        assert_fact("web", "pid", pid);
        assert_fact("web", "holder", "http-server");
        world_stop(world, "web");
        ck_assert_uint_eq(world_count(world, "web", "Running/ready"), 0);
        process_signal(stranger.pidfd, SIGKILL);
        (void) process_reap(&stranger);
}
END_TEST

START_TEST(r3_with_any_owner_a_stranger_will_do) {
        Process stranger;

        world_write_sidecars(world, SLEEPER_WITH_PORT, ", 'anyOwner': true");
        world_run(world);
        stranger = spawn_stranger();
        (void) world_next(world, "web", "Running/ready");
        world_stop(world, "web");
        process_signal(stranger.pidfd, SIGKILL);
        (void) process_reap(&stranger);
}
END_TEST

/* Some process of the tree will do, the listener of a shell's grandchild too. */
START_TEST(r3_a_grandchild_that_listens_is_no_stranger) {
        world_write_sidecars(world, "'web': {'command': ['sh', '-c', 'setsid $0 $1 & wait',"
                                    " '@CHILDREN@/http-server', '{port}'], 'port': 'auto'}");
        world_run(world);
        (void) world_start_ready(world, "web");
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);
}
END_TEST

/* What it was is gone from the port, its main process is not, and another program takes over. */
START_TEST(r3_who_takes_the_port_over_later_is_a_stranger_after_the_first_miss) {
        const Change *change;
        Process stranger;
        pid_t server;
        int pidfd;

        world_write_sidecars(world,
                             "'web': {'command': ['sh', '-c', '$0 $1 & echo server $!;"
                             " sleep 1000', '@CHILDREN@/http-server', '{port}'], 'port': 'auto',"
                             " 'liveness': {'tcp': {}, 'interval': '100ms', 'failures': 1},"
                             " 'restart': {'delay': '200ms', 'factor': 1}}");
        world_run(world);
        (void) world_start_ready(world, "web");
        server = log_await_pid(world, "web", "server ");
        pidfd = process_open(server);
        process_signal(pidfd, SIGKILL);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
        (void) world_next(world, "web", "Running/unhealthy");

        stranger = spawn_holder(world_get_port(world, "web", "http"));
        change = world_next(world, "web", "Starting/backoff");
        ck_assert_str_eq(change->reason_code, "port-in-use");
        world_stop(world, "web");
        process_signal(stranger.pidfd, SIGKILL);
        (void) process_reap(&stranger);
}
END_TEST

TEST_MAIN_TIMEOUT("ports",
                  120,
                  world_setup,
                  world_teardown,
                  p1_a_fixed_port_that_is_held_names_the_holder_and_is_tried_again,
                  p1_each_try_for_a_held_port_is_told_with_the_time_of_the_next,
                  p1_with_reassign_it_moves_on,
                  p2_p4_auto_ports_are_outside_the_ephemeral_range_and_all_different,
                  p4_a_port_of_a_sidecar_of_another_app_is_in_use_before_anybody_listens,
                  p4_with_reassign_it_moves_and_stays_there_over_automatic_restarts,
                  p3_the_port_stays_over_automatic_restarts,
                  p3_an_auto_port_that_was_taken_meanwhile_moves,
                  r3_a_stranger_on_the_port_is_port_in_use_and_never_running,
                  r3_with_any_owner_a_stranger_will_do,
                  r3_a_grandchild_that_listens_is_no_stranger,
                  r3_who_takes_the_port_over_later_is_a_stranger_after_the_first_miss)
