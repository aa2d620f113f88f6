/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Programs that ask a sidecar how it is, from outside: contract R6 with R1, R4, L1, S3, S4, S6, T2
 * and D2.
 */

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "calls.h"
#include "test.h"

#define ASKED_AT_ONCE 6

/*
 * A probe that stays for ever, with a grandchild in a session of its own that ignores SIGTERM. Its
 * output is nobody's, so it tells its pids by another way.
 */
#define STAY "'/bin/sh', '-c', 'exec @CHILDREN@/stubborn > @DIR@/told'"
/* ... until there is a file "go", then it is content. */
#define STAY_OR_GO                                                                \
        "'/bin/sh', '-c', 'test -e @DIR@/go && exit; exec @CHILDREN@/stubborn > " \
        "@DIR@/told'"

typedef struct Probing {
        int probe;
        int grandchild;
} Probing;

#define SLEEPER "'command': ['@CHILDREN@/sleeper'], "

static void run(const char *keys) {
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/told", world->dir);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        ck_assert_int_eq(chmod(path, 0666), 0);
        world_write_sidecars(world, "'web': {%s}", keys);
        world_run(world);
}

/* Waits for one that stays. */
static Probing await_probe(void) {
        _cleanup_close_ int fd = -1;
        int probe = 0, grandchild = 0;
        char path[256], text[128] = "";
        struct pollfd event;
        size_t used = 0;

        (void) snprintf(path, sizeof(path), "%s/told", world->dir);
        fd = open(path, O_RDWR | O_CLOEXEC);
        event = (struct pollfd){ .fd = fd, .events = POLLIN };
        while (sscanf(text, "grandchild %d stays main process %d\n", &grandchild, &probe) != 2 ||
               text[used - 1] != '\n') {
                ssize_t n;

                ck_assert_msg(poll(&event, 1, (int) (WORLD_PATIENCE / USEC_PER_MSEC)) == 1,
                              "There is no probe");
                n = read(fd, text + used, sizeof(text) - used - 1);
                ck_assert_int_gt(n, 0);
                used += (size_t) n;
        }
        return (Probing){ process_open(probe), process_open(grandchild) };
}

static void assert_gone(Probing probing, uint64_t timeout_usec) {
        ck_assert(process_is_gone(probing.probe, timeout_usec));
        ck_assert(process_is_gone(probing.grandchild, timeout_usec));
}

static void go(void) {
        world_write_file(world, "go", 0644, "");
}

/* CheckHealth: "" if it is well, else what it says is wrong; freed by the caller. */
static char *read_health(sd_bus_message *reply) {
        const char *key, *text;
        char *error = NULL;
        int healthy = -1;

        ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "{sv}"), 0);
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                ck_assert_int_ge(sd_bus_message_read_basic(reply, 's', &key), 0);
                if (streq(key, "healthy"))
                        ck_assert_int_ge(sd_bus_message_read(reply, "v", "b", &healthy), 0);
                else if (streq(key, "error")) {
                        ck_assert_int_ge(sd_bus_message_read(reply, "v", "s", &text), 0);
                        error = strdup(text);
                } else
                        ck_assert_int_ge(sd_bus_message_skip(reply, "v"), 0);
                ck_assert_int_ge(sd_bus_message_exit_container(reply), 0);
        }
        ck_assert_ptr_nonnull(error);
        ck_assert_int_eq(healthy, error[0] == '\0');
        return error;
}

static char *check_health(void) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *path = sidecar_path("web");
        int r = world_call(world, path, "Sidecar", "CheckHealth", &error, &reply, "a{sv}", 0);

        ck_assert_msg(r >= 0, "CheckHealth: %s", error.message);
        return read_health(reply);
}

/* Asks by a probe of liveness that comes of itself once in an hour. */
static void assert_health(const char *wanted) {
        _cleanup_free_ char *error = check_health();

        ck_assert_str_eq(error, wanted);
}

static void run_asked(const char *command, const char *timeout) {
        char keys[512];

        (void) snprintf(keys, sizeof(keys),
                        SLEEPER "'liveness': {'exec': [%s], 'interval': '1h', 'timeout': '%s'}",
                        command, timeout);
        run(keys);
        (void) world_start_ready(world, "web");
}

