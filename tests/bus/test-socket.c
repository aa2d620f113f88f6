/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sockets that are handed over, from outside: whoever connects is never refused while there is a
 * generation or one to come, and never waits for one that does not come. The servers are Python's
 * own and uvicorn, who know of LISTEN_FDS what sd_listen_fds(3) says.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

/* Says which generation answers. */
#define SERVER                                                                          \
        "import http.server, os, socket\n"                                              \
        "assert os.environ['LISTEN_PID'] == str(os.getpid())\n"                         \
        "assert os.environ['LISTEN_FDS'] == '1'\n"                                      \
        "class Handler(http.server.BaseHTTPRequestHandler):\n"                          \
        "    def do_GET(self):\n"                                                       \
        "        self.send_response(200)\n"                                             \
        "        self.end_headers()\n"                                                  \
        "        self.wfile.write(b'by ' + os.environ['SIDECARD_GENERATION'].encode())" \
        "\n"                                                                            \
        "server = http.server.HTTPServer(('', 0), Handler, bind_and_activate=False)\n"  \
        "server.socket = socket.socket(fileno=3)\n"                                     \
        "server.serve_forever()\n"

/* Asks one thing after the other up to its SIGINT, and tells what became of it. */
#define CLIENT                                                               \
        "import socket, sys\n"                                               \
        "refused = served = cut = 0\n"                                       \
        "print('asking', flush=True)\n"                                      \
        "try:\n"                                                             \
        "    while True:\n"                                                  \
        "        try:\n"                                                     \
        "            with socket.create_connection(('127.0.0.1', "           \
        "int(sys.argv[1]))) as s:\n"                                         \
        "                s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"         \
        "                if s.recv(4096):\n"                                 \
        "                    served += 1\n"                                  \
        "                    if served == 1: print('served', flush=True)\n"  \
        "                else: cut += 1\n"                                   \
        "        except ConnectionRefusedError: refused += 1\n"              \
        "        except (ConnectionResetError, BrokenPipeError): cut += 1\n" \
        "except KeyboardInterrupt:\n"                                        \
        "    print(f'refused {refused} served {served} cut {cut}', flush=True)\n"

#define PYTHON_SERVER "'command': ['/usr/bin/python3', '@DIR@/server.py']"
#define AUTO_SOCKET "'ports': {'http': {'port': 'auto', 'socket': true}}"
#define ASKED "'readiness': {'http': {'path': '/'}, 'interval': '50ms'}"
#define SOON "'restart': {'delay': '200ms', 'factor': 1, 'attempts': 'unlimited'}"

static void run(const char *sidecars) {
        world_write_file(world, "server.py", 0644, SERVER);
        world_write_file(world, "client.py", 0644, CLIENT);
        world_write_sidecars(world, "%s", sidecars);
        world_run(world);
}

/* -1: it is refused. Whoever is not served yet is connected all the same. */
static int connect_to(uint16_t port) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr = { htonl(INADDR_LOOPBACK) },
        };

        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) >= 0)
                return fd;
        ck_assert_int_eq(errno, ECONNREFUSED);
        (void) close(fd);
        return -1;
}

static void ask(int fd) {
        static const char request[] = "GET / HTTP/1.0\r\n\r\n";

        ck_assert_int_eq(write(fd, request, strlen(request)), (ssize_t) strlen(request));
}

/* Waits to be served, and answers by which generation. */
static uint64_t generation_that_serves(int fd) {
        char answer[1024], *by;
        size_t used = 0;
        ssize_t n;

        while ((n = read(fd, answer + used, sizeof(answer) - 1 - used)) > 0)
                used += (size_t) n;
        ck_assert_int_eq(n, 0);
        answer[used] = '\0';
        by = strstr(answer, "by ");
        ck_assert_msg(by, "Answer: %s", answer);
        (void) close(fd);
        return strtoull(by + 3, NULL, 10);
}

static void kill_main(const char *name) {
        int pidfd = world_open_main(world, name);

        process_signal(pidfd, SIGKILL);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
        (void) close(pidfd);
}

/* What was ready before a death may be told as such until that is known. */
static void await_generation_above(uint64_t generation) {
        _cleanup_free_ char *status = NULL;

        ck_assert_int_ge(world_wait_once(world, "web", "ready", generation + 1, 0, &status, NULL),
                         0);
}

