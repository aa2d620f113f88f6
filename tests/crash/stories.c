/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stories
 *
 * All delays are milliseconds. What is waited for is where a sidecar comes to rest: what it was
 * for a moment on the way there may be over before a successor looks.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "files.h"
#include "patient.h"
#include "stories.h"
#include "test.h"

#define ONLY(name) "'@CHILDREN@/only', '@DIR@/only-" name "', "
#define SLEEPER(name) "'" name "': {'command': [" ONLY(name) "'@CHILDREN@/sleeper']}"
#define SERVER(name, more)                                                                       \
        "'" name "': {'command': [" ONLY(name) "'@CHILDREN@/http-server', '{port}', '--after', " \
                                               "'10', '/health=200'], 'port': 'auto', "          \
                                               "'readiness': {'http': {'path': '/health'},"      \
                                               " 'interval': '50ms'}" more "}"

/* Neither the main process nor the one it leaves heeds SIGTERM. */
#define DEAF(name, timeout)                                                                        \
        "'" name                                                                                   \
        "': {'command': [" ONLY(name) "'/bin/sh', '-c', 'trap \\'\\' TERM;"                        \
                                      " exec @CHILDREN@/stubborn'], 'stop': {'timeout': '" timeout \
                                      "'}}"

/* Exits with that code at its first start, and stays at the next, after no less than the delay. */
#define CRASHER(name, code, delay) CRASHER_WITH(name, code, delay, "")
#define CRASHER_WITH(name, code, delay, more)                                                      \
        "'" name "': {'command': [" ONLY(name) "'/bin/sh', '-c', 'test $(wc -l < @DIR@/only-" name \
                                               ") -gt 1 && exec @CHILDREN@/sleeper; exit " code    \
                                               "'],"                                               \
                                               " 'restart': {'delay': '" delay                     \
                                               "', 'maxDelay': '1h', 'jitter': 0}" more "}"

static void prepare_start(void) {
        world_write_sidecars(world, SERVER("web", ""));
}

static void tell_start(void) {
        patient_start("web");
        patient_await("web", "Running/ready", 0, 0);
}

static void prepare_crash(void) {
        world_write_sidecars(world, CRASHER("one", "7", "30ms"));
}

static void tell_crash(void) {
        patient_start("one");
        patient_await("one", "Running/ready", 1, 0);
}

static void prepare_socket(void) {
        world_write_sidecars(world,
                             CRASHER_WITH("one", "7", "30ms",
                                          ", 'ports': {'http': {'port': 'auto', 'socket': true}}"));
}

static void tell_socket(void) {
        patient_start("one");
        patient_await("one", "Running/ready", 1, 0);
        patient_stop("one");
        patient_await("one", "Stopped/stopped", 0, 0);
}

static void prepare_crash_loop(void) {
        world_write_sidecars(
                world, "'one': {'command': [" ONLY(
                               "one") "'@CHILDREN@/sleeper', '3'],"
                                      " 'restart': {'delay': '10ms', 'factor': 1, 'jitter': 0,"
                                      " 'attempts': 2}}");
}

static void tell_crash_loop(void) {
        patient_start("one");
        patient_await("one", "Failed/failed", 2, 0);
}

static void prepare_stop(void) {
        world_write_sidecars(world, SLEEPER("one"));
}

static void tell_stop(void) {
        patient_start("one");
        patient_await("one", "Running/ready", 0, 0);
        patient_stop("one");
        patient_await("one", "Stopped/stopped", 0, 0);
}

/* It says 404 to its stop request, so both ways are gone. */
static void prepare_stop_http(void) {
        world_write_sidecars(world, SERVER("web", ", 'stop': {'http': {'path': '/quit'}}"));
}

static void tell_stop_http(void) {
        patient_start("web");
        patient_await("web", "Running/ready", 0, 0);
        patient_stop("web");
        patient_await("web", "Stopped/stopped", 0, 0);
}

