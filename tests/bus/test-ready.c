/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Readiness, from outside: contract R1, R2, R4, R5, with servers that nobody here wrote and with
 * one that answers as it is told to.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

static void assert_endpoint(const char *name) {
        _cleanup_free_ char *endpoint = world_get_text(world, name, "Endpoint");
        char wanted[64];

        (void) snprintf(wanted, sizeof(wanted), "http://127.0.0.1:%u",
                        (unsigned int) world_get_port(world, name, "http"));
        ck_assert_str_eq(endpoint, wanted);
        ck_assert_int_gt(world_get_number(world, name, "ReadyTimestamp"), 0);
}

START_TEST(fastapi_with_a_health_route_is_ready_when_it_says_so) {
        _cleanup_free_ char *line = NULL;

        world_write_sidecars(world, "'workflow': {'command': ['/usr/bin/python3',"
                                    " '@EXAMPLES@/demo/workflow.py'], 'port': 'auto', 'env':"
                                    " {'APP_HOST': '127.0.0.1', 'APP_PORT': '{port}'},"
                                    " 'readiness': {'http': {'path': '/health'}}}");
        world_run(world);
        (void) world_start_ready(world, "workflow");

        assert_endpoint("workflow");
        line = log_find(world, "workflow", "GET /health");
        ck_assert_ptr_nonnull(strstr(line, "200"));
}
END_TEST

START_TEST(fastapi_without_one_is_ready_by_its_docs) {
        _cleanup_free_ char *health = NULL, *docs = NULL;

        world_write_file(world, "docs_only.py", 0644,
                         "import sys\n"
                         "import uvicorn\n"
                         "from fastapi import FastAPI\n"
                         "uvicorn.run(FastAPI(), host='127.0.0.1', port=int(sys.argv[1]))\n");
        world_write_sidecars(world, "'web': {'command': ['/usr/bin/python3', '@DIR@/docs_only.py',"
                                    " '{port}'], 'port': 'auto', 'readiness': {'http': {}}}");
        world_run(world);
        (void) world_start_ready(world, "web");

        assert_endpoint("web");
        health = log_find(world, "web", "GET /health");
        docs = log_find(world, "web", "GET /docs");
        ck_assert_ptr_nonnull(strstr(health, "404"));
        ck_assert_ptr_nonnull(strstr(docs, "200"));
}
END_TEST

