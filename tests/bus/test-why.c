/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Why it is as it is: last words, Explain and CheckHealth, from outside (contract section 2).
 */

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

#define FAILS "{'command': ['/bin/sh', '-c', '%s'], 'restart': 'no'}"

typedef struct Why {
        char *reason_code, *reason, *last_words, *next_action, *unblocked_by;
        uint64_t since, next_action_at;
        uint64_t generations[4];
        char *reasons[4]; /* of the generations; "" while one is there */
        size_t n_generations;
} Why;

static void why_done(Why *why) {
        free(why->reason_code);
        free(why->reason);
        free(why->last_words);
        free(why->next_action);
        free(why->unblocked_by);
        for (size_t i = 0; i < why->n_generations; i++)
                free(why->reasons[i]);
}

static char *read_text(sd_bus_message *reply) {
        const char *text;

        ck_assert_int_ge(sd_bus_message_read(reply, "v", "s", &text), 0);
        return strdup(text);
}

static void read_last_words(sd_bus_message *reply, Why *why) {
        _cleanup_(strv_freep) char **words = NULL;

        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'v', "as"), 0);
        ck_assert_int_ge(sd_bus_message_read_strv(reply, &words), 0);
        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        ck_assert_uint_le(strv_length(words), 1);
        why->last_words = words && words[0] ? strdup(words[0]) : NULL;
}

static void read_generations(sd_bus_message *reply, Why *why) {
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'v', "aa{sv}"), 0);
        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "a{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'a', "{sv}") > 0) {
                size_t n = why->n_generations++;

                ck_assert_uint_lt(n, ELEMENTSOF(why->generations));
                while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                        const char *key;

                        ck_assert_int_ge(sd_bus_message_read_basic(reply, 's', &key), 0);
                        if (streq(key, "generation"))
                                ck_assert_int_ge(
                                        sd_bus_message_read(reply, "v", "t", &why->generations[n]),
                                        0);
                        else if (streq(key, "reason"))
                                why->reasons[n] = read_text(reply);
                        else
                                ck_assert_int_ge(sd_bus_message_skip(reply, "v"), 0);
                        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
                }
                if (!why->reasons[n])
                        why->reasons[n] = strdup("");
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
}

static void read_entry(sd_bus_message *reply, Why *why) {
        const char *key;

        ck_assert_int_ge(sd_bus_message_read_basic(reply, 's', &key), 0);
        if (streq(key, "reason-code"))
                why->reason_code = read_text(reply);
        else if (streq(key, "reason"))
                why->reason = read_text(reply);
        else if (streq(key, "next-action"))
                why->next_action = read_text(reply);
        else if (streq(key, "unblocked-by"))
                why->unblocked_by = read_text(reply);
        else if (streq(key, "since"))
                ck_assert_int_ge(sd_bus_message_read(reply, "v", "t", &why->since), 0);
        else if (streq(key, "next-action-at"))
                ck_assert_int_ge(sd_bus_message_read(reply, "v", "t", &why->next_action_at), 0);
        else if (streq(key, "last-words"))
                read_last_words(reply, why);
        else if (streq(key, "generations"))
                read_generations(reply, why);
        else
                ck_assert_int_ge(sd_bus_message_skip(reply, "v"), 0);
}

static Why explain(const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = sidecar_path(name);
        Why why = { 0 };

        ck_assert_msg(world_call(world, path, "Sidecar", "Explain", &error, &reply, NULL) >= 0,
                      "Explain: %s", error.message);
        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                read_entry(reply, &why);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        ck_assert_ptr_nonnull(why.reason_code);
        ck_assert_ptr_nonnull(why.reason);
        ck_assert_ptr_nonnull(why.next_action);
        ck_assert_ptr_nonnull(why.unblocked_by);
        return why;
}

static void assert_has(const char *text, const char *words) {
        ck_assert_msg(text && strstr(text, words), "\"%s\" is not in: %s", words, text);
}

START_TEST(the_line_that_says_why_is_in_the_reason) {
        _cleanup_(why_done) Why why = { 0 };

        world_write_sidecars(world, "'web': " FAILS,
                             "echo all is well; echo ValueError: no such model >&2; exit 3");
        world_run(world);
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Failed/failed");

        why = explain("web");
        ck_assert_str_eq(why.reason_code, "exit-code");
        ck_assert_str_eq(why.last_words, "ValueError: no such model");
        assert_has(why.reason, "exited with code 3 after ");
        assert_has(why.reason, ": ValueError: no such model");
        assert_has(why.next_action, "until somebody starts it");
        assert_has(why.unblocked_by, "sidecarctl logs");
        ck_assert_uint_eq(why.next_action_at, 0);
        ck_assert_uint_eq(why.n_generations, 1);
        ck_assert_str_eq(why.reasons[0], why.reason);
}
END_TEST