static void assert_has(const char *text, const char *part) {
        ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in \"%s\"", part, text);
}

START_TEST(r6_exit_0_is_a_sign_of_life_and_no_other_end_is) {
        run(SLEEPER "'readiness': {'exec': ['test', '-e', '@DIR@/go'], 'interval': '50ms'}");
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Starting/probing");
        ck_assert_str_eq(world_state(world, "web"), "Starting/probing");
        go();
        (void) world_next(world, "web", "Running/ready");
        ck_assert_uint_eq(world_count(world, "web", "Starting/backoff"), 0);
}
END_TEST

START_TEST(r6_what_a_probe_comes_to_is_said) {
        run_asked("'/bin/sh', '-c', 'read action < @DIR@/action; eval $action'", "1m");
        world_write_file(world, "action", 0644, "exit 3\n");
        assert_health("the probe /bin/sh exited with code 3");
        world_write_file(world, "action", 0644, "kill -KILL $$\n");
        assert_health("the probe /bin/sh was killed by SIGKILL");
        world_write_file(world, "action", 0644, "exit 0\n");
        assert_health("");
        ck_assert_str_eq(world_state(world, "web"), "Running/ready");
}
END_TEST

/* Compares what it finds with what the main process found. */
static const char comparer[] =
        "#!/bin/sh\n"
        "env > probed\n"
        "[ \"$1\" = web-$WHERE ] || exit 2\n"
        "for name in INVOCATION_ID SIDECARD_GENERATION WHERE; do\n"
        "  grep -q ^$name= env || exit 3\n"
        "  [ \"$(grep ^$name= env)\" = \"$(grep ^$name= probed)\" ] || exit 4\n"
        "done\n";

START_TEST(s5_s6_it_has_templates_and_the_environment_of_its_generation) {
        world_write_file(world, "comparer", 0755, comparer);
        run("'port': 'auto', 'env': {'WHERE': '{port}'}, 'workingDirectory': '@DIR@', 'command':"
            " ['/bin/sh', '-c', 'env > env; exec @CHILDREN@/sleeper'], 'readiness': {'exec':"
            " ['@DIR@/comparer', '{name}-{port}'], 'interval': '50ms'}");
        (void) world_start_ready(world, "web");
}
END_TEST

START_TEST(r6_what_never_answers_is_never_ready_and_the_reason_says_so) {
        _cleanup_free_ char *reason = NULL;

        run(SLEEPER "'readiness': {'exec': [" STAY "], 'timeout': '500ms'}, 'startTimeout': '3s',"
                    " 'restart': {'policy': 'no'}");
        (void) world_start(world, "web");
        (void) world_next(world, "web", "Failed/failed");
        reason = world_get_text(world, "web", "Reason");
        assert_has(reason,
                   "web did not become ready within 3s: the probe /bin/sh was killed after ");
        ck_assert_uint_eq(world_count(world, "web", "Starting/spawning"), 1);
        ck_assert_uint_eq(world_count(world, "web", "Running/ready"), 0);
}
END_TEST

typedef struct Asking {
        size_t n_answers;
        size_t n_healthy;
        char error[256]; /* of the last answer */
} Asking;

static int on_health(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        _cleanup_free_ char *error = NULL;
        Asking *asking = userdata;

        (void) ret_error;
        ck_assert(!sd_bus_message_is_method_error(reply, NULL));
        error = read_health(reply);
        (void) snprintf(asking->error, sizeof(asking->error), "%s", error);
        asking->n_answers++;
        asking->n_healthy += error[0] == '\0';
        return 0;
}

static void ask_for_health(Asking *asking) {
        _cleanup_free_ char *path = sidecar_path("web");

        ck_assert_int_ge(sd_bus_call_method_async(world->bus, NULL, WORLD_BUS_NAME, path,
                                                  "org.sidecard.Sidecars1.Sidecar", "CheckHealth",
                                                  on_health, asking, "a{sv}", 0),
                         0);
}