static void assert_redis_answers(uint16_t port) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr = { htonl(INADDR_LOOPBACK) },
        };
        char answer[16] = "";

        ck_assert_int_eq(connect(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        ck_assert_int_eq(write(fd, "PING\r\n", 6), 6);
        ck_assert_int_gt(read(fd, answer, sizeof(answer) - 1), 0);
        ck_assert_str_eq(answer, "+PONG\r\n");
}

START_TEST(redis_is_ready_by_tcp_without_a_word_in_its_manifest) {
        world_write_sidecars(world, "'redis': {'command': ['redis-server', '--port', '{port}',"
                                    " '--bind', '127.0.0.1', '--save', ''], 'port': 'auto'}");
        world_run(world);
        (void) world_start_ready(world, "redis");

        assert_redis_answers(world_get_port(world, "redis", "http"));
        ck_assert_uint_eq(world_count(world, "redis", "Starting/probing"), 1);
}
END_TEST

START_TEST(nginx_in_the_foreground_is_a_tree_that_goes_as_one) {
        _cleanup_free_ char *config = NULL;
        int tree[16];
        uint16_t port = world_free_port();
        size_t n;

        ck_assert_int_ge(
                asprintf(&config,
                         "daemon off; worker_processes 1; pid %s/nginx.pid; error_log stderr;\n"
                         "events { }\n"
                         "http { access_log off; client_body_temp_path %s/tmp/body;\n"
                         "proxy_temp_path %s/tmp/proxy; fastcgi_temp_path %s/tmp/fastcgi;\n"
                         "uwsgi_temp_path %s/tmp/uwsgi; scgi_temp_path %s/tmp/scgi;\n"
                         "server { listen 127.0.0.1:%u; location / { return 204; } } }\n",
                         world->dir, world->dir, world->dir, world->dir, world->dir, world->dir,
                         (unsigned int) port),
                0);
        world_write_file(world, "nginx.conf", 0644, config);
        world_write_sidecars(world,
                             "'nginx': {'command': ['nginx', '-e', 'stderr', '-p', '@DIR@', '-c',"
                             " '@DIR@/nginx.conf'], 'port': %u, 'readiness': {'http': {}}}",
                             (unsigned int) port);
        world_run(world);
        (void) world_start_ready(world, "nginx");

        n = world_open_tree(world, "nginx", tree, ELEMENTSOF(tree));
        /* Who answered the probe is a worker, so both are there. */
        ck_assert_uint_ge(n, 2);
        world_stop(world, "nginx");
        for (size_t i = 0; i < n; i++)
                ck_assert(process_is_gone(tree[i], 0));
}
END_TEST

/* The paths that the server was asked for, in order, up to when it was ready. */
static char *read_requests(void) {
        _cleanup_(log_page_clear) LogPage page =
                log_query(world, "web", (LogQuery){ .stream = "stdout" });
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        for (size_t i = 0; i < page.n_lines; i++)
                if (startswith(page.lines[i].text, "asked for "))
                        fprintf(out, "%s ", page.lines[i].text + strlen("asked for "));
        ck_assert_int_eq(fclose(out), 0);
        return text;
}

/* A question is never asked twice because the machine was slow. */
static void run_server(const char *arguments) {
        world_write_sidecars(world,
                             "'web': {'command': ['@CHILDREN@/http-server', '{port}', %s],"
                             " 'port': 'auto', 'readiness': {'http': {}, 'interval': '100ms',"
                             " 'timeout': '20s'}}",
                             arguments);
        world_run(world);
        (void) world_start_ready(world, "web");
}

START_TEST(r2_the_paths_are_tried_in_order_until_one_answers) {
        _cleanup_free_ char *requests = NULL;

        run_server("'/=204'");
        requests = read_requests();
        ck_assert_str_eq(requests, "/health /docs / ");
}
END_TEST

START_TEST(r2_404_405_and_501_go_on_to_the_next_path) {
        _cleanup_free_ char *requests = NULL;

        run_server("'/health=405', '/docs=501', '/=200'");
        requests = read_requests();
        ck_assert_str_eq(requests, "/health /docs / ");
}
END_TEST

START_TEST(r2_a_5xx_of_an_earlier_path_is_not_outvoted_by_a_later_one) {
        _cleanup_free_ char *requests = NULL;
        size_t n = 0;

        run_server("'/health=500,500,200', '/docs=200', '/=200'");
        requests = read_requests();
        for (const char *at = requests; (at = strstr(at, "/health ")); at++)
                n++;
        ck_assert_msg(n == 3, "Asked for: %s", requests);
}
END_TEST

START_TEST(r2_a_redirect_is_a_sign_of_life_and_is_not_followed) {
        _cleanup_free_ char *requests = NULL;

        run_server("'/health=302', '/moved=200'");
        requests = read_requests();
        ck_assert_str_eq(requests, "/health ");
}
END_TEST

START_TEST(r1_a_server_that_comes_late_is_asked_again_until_it_answers) {
        run_server("'--after', '700', '/health=200'");
        ck_assert_uint_eq(world_count(world, "web", "Starting/probing"), 1);
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);
        ck_assert_uint_eq(world_count(world, "web", "Running/ready"), 1);
}
END_TEST

