/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The daemon, from outside: contract D1, D3, D5, D6, and of D2 what this version promises: a
 * brain that dies has a successor, and nothing that nobody wants is left.
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

/* D3 says 3 s; the rest is for a machine that does something else. */
#define AFTER_THE_KEEPER (30 * USEC_PER_SEC)

/* Says goodbye when it is asked to end, however long it takes to come to that. */
#define POLITE                                                                                  \
        "'polite': {'command': ['/bin/sh', '-c', 'trap \\'echo bye > @DIR@/farewell; exit 0\\'" \
        " TERM; echo set; while :; do sleep 0.05; done'], 'stop': {'timeout': '60s'}}"

START_TEST(d1_sigterm_asks_each_in_its_own_way_and_leaves_nothing) {
        _cleanup_free_ char *farewell = NULL;

        world_write_sidecars(world, POLITE ", 'stubborn': {'command': ['@CHILDREN@/stubborn'],"
                                           " 'stop': {'timeout': '300ms'}},"
                                           "'crasher': {'command': ['/bin/sh', '-c', 'exit 3'],"
                                           " 'restart': {'delay': '1m'}}");
        world_run(world);
        (void) world_start_ready(world, "polite");
        (void) world_start_ready(world, "stubborn");
        (void) world_start(world, "crasher");
        (void) world_next(world, "crasher", "Starting/backoff");
        log_await(world, "polite", "set");
        world_end(world);

        farewell = world_read_file(world, "farewell");
        ck_assert_str_eq(farewell, "bye\n");
}
END_TEST

static int note_error(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_) {
        const sd_bus_error *answer = sd_bus_message_get_error(reply);

        ck_assert_int_eq(free_and_strdup(userdata, answer ? answer->name : "no error"), 0);
        return 0;
}

START_TEST(d1_while_it_shuts_down_nothing_is_started) {
        _cleanup_free_ char *path = sidecar_path("late"), *answer = NULL;

        world_write_sidecars(world,
                             "'slow': {'command': ['/bin/sh', '-c', 'trap : TERM; echo set; until"
                             " [ -e @DIR@/go ]; do sleep 0.05; done'], 'stop': {'timeout': '60s'}},"
                             "'late': {'command': ['sleep', '1000']}");
        world_run(world);
        (void) world_start_ready(world, "slow");
        log_await(world, "slow", "set");
        process_signal(world->keeper.pidfd, SIGTERM);
        (void) world_next(world, "slow", "Running/stopping");
        ck_assert_int_ge(sd_bus_call_method_async(world->bus, NULL, WORLD_BUS_NAME, path,
                                                  WORLD_BUS_NAME ".Sidecar", "Start", note_error,
                                                  &answer, "a{sv}", 0),
                         0);
        WORLD_AWAIT(world, answer);
        ck_assert_str_eq(answer, WORLD_ERROR "ShuttingDown");
        world_write_file(world, "go", 0644, "");
        ck_assert_int_eq(world_await_end(world), 0);
}
END_TEST

/* Reads what a daemon that ends by itself has to say. */
static int run_to_its_end(char **ret_output) {
        const char *const argv[] = { TEST_SIDECARD_INIT, NULL };

        return process_run(argv, world->environment, ret_output);
}

START_TEST(d6_a_second_daemon_says_so_and_exits_0) {
        _cleanup_free_ char *output = NULL;
        int64_t generation;
        int status;

        world_write_sidecars(world, "'one': {'command': ['sleep', '1000']}");
        world_run(world);
        generation = (int64_t) world_start_ready(world, "one");
        status = run_to_its_end(&output);

        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "Status %#x", status);
        ck_assert_msg(strstr(output, "already"), "It says: %s", output);
        ck_assert_str_eq(world_state(world, "one"), "Running/ready");
        ck_assert_int_eq(world_get_number(world, "one", "Generation"), generation);
}
END_TEST

