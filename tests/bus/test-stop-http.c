/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stop by a request, from outside: "stop.http" of contract T1. The server is Python's, and ends
 * when it is told so or signalled; its output says which.
 */

#include <fcntl.h>
#include <string.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

/*
 * server.py PORT-OR-PATH: /quit ends it, if the secret of its environment comes with it; /late does
 * so once there is the file "go", /silent never answers, /away redirects, all else is 404.
 */
static const char server[] =
        "import http.server, os, signal, socketserver, sys, threading, time\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def answer(self):\n"
        "        print('asked', self.command, self.path, flush=True)\n"
        "        secret = self.headers.get('Authorization') == os.environ.get('SECRET', '-')\n"
        "        while self.path == '/silent':\n"
        "            time.sleep(100)\n"
        "        while self.path == '/late' and not os.path.exists('go'):\n"
        "            time.sleep(0.02)\n"
        "        ends = self.path == '/late' or self.path == '/quit' and secret\n"
        "        self.send_response(204 if ends else 302 if self.path == '/away' else 404)\n"
        "        self.send_header('Location', '/quit')\n"
        "        self.end_headers()\n"
        "        if ends:\n"
        "            print('told', flush=True)\n"
        "            threading.Thread(target=instance.shutdown).start()\n"
        "    do_GET = do_POST = do_DELETE = answer\n"
        "    def log_message(self, *arguments): pass\n"
        "def on_signal(*arguments):\n"
        "    print('signalled', flush=True)\n"
        "    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, on_signal)\n"
        "where = sys.argv[1]\n"
        "class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer if '/' in where\n"
        "             else socketserver.TCPServer):\n"
        "    allow_reuse_address = daemon_threads = True\n"
        "instance = Server(where if '/' in where else ('127.0.0.1', int(where)), Handler)\n"
        "print('listening', flush=True)\n"
        "instance.serve_forever()\n";

#define PYTHON(where)                                                                           \
        "'command': ['/usr/bin/python3', '@DIR@/server.py', '" where "'], 'workingDirectory': " \
        "'@DIR@', 'env': {'SECRET': 'Bearer {token}'}"

/* stop: of "http"; timeout: of "stop". */
static void run_server(const char *stop, const char *timeout) {
        world_write_file(world, "server.py", 0644, server);
        world_write_sidecars(world,
                             "'web': {" PYTHON("{port}") ", 'port': 'auto', 'stop': {'timeout':"
                                                         " '%s', 'http': {%s}}}",
                             timeout, stop);
        world_run(world);
}

/* In its last life. */
static bool has_said(const char *line) {
        const LogQuery query = {
                .has_after = true,
                .generation = (uint64_t) world_get_number(world, "web", "Generation"),
        };
        _cleanup_(log_page_clear) LogPage page = log_query(world, "web", query);
        bool found = false;

        for (size_t i = 0; i < page.n_lines; i++)
                found = found || streq(page.lines[i].text, line);
        return found;
}

/* Two seconds are long, but a machine may run nobody for so long: then it lives once more. */
static void stop_with_an_answer(void) {
        size_t n_logged;

        do {
                (void) world_start_ready(world, "web");
                (void) world_has_logged(world, "");
                n_logged = world->log_size;
                world_stop(world, "web");
                (void) world_has_logged(world, "");
        } while (strstr(world->log + n_logged, "no answer within"));
        ck_assert_str_eq(world_state(world, "web"), "Stopped/stopped");
}

/* Not by the next step of the ladder, which is ten minutes away. */
static void assert_signalled_after(const char *asked) {
        stop_with_an_answer();
        ck_assert_msg(has_said(asked), "It was not %s", asked);
        ck_assert(has_said("signalled") && !has_said("told"));
}

START_TEST(t1_a_stop_request_takes_the_place_of_the_signal) {
        run_server("'path': '/quit', 'headers': {'Authorization': 'Bearer {token}'}", "10m");
        stop_with_an_answer();
        ck_assert(has_said("asked POST /quit") && has_said("told") && !has_said("signalled"));
        ck_assert_int_eq(world_get_number(world, "web", "ExitCode"), 0);
}
END_TEST

START_TEST(t1_its_method_and_templates_are_those_of_the_manifest) {
        run_server("'path': '/bye/{name}', 'method': 'DELETE'", "10m");
        assert_signalled_after("asked DELETE /bye/web");
}
END_TEST

START_TEST(t1_a_request_that_is_refused_is_followed_by_the_signal_at_once) {
        run_server("'path': '/quit'", "10m");
        assert_signalled_after("asked POST /quit");
}
END_TEST

START_TEST(t1_a_redirect_is_not_followed) {
        run_server("'path': '/away', 'headers': {'Authorization': 'Bearer {token}'}", "10m");
        assert_signalled_after("asked POST /away");
        ck_assert(!has_said("asked POST /quit") && !has_said("asked GET /quit"));
}
END_TEST

START_TEST(t1_one_that_does_not_answer_is_signalled_after_two_seconds) {
        uint64_t began;

        run_server("'path': '/silent'", "10m");
        (void) world_start_ready(world, "web");
        began = clock_monotonic_usec();
        world_stop(world, "web");
        ck_assert(has_said("signalled") && !has_said("told"));
        ck_assert(world_has_logged(world, "POST /silent: no answer within"));
        ck_assert_uint_ge(clock_monotonic_usec() - began, 2 * USEC_PER_SEC);
}
END_TEST