START_TEST(r1_a_server_that_never_answers_is_given_up_and_asked_again) {
        _cleanup_free_ char *requests = NULL;

        world_write_sidecars(world,
                             "'web': {'command': ['@CHILDREN@/http-server', '{port}',"
                             " '/health=0,0,200'], 'port': 'auto',"
                             " 'readiness': {'http': {'path': '/health'}, 'timeout': '300ms',"
                             " 'interval': '100ms'}}");
        world_run(world);
        (void) world_start_ready(world, "web");
        requests = read_requests();
        /* And once more, if its answer came late. */
        ck_assert_msg(startswith(requests, "/health /health /health "), "Asked for: %s", requests);
}
END_TEST

static void assert_times_out(const char *name, const char *sentence) {
        _cleanup_free_ char *message = NULL, *reason = NULL, *code = NULL;
        int64_t pid;
        int pidfd = -1;

        (void) world_start(world, name);
        (void) world_next(world, name, "Starting/probing");
        /* Its time may be over already, and its end too. */
        pid = world_get_number(world, name, "MainPID");
        if (pid > 0)
                pidfd = (int) pidfd_open((pid_t) pid, 0);
        message = world_start_in_vain(world, name, WORLD_ERROR "StartFailed");
        reason = world_get_text(world, name, "Reason");
        code = world_get_text(world, name, "ReasonCode");

        ck_assert_str_eq(code, "start-timeout");
        ck_assert_msg(strstr(reason, sentence), "Reason: %s", reason);
        ck_assert_msg(strstr(message, sentence), "Error: %s", message);
        ck_assert_uint_eq(world_count(world, name, "Running/ready"), 0);
        /* Failed is said at once, the tree is ended under that word. */
        ck_assert(pidfd < 0 || process_is_gone(pidfd, WORLD_PATIENCE));
        world_stop(world, name);
}

START_TEST(r5_what_does_not_get_ready_in_time_is_start_timeout) {
        world_write_sidecars(world, "'deaf': {'command': ['sleep', '1000'], 'port': 'auto',"
                                    " 'startTimeout': '2s', 'restart': 'no'},"
                                    "'mute': {'command': ['@CHILDREN@/http-server', '{port}',"
                                    " '/health=0'], 'port': 'auto', 'readiness': {'http': {}},"
                                    " 'startTimeout': '1s', 'restart': 'no'},"
                                    "'ill': {'command': ['@CHILDREN@/http-server', '{port}',"
                                    " '/health=500'], 'port': 'auto', 'readiness': {'http': {}},"
                                    " 'startTimeout': '1s', 'restart': 'no'}");
        world_run(world);

        assert_times_out("deaf", "deaf did not become ready within 2s");
        assert_times_out("mute", "mute did not become ready within 1s");
        assert_times_out("ill", "ill did not become ready within 1s");
}
END_TEST

START_TEST(r5_the_restart_policy_applies_to_a_start_timeout) {
        const Change *change;

        world_write_sidecars(world, "'deaf': {'command': ['sleep', '1000'], 'port': 'auto',"
                                    " 'startTimeout': '300ms', 'restart': {'delay': '50ms'}}");
        world_run(world);
        (void) world_start(world, "deaf");
        change = world_next(world, "deaf", "Starting/backoff");
        ck_assert_str_eq(change->reason_code, "start-timeout");
        (void) world_next(world, "deaf", "Starting/probing");
        world_stop(world, "deaf");
}
END_TEST

/* Waits until the server has been asked so often. */
static void await_requests(size_t n_wanted) {
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

/* Sixty answers take longer than the start timeout. */
START_TEST(r5_a_server_that_says_503_is_loading_and_has_load_timeout) {
        world_write_sidecars(world,
                             "'web': {'command': ['@CHILDREN@/http-server', '{port}',"
                             " '--loads-until', '@DIR@/loaded', '/health=200'], 'port': 'auto',"
                             " 'readiness': {'http': {'path': '/health'}, 'interval': '100ms'},"
                             " 'startTimeout': '5s', 'loadTimeout': '2m'}");
        world_run(world);
        (void) world_start(world, "web");
        await_requests(60);
        ck_assert_str_eq(world_state(world, "web"), "Starting/probing");
        world_write_file(world, "loaded", 0644, "");
        (void) world_next(world, "web", "Running/ready");
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);
}
END_TEST

