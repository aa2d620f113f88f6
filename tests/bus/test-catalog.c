/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What becomes of manifests, drop-ins and programs while the daemon runs (contract F1 to F4): it
 * sees each change by itself, touches nothing that is up, and says what would be another by now.
 */

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <unistd.h>

#include "app-calls.h"
#include "files.h"
#include "test.h"

#define APPS "data/sidecard/apps/"
#define MANIFEST APPS WORLD_APP ".json"
#define DROP_INS "config/sidecard/apps/" WORLD_APP ".json.d/"
#define HEAD "{'manifestVersion': 1, 'id': '" WORLD_APP "', 'sidecars': {\n"

static void setup(void) {
        world_setup();
        files_listen(world);
}

static char **drop_in_paths(void) {
        char **paths = NULL;

        ck_assert_int_ge(sd_bus_get_property_strv(world->bus, WORLD_BUS_NAME, WORLD_APP_PATH,
                                                  WORLD_BUS_NAME ".App", "DropInPaths", NULL,
                                                  &paths),
                         0);
        return paths;
}

static void assert_variable(const char *name, const char *variable, const char *value) {
        _cleanup_free_ char *is = variable_of(world, name, variable);

        ck_assert_str_eq(is ? is : "(none)", value ? value : "(none)");
}

/* Argument I of its main process. */
static void assert_argument(const char *name, size_t i, const char *value) {
        _cleanup_free_ char *arguments = arguments_of(world, name);
        _cleanup_(strv_freep) char **list = NULL;

        ck_assert_int_ge(strv_split(&list, arguments, ' '), 0);
        ck_assert_msg(strv_length(list) > i && streq(list[i], value), "%s", arguments);
}

START_TEST(f1_drop_ins_are_merged_in_the_order_of_their_names_and_null_removes) {
        _cleanup_(strv_freep) char **paths = NULL;

        file_write_json(world, MANIFEST,
                        HEAD "'web': {'command': ['sleep', '1000'],"
                             " 'env': {'A': 'base', 'B': 'base', 'C': 'base'}}}}");
        file_write_json(world, DROP_INS "20-b.json",
                        "{'sidecars': {'web': {'env': {'A': 'second', 'B': null}}}}");
        file_write_json(world, DROP_INS "10-a.json",
                        "{'sidecars': {'web': {'env': {'A': 'first', 'D': 'first'}}}}");
        file_write_json(world, DROP_INS "30-c.json", "{'sidecars': {'web': {'env': {'D': 'x'}}}}");
        file_remove(world, DROP_INS "30-c.json");
        file_mask(world, DROP_INS "30-c.json");
        file_write_json(world, DROP_INS "notes.txt", "no JSON");
        world_run(world);
        (void) world_start_ready(world, "web");
        assert_variable("web", "A", "second");
        assert_variable("web", "B", NULL);
        assert_variable("web", "C", "base");
        assert_variable("web", "D", "first");

        paths = drop_in_paths();
        ck_assert_uint_eq(strv_length(paths), 2);
        ck_assert(strstr(paths[0], "/10-a.json") && strstr(paths[1], "/20-b.json"));
}
END_TEST

/* What is written in place may be read before all of it is there, and has another error then. */
static bool is_load_error(const char *begins, const char *says) {
        _cleanup_free_ char *error = app_load_error(world);

        return startswith(error, begins) && strstr(error, says);
}

START_TEST(f2_f4_a_broken_drop_in_is_named_with_its_line_and_the_last_good_is_in_force) {
        file_write_json(world, MANIFEST, HEAD "'web': {'command': ['sleep', '1000']}}}");
        world_run(world);
        file_write_json(world, DROP_INS "10.json",
                        "{'sidecars': {'web': {\n 'env': {'A': 'b'},\n 'startTimeout': 'soon'}}}");
        WORLD_AWAIT(world, is_load_error("/sidecars/web/startTimeout: ", "/10.json:3)"));
        ck_assert_str_eq(load_state(world), "bad-manifest");
        (void) world_start_ready(world, "web");
        assert_variable("web", "A", NULL);

        file_write_json(world, DROP_INS "10.json", "{'sidecars': \n}");
        WORLD_AWAIT(world, is_load_error("", "/10.json:2)"));
        file_write_json(world, DROP_INS "10.json", "{'sidecars': {'web': {'env': {'A': 'b'}}}}");
        WORLD_AWAIT(world, streq(load_state(world), "loaded"));
        ck_assert(needs_restart(world, "web"));

        world_write_file(world, DROP_INS "20.json", 0666, "{}");
        WORLD_AWAIT(world, is_load_error("", "others may write it"));
        ck_assert_str_eq(load_state(world), "bad-manifest");
}
END_TEST

