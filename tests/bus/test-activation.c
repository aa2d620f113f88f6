/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Activation, from outside: nothing runs until somebody calls, and the first call starts
 * everything, out of whatever prefix it was installed in. The bus starts the daemon here and not
 * the test, so its end is looked for by its pid.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "app-calls.h"
#include "test.h"

/* As `meson install --destdir` does it. */
static void install(const char *from, const char *name) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
        struct stat status;

        world_write_file(world, name, 0755, "");
        ck_assert_int_ge(asprintf(&path, "%s/%s", world->dir, name), 0);
        out = open(path, O_WRONLY | O_CLOEXEC);
        ck_assert_int_ge(in, 0);
        ck_assert_int_ge(out, 0);
        ck_assert_int_eq(fstat(in, &status), 0);
        for (off_t done = 0; done < status.st_size;) {
                ssize_t n = sendfile(out, in, NULL, (size_t) (status.st_size - done));

                ck_assert_int_gt(n, 0);
                done += n;
        }
}

/* The file as it was built, with another root in front of the place that it names. */
static void install_service(void) {
        _cleanup_free_ char *text = NULL, *program = NULL, *brain = NULL;
        char built[4096] = "", *place, *end;
        _cleanup_close_ int fd = open(TEST_SERVICE, O_RDONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_gt(read(fd, built, sizeof(built) - 1), 0);
        ck_assert_msg(strstr(built, "\nName=" WORLD_BUS_NAME "\n"), "%s", built);
        place = strstr(built, "\nExec=/");
        ck_assert_ptr_nonnull(place);
        place += strlen("\nExec=");
        end = strchr(place, '\n');
        ck_assert_ptr_nonnull(end);
        *end = '\0';

        ck_assert_int_ge(asprintf(&program, "root%s", place), 0);
        ck_assert_int_ge(asprintf(&text, "%.*s%s/%s\n%s", (int) (place - built), built, world->dir,
                                  program, end + 1),
                         0);
        world_write_file(world, "services/" WORLD_BUS_NAME ".service", 0644, text);
        install(TEST_SIDECARD_INIT, program);
        ck_assert_int_ge(asprintf(&brain, "%.*ssidecard",
                                  (int) (strrchr(program, '/') + 1 - program), program),
                         0);
        install(TEST_SIDECARD, brain);
}

static void call_bus(sd_bus_message *call) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(world->bus, call, 0, &error, NULL);

        ck_assert_msg(r >= 0, "%s: %s: %s", sd_bus_message_get_member(call), error.name,
                      error.message);
        sd_bus_message_unref(call);
}

static sd_bus_message *new_bus_call(const char *method) {
        sd_bus_message *call;

        ck_assert_int_ge(sd_bus_message_new_method_call(world->bus, &call, "org.freedesktop.DBus",
                                                        "/org/freedesktop/DBus",
                                                        "org.freedesktop.DBus", method),
                         0);
        return call;
}

/* What a login does: the bus has the session's environment, and hands it on. */
static void give_environment(void) {
        sd_bus_message *call = new_bus_call("UpdateActivationEnvironment");

        ck_assert_int_ge(sd_bus_message_open_container(call, 'a', "{ss}"), 0);
        STRV_FOREACH (variable, world->environment) {
                _cleanup_free_ char *name = strndup(*variable, strcspn(*variable, "="));

                ck_assert_int_ge(
                        sd_bus_message_append(call, "{ss}", name, strchr(*variable, '=') + 1), 0);
        }
        ck_assert_int_ge(sd_bus_message_close_container(call), 0);
        call_bus(call);
}

static void setup(void) {
        world_setup();
        world_write_sidecars(world, "'one': {'command': ['@CHILDREN@/sleeper']},"
                                    "'two': {'command': ['@CHILDREN@/sleeper'],"
                                    " 'dependsOn': {'one': 'ready'}}");
        install_service();
        give_environment();
        call_bus(new_bus_call("ReloadConfig"));
        ck_assert_str_eq(world->owner, "");
}