START_TEST(r5_nginx_that_answers_503_and_then_200_is_ready_then) {
        _cleanup_free_ char *config = NULL;
        uint16_t port = world_free_port();

        ck_assert_int_ge(
                asprintf(&config,
                         "daemon off; worker_processes 1; user root; pid %s/nginx.pid;\n"
                         "error_log stderr; events { }\n"
                         "http { access_log /dev/stdout; client_body_temp_path %s/tmp/body;\n"
                         "proxy_temp_path %s/tmp/proxy; fastcgi_temp_path %s/tmp/fastcgi;\n"
                         "uwsgi_temp_path %s/tmp/uwsgi; scgi_temp_path %s/tmp/scgi;\n"
                         "server { listen 127.0.0.1:%u; root %s; location / { try_files /loaded"
                         " =503; } } }\n",
                         world->dir, world->dir, world->dir, world->dir, world->dir, world->dir,
                         (unsigned int) port, world->dir),
                0);
        world_write_file(world, "nginx.conf", 0644, config);
        world_write_sidecars(
                world,
                "'nginx': {'command': ['nginx', '-e', 'stderr', '-p', '@DIR@', '-c',"
                " '@DIR@/nginx.conf'], 'port': %u, 'readiness': {'http': {'path': '/'},"
                " 'interval': '100ms'}}",
                (unsigned int) port);
        world_run(world);
        (void) world_start(world, "nginx");
        log_await(world, "nginx", "\" 503 ");
        ck_assert_str_eq(world_state(world, "nginx"), "Starting/probing");
        world_write_file(world, "loaded", 0644, "");
        (void) world_next(world, "nginx", "Running/ready");
}
END_TEST

/* As it answers where it is to serve https alone, with a host that nobody can resolve. */
START_TEST(r2_caddy_that_redirects_all_is_ready_and_is_not_followed) {
        _cleanup_free_ char *config = NULL, *line = NULL;
        uint16_t port = world_free_port();

        if (access("/usr/bin/caddy", X_OK) < 0) {
                puts("SKIP: no caddy");
                return;
        }
        ck_assert_int_ge(asprintf(&config,
                                  "{\n admin off\n auto_https off\n}\n"
                                  "http://127.0.0.1:%u {\n bind 127.0.0.1\n log\n"
                                  " redir https://sidecard.invalid{uri} permanent\n}\n",
                                  (unsigned int) port),
                         0);
        world_write_file(world, "Caddyfile", 0644, config);
        world_write_sidecars(world,
                             "'caddy': {'command': ['/usr/bin/caddy', 'run', '--adapter',"
                             " 'caddyfile', '--config', '@DIR@/Caddyfile'], 'port': %u,"
                             " 'readiness': {'http': {}}}",
                             (unsigned int) port);
        world_run(world);
        (void) world_start_ready(world, "caddy");
        line = log_find(world, "caddy", "\"uri\":\"/health\"");
        ck_assert_ptr_nonnull(strstr(line, "\"status\":301"));
        world_stop(world, "caddy");
        ck_assert_uint_eq(world_count(world, "caddy", "Starting/backoff"), 0);
}
END_TEST

START_TEST(node_http_is_ready_when_it_answers) {
        world_write_file(world, "plain.js", 0644,
                         "require('http').createServer((request, answer) => {\n"
                         "  answer.writeHead(request.url == '/' ? 200 : 404); answer.end();\n"
                         "}).listen(+process.argv[2], '127.0.0.1');\n");
        world_write_sidecars(world, "'node': {'command': ['node', '@DIR@/plain.js', '{port}'],"
                                    " 'port': 'auto', 'readiness': {'http': {}}}");
        world_run(world);
        (void) world_start_ready(world, "node");
        assert_endpoint("node");
}
END_TEST