START_TEST(f2_a_manifest_has_at_most_512_kib_with_its_drop_ins) {
        static const char *const names[] = { DROP_INS "1.json", DROP_INS "2.json",
                                             DROP_INS "3.json" };
        _cleanup_free_ char *large = NULL, *error = NULL;

        ck_assert_int_ge(asprintf(&large, "{\"x-large\": \"%0*d\"}", 200 * 1024, 0), 0);
        file_write_json(world, MANIFEST, HEAD "'web': {'command': ['sleep', '1000']}}}");
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                world_write_file(world, names[i], 0644, large);
        world_run(world);
        WORLD_AWAIT(world, streq(load_state(world), "bad-manifest"));
        error = app_load_error(world);
        ck_assert_msg(strstr(error, "/3.json"), "%s", error);
        file_remove(world, names[1]);
        WORLD_AWAIT(world, streq(load_state(world), "loaded"));
}
END_TEST

START_TEST(f3_an_app_appears_changes_and_goes_by_itself) {
        world_run(world);
        ck_assert_str_eq(load_state(world), "");
        file_replace_json(world, MANIFEST, HEAD "'web': {'command': ['sleep', '1000']}}}");
        WORLD_AWAIT(world, streq(load_state(world), "loaded"));
        ck_assert_uint_eq(count_events(world, "app-added"), 1);
        ck_assert_uint_eq(count_events(world, "manifest"), 0);

        file_replace_json(world, MANIFEST, HEAD "'two': {'command': ['sleep', '1000']}}}");
        WORLD_AWAIT(world, count_events(world, "manifest") == 1);
        (void) world_start_ready(world, "two");

        file_remove(world, MANIFEST);
        WORLD_AWAIT(world, streq(load_state(world), "not-found"));
        ck_assert_str_eq(world_state(world, "two"), "Running/ready");
        ck_assert(needs_restart(world, "two"));
        world_ask_to_stop(world, "two", false);
        WORLD_AWAIT(world, streq(load_state(world), ""));
        ck_assert_uint_eq(count_events(world, "app-removed"), 1);
}
END_TEST

START_TEST(f3_an_app_whose_manifest_has_gone_stays_as_long_as_it_is_held) {
        sd_bus *client;

        file_write_json(world, MANIFEST, HEAD "'web': {'command': ['sleep', '1000']}}}");
        world_run(world);
        client = client_open(world);
        client_hold(client, "");
        file_remove(world, MANIFEST);
        WORLD_AWAIT(world, streq(load_state(world), "not-found"));
        client_release(client);
        WORLD_AWAIT(world, streq(load_state(world), ""));
        sd_bus_close_unref(client);
}
END_TEST

START_TEST(f1_a_mask_hides_what_is_below_and_is_taken_off) {
        file_write_json(world, "share/sidecard/apps/" WORLD_APP ".json",
                        HEAD "'web': {'command': ['sleep', '1000']}}}");
        world_run(world);
        ck_assert_str_eq(load_state(world), "loaded");
        world_write_file(world, APPS "other.txt", 0644, "");
        file_mask(world, MANIFEST);
        WORLD_AWAIT(world, streq(load_state(world), "masked"));
        file_remove(world, MANIFEST);
        WORLD_AWAIT(world, streq(load_state(world), "loaded"));
        (void) world_start_ready(world, "web");

        /* A file of higher rank that says the same would start the same. */
        file_replace_json(world, MANIFEST, HEAD "'web': {'command': ['sleep', '1000']}}}");
        WORLD_AWAIT(world, count_events(world, "manifest") == 3);
        ck_assert(!needs_restart(world, "web"));
}
END_TEST