/* The one folder in that place whose name begins so; fails if there is none or more. */
static char *only_folder(const char *place, const char *prefix) {
        _cleanup_free_ char *path = NULL;
        const struct dirent *entry;
        char *found = NULL;
        DIR *directory;

        ck_assert_int_ge(asprintf(&path, "%s/%s", world->dir, place), 0);
        directory = opendir(path);
        ck_assert_msg(directory, "%s: %s", path, strerror(errno));
        while ((entry = readdir(directory)))
                if (startswith(entry->d_name, prefix)) {
                        ck_assert_msg(!found, "%s and %s", found, entry->d_name);
                        found = strdup(entry->d_name);
                }
        (void) closedir(directory);
        ck_assert_msg(found, "No %s* in %s", prefix, path);
        return found;
}

START_TEST(d6_two_buses_of_one_user_have_a_daemon_and_a_folder_each) {
        _cleanup_free_ char *run = NULL, *state = NULL, *first_path = NULL, *second_path = NULL;
        World *second = world_new_beside(world);

        world_write_sidecars(world, "'one': {'command': ['/bin/sh', '-c',"
                                    " 'echo hello; exec sleep 1000']}");
        world_run(world);
        world_run(second);
        (void) world_start_ready(world, "one");
        (void) world_start_ready(second, "one");
        ck_assert_int_ne(world_get_number(world, "one", "MainPID"),
                         world_get_number(second, "one", "MainPID"));

        first_path = world_get_text(world, "one", "LogPath");
        second_path = world_get_text(second, "one", "LogPath");
        run = only_folder("run", "sidecard-");
        log_await(second, "one", "hello");

        /* With its end all of its log is in the file. */
        (void) world_free(second);
        state = only_folder("state", "sidecard-");
        ck_assert_str_eq(run, state);
        ck_assert_msg(strstr(second_path, state), "%s is not in %s", second_path, state);
        ck_assert_ptr_nonnull(strstr(first_path, "/state/sidecard/log/"));
        ck_assert_str_eq(world_state(world, "one"), "Running/ready");
}
END_TEST

START_TEST(d6_without_a_runtime_directory_there_is_a_clear_error) {
        _cleanup_free_ char *output = NULL;
        int status;

        world_set_environment(world, "XDG_RUNTIME_DIR", NULL);
        status = run_to_its_end(&output);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) != 0, "Status %#x", status);
        ck_assert_msg(strstr(output, "XDG_RUNTIME_DIR"), "It says: %s", output);
}
END_TEST

START_TEST(generations_rise_over_lives_of_the_daemon) {
        uint64_t first;

        world_write_sidecars(world, "'one': {'command': ['sleep', '1000']}");
        world_run(world);
        first = world_start_ready(world, "one");
        world_end(world);
        WORLD_AWAIT(world, world->owner[0] == '\0');

        world_run(world);
        ck_assert_uint_gt(world_start_ready(world, "one"), first);
}
END_TEST

START_TEST(d5_a_bus_that_is_gone_for_good_is_an_ordered_end) {
        _cleanup_free_ char *farewell = NULL;

        world_write_sidecars(world, POLITE);
        world_run(world);
        (void) world_start_ready(world, "polite");
        log_await(world, "polite", "set");
        process_signal(world->bus_daemon.pidfd, SIGKILL);
        (void) process_reap(&world->bus_daemon);

        ck_assert_int_eq(world_await_end(world), 0);
        world_assert_empty(world, WORLD_LAST_BREATH);
        farewell = world_read_file(world, "farewell");
        ck_assert_str_eq(farewell, "bye\n");
}
END_TEST

#define CROWD                                                                                \
        "'stubborn': {'command': ['@CHILDREN@/stubborn'], 'stop': {'timeout': '100ms'}},"    \
        "'packed': {'command': ['@CHILDREN@/bootloader', 'sleep', '1000']},"                 \
        "'left': {'command': ['@CHILDREN@/stubborn', '3'],"                                  \
        " 'restart': {'delay': '50ms', 'factor': 1, 'jitter': 0, 'attempts': 'unlimited'}}," \
        "'server': {'command': ['@CHILDREN@/http-server', '{port}'], 'port': 'auto'}"