static void prepare_deaf(void) {
        world_write_sidecars(world, DEAF("one", "100ms"));
}

static void tell_deaf(void) {
        patient_start("one");
        patient_await("one", "Running/ready", 0, 0);
        patient_await_line("one", "main process");
        patient_stop("one");
        patient_await("one", "Stopped/stopped", 0, 0);
}

/*
 * A manifest of that size makes the ledger so large, once it is there in two versions, that it is
 * written anew.
 */
static void write_large_manifest(const char *version) {
        static char padding[200 * 1024];
        _cleanup_free_ char *text = NULL;

        memset(padding, 'x', sizeof(padding) - 1);
        ck_assert_int_ge(asprintf(&text,
                                  "{'manifestVersion': 1, 'id': '" WORLD_APP
                                  "', 'x-padding': '%s', 'x-version': '%s', 'sidecars': {" SLEEPER(
                                          "one") "}}",
                                  padding, version),
                         0);
        world_write_manifest(world, WORLD_APP, text);
}

static void prepare_restart(void) {
        write_large_manifest("first");
}

static void tell_restart(void) {
        int64_t first;

        patient_start("one");
        patient_await("one", "Running/ready", 0, 0);
        first = patient_look("one").generation;
        write_large_manifest("second");
        patient_reload();
        patient_restart("one");
        patient_await("one", "Running/ready", 0, first);
}

static void prepare_app(void) {
        world_write_sidecars(
                world,
                SLEEPER("base") "," SERVER(
                        "web",
                        ", 'dependsOn': {'base': 'started'}") ","
                                                              "'top': {'command': [" ONLY(
                                                                      "top") "'@CHILDREN@/"
                                                                             "sleeper'], "
                                                                             "'dependsOn': {'web': "
                                                                             "'ready'}}");
}

static void tell_app(void) {
        patient_start_app();
        patient_await("base", "Running/ready", 0, 0);
        patient_await("web", "Running/ready", 0, 0);
        patient_await("top", "Running/ready", 0, 0);
}

static void prepare_hold(void) {
        world_write_sidecars(world, SLEEPER("one") "," SLEEPER("two"));
}

/*
 * The first hold ends by its release, the second by its owner's death, and a while later. An owner
 * whose call died with the brain is gone too, and its hold a while later: until the next one holds,
 * somebody else has to.
 */
static void tell_hold(void) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *client = client_open(world);
        Holder holder;

        patient_hold(client, "one", 0);
        patient_await("one", "Running/ready", 0, 0);
        patient_release(client);
        patient_await("one", "Stopped/stopped", 0, 0);

        patient_hold(client, "two", 0);
        holder = patient_start_holder(
                &(HolderSpec){ .sidecars = "two", .linger_usec = 100 * USEC_PER_MSEC });
        patient_release(client);
        patient_await("two", "Running/ready", 0, 0);
        holder_kill(&holder);
        patient_await("two", "Stopped/stopped", 0, 0);
        ck_assert_uint_eq(patient_count_holds(), 0);
}

static char *brought; /* the text that comes with a hold */

/* It is made as a file, which another then takes the place of. */
static void prepare_transient(void) {
        world_write_sidecars(world, SLEEPER("one"));
        brought = world_read_file(world, "data/sidecard/apps/" WORLD_APP ".json");
        world_write_sidecars(world, SLEEPER("one") "," SLEEPER("two"));
}

/* What is installed is over before the hold, and there again after it. */
static void tell_transient(void) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *client = client_open(world);

        patient_bring(client, brought);
        patient_await("one", "Running/ready", 0, 0);
        patient_release(client);
        patient_await("one", "Stopped/stopped", 0, 0);
        patient_start("two");
        patient_await("two", "Running/ready", 0, 0);
        ck_assert_uint_eq(patient_count_holds(), 0);
}