START_TEST(its_secret_is_in_no_last_words) {
        _cleanup_(why_done) Why why = { 0 };

        world_write_sidecars(world, "'web': {'command': ['/bin/sh', '-c', 'echo fatal: bad key"
                                    " $KEY. >&2; exit 3'], 'token': true, 'env': {'KEY':"
                                    " '{token}'}, 'restart': 'no'}");
        world_run(world);
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Failed/failed");

        why = explain("web");
        ck_assert_str_eq(why.last_words, "fatal: bad key ***.");
        assert_has(why.reason, ": fatal: bad key ***.");
}
END_TEST

/* Answers its port, which is any free one where port is 0. */
static uint16_t listen_on(int fd, uint16_t port) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons(port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *) &address, size), 0);
        ck_assert_int_eq(listen(fd, 1), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &address, &size), 0);
        return ntohs(address.sin_port);
}

START_TEST(whoever_has_the_port_of_its_last_words_is_named) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        uint16_t port = listen_on(fd, 0);
        _cleanup_(why_done) Why why = { 0 };
        _cleanup_free_ char *fact = NULL;
        char held[128], number[16];

        world_write_sidecars(world,
                             "'web': {'command': ['/usr/bin/python3', '-c', 'import socket, sys;"
                             " socket.create_server((sys.argv[1], int(sys.argv[2])))',"
                             " '127.0.0.1', '%u'], 'restart': 'no'}",
                             port);
        world_run(world);
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Failed/failed");

        why = explain("web");
        (void) snprintf(held, sizeof(held), "(port %u is held by test-why, pid %d)", port,
                        (int) getpid());
        (void) snprintf(number, sizeof(number), "%u", port);
        ck_assert_str_eq(why.reason_code, "exit-code");
        assert_has(why.last_words, "OSError: [Errno 98] Address already in use");
        assert_has(why.reason, ": OSError: [Errno 98] Address already in use");
        assert_has(why.reason, held);
        fact = world_fact(world, "web", "port");
        ck_assert_ptr_nonnull(fact);
        ck_assert_str_eq(fact, number);
}
END_TEST

/* Both are held: the one that it was given, and the one that it speaks of. */
START_TEST(the_port_that_its_last_words_name_comes_before_its_own) {
        _cleanup_close_ int spoken_of = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_close_ int own = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        uint16_t port = listen_on(spoken_of, 0);
        _cleanup_(why_done) Why why = { 0 };
        char held[64];

        world_write_sidecars(
                world,
                "'web': {'command': ['sh', '-c', 'until [ -e $0 ]; do sleep 0.05;"
                " done; echo 127.0.0.1:%u: Address already in use >&2; exit 1',"
                " '@DIR@/go'], 'port': 'auto', 'readiness': {'log': {'pattern': 'never'}},"
                " 'restart': 'no'}",
                port);
        world_run(world);
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Starting/probing");
        (void) listen_on(own, world_get_port(world, "web", "http"));
        world_write_file(world, "go", 0644, "");
        (void) world_next(world, "web", "Failed/failed");

        why = explain("web");
        (void) snprintf(held, sizeof(held), "in use (port %u is held by test-why", port);
        assert_has(why.reason, held);
        assert_has(why.unblocked_by, "end the program that has the port");
}
END_TEST

/* Its own child was faster, which nobody has to end: the tree goes with its main process. */
START_TEST(a_port_that_its_own_process_has_is_no_strangers) {
        _cleanup_(why_done) Why why = { 0 };
        _cleanup_free_ char *fact = NULL;

        world_write_sidecars(
                world,
                "'web': {'command': ['sh', '-c', '$0 $1 & until [ -e $2 ]; do sleep 0.05; done;"
                " exec $0 $1', '@CHILDREN@/http-server', '{port}', '@DIR@/go'], 'port': 'auto',"
                " 'readiness': {'log': {'pattern': 'never'}}, 'restart': 'no'}");
        world_run(world);
        (void) world_start(world, "web");
        log_await(world, "web", "listening");
        world_write_file(world, "go", 0644, "");
        (void) world_next(world, "web", "Failed/failed");

        why = explain("web");
        assert_has(why.reason, "Address already in use (port ");
        assert_has(why.reason, "one of its own processes)");
        assert_has(why.unblocked_by, "sidecarctl logs");
        fact = world_fact(world, "web", "pid");
        ck_assert_ptr_null(fact);
}
END_TEST