START_TEST(f3_a_changed_manifest_touches_nothing_and_asks_for_a_restart_until_it_is_undone) {
        int64_t pid;

        file_write_json(world, MANIFEST, HEAD "'web': {'command': ['sleep', '1000']}}}");
        world_run(world);
        (void) world_start_ready(world, "web");
        pid = world_get_number(world, "web", "MainPID");

        file_replace_json(world, MANIFEST, HEAD "'web': {'command': ['sleep', '1001']}}}");
        WORLD_AWAIT(world, needs_restart(world, "web"));
        file_replace_json(world, MANIFEST, HEAD "'web': {'command': ['sleep', '1000']}}}");
        WORLD_AWAIT(world, !needs_restart(world, "web"));
        file_replace_json(world, DROP_INS "a.json",
                          "{'sidecars': {'web': {'description': 'x', 'autoStart': false}}}");
        WORLD_AWAIT(world, count_events(world, "manifest") == 3);
        ck_assert(!needs_restart(world, "web"));
        file_write_json(world, DROP_INS "a.json",
                        "{'sidecars': {'web': {'stop': {'timeout': '7s'}}}}");
        WORLD_AWAIT(world, needs_restart(world, "web"));
        ck_assert_int_eq(world_get_number(world, "web", "MainPID"), pid);

        restart_stale(world);
        world_wait_ready(world, "web");
        ck_assert_int_ne(world_get_number(world, "web", "MainPID"), pid);
        ck_assert(!needs_restart(world, "web"));
}
END_TEST

START_TEST(f3_another_program_asks_for_a_restart_until_the_old_one_is_back) {
        int64_t pid;

        file_replace_program(world, "bin/prog", 1);
        world_write_sidecars(world, "'web': {'command': ['prog']}, 'sleep': {'command': ['sleep', "
                                    "'1000']}");
        world_run(world);
        (void) world_start_ready(world, "web");
        (void) world_start_ready(world, "sleep");
        pid = world_get_number(world, "web", "MainPID");
        ck_assert(!needs_restart(world, "web"));

        file_rename(world, "bin/prog", "bin/kept");
        WORLD_AWAIT(world, needs_restart(world, "web"));
        file_replace_program(world, "bin/prog", 2);
        call_reload(world);
        ck_assert(needs_restart(world, "web"));
        file_rename(world, "bin/kept", "bin/prog");
        WORLD_AWAIT(world, !needs_restart(world, "web"));

        /* The manifest's folder comes before its prefix (contract S3). */
        file_replace_program(world, APPS "prog", 3);
        WORLD_AWAIT(world, needs_restart(world, "web"));
        file_remove(world, APPS "prog");
        WORLD_AWAIT(world, !needs_restart(world, "web"));

        /* A folder that is swapped as a whole, as some updaters do it. */
        file_replace_program(world, "next/prog", 4);
        file_rename(world, "bin", "former");
        file_rename(world, "next", "bin");
        WORLD_AWAIT(world, needs_restart(world, "web"));
        ck_assert_int_eq(world_get_number(world, "web", "MainPID"), pid);
        ck_assert(!needs_restart(world, "sleep"));
        restart_stale(world);
        world_wait_ready(world, "web");
        assert_argument("web", 1, "4");
        ck_assert(!needs_restart(world, "web"));
}
END_TEST

START_TEST(f3_what_has_failed_is_tried_again_with_another_program_and_what_waits_for_it_too) {
        world_write_sidecars(
                world, "'db': {'command': ['prog']},"
                       " 'web': {'command': ['sleep', '1000'], 'dependsOn': {'db': 'started'}}");
        world_run(world);
        ck_assert_int_ge(app_call(world, "Start", NULL, NULL, "a{sv}", 0), 0);
        (void) world_next(world, "web", "Failed/failed");
        ck_assert_str_eq(world_state(world, "db"), "Failed/failed");

        world_write_file(world, "bin/prog", 0644, "#!" TEST_CHILDREN "/idler 1\n");
        (void) world_next(world, "db", "Failed/failed");
        world_write_file(world, "bin/prog", 0755, "#!" TEST_CHILDREN "/idler 1\n");
        (void) world_next(world, "web", "Running/ready");
        ck_assert_str_eq(world_state(world, "db"), "Running/ready");
}
END_TEST

