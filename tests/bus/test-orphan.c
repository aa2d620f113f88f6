/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The orphan of an older version, from outside (contract P1 and R3): a process that is none of ours
 * listens on the port, and answers its health checks as well as we would. It is never taken for
 * the sidecar, whenever it has come and however it shares the port; and once it is gone the sidecar
 * runs, without anybody's help.
 */

#include <fcntl.h>
#include <string.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

/* Says 503 as long as the file is not there; what it is told to listen on it shares, if it may. */
static const char server[] =
        "import http.server, os, socket, socketserver, sys\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200 if os.path.exists(sys.argv[3]) else 503)\n"
        "        self.end_headers()\n"
        "class Server(http.server.HTTPServer):\n"
        "    address_family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET\n"
        "    def server_bind(self):\n"
        "        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
        "        socketserver.TCPServer.server_bind(self)\n"
        "it = Server((sys.argv[1], int(sys.argv[2])), Handler)\n"
        "print('listening', flush=True)\n"
        "it.serve_forever()\n";

#define RETRY "'restart': {'delay': '100ms', 'factor': 1, 'jitter': 0, 'attempts': 'unlimited'}"
#define READINESS "'readiness': {'http': {'path': '/health'}, 'interval': '100ms'}"

/* Both of the program of our children, and of the one above. */
static Process spawn_listening(const char *const argv[]) {
        ProcessSpec spec = { .argv = argv };
        char line[64] = "";
        Process process;
        int ends[2];
        FILE *said;

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        spec.output_fd = ends[1];
        process = process_spawn(&spec);
        (void) close(ends[1]);
        said = fdopen(ends[0], "r");
        /* To the end of the line, which Python may write by itself: then nobody may be gone. */
        ck_assert_ptr_nonnull(fgets(line, sizeof(line), said));
        ck_assert_str_eq(strchrnul(line, '\n'), "\n");
        ck_assert(startswith(line, "listening"));
        (void) fclose(said);
        return process;
}

static Process spawn_old_version(uint16_t port) {
        char number[8];
        const char *argv[] = { TEST_CHILDREN "/http-server", number, "/health=200", NULL };

        (void) snprintf(number, sizeof(number), "%u", (unsigned int) port);
        return spawn_listening(argv);
}

/* On that address, sharing the port with whoever lets it. */
static Process spawn_beside(const char *address, uint16_t port) {
        _cleanup_free_ char *script = NULL;
        char number[8];
        const char *argv[] = { "/usr/bin/python3", NULL, address, number, "/", NULL };

        ck_assert_int_ge(asprintf(&script, "%s/server.py", world->dir), 0);
        argv[1] = script;
        (void) snprintf(number, sizeof(number), "%u", (unsigned int) port);
        return spawn_listening(argv);
}

static void assert_fact(const char *fact, const char *wanted) {
        _cleanup_free_ char *value = world_fact(world, "web", fact);

        ck_assert_msg(value, "No fact %s", fact);
        ck_assert_str_eq(value, wanted);
}

/* It fails for the orphan, which is named, and was not once Running. */
static void assert_gives_way_to(const Process *orphan, const char *program, uint16_t port) {
        _cleanup_free_ char *reason = NULL;
        char held[128], number[16], pid[16];

        ck_assert_str_eq(world_next(world, "web", "Starting/backoff")->reason_code, "port-in-use");

        (void) snprintf(number, sizeof(number), "%u", (unsigned int) port);
        (void) snprintf(pid, sizeof(pid), "%d", (int) orphan->pid);
        (void) snprintf(held, sizeof(held), "port %s is held by %s, pid %s", number, program, pid);
        reason = world_get_text(world, "web", "Reason");
        ck_assert_msg(strstr(reason, held), "Reason: %s", reason);
        assert_fact("port", number);
        assert_fact("pid", pid);
        assert_fact("holder", program);
        ck_assert_uint_eq(world_count(world, "web", "Running/ready"), 0);
}

static void end_orphan(Process *orphan) {
        process_signal(orphan->pidfd, SIGKILL);
        (void) process_reap(orphan);
}

static void assert_runs_by_itself(uint16_t port) {
        (void) world_next(world, "web", "Running/ready");
        ck_assert_uint_eq(world_get_port(world, "web", "http"), port);
        ck_assert_uint_eq(world_count(world, "web", "Running/ready"), 1);
}