static void kill_brain(void) {
        _cleanup_close_ int pidfd = process_open(world_brain(world));

        process_signal(pidfd, SIGKILL);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
}

static void await_brain(const char *former) {
        WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));
}

typedef struct Client {
        Process process;
        FILE *output;
} Client;

static Client client_begin(uint16_t port) {
        _cleanup_free_ char *script = NULL;
        const char *argv[] = { "/usr/bin/python3", NULL, NULL, NULL };
        char number[8], line[64];
        ProcessSpec spec = { .argv = argv };
        Client client;
        int ends[2];

        ck_assert_int_ge(asprintf(&script, "%s/client.py", world->dir), 0);
        (void) snprintf(number, sizeof(number), "%u", (unsigned int) port);
        argv[1] = script;
        argv[2] = number;
        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        spec.output_fd = ends[1];
        client.process = process_spawn(&spec);
        (void) close(ends[1]);
        client.output = fdopen(ends[0], "r");
        ck_assert_ptr_nonnull(fgets(line, sizeof(line), client.output));
        ck_assert_str_eq(line, "asking\n");
        return client;
}

static void client_end_unrefused(Client *client) {
        unsigned long refused, served, cut;
        char line[64];

        /* Once at least, though everything else was quicker than it. */
        ck_assert_ptr_nonnull(fgets(line, sizeof(line), client->output));
        ck_assert_str_eq(line, "served\n");
        process_signal(client->process.pidfd, SIGINT);
        ck_assert_int_eq(
                fscanf(client->output, "refused %lu served %lu cut %lu", &refused, &served, &cut),
                3);
        (void) fclose(client->output);
        (void) process_reap(&client->process);
        printf("%lu refused, %lu served, %lu cut off\n", refused, served, cut);
        ck_assert_uint_eq(refused, 0);
        ck_assert_uint_gt(served, 0);
}

START_TEST(s5_it_is_born_with_its_sockets_and_nothing_else) {
        _cleanup_(log_page_clear) LogPage page = { 0 };
        const char *const wanted[] = {
                "env LISTEN_FDS=2",
                "env LISTEN_FDNAMES=http:admin",
                "fd 0",
                "fd 1",
                "fd 2",
                "fd 3",
                "fd 4",
        };
        char pid[64] = "";
        size_t n_fds = 0, n_found = 0;

        run("'web': {'command': ['/bin/sh', '-c', 'echo main $$; exec @CHILDREN@/envdump'],"
            " 'env': {'LISTEN_FDS': '7', 'LISTEN_PID': '1'}, 'ports': {"
            " 'admin': {'port': 'auto', 'socket': true}, 'plain': 'auto',"
            " 'http': {'port': 'auto', 'socket': true}}, 'restart': {'policy': 'no'}}");
        (void) world_start(world, "web");
        log_await(world, "web", "end");
        page = log_query(world, "web", (LogQuery){ .stream = "stdout", .lines = 1000 });
        (void) snprintf(pid, sizeof(pid), "env LISTEN_PID=%s",
                        page.lines[0].text + strlen("main "));
        for (size_t i = 0; i < page.n_lines; i++) {
                const char *text = page.lines[i].text;

                for (size_t k = 0; k < ELEMENTSOF(wanted); k++)
                        n_found += streq(text, wanted[k]);
                n_fds += startswith(text, "fd ");
                if (startswith(text, "env LISTEN_PID="))
                        ck_assert_str_eq(text, pid);
        }
        ck_assert_uint_eq(n_fds, 5);
        ck_assert_uint_eq(n_found, ELEMENTSOF(wanted));
}
END_TEST

START_TEST(sixteen_ports_may_be_sockets) {
        _cleanup_(log_page_clear) LogPage page = { 0 };
        _cleanup_free_ char *ports = strdup("");
        size_t n_fds = 0;

        for (int i = 0; i < 16; i++) {
                char *more = NULL;

                ck_assert_int_ge(asprintf(&more, "%s%s'p%d': {'port': 'auto', 'socket': true}",
                                          ports, i > 0 ? ", " : "", i),
                                 0);
                free(ports);
                ports = more;
        }
        world_write_sidecars(world,
                             "'web': {'command': ['@CHILDREN@/envdump'], 'ports': {%s}, 'restart':"
                             " {'policy': 'no'}}",
                             ports);
        world_run(world);
        (void) world_start(world, "web");
        log_await(world, "web", "end");
        page = log_query(world, "web", (LogQuery){ .stream = "stdout", .lines = 1000 });
        for (size_t i = 0; i < page.n_lines; i++)
                n_fds += startswith(page.lines[i].text, "fd ");
        ck_assert_uint_eq(n_fds, 3 + 16);
}
END_TEST