START_TEST(a_server_on_ipv6_alone_is_ready) {
        world_write_file(world, "six.py", 0644,
                         "import http.server, socket, sys\n"
                         "class Six(http.server.HTTPServer):\n"
                         "    address_family = socket.AF_INET6\n"
                         "Six(('::1', int(sys.argv[1])),\n"
                         "    http.server.SimpleHTTPRequestHandler).serve_forever()\n");
        world_write_sidecars(world, "'six': {'command': ['/usr/bin/python3', '@DIR@/six.py',"
                                    " '{port}'], 'port': 'auto', 'readiness': {'http': {'path':"
                                    " '/'}}}");
        world_run(world);
        (void) world_start_ready(world, "six");
}
END_TEST

START_TEST(node_with_an_endless_body_is_ready_and_costs_nothing) {
        world_write_file(world, "endless.js", 0644,
                         "require('http').createServer((request, answer) => {\n"
                         "  answer.writeHead(200);\n"
                         "  const more = () => { while (answer.write('x'.repeat(65536))); };\n"
                         "  answer.on('drain', more); more();\n"
                         "}).listen(+process.argv[2], '127.0.0.1');\n");
        world_write_sidecars(world, "'endless': {'command': ['node', '@DIR@/endless.js', '{port}'],"
                                    " 'port': 'auto', 'readiness': {'http': {}}}");
        world_run(world);
        (void) world_start_ready(world, "endless");
}
END_TEST

START_TEST(fastapi_with_a_slow_lifespan_is_ready_when_it_is_over) {
        _cleanup_free_ char *line = NULL;

        world_write_file(world, "slow.py", 0644,
                         "import asyncio, sys\n"
                         "import uvicorn\n"
                         "from fastapi import FastAPI\n"
                         "app = FastAPI()\n"
                         "@app.on_event('startup')\n"
                         "async def load():\n"
                         "    await asyncio.sleep(2)\n"
                         "    print('loaded', flush=True)\n"
                         "uvicorn.run(app, host='127.0.0.1', port=int(sys.argv[1]))\n");
        world_write_sidecars(world, "'slow': {'command': ['/usr/bin/python3', '@DIR@/slow.py',"
                                    " '{port}'], 'port': 'auto', 'readiness': {'http': {}}}");
        world_run(world);
        (void) world_start_ready(world, "slow");
        line = log_find(world, "slow", "loaded");
        ck_assert_uint_eq(world_count(world, "slow", "Starting/backoff"), 0);
}
END_TEST

/* It binds another port than it was given, and somebody has that: its exit tells, and at once. */
START_TEST(r4_uvicorn_on_a_taken_port_fails_at_once) {
        const Change *change;

        world_write_sidecars(world,
                             "'first': {'command': ['@CHILDREN@/http-server', '{port}'], 'port':"
                             " 'auto'},"
                             "'second': {'command': ['sh', '-c', 'exec /usr/bin/python3 -m uvicorn"
                             " --factory fastapi:FastAPI --port ${{0##*:}', '{url:first}'], 'port':"
                             " 'auto', 'dependsOn': {'first': 'ready'}}");
        world_run(world);
        (void) world_start(world, "second");
        change = world_next(world, "second", "Starting/backoff");
        ck_assert_str_eq(change->reason_code, "exit-code");
        log_await(world, "second", "address already in use");
        world_stop(world, "second");
        ck_assert_uint_eq(world_count(world, "second", "Running/ready"), 0);
}
END_TEST

START_TEST(a_server_on_a_socket_with_a_name_is_ready) {
        world_write_file(world, "socket.js", 0644,
                         "require('http').createServer((request, answer) => answer.end())\n"
                         "  .listen(process.argv[2]);\n");
        world_write_sidecars(world, "'socket': {'command': ['node', '@DIR@/socket.js',"
                                    " '{runtimeDir}/http'], 'readiness': {'http': {'unixSocket':"
                                    " '{runtimeDir}/http'}}, 'liveness': {'tcp': {'unixSocket':"
                                    " '{runtimeDir}/http'}}}");
        world_run(world);
        (void) world_start_ready(world, "socket");
}
END_TEST