static void prepare_mode(void) {
        world_write_manifest(world, WORLD_APP,
                             "{'manifestVersion': 1, 'id': '" WORLD_APP "', 'defaultMode': 'a',"
                             " 'modes': {'a': {'sidecars': ['one', 'both']}, 'b': {'sidecars':"
                             " ['two', 'both']}}, 'sidecars': {" SLEEPER("one") "," SERVER(
                                     "two", "") "," SLEEPER("both") "}}");
}

static void tell_mode(void) {
        patient_start_app();
        patient_await("one", "Running/ready", 0, 0);
        patient_await("both", "Running/ready", 0, 0);
        patient_set_mode("b");
        patient_await("one", "Stopped/stopped", 0, 0);
        patient_await("two", "Running/ready", 0, 0);
        patient_set_mode("a");
        patient_await("one", "Running/ready", 0, 0);
        patient_await("two", "Stopped/stopped", 0, 0);
}

static void prepare_way_back(void) {
        world_write_manifest(world, WORLD_APP,
                             "{'manifestVersion': 1, 'id': '" WORLD_APP "', 'defaultMode': 'a',"
                             " 'modes': {'a': {'sidecars': ['one', 'both']}, 'b': {'sidecars':"
                             " ['two', 'both']}}, 'sidecars': {" SLEEPER("one") "," SLEEPER(
                                     "both") ", 'two': {'command': ['@CHILDREN@/sleeper', '3'],"
                                             " 'port': 'auto', 'restart': 'no'}}}");
}

static void tell_way_back(void) {
        patient_start_app();
        patient_await("one", "Running/ready", 0, 0);
        patient_await("both", "Running/ready", 0, 0);
        patient_set_mode_in_vain("b");
        patient_await("one", "Running/ready", 0, 0);
        patient_await("two", "Stopped/stopped", 0, 0);
        ck_assert_uint_eq(patient_count_mode_ends(), 1);
}

/* Until the end of this process. */
static uint16_t take_port(void) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_addr = { htonl(INADDR_LOOPBACK) },
        };
        socklen_t size = sizeof(address);

        ck_assert_int_eq(bind(fd, (struct sockaddr *) &address, size), 0);
        ck_assert_int_eq(listen(fd, 16), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &address, &size), 0);
        return ntohs(address.sin_port);
}

static void prepare_vain(void) {
        world_write_sidecars(
                world,
                "'missing': {'command': ['@DIR@/nowhere']},"
                "'taken': {'command': [" ONLY(
                        "taken") "'@CHILDREN@/http-server',"
                                 " '{port}'], 'port': %u, 'restart': {'delay': '30ms', 'factor': 1,"
                                 " 'jitter': 0, 'attempts': 1}}",
                take_port());
}

static void tell_vain(void) {
        patient_start("missing");
        patient_await("missing", "Failed/failed", 0, 0);
        patient_start("taken");
        patient_await("taken", "Failed/failed", 1, 0);
}

/* What has failed is tried again with a program, and with a manifest, that came later. */
static void prepare_catalog(void) {
        world_write_sidecars(world, "'late': {'command': ['@DIR@/late']},"
                                    " 'held': {'command': ['@DIR@/nowhere']}");
}

static void tell_catalog(void) {
        patient_start("late");
        patient_await("late", "Failed/failed", 0, 0);
        patient_start("held");
        patient_await("held", "Failed/failed", 0, 0);
        world_write_sidecars(world, "'late': {'command': ['@DIR@/late']}," SLEEPER("held"));
        patient_reload();
        patient_await("held", "Running/ready", 0, 0);
        /* Noticed before it is whole, it would be tried, and count as a restart: ETXTBSY. */
        world_write_file(world, "late.new", 0755,
                         "#!/bin/sh\n"
                         "exec " TEST_CHILDREN "/only \"${0%late}only-late\" " TEST_CHILDREN
                         "/sleeper\n");
        file_rename(world, "late.new", "late");
        patient_reload();
        patient_await("late", "Running/ready", 0, 0);
}

#define LINES 400