START_TEST(f3_what_is_in_backoff_or_has_failed_is_tried_again_with_another_manifest) {
        world_write_sidecars(world, "'a': {'command': ['false'], 'restart': {'delay': '1h',"
                                    " 'maxDelay': '1h'}},"
                                    " 'b': {'command': ['false'], 'restart': {'policy': 'no'}}");
        world_run(world);
        (void) world_start(world, "a");
        (void) world_start(world, "b");
        (void) world_next(world, "a", "Starting/backoff");
        (void) world_next(world, "b", "Failed/failed");
        world_write_sidecars(world, "'a': {'command': ['sleep', '1000']},"
                                    " 'b': {'command': ['sleep', '1000']}");
        (void) world_next(world, "a", "Running/ready");
        (void) world_next(world, "b", "Running/ready");
}
END_TEST

/* Its failure is told for as long as anything of it is there. */
START_TEST(f3_what_has_failed_and_was_stopped_since_is_not_tried_again) {
        uint64_t generation;

        world_write_sidecars(world, "'a': {'command': ['/bin/sh', '-c', 'trap : TERM;"
                                    " while ! [ -e @DIR@/go ]; do sleep 0.02; done'], 'port':"
                                    " 'auto', 'readiness': {'http': {}}, 'startTimeout': '100ms',"
                                    " 'restart': 'no', 'stop': {'timeout': '10m'}}");
        world_run(world);
        generation = world_start(world, "a");
        (void) world_next(world, "a", "Failed/failed");
        world_ask_to_stop(world, "a", false);
        world_write_sidecars(world, "'a': {'command': ['sleep', '1000']}");
        call_reload(world);
        world_write_file(world, "go", 0644, "");
        (void) world_next(world, "a", "Stopped/stopped");
        ck_assert_uint_eq((uint64_t) world_get_number(world, "a", "Generation"), generation);
}
END_TEST

START_TEST(d2_what_changes_while_the_brain_dies_is_seen_by_the_next_one) {
        _cleanup_(strv_freep) char **paths = NULL;
        int64_t pid;

        file_replace_program(world, "bin/prog", 1);
        file_write_json(world, MANIFEST,
                        HEAD "'a': {'command': ['prog']}, 'b': {'command': ['absent']},"
                             " 'c': {'command': ['sleep', '1000']}}}");
        file_write_json(world, DROP_INS "a.json", "{'sidecars': {'c': {'env': {'A': '1'}}}}");
        world_run(world);
        (void) world_start_ready(world, "a");
        (void) world_start_ready(world, "c");
        pid = world_get_number(world, "a", "MainPID");
        free(world_start_in_vain(world, "b", WORLD_ERROR "StartFailed"));

        /* All within the time in which the first brain only waits for more. */
        file_replace_program(world, "bin/prog", 2);
        file_replace_program(world, "bin/absent", 1);
        file_replace_json(world, DROP_INS "b.json", "{'sidecars': {'c': {'env': 3}}}");
        world_kill_brain(world);
        ck_assert(needs_restart(world, "a"));
        ck_assert(!needs_restart(world, "c"));
        ck_assert_int_eq(world_get_number(world, "a", "MainPID"), pid);
        ck_assert_str_eq(load_state(world), "bad-manifest");
        world_wait_ready(world, "b");

        /* And once more, with nothing changed: nothing is told twice, the last good one counts. */
        ck_assert_uint_eq(count_events(world, "manifest"), 1);
        world_kill_brain(world);
        ck_assert(needs_restart(world, "a"));
        ck_assert_str_eq(load_state(world), "bad-manifest");
        ck_assert_uint_eq(count_events(world, "manifest"), 1);
        ck_assert_uint_eq(count_events(world, "app-added"), 1);
        paths = drop_in_paths();
        ck_assert_uint_eq(strv_length(paths), 1);
        restart_stale(world);
        world_wait_ready(world, "a");
        assert_argument("a", 1, "2");
        assert_variable("c", "A", "1");
}
END_TEST