START_TEST(t1_the_timeout_of_the_stop_counts_from_the_request) {
        run_server("'path': '/silent'", "100ms");
        /* The kill comes a second after the signal: then it lives once more, as above. */
        do {
                (void) world_start_ready(world, "web");
                world_stop(world, "web");
        } while (world_get_number(world, "web", "ExitSignal") == SIGKILL);
        ck_assert(has_said("signalled"));
        /* By SIGTERM to all, the next step, and not for want of an answer. */
        ck_assert(!world_has_logged(world, "was asked to end and does not"));
}
END_TEST

START_TEST(t1_without_a_server_there_is_the_signal) {
        world_write_sidecars(world, "'web': {'command': ['@CHILDREN@/sleeper'], 'port': 'auto',"
                                    " 'readiness': {'log': {'pattern': 'pid'}}, 'stop': {'timeout'"
                                    ": '10m', 'http': {'path': '/quit'}}}");
        world_run(world);
        (void) world_start_ready(world, "web");
        world_stop(world, "web");
        ck_assert_int_eq(world_get_number(world, "web", "ExitSignal"), SIGTERM);
}
END_TEST

START_TEST(t1_a_socket_that_has_a_name_is_asked_too) {
        world_write_file(world, "server.py", 0644, server);
        world_write_sidecars(
                world, "'web': {" PYTHON("{runtimeDir}/s") ", 'readiness': {'tcp': {'unixSocket':"
                                                           " '{runtimeDir}/s'}}, 'stop': {'timeout'"
                                                           ": '10m', 'http': {'path': '/quit',"
                                                           " 'headers': {'Authorization': 'Bearer"
                                                           " {token}'}}}}");
        world_run(world);
        stop_with_an_answer();
        ck_assert(has_said("told") && !has_said("signalled"));
}
END_TEST

/* A server of nobody's on the port of one that is up and listens nowhere. */
START_TEST(t3_a_stranger_on_the_port_is_not_asked) {
        const char *argv[] = { TEST_CHILDREN "/http-server", NULL, "/quit=200", NULL };
        char number[8], said[256] = "";
        ProcessSpec spec = { .argv = argv };
        Process stranger;
        size_t n = 0;
        ssize_t more;
        int ends[2];

        world_write_sidecars(world, "'web': {'command': ['@CHILDREN@/sleeper'], 'port': 'auto',"
                                    " 'readiness': {'log': {'pattern': 'pid'}}, 'stop': {'timeout'"
                                    ": '10m', 'http': {'path': '/quit'}}}");
        world_run(world);
        (void) world_start_ready(world, "web");
        (void) snprintf(number, sizeof(number), "%u",
                        (unsigned int) world_get_port(world, "web", "http"));
        argv[1] = number;
        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        spec.output_fd = ends[1];
        stranger = process_spawn(&spec);
        (void) close(ends[1]);
        ck_assert_int_gt(read(ends[0], said, sizeof(said) - 1), 0);

        world_stop(world, "web");
        ck_assert_int_eq(world_get_number(world, "web", "ExitSignal"), SIGTERM);
        process_signal(stranger.pidfd, SIGKILL);
        (void) process_reap(&stranger);
        n = strlen(said);
        while ((more = read(ends[0], said + n, sizeof(said) - 1 - n)) > 0)
                n += (size_t) more;
        (void) close(ends[0]);
        ck_assert_msg(!strstr(said, "asked"), "%s", said);
}
END_TEST

/* Until it was asked so often, or is signalled instead. */
static void await_asked(size_t n_times) {
        LogQuery query = { .has_after = true, .wait_usec = USEC_PER_SEC };
        size_t n = 0;

        while (n < n_times) {
                _cleanup_(log_page_clear) LogPage page = log_query(world, "web", query);

                for (size_t i = 0; i < page.n_lines; i++)
                        n += startswith(page.lines[i].text, "asked ")      ? 1
                             : startswith(page.lines[i].text, "signalled") ? n_times
                                                                           : 0;
                query.after = page.next;
        }
}

START_TEST(d2_a_brain_that_dies_without_an_answer_is_followed_by_one_that_asks_again) {
        _cleanup_free_ char *former = NULL;
        _cleanup_close_ int pidfd = -1;

        run_server("'path': '/late'", "10m");
        (void) world_start_ready(world, "web");
        world_ask_to_stop(world, "web", false);
        log_await(world, "web", "asked POST /late");
        former = strdup(world->owner);
        pidfd = process_open(world_brain(world));
        process_signal(pidfd, SIGKILL);
        WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));

        await_asked(2);
        world_write_file(world, "go", 0644, "");
        ck_assert_int_ge(world_wait(world, "web", "stopped", NULL), 0);
        ck_assert_str_eq(world_state(world, "web"), "Stopped/stopped");
}
END_TEST

TEST_MAIN_TIMEOUT("stop-http",
                  120,
                  world_setup,
                  world_teardown,
                  t1_a_stop_request_takes_the_place_of_the_signal,
                  t1_its_method_and_templates_are_those_of_the_manifest,
                  t1_a_request_that_is_refused_is_followed_by_the_signal_at_once,
                  t1_a_redirect_is_not_followed,
                  t1_one_that_does_not_answer_is_signalled_after_two_seconds,
                  t1_the_timeout_of_the_stop_counts_from_the_request,
                  t1_without_a_server_there_is_the_signal,
                  t1_a_socket_that_has_a_name_is_asked_too,
                  t3_a_stranger_on_the_port_is_not_asked,
                  d2_a_brain_that_dies_without_an_answer_is_followed_by_one_that_asks_again)