START_TEST(r3_an_orphan_that_answers_is_never_running_and_gives_way) {
        uint16_t port = world_free_port();
        Process orphan = spawn_old_version(port);

        world_write_sidecars(world,
                             "'web': {'command': ['@CHILDREN@/http-server', '{port}',"
                             " '/health=200'], 'port': %u, " READINESS ", " RETRY "}",
                             (unsigned int) port);
        world_run(world);
        (void) world_start(world, "web");

        assert_gives_way_to(&orphan, "http-server", port);
        end_orphan(&orphan);
        assert_runs_by_itself(port);
}
END_TEST

/* Its port was free when it was executed; it takes its time to listen, and somebody is faster. */
START_TEST(r3_an_orphan_that_is_faster_than_its_server_is_never_running) {
        uint16_t port = world_free_port();
        Process orphan;

        world_write_sidecars(world,
                             "'web': {'command': ['sh', '-c', 'until [ -e $2 ]; do sleep 0.05;"
                             " done; exec $0 $1 /health=200', '@CHILDREN@/http-server', '{port}',"
                             " '@DIR@/go'], 'port': %u, " READINESS ", " RETRY "}",
                             (unsigned int) port);
        world_run(world);
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Starting/probing");
        orphan = spawn_old_version(port);

        assert_gives_way_to(&orphan, "http-server", port);
        end_orphan(&orphan);
        world_write_file(world, "go", 0644, "");
        assert_runs_by_itself(port);
}
END_TEST

/* The same, where nobody asks on the port: its own bind(2) finds out. */
START_TEST(p1_who_was_faster_is_named_with_its_last_words) {
        uint16_t port = world_free_port();
        _cleanup_free_ char *reason = NULL;
        char held[128], pid[16];
        Process orphan;

        world_write_sidecars(
                world,
                "'web': {'command': ['sh', '-c', 'until [ -e $2 ]; do sleep 0.05;"
                " done; exec $0 $1', '@CHILDREN@/http-server', '{port}', '@DIR@/go'],"
                " 'port': %u, 'readiness': {'log': {'pattern': '^listening'}}, 'restart': 'no'}",
                (unsigned int) port);
        world_run(world);
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Starting/probing");
        orphan = spawn_old_version(port);
        world_write_file(world, "go", 0644, "");

        ck_assert_str_eq(world_next(world, "web", "Failed/failed")->reason_code, "exit-code");
        reason = world_get_text(world, "web", "Reason");
        (void) snprintf(held, sizeof(held),
                        "Address already in use (port %u is held by http-server, pid %d)",
                        (unsigned int) port, (int) orphan.pid);
        ck_assert_msg(strstr(reason, held), "Reason: %s", reason);
        (void) snprintf(pid, sizeof(pid), "%d", (int) orphan.pid);
        assert_fact("pid", pid);
        ck_assert_uint_eq(world_count(world, "web", "Running/ready"), 0);
        end_orphan(&orphan);
}
END_TEST

/* Our server is loading when the orphan comes, so that both are there when it is ready. */
static void run_loading(const char *address, uint16_t port) {
        world_write_file(world, "server.py", 0644, server);
        world_write_sidecars(world,
                             "'web': {'command': ['/usr/bin/python3', '@DIR@/server.py', '%s',"
                             " '{port}', '@DIR@/loaded'], 'port': %u, " READINESS ", " RETRY "}",
                             address, (unsigned int) port);
        world_run(world);
        (void) world_start(world, "web");
        log_await(world, "web", "listening");
}

START_TEST(r3_an_orphan_on_ipv6_beside_its_ipv4_is_never_running) {
        uint16_t port = world_free_port();
        Process orphan;

        run_loading("127.0.0.1", port);
        orphan = spawn_beside("::1", port);
        world_write_file(world, "loaded", 0644, "");

        assert_gives_way_to(&orphan, "python3", port);
        end_orphan(&orphan);
        assert_runs_by_itself(port);
}
END_TEST

START_TEST(r3_an_orphan_that_shares_the_port_is_never_running) {
        uint16_t port = world_free_port();
        Process orphan;

        run_loading("127.0.0.1", port);
        orphan = spawn_beside("127.0.0.1", port);

        assert_gives_way_to(&orphan, "python3", port);
        end_orphan(&orphan);
        world_write_file(world, "loaded", 0644, "");
        assert_runs_by_itself(port);
}
END_TEST

TEST_MAIN_TIMEOUT("orphan",
                  120,
                  world_setup,
                  world_teardown,
                  r3_an_orphan_that_answers_is_never_running_and_gives_way,
                  r3_an_orphan_that_is_faster_than_its_server_is_never_running,
                  p1_who_was_faster_is_named_with_its_last_words,
                  r3_an_orphan_on_ipv6_beside_its_ipv4_is_never_running,
                  r3_an_orphan_that_shares_the_port_is_never_running)