/* A server as an app has it, that says which version it is. */
static void replace_server(unsigned int version) {
        _cleanup_free_ char *text = NULL;

        ck_assert_int_ge(asprintf(&text,
                                  "#!/usr/bin/python3\n"
                                  "import http.server, sys\n"
                                  "class Handler(http.server.BaseHTTPRequestHandler):\n"
                                  "    def do_GET(self):\n"
                                  "        self.send_response(200)\n"
                                  "        self.end_headers()\n"
                                  "        self.wfile.write(b'version %u ' +"
                                  " sys.argv[2].encode())\n"
                                  "http.server.ThreadingHTTPServer(('127.0.0.1',"
                                  " int(sys.argv[1])), Handler).serve_forever()\n",
                                  version),
                         0);
        world_write_file(world, "bin/.server", 0755, text);
        file_rename(world, "bin/.server", "bin/server");
}

static void replace_manifest(const char *word) {
        file_replace_json(world, MANIFEST,
                          HEAD "'web': {'command': ['server', '{port}', '%s'],"
                               " 'port': 'auto'}}}",
                          word);
}

static int begin_request(void) {
        struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons(world_get_port(world, "web", "http")),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        const char *half = "GET / HTTP/1.0\r\nHost: ";
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        ck_assert_int_eq(write(fd, half, strlen(half)), (ssize_t) strlen(half));
        return fd;
}

static void end_request(int fd, const char *answer) {
        const char *half = "localhost\r\n\r\n";
        char reply[4096] = "";
        size_t n_bytes = 0;
        ssize_t n;

        ck_assert_int_eq(write(fd, half, strlen(half)), (ssize_t) strlen(half));
        while ((n = read(fd, reply + n_bytes, sizeof(reply) - 1 - n_bytes)) > 0)
                n_bytes += (size_t) n;
        (void) close(fd);
        ck_assert_msg(strstr(reply, answer), "%s", reply);
}

static void act_out_upgrade(bool program_first) {
        int fd;

        replace_server(1);
        replace_manifest("one");
        world_run(world);
        (void) world_start_ready(world, "web");
        fd = begin_request();

        if (program_first)
                replace_server(2);
        else
                replace_manifest("two");
        WORLD_AWAIT(world, needs_restart(world, "web"));
        if (program_first)
                replace_manifest("two");
        else
                replace_server(2);
        call_reload(world);
        ck_assert(needs_restart(world, "web"));
        end_request(fd, "version 1 one");
        end_request(begin_request(), "version 1 one");

        restart_stale(world);
        world_wait_ready(world, "web");
        ck_assert(!needs_restart(world, "web"));
        end_request(begin_request(), "version 2 two");
}

START_TEST(f3_an_upgrade_of_program_then_manifest_pulls_nothing_from_under_a_slow_client) {
        act_out_upgrade(true);
}
END_TEST

START_TEST(f3_an_upgrade_of_manifest_then_program_pulls_nothing_from_under_a_slow_client) {
        act_out_upgrade(false);
}
END_TEST

TEST_MAIN_TIMEOUT("catalog",
                  120,
                  setup,
                  world_teardown,
                  f1_drop_ins_are_merged_in_the_order_of_their_names_and_null_removes,
                  f2_f4_a_broken_drop_in_is_named_with_its_line_and_the_last_good_is_in_force,
                  f2_a_manifest_has_at_most_512_kib_with_its_drop_ins,
                  f3_an_app_appears_changes_and_goes_by_itself,
                  f3_an_app_whose_manifest_has_gone_stays_as_long_as_it_is_held,
                  f1_a_mask_hides_what_is_below_and_is_taken_off,
                  f3_a_changed_manifest_touches_nothing_and_asks_for_a_restart_until_it_is_undone,
                  f3_another_program_asks_for_a_restart_until_the_old_one_is_back,
                  f3_what_has_failed_is_tried_again_with_another_program_and_what_waits_for_it_too,
                  f3_what_is_in_backoff_or_has_failed_is_tried_again_with_another_manifest,
                  f3_what_has_failed_and_was_stopped_since_is_not_tried_again,
                  d2_what_changes_while_the_brain_dies_is_seen_by_the_next_one,
                  f3_an_upgrade_of_program_then_manifest_pulls_nothing_from_under_a_slow_client,
                  f3_an_upgrade_of_manifest_then_program_pulls_nothing_from_under_a_slow_client)