/* The keeper is the parent of the brain, and no child of ours: gone is all that can be seen. */
static int open_keeper(void) {
        char path[64], line[256];
        pid_t parent = 0;
        FILE *status;

        (void) snprintf(path, sizeof(path), "/proc/%d/status", (int) world_brain(world));
        status = fopen(path, "re");
        ck_assert_ptr_nonnull(status);
        while (parent == 0 && fgets(line, sizeof(line), status))
                (void) sscanf(line, "PPid: %d", &parent);
        (void) fclose(status);
        ck_assert_int_gt(parent, 1);
        return process_open(parent);
}

static void end_daemon(void) {
        int keeper = open_keeper();

        process_signal(keeper, SIGTERM);
        ck_assert(process_is_gone(keeper, WORLD_PATIENCE));
        (void) close(keeper);
        world_assert_empty(world, WORLD_LAST_BREATH);
}

static void teardown(void) {
        if (world->owner[0] != '\0')
                end_daemon();
        world_teardown();
}

START_TEST(the_first_hold_starts_daemon_and_sidecars) {
        ck_assert_uint_eq(processes_find(world->mark, world->home, &(pid_t){ 0 }, 1), 0);
        client_hold(world->bus, NULL);
        app_wait_ready(world);
        ck_assert(startswith(world_state(world, "one"), "Running/"));
        ck_assert(startswith(world_state(world, "two"), "Running/"));
        WORLD_AWAIT(world, world->owner[0] != '\0');
}
END_TEST

START_TEST(first_calls_at_once_start_one_daemon) {
        sd_bus *clients[8];
        pid_t found[32];

        for (size_t i = 0; i < ELEMENTSOF(clients); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;

                clients[i] = client_open(world);
                call = client_new_hold(clients[i], WORLD_APP, NULL, 0);
                ck_assert_int_ge(sd_bus_message_set_expect_reply(call, false), 0);
                ck_assert_int_ge(sd_bus_send(clients[i], call, NULL), 0);
                ck_assert_int_ge(sd_bus_flush(clients[i]), 0);
        }

        WORLD_AWAIT(world, world->owner[0] != '\0');
        app_await_holds(world, ELEMENTSOF(clients));
        app_wait_ready(world);
        /* Keeper, brain and two sidecars; where nothing else contains these, a guardian each. */
        ck_assert_uint_le(processes_find(world->mark, world->home, found, ELEMENTSOF(found)), 6);
        ck_assert_uint_eq(world_count(world, "one", "Starting/spawning"), 1);
        for (size_t i = 0; i < ELEMENTSOF(clients); i++)
                sd_bus_close_unref(clients[i]);
}
END_TEST

START_TEST(after_its_end_the_next_call_starts_it_again) {
        client_hold(world->bus, NULL);
        WORLD_AWAIT(world, world->owner[0] != '\0');
        end_daemon();
        WORLD_AWAIT(world, world->owner[0] == '\0');

        client_hold(world->bus, NULL);
        app_wait_ready(world);
        WORLD_AWAIT(world, world->owner[0] != '\0');
        ck_assert(startswith(world_state(world, "two"), "Running/"));
}
END_TEST

/* A bus tells what it starts its guid, and the next one in its place has another. */
START_TEST(d5_what_a_bus_started_is_there_for_the_next_bus_in_its_place) {
        int64_t pid;

        client_hold(world->bus, NULL);
        app_wait_ready(world);
        pid = world_get_number(world, "one", "MainPID");

        world_restart_bus(world);
        WORLD_AWAIT(world, world->owner[0] != '\0');
        ck_assert_int_eq(world_get_number(world, "one", "MainPID"), pid);
}
END_TEST

TEST_MAIN_TIMEOUT("activation",
                  120,
                  setup,
                  teardown,
                  the_first_hold_starts_daemon_and_sidecars,
                  first_calls_at_once_start_one_daemon,
                  after_its_end_the_next_call_starts_it_again,
                  d5_what_a_bus_started_is_there_for_the_next_bus_in_its_place)