START_TEST(r3_a_server_on_its_socket_is_no_stranger_and_ready_when_it_answers) {
        _cleanup_free_ char *endpoint = NULL;
        char expected[64];
        uint64_t generation;
        uint16_t port;

        run("'web': {" PYTHON_SERVER "," AUTO_SOCKET "," ASKED "}");
        generation = world_start_ready(world, "web");
        port = world_get_port(world, "web", "http");
        endpoint = world_get_text(world, "web", "Endpoint");
        (void) snprintf(expected, sizeof(expected), "http://127.0.0.1:%u", (unsigned int) port);
        ck_assert_str_eq(endpoint, expected);
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);

        ask(connect_to(port));
        world_stop(world, "web");
        ck_assert_int_eq(connect_to(port), -1);
        ck_assert_uint_gt(world_start_ready(world, "web"), generation);
        ck_assert_uint_eq(world_get_port(world, "web", "http"), port);
}
END_TEST

START_TEST(who_connects_in_a_backoff_is_served_by_the_next_generation) {
        uint64_t generation;
        uint16_t port;
        int fd;

        run("'web': {" PYTHON_SERVER "," AUTO_SOCKET "," SOON "}");
        generation = world_start_ready(world, "web");
        port = world_get_port(world, "web", "http");
        kill_main("web");
        (void) world_next(world, "web", "Starting/backoff");
        fd = connect_to(port);
        ck_assert_int_ge(fd, 0);
        ask(fd);
        ck_assert_uint_gt(generation_that_serves(fd), generation);
        ck_assert_uint_eq(world_get_port(world, "web", "http"), port);
}
END_TEST

static void run_on_port(uint16_t port, const char *more) {
        char text[512];

        (void) snprintf(text, sizeof(text),
                        "'web': {" PYTHON_SERVER
                        ", 'ports': {'http': {'port': %u, 'socket': true%s}}," ASKED "," SOON "}",
                        (unsigned int) port, more);
        run(text);
}

START_TEST(under_a_client_that_keeps_asking_no_restart_refuses) {
        uint16_t port = world_free_port();
        Client client;

        run_on_port(port, "");
        (void) world_start_ready(world, "web");
        (void) world_next(world, "web", "Running/ready");
        client = client_begin(port);
        for (int i = 0; i < 4; i++) {
                _cleanup_free_ char *path = sidecar_path("web");

                if (i % 2 == 0)
                        kill_main("web");
                else
                        ck_assert_int_ge(world_call(world, path, "Sidecar", "Restart", NULL, NULL,
                                                    "a{sv}", 0),
                                         0);
                (void) world_next(world, "web", "Running/ready");
        }
        client_end_unrefused(&client);
}
END_TEST

START_TEST(d2_under_a_client_that_keeps_asking_no_death_of_the_brain_refuses) {
        Client client;
        uint16_t port;

        run("'web': {" PYTHON_SERVER "," AUTO_SOCKET "," ASKED "," SOON "}");
        (void) world_start_ready(world, "web");
        (void) world_next(world, "web", "Running/ready");
        port = world_get_port(world, "web", "http");
        client = client_begin(port);
        for (int i = 0; i < 3; i++) {
                _cleanup_free_ char *former = strdup(world->owner);

                uint64_t generation = (uint64_t) world_get_number(world, "web", "Generation");

                /* The sidecar's death may be told to the one brain or the next. */
                kill_main("web");
                kill_brain();
                await_brain(former);
                await_generation_above(generation);
        }
        client_end_unrefused(&client);
        ck_assert_uint_eq(world_get_port(world, "web", "http"), port);
}
END_TEST