START_TEST(the_last_three_starts_outlive_a_brain) {
        _cleanup_(why_done) Why before = { 0 }, after = { 0 };
        _cleanup_free_ char *former = NULL;
        _cleanup_close_ int pidfd = -1;

        world_write_sidecars(world, "'web': {'command': ['/bin/sh', '-c', 'echo try >&2; exit 3'],"
                                    " 'restart': {'delay': '10ms', 'attempts': 4}}");
        world_run(world);
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Failed/failed");
        before = explain("web");
        ck_assert_uint_eq(before.n_generations, 3);
        ck_assert_uint_eq(before.generations[0], before.generations[1] + 1);
        ck_assert_uint_eq(before.generations[1], before.generations[2] + 1);
        assert_has(before.reasons[0], "gave up after 4 restarts in a row: exited with code 3");
        assert_has(before.reasons[1], "exited with code 3");
        assert_has(before.reasons[2], ": try");

        former = strdup(world->owner);
        pidfd = process_open(world_brain(world));
        process_signal(pidfd, SIGKILL);
        WORLD_AWAIT(world, world->owner[0] != '\0' && !streq(world->owner, former));

        after = explain("web");
        ck_assert_str_eq(after.reason, before.reason);
        ck_assert_str_eq(after.last_words, "try");
        ck_assert_uint_eq(after.since, before.since);
        ck_assert_uint_eq(after.n_generations, 3);
        for (size_t i = 0; i < 3; i++) {
                ck_assert_uint_eq(after.generations[i], before.generations[i]);
                ck_assert_str_eq(after.reasons[i], before.reasons[i]);
        }
}
END_TEST

START_TEST(a_start_that_fails_as_the_one_before_is_one_of_the_last_three) {
        _cleanup_(why_done) Why why = { 0 };

        world_write_sidecars(world, "'web': {'command': ['/nonexistent/program']}");
        world_run(world);
        for (size_t i = 0; i < 3; i++)
                free(world_start_in_vain(world, "web", WORLD_ERROR "StartFailed"));

        why = explain("web");
        ck_assert_uint_eq(why.n_generations, 3);
        for (size_t i = 0; i < 3; i++)
                assert_has(why.reasons[i], "program /nonexistent/program was not found");
}
END_TEST

START_TEST(a_retry_to_come_is_told_with_its_time) {
        _cleanup_(why_done) Why why = { 0 };

        world_write_sidecars(world, "'web': {'command': ['/bin/sh', '-c', 'exit 3'],"
                                    " 'restart': {'delay': '20s', 'jitter': 0}}");
        world_run(world);
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Starting/backoff");
        why = explain("web");
        assert_has(why.next_action, "is started again (restart 1 of 5 in a row)");
        ck_assert_uint_gt(why.next_action_at, why.since);
        world_stop(world, "web");
}
END_TEST

START_TEST(what_was_stopped_says_so_and_has_no_last_words) {
        _cleanup_(why_done) Why up = { 0 }, down = { 0 };

        world_write_sidecars(world, "'idle': {'command': ['/bin/sh', '-c', 'echo here >&2;"
                                    " exec sleep 1000']}");
        world_run(world);
        (void) world_start_ready(world, "idle");
        up = explain("idle");
        ck_assert_str_eq(up.reason_code, "none");
        ck_assert_ptr_null(up.last_words);
        ck_assert_str_eq(up.unblocked_by, "");
        ck_assert_uint_eq(up.n_generations, 1);
        ck_assert_str_eq(up.reasons[0], "");

        world_stop(world, "idle");
        down = explain("idle");
        ck_assert_str_eq(down.reason_code, "requested");
        ck_assert_ptr_null(down.last_words);
        ck_assert_str_eq(down.reasons[0], "stopped on request");
}
END_TEST

typedef struct Health {
        int healthy;
        uint32_t status;
        char *endpoint, *error;
} Health;

static void health_done(Health *health) {
        free(health->endpoint);
        free(health->error);
}