static void prepare_output(void) {
        world_write_sidecars(
                world,
                "'one': {'command': [" ONLY(
                        "one") "'/bin/sh', '-c', 'i=0; while ["
                               " $i -lt %d ]; do i=$((i+1)); echo line $i; done; exit 42'],"
                               " 'restart': {'policy': 'no'}}",
                LINES);
}

static void assert_lines(const char *rest) {
        for (int i = 1; i <= LINES; i++) {
                char line[32];

                (void) snprintf(line, sizeof(line), "line %d\n", i);
                ck_assert_msg(startswith(rest, line), "Instead of line %d: %.100s", i, rest);
                rest += strlen(line);
        }
        ck_assert_str_eq(rest, "");
}

static void tell_output(void) {
        _cleanup_free_ char *text = NULL;

        patient_start("one");
        patient_await("one", "Failed/failed", 0, 0);
        text = patient_log("one");
        assert_lines(text);
}

static void check_output(void) {
        _cleanup_free_ char *text =
                world_read_file(world, "state/sidecard/log/" WORLD_APP "/one.log");

        assert_lines(text);
}

/* One in every state; the one that waits does so for longer than any story takes. */
#define CROWD                                                \
        SERVER("web", "")                                    \
        "," DEAF("deaf", "50ms") "," CRASHER("waiting", "7", \
                                             "1h") "," SLEEPER("held") "," SLEEPER("down")

static void start_crowd(void) {
        patient_start("web");
        patient_start("deaf");
        patient_start("waiting");
        patient_start("down");
        patient_await("web", "Running/ready", 0, 0);
        patient_await("waiting", "Starting/backoff", 1, 0);
        patient_await("down", "Running/ready", 0, 0);
        /* The line comes from the process, the state from the keeper: either may be first. */
        patient_await("deaf", "Running/ready", 0, 0);
        patient_await_line("deaf", "main process");
}

static void prepare_crowd(void) {
        world_write_sidecars(world, CROWD);
}

static void tell_end(void) {
        start_crowd();
}

/* The one story in which a brain has a past when it comes up, even if nobody dies. */
static void tell_upgrade(void) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *client = client_open(world);

        start_crowd();
        patient_hold(client, "held", 0);
        patient_await("held", "Running/ready", 0, 0);
        patient_stop("down");
        patient_stop("deaf");
        patient_upgrade();
        patient_await("down", "Stopped/stopped", 0, 0);
        patient_await("deaf", "Stopped/stopped", 0, 0);
        ck_assert_uint_eq(patient_count_holds(), 1);
        patient_release(client);
        patient_await("held", "Stopped/stopped", 0, 0);
        patient_await("web", "Stopped/stopped", 0, 0);
        patient_await("waiting", "Stopped/stopped", 0, 0);
}

const Story stories[] = {
        { "start", "web", prepare_start, tell_start },
        { "crash", "one", prepare_crash, tell_crash },
        { "socket", "one", prepare_socket, tell_socket },
        { "crash-loop", "one", prepare_crash_loop, tell_crash_loop },
        { "stop", "one", prepare_stop, tell_stop },
        { "stop-http", "web", prepare_stop_http, tell_stop_http },
        { "deaf", "one", prepare_deaf, tell_deaf },
        { "restart", "one", prepare_restart, tell_restart },
        { "app", "base,web,top", prepare_app, tell_app },
        { "hold", "one,two", prepare_hold, tell_hold },
        { "transient", "one,two", prepare_transient, tell_transient },
        { "mode", "one,two,both", prepare_mode, tell_mode },
        { "way-back", "one,two,both", prepare_way_back, tell_way_back },
        { "vain", "missing,taken", prepare_vain, tell_vain },
        { "catalog", "late,held", prepare_catalog, tell_catalog },
        { "output", "one", prepare_output, tell_output, check_output },
        { "end", "web,deaf,waiting,down", prepare_crowd, tell_end },
        { "upgrade", "web,deaf,waiting,held,down", prepare_crowd, tell_upgrade },
};
const size_t n_stories = ELEMENTSOF(stories);