START_TEST(d2_who_connects_while_there_is_neither_server_nor_brain_is_served) {
        _cleanup_free_ char *former = NULL;
        uint64_t generation;
        uint16_t port;
        int fd;

        run("'web': {" PYTHON_SERVER "," AUTO_SOCKET "," SOON "}");
        generation = world_start_ready(world, "web");
        port = world_get_port(world, "web", "http");
        former = strdup(world->owner);
        kill_main("web");
        (void) world_next(world, "web", "Starting/backoff");
        kill_brain();
        fd = connect_to(port);
        ck_assert_int_ge(fd, 0);
        ask(fd);
        await_brain(former);
        ck_assert_uint_gt(generation_that_serves(fd), generation);
}
END_TEST

START_TEST(d2_a_stop_under_another_brain_closes_it) {
        _cleanup_free_ char *former = NULL;
        uint16_t port;

        run("'web': {" PYTHON_SERVER "," AUTO_SOCKET "}");
        (void) world_start_ready(world, "web");
        port = world_get_port(world, "web", "http");
        former = strdup(world->owner);
        kill_brain();
        await_brain(former);
        world_stop(world, "web");
        ck_assert_int_eq(connect_to(port), -1);
}
END_TEST

START_TEST(what_has_failed_or_ended_refuses_and_so_does_a_stop_in_a_backoff) {
        uint16_t port;

        run("'failing': {'command': ['false'], " AUTO_SOCKET
            ", 'restart': {'delay': '10ms', 'attempts': 1}},"
            "'ending': {'command': ['true'], " AUTO_SOCKET "},"
            "'waiting': {'command': ['false'], " AUTO_SOCKET ", 'restart': {'delay': '1h'}}");
        (void) world_start(world, "failing");
        (void) world_next(world, "failing", "Failed/failed");
        ck_assert_int_eq(connect_to(world_get_port(world, "failing", "http")), -1);

        (void) world_start(world, "ending");
        (void) world_next(world, "ending", "Stopped/exited");
        ck_assert_int_eq(connect_to(world_get_port(world, "ending", "http")), -1);

        (void) world_start(world, "waiting");
        (void) world_next(world, "waiting", "Starting/backoff");
        port = world_get_port(world, "waiting", "http");
        ck_assert_int_ge(connect_to(port), 0);
        world_stop(world, "waiting");
        ck_assert_int_eq(connect_to(port), -1);
}
END_TEST

/* Bound, and not listening yet: nobody sees it before there is an attempt. */
static int bind_to(uint16_t port) {
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr = { htonl(INADDR_LOOPBACK) },
        };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

START_TEST(p1_who_has_bound_a_fixed_port_is_in_the_way_of_the_socket_too) {
        uint16_t port = world_free_port();
        int stranger = bind_to(port);

        run_on_port(port, "");
        (void) world_start(world, "web");
        ck_assert_str_eq(world_next(world, "web", "Starting/backoff")->reason_code, "port-in-use");
        (void) close(stranger);
        world_wait_ready(world, "web");
        ck_assert_uint_eq(world_get_port(world, "web", "http"), port);
}
END_TEST

START_TEST(p1_with_reassign_the_socket_moves_on) {
        uint16_t port = world_free_port();
        int stranger = bind_to(port);

        run_on_port(port, ", 'onConflict': 'reassign'");
        (void) world_start_ready(world, "web");
        ck_assert_uint_ne(world_get_port(world, "web", "http"), port);
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);
        (void) close(stranger);
}
END_TEST

#define OTHER_APP "org.example.Other"

START_TEST(p4_what_listens_between_two_generations_has_its_port) {
        _cleanup_free_ char *other = NULL, *path = app_path(OTHER_APP);
        uint16_t port = world_free_port();

        ck_assert_int_ge(asprintf(&other,
                                  "{'manifestVersion': 1, 'id': '" OTHER_APP "', 'sidecars': {'web'"
                                  ": {'command': ['sleep', '1000'], 'port': %u, 'restart':"
                                  " {'delay': '1h'}}}}",
                                  (unsigned int) port),
                         0);
        world_write_manifest(world, OTHER_APP, other);
        world_write_sidecars(world,
                             "'api': {'command': ['false'], 'ports': {'http': {'port': %u,"
                             " 'socket': true}}, 'restart': {'delay': '1h'}}",
                             (unsigned int) port);
        world_run(world);
        (void) world_start(world, "api");
        (void) world_next(world, "api", "Starting/backoff");
        ck_assert_int_ge(world_call(world, path, "App", "Start", NULL, NULL, "a{sv}", 0), 0);
        WORLD_AWAIT(world, world_has_logged(world, "held by " WORLD_APP "/api"));
}
END_TEST