START_TEST(r6_at_its_limit_a_probe_is_killed_with_all_that_came_from_it_and_nothing_else_is) {
        Asking asking = { 0 };
        Probing probing;
        int main_fd;

        run_asked(STAY_OR_GO, "10s");
        main_fd = world_open_main(world, "web");
        ask_for_health(&asking);
        ck_assert_int_ge(sd_bus_flush(world->bus), 0);
        probing = await_probe();
        WORLD_AWAIT(world, asking.n_answers == 1);
        ck_assert_str_eq(asking.error, "the probe /bin/sh was killed after 10s");
        assert_gone(probing, WORLD_PATIENCE);
        go();
        assert_health("");
        ck_assert(!process_is_gone(main_fd, 0));
        ck_assert_str_eq(world_state(world, "web"), "Running/ready");
}
END_TEST

/* Two at a time would find each other's folder. */
START_TEST(r6_those_who_ask_at_once_are_answered_one_after_the_other) {
        Asking asking = { 0 };

        run_asked("'/bin/sh', '-c', 'mkdir @DIR@/alone && rmdir @DIR@/alone'", "1m");
        for (int i = 0; i < ASKED_AT_ONCE; i++)
                ask_for_health(&asking);
        WORLD_AWAIT(world, asking.n_answers == ASKED_AT_ONCE);
        ck_assert_uint_eq(asking.n_healthy, ASKED_AT_ONCE);
}
END_TEST

/*
 * Told where cgroups contain: there the pressure is the sidecar's own, elsewhere that of a machine
 * which may be busy with other tests, and a miss then does not count (contract L2).
 */
START_TEST(l1_three_misses_make_it_unhealthy_and_one_answer_ready_again) {
        _cleanup_free_ char *containment = NULL, *reason = NULL, *file = NULL;
        int main_fd;

        go();
        run(SLEEPER "'liveness': {'exec': ['/usr/bin/test', '-e', '@DIR@/go'], 'interval':"
                    " '500ms', 'timeout': '1m'}");
        containment = world_get_text_at(world, WORLD_PATH, "Manager", "Containment");
        if (!streq(containment, "cgroup"))
                return;
        (void) world_start_ready(world, "web");
        (void) world_next(world, "web", "Running/ready");
        main_fd = world_open_main(world, "web");
        ck_assert_int_ge(asprintf(&file, "%s/go", world->dir), 0);
        ck_assert_int_eq(unlink(file), 0);
        (void) world_next(world, "web", "Running/unhealthy");
        reason = world_get_text(world, "web", "Reason");
        assert_has(reason, " health checks in a row: the probe /usr/bin/test exited with code 1");
        go();
        (void) world_next(world, "web", "Running/ready");
        ck_assert(!process_is_gone(main_fd, 0));
        ck_assert_uint_eq(world_count(world, "web", "Starting/spawning"), 1);
}
END_TEST

START_TEST(t2_a_stop_ends_the_probe_that_is_under_way) {
        Probing probing;
        int tree[16];

        run(SLEEPER "'readiness': {'exec': [" STAY "], 'timeout': '10m'}, 'startTimeout': '20m'");
        (void) world_start(world, "web");
        probing = await_probe();
        ck_assert_uint_ge(world_open_tree(world, "web", tree, ELEMENTSOF(tree)), 3);
        world_stop(world, "web");
        assert_gone(probing, 0);
        ck_assert_str_eq(world_state(world, "web"), "Stopped/stopped");
}
END_TEST

START_TEST(r4_an_exit_is_told_and_followed_by_a_restart_although_a_probe_is_under_way) {
        Probing probing;
        uint64_t generation;
        int main_fd;

        run(SLEEPER "'readiness': {'exec': [" STAY_OR_GO
                    "], 'timeout': '10m'}, 'startTimeout': '20m',"
                    " 'restart': {'delay': '50ms', 'jitter': 0}");
        generation = world_start(world, "web");
        probing = await_probe();
        main_fd = world_open_main(world, "web");
        go();
        process_signal(main_fd, SIGKILL);
        (void) world_next(world, "web", "Starting/backoff");
        ck_assert_uint_gt(world_next(world, "web", "Running/ready")->generation, generation);
        assert_gone(probing, 0);
}
END_TEST