static const char *const crowd[] = { "stubborn", "packed", "left", "server" };

static void start_crowd(void) {
        for (size_t i = 0; i < ELEMENTSOF(crowd); i++)
                (void) world_start(world, crowd[i]);
        world_wait_ready(world, "stubborn");
}

static bool is_wanted(pid_t pid) {
        if (pid == world->keeper.pid || pid == world_brain(world))
                return true;

        for (size_t i = 0; i < ELEMENTSOF(crowd); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                _cleanup_free_ char *path = sidecar_path(crowd[i]);
                const char *command_line;
                uint32_t member;

                ck_assert_int_ge(
                        world_call(world, path, "Sidecar", "GetProcesses", NULL, &reply, ""), 0);
                ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(us)"), 0);
                while (sd_bus_message_read(reply, "(us)", &member, &command_line) > 0)
                        if ((pid_t) member == pid)
                                return true;
        }

        return false;
}

/* Guardians have the keeper's name and environment, and are of no tree. */
static bool is_program_of_ours(pid_t pid) {
        char path[64], target[512];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/exe", (int) pid);
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return true;

        target[n] = '\0';
        return streq(target, TEST_SIDECARD_INIT);
}

/* What was there before the brain died either belongs to a sidecar still, or goes. */
static void assert_old_ones_are_wanted_or_gone(const pid_t *pids, const int *pidfds, size_t n) {
        uint64_t deadline = clock_monotonic_usec() + AFTER_THE_KEEPER;

        for (size_t i = 0; i < n; i++) {
                uint64_t now = clock_monotonic_usec();

                if (process_is_gone(pidfds[i], 0) || is_wanted(pids[i]) ||
                    is_program_of_ours(pids[i]))
                        continue;
                ck_assert_msg(process_is_gone(pidfds[i], now < deadline ? deadline - now : 0),
                              "pid %d is left, and nobody wants it", (int) pids[i]);
        }
}

static size_t open_all(pid_t *pids, int *pidfds, size_t max) {
        size_t n_found = processes_find(world->mark, world->home, pids, max), n = 0;

        for (size_t i = 0; i < n_found; i++) {
                int pidfd = pidfd_open(pids[i], 0);

                if (pidfd < 0)
                        continue;
                pids[n] = pids[i];
                pidfds[n++] = pidfd;
        }
        return n;
}

static void close_all(const int *pidfds, size_t n) {
        for (size_t i = 0; i < n; i++)
                (void) close(pidfds[i]);
}

static void kill_brain(void) {
        _cleanup_free_ char *owner = strdup(world->owner);
        pid_t brain = world_brain(world), pids[64];
        _cleanup_close_ int pidfd = process_open(brain);
        int pidfds[64];
        size_t n = open_all(pids, pidfds, ELEMENTSOF(pids));

        process_signal(pidfd, SIGKILL);
        WORLD_AWAIT(world, world->owner[0] && !streq(world->owner, owner));
        assert_old_ones_are_wanted_or_gone(pids, pidfds, n);
        close_all(pidfds, n);
}

static void kill_keeper(void) {
        process_signal(world->keeper.pidfd, SIGKILL);
        (void) process_reap(&world->keeper);
        world_assert_empty(world, AFTER_THE_KEEPER);
        WORLD_AWAIT(world, world->owner[0] == '\0');
        world_run(world);
}