START_TEST(a_server_that_binds_it_again_is_told_what_it_has) {
        _cleanup_free_ char *reason = NULL;

        run("'web': {'command': ['/usr/bin/python3', '-m', 'http.server', '--bind', '127.0.0.1',"
            " '{port}'], " AUTO_SOCKET ", 'restart': {'policy': 'no'}}");
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Failed/failed");
        reason = world_get_text(world, "web", "Reason");
        ck_assert_msg(strstr(reason, "is handed over to it, as LISTEN_FDS"), "Reason: %s", reason);
}
END_TEST

START_TEST(an_edited_manifest_has_other_sockets_from_the_next_start_on) {
        uint16_t port = world_free_port();
        int fd;

        world_write_file(world, "server.py", 0644, SERVER);
        world_write_sidecars(world,
                             "'web': {" PYTHON_SERVER
                             ", 'ports': {'http': {'port': %u, 'socket': true}}}",
                             (unsigned int) port);
        world_run(world);
        (void) world_start_ready(world, "web");
        world_write_sidecars(world,
                             "'web': {'command': ['@CHILDREN@/http-server', '{port}'],"
                             " 'port': %u}",
                             (unsigned int) port);
        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "Reload", NULL, NULL, ""), 0);
        world_stop(world, "web");
        (void) world_start_ready(world, "web");
        fd = connect_to(port);
        ck_assert_int_ge(fd, 0);
        (void) close(fd);
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);
}
END_TEST

START_TEST(uvicorn_serves_on_the_socket_that_it_is_given) {
        uint64_t generation;
        uint16_t port;
        int fd;

        world_write_file(world, "served.py", 0644,
                         "import os\n"
                         "async def app(scope, receive, send):\n"
                         "    if scope['type'] != 'http': return\n"
                         "    await send({'type': 'http.response.start', 'status': 200,\n"
                         "                'headers': [(b'connection', b'close')]})\n"
                         "    body = b'by ' + os.environ['SIDECARD_GENERATION'].encode()\n"
                         "    await send({'type': 'http.response.body', 'body': body})\n");
        run("'web': {'command': ['/usr/bin/python3', '-m', 'uvicorn', '--fd', '3', 'served:app'],"
            " 'workingDirectory': '@DIR@'," AUTO_SOCKET "," ASKED "," SOON "}");
        generation = world_start_ready(world, "web");
        port = world_get_port(world, "web", "http");
        kill_main("web");
        (void) world_next(world, "web", "Starting/backoff");
        fd = connect_to(port);
        ck_assert_int_ge(fd, 0);
        ask(fd);
        ck_assert_uint_gt(generation_that_serves(fd), generation);
}
END_TEST

TEST_MAIN_TIMEOUT("socket",
                  120,
                  world_setup,
                  world_teardown,
                  s5_it_is_born_with_its_sockets_and_nothing_else,
                  sixteen_ports_may_be_sockets,
                  r3_a_server_on_its_socket_is_no_stranger_and_ready_when_it_answers,
                  who_connects_in_a_backoff_is_served_by_the_next_generation,
                  under_a_client_that_keeps_asking_no_restart_refuses,
                  d2_under_a_client_that_keeps_asking_no_death_of_the_brain_refuses,
                  d2_who_connects_while_there_is_neither_server_nor_brain_is_served,
                  d2_a_stop_under_another_brain_closes_it,
                  what_has_failed_or_ended_refuses_and_so_does_a_stop_in_a_backoff,
                  p1_who_has_bound_a_fixed_port_is_in_the_way_of_the_socket_too,
                  p1_with_reassign_the_socket_moves_on,
                  p4_what_listens_between_two_generations_has_its_port,
                  a_server_that_binds_it_again_is_told_what_it_has,
                  an_edited_manifest_has_other_sockets_from_the_next_start_on,
                  uvicorn_serves_on_the_socket_that_it_is_given)