START_TEST(d2_a_brain_that_dies_while_readiness_is_asked_is_followed_by_one_that_asks_anew) {
        uint64_t generation;
        Probing probing;
        int main_fd;

        run(SLEEPER "'readiness': {'exec': [" STAY_OR_GO
                    "], 'timeout': '10m'}, 'startTimeout': '20m'");
        generation = world_start(world, "web");
        probing = await_probe();
        main_fd = world_open_main(world, "web");
        world_kill_brain(world);
        assert_gone(probing, WORLD_PATIENCE);
        probing = await_probe();
        go();
        world_kill_brain(world);
        assert_gone(probing, WORLD_PATIENCE);

        ck_assert_uint_eq(world_next(world, "web", "Running/ready")->generation, generation);
        ck_assert(!process_is_gone(main_fd, 0));
        ck_assert_int_eq(world_get_number(world, "web", "NRestarts"), 0);
}
END_TEST

START_TEST(d2_a_brain_that_dies_while_liveness_is_asked_is_no_miss) {
        Probing probing;
        int main_fd;

        run(SLEEPER "'liveness': {'exec': [" STAY_OR_GO
                    "], 'timeout': '10m', 'interval': '50ms', 'failures':"
                    " 1, 'onFailure': 'restart'}");
        (void) world_start_ready(world, "web");
        main_fd = world_open_main(world, "web");
        for (int i = 0; i < 3; i++) {
                probing = await_probe();
                world_kill_brain(world);
                assert_gone(probing, WORLD_PATIENCE);
        }
        probing = await_probe();
        go();
        world_kill_brain(world);
        assert_gone(probing, WORLD_PATIENCE);
        assert_health("");
        ck_assert(!process_is_gone(main_fd, 0));
        ck_assert_str_eq(world_state(world, "web"), "Running/ready");
        ck_assert_uint_eq(world_count(world, "web", "Running/unhealthy"), 0);
}
END_TEST

START_TEST(s4_a_probe_that_is_missing_fails_the_start_and_says_where_it_was_looked_for) {
        _cleanup_free_ char *reason = NULL, *text = NULL;

        run(SLEEPER "'readiness': {'exec': ['no-such-probe', '-q']}");
        text = world_start_in_vain(world, "web", WORLD_ERROR "StartFailed");
        reason = world_get_text(world, "web", "Reason");
        assert_has(reason,
                   "could not be started: probe program no-such-probe was not found; tried /");
        assert_has(reason, "/usr/bin/no-such-probe");
        ck_assert_str_eq(world_state(world, "web"), "Failed/failed");
}
END_TEST

START_TEST(s3_a_probe_that_vanishes_later_is_a_miss_that_says_where_it_was_looked_for) {
        _cleanup_free_ char *error = NULL, *file = NULL;

        world_write_file(world, "probe", 0755, "#!/bin/sh\nexit 0\n");
        run_asked("'@DIR@/probe'", "1m");
        assert_health("");
        ck_assert_int_ge(asprintf(&file, "%s/probe", world->dir), 0);
        ck_assert_int_eq(unlink(file), 0);
        error = check_health();
        assert_has(error, "probe program ");
        assert_has(error, "/probe was not found; tried /");
        ck_assert_str_eq(world_state(world, "web"), "Running/ready");
}
END_TEST

TEST_MAIN_TIMEOUT("exec-probe",
                  120,
                  world_setup,
                  world_teardown,
                  r6_exit_0_is_a_sign_of_life_and_no_other_end_is,
                  r6_what_a_probe_comes_to_is_said,
                  s5_s6_it_has_templates_and_the_environment_of_its_generation,
                  r6_what_never_answers_is_never_ready_and_the_reason_says_so,
                  r6_at_its_limit_a_probe_is_killed_with_all_that_came_from_it_and_nothing_else_is,
                  r6_those_who_ask_at_once_are_answered_one_after_the_other,
                  l1_three_misses_make_it_unhealthy_and_one_answer_ready_again,
                  t2_a_stop_ends_the_probe_that_is_under_way,
                  r4_an_exit_is_told_and_followed_by_a_restart_although_a_probe_is_under_way,
                  d2_a_brain_that_dies_while_readiness_is_asked_is_followed_by_one_that_asks_anew,
                  d2_a_brain_that_dies_while_liveness_is_asked_is_no_miss,
                  s4_a_probe_that_is_missing_fails_the_start_and_says_where_it_was_looked_for,
                  s3_a_probe_that_vanishes_later_is_a_miss_that_says_where_it_was_looked_for)