/* Without a service manager it is the next start that sweeps what a tree had left behind. */
static void kill_both(void) {
        _cleanup_close_ int pidfd = process_open(world_brain(world));
        pid_t pids[64];
        int pidfds[64];
        size_t n = open_all(pids, pidfds, ELEMENTSOF(pids));

        process_signal(world->keeper.pidfd, SIGKILL);
        (void) pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
        (void) process_reap(&world->keeper);
        WORLD_AWAIT(world, world->owner[0] == '\0');
        world_run(world);
        for (size_t i = 0; i < n; i++)
                ck_assert_msg(process_is_gone(pidfds[i], AFTER_THE_KEEPER), "pid %d is left",
                              (int) pids[i]);
        close_all(pidfds, n);
}

START_TEST(d2_a_killed_brain_has_a_successor_and_what_nobody_wants_is_ended) {
        world_write_sidecars(world, CROWD);
        world_run(world);
        start_crowd();
        kill_brain();
        start_crowd();
}
END_TEST

START_TEST(d3_a_killed_keeper_takes_everything_with_it) {
        world_write_sidecars(world, CROWD);
        world_run(world);
        start_crowd();
        kill_keeper();
        start_crowd();
}
END_TEST

START_TEST(d3_after_a_death_of_both_the_next_start_sweeps) {
        world_write_sidecars(world, CROWD);
        world_run(world);
        start_crowd();
        kill_both();
        start_crowd();
}
END_TEST

/* A random instant: what arrives meanwhile is taken note of. */
static void go_on_for(uint64_t usec) {
        uint64_t until = clock_monotonic_usec() + usec;

        while (clock_monotonic_usec() < until) {
                int r = sd_bus_process(world->bus, NULL);

                ck_assert_int_ge(r, 0);
                (void) world_has_logged(world, "");
                if (r == 0)
                        (void) sd_bus_wait(world->bus, USEC_PER_MSEC);
        }
}

/* A hundred of them; on a machine that is too slow for that, those of half of the test's time. */
#define DEATHS_USEC (100 * USEC_PER_SEC)

START_TEST(d2_d3_deaths_at_random_instants_under_load_leave_nothing_that_nobody_wants) {
        static void (*const deaths[])(void) = { kill_brain, kill_keeper, kill_both };
        const char *given = getenv("SIDECARD_TEST_SEED");
        unsigned int seed = given ? (unsigned int) strtoul(given, NULL, 10)
                                  : (unsigned int) clock_realtime_usec();
        uint64_t until = clock_monotonic_usec() + DEATHS_USEC;
        int round = 0;

        fprintf(stderr, "SIDECARD_TEST_SEED=%u\n", seed);
        srandom(seed);
        world_write_sidecars(world, CROWD);
        world_run(world);
        for (; round < 100 && clock_monotonic_usec() < until; round++) {
                for (size_t i = 0; i < ELEMENTSOF(crowd); i++)
                        (void) world_start(world, crowd[i]);
                go_on_for((uint64_t) random() % (150 * USEC_PER_MSEC));
                if (random() % 3 == 0)
                        world_ask_to_stop(world, crowd[(size_t) random() % ELEMENTSOF(crowd)],
                                          false);
                deaths[(size_t) random() % ELEMENTSOF(deaths)]();
        }
        fprintf(stderr, "%d deaths\n", round);
}
END_TEST

TEST_MAIN_TIMEOUT("daemon",
                  200,
                  world_setup,
                  world_teardown,
                  d1_sigterm_asks_each_in_its_own_way_and_leaves_nothing,
                  d1_while_it_shuts_down_nothing_is_started,
                  d6_a_second_daemon_says_so_and_exits_0,
                  d6_two_buses_of_one_user_have_a_daemon_and_a_folder_each,
                  d6_without_a_runtime_directory_there_is_a_clear_error,
                  generations_rise_over_lives_of_the_daemon,
                  d5_a_bus_that_is_gone_for_good_is_an_ordered_end,
                  d2_a_killed_brain_has_a_successor_and_what_nobody_wants_is_ended,
                  d3_a_killed_keeper_takes_everything_with_it,
                  d3_after_a_death_of_both_the_next_start_sweeps,
                  d2_d3_deaths_at_random_instants_under_load_leave_nothing_that_nobody_wants)