static Health check_health(const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = sidecar_path(name);
        Health health = { .healthy = -1 };

        ck_assert_msg(
                world_call(world, path, "Sidecar", "CheckHealth", &error, &reply, "a{sv}", 0) >= 0,
                "CheckHealth: %s", error.message);
        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                const char *key;

                ck_assert_int_ge(sd_bus_message_read_basic(reply, 's', &key), 0);
                if (streq(key, "healthy"))
                        ck_assert_int_ge(sd_bus_message_read(reply, "v", "b", &health.healthy), 0);
                else if (streq(key, "status"))
                        ck_assert_int_ge(sd_bus_message_read(reply, "v", "u", &health.status), 0);
                else if (streq(key, "endpoint"))
                        health.endpoint = read_text(reply);
                else if (streq(key, "error"))
                        health.error = read_text(reply);
                else
                        ck_assert_int_ge(sd_bus_message_skip(reply, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        ck_assert_int_ne(health.healthy, -1);
        return health;
}

START_TEST(health_is_asked_of_the_server_now) {
        _cleanup_(health_done) Health before = { 0 }, well = { 0 }, hung = { 0 };
        _cleanup_close_ int pidfd = -1;

        world_write_sidecars(world, "'web': {'command': ['@CHILDREN@/http-server', '{port}',"
                                    " '/health=204'], 'port': 'auto', 'readiness': {'http':"
                                    " {'path': '/health'}, 'timeout': '3s'}}");
        world_run(world);
        before = check_health("web");
        ck_assert(!before.healthy);
        ck_assert_str_eq(before.error, "it does not run");

        (void) world_start_ready(world, "web");
        well = check_health("web");
        ck_assert(well.healthy);
        ck_assert_uint_eq(well.status, 204);
        ck_assert_str_eq(well.error, "");
        assert_has(well.endpoint, "http://127.0.0.1:");

        /* It is asked, and not remembered: one that is stopped answers nothing. */
        pidfd = world_open_main(world, "web");
        process_signal(pidfd, SIGSTOP);
        hung = check_health("web");
        process_signal(pidfd, SIGCONT);
        ck_assert(!hung.healthy);
        assert_has(hung.error, "no answer within 3.0 s");
        ck_assert_str_eq(world_state(world, "web"), "Running/ready");
}
END_TEST

START_TEST(r3_the_health_of_a_stranger_on_its_port_is_not_its_own) {
        _cleanup_(health_done) Health before = { 0 }, taken = { 0 };
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_free_ char *fact = NULL;
        uint16_t port;
        char held[128];

        world_write_sidecars(world, "'web': {'command': ['sleep', '1000'], 'port': 'auto',"
                                    " 'readiness': {'notify': true}, 'liveness': {'tcp': {}},"
                                    " 'startTimeout': '1m'}");
        world_run(world);
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Starting/probing");
        before = check_health("web");
        ck_assert(!before.healthy);
        assert_has(before.error, "nothing listens on");

        port = listen_on(fd, world_get_port(world, "web", "http"));
        taken = check_health("web");
        ck_assert(!taken.healthy);
        (void) snprintf(held, sizeof(held), "port %u is held by test-why, pid %d", port,
                        (int) getpid());
        ck_assert_str_eq(taken.error, held);

        /* To ask is no fact. */
        fact = world_fact(world, "web", "holder");
        ck_assert_ptr_null(fact);
        ck_assert_str_eq(world_state(world, "web"), "Starting/probing");
}
END_TEST

START_TEST(of_one_without_a_probe_it_is_known_that_it_runs) {
        _cleanup_(health_done) Health health = { 0 };

        world_write_sidecars(world, "'idle': {'command': ['sleep', '1000']}");
        world_run(world);
        (void) world_start_ready(world, "idle");
        health = check_health("idle");
        ck_assert(health.healthy);
        ck_assert_str_eq(health.error, "");
        ck_assert_str_eq(health.endpoint, "");
}
END_TEST

START_TEST(a_dump_has_the_state_of_all_and_no_value_of_an_environment) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *text;

        world_write_sidecars(world, "'idle': {'command': ['sleep', '1000'],"
                                    " 'env': {'API_KEY': 'hunter2'}},"
                                    "'web': {'command': ['no-such-program']}");
        world_run(world);
        (void) world_start_ready(world, "idle");
        (void) world_start(world, "idle");
        free(world_start_in_vain(world, "web", WORLD_ERROR "StartFailed"));

        ck_assert_msg(world_call(world, WORLD_PATH, "Manager", "Dump", &error, &reply, NULL) >= 0,
                      "Dump: %s", error.message);
        ck_assert_int_gt(sd_bus_message_read(reply, "s", &text), 0);
        assert_has(text, "\"AppId\":\"" WORLD_APP "\"");
        assert_has(text, "\"Name\":\"idle\"");
        assert_has(text, "\"ReasonCode\":\"binary-missing\"");
        assert_has(text, "no-such-program was not found");
        ck_assert_ptr_null(strstr(text, "hunter2"));
}
END_TEST

TEST_MAIN_TIMEOUT("why",
                  120,
                  world_setup,
                  world_teardown,
                  the_line_that_says_why_is_in_the_reason,
                  its_secret_is_in_no_last_words,
                  whoever_has_the_port_of_its_last_words_is_named,
                  the_port_that_its_last_words_name_comes_before_its_own,
                  a_port_that_its_own_process_has_is_no_strangers,
                  the_last_three_starts_outlive_a_brain,
                  a_start_that_fails_as_the_one_before_is_one_of_the_last_three,
                  a_retry_to_come_is_told_with_its_time,
                  what_was_stopped_says_so_and_has_no_last_words,
                  health_is_asked_of_the_server_now,
                  r3_the_health_of_a_stranger_on_its_port_is_not_its_own,
                  of_one_without_a_probe_it_is_known_that_it_runs,
                  a_dump_has_the_state_of_all_and_no_value_of_an_environment)