/* The start timeout is minutes away, so anything in seconds means that the exit was seen. */
START_TEST(r4_an_exit_while_starting_is_told_at_once) {
        const Change *change;
        uint64_t killed_usec;
        int pidfd;

        world_write_sidecars(world, "'deaf': {'command': ['sleep', '1000'], 'port': 'auto',"
                                    " 'startTimeout': '5m'}");
        world_run(world);
        (void) world_start(world, "deaf");
        (void) world_next(world, "deaf", "Starting/probing");
        pidfd = world_open_main(world, "deaf");

        process_signal(pidfd, SIGKILL);
        ck_assert(process_is_gone(pidfd, WORLD_PATIENCE));
        killed_usec = clock_monotonic_usec();
        change = world_next(world, "deaf", "Starting/backoff");

        ck_assert_str_eq(change->reason_code, "signal");
        fprintf(stderr, "told %" PRIu64 " us after the exit\n",
                change->received_usec - killed_usec);
        ck_assert_uint_lt(change->received_usec, killed_usec + 30 * USEC_PER_SEC);
        world_stop(world, "deaf");
}
END_TEST

START_TEST(x2_an_exit_with_0_before_ready_is_a_failure_that_asks_the_right_question) {
        _cleanup_free_ char *reason = NULL;
        const Change *change;

        world_write_sidecars(world, "'gone': {'command': ['true'], 'port': 'auto',"
                                    " 'restart': {'delay': '1m'}}");
        world_run(world);
        (void) world_start(world, "gone");
        change = world_next(world, "gone", "Starting/backoff");
        reason = world_get_text(world, "gone", "Reason");

        ck_assert_str_eq(change->reason_code, "exit-code");
        ck_assert_msg(strstr(reason, "exited with code 0 before it was ready: does it go to the "
                                     "background?"),
                      "Reason: %s", reason);
        world_stop(world, "gone");
}
END_TEST

TEST_MAIN_TIMEOUT("ready",
                  120,
                  world_setup,
                  world_teardown,
                  fastapi_with_a_health_route_is_ready_when_it_says_so,
                  fastapi_without_one_is_ready_by_its_docs,
                  redis_is_ready_by_tcp_without_a_word_in_its_manifest,
                  nginx_in_the_foreground_is_a_tree_that_goes_as_one,
                  r2_the_paths_are_tried_in_order_until_one_answers,
                  r2_404_405_and_501_go_on_to_the_next_path,
                  r2_a_5xx_of_an_earlier_path_is_not_outvoted_by_a_later_one,
                  r2_a_redirect_is_a_sign_of_life_and_is_not_followed,
                  r1_a_server_that_comes_late_is_asked_again_until_it_answers,
                  r1_a_server_that_never_answers_is_given_up_and_asked_again,
                  r5_what_does_not_get_ready_in_time_is_start_timeout,
                  r5_the_restart_policy_applies_to_a_start_timeout,
                  r5_a_server_that_says_503_is_loading_and_has_load_timeout,
                  r5_nginx_that_answers_503_and_then_200_is_ready_then,
                  r2_caddy_that_redirects_all_is_ready_and_is_not_followed,
                  node_http_is_ready_when_it_answers,
                  a_server_on_ipv6_alone_is_ready,
                  node_with_an_endless_body_is_ready_and_costs_nothing,
                  fastapi_with_a_slow_lifespan_is_ready_when_it_is_over,
                  r4_uvicorn_on_a_taken_port_fails_at_once,
                  a_server_on_a_socket_with_a_name_is_ready,
                  r4_an_exit_while_starting_is_told_at_once,
                  x2_an_exit_with_0_before_ready_is_a_failure_that_asks_the_right_question)
