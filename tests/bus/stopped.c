/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * stopped [--seconds N] [--sidecars N]
 *
 * Two dozen servers, each restarted for one miss, and a brain that is stopped for longer than
 * their intervals and timeouts (contract L2): nobody is killed for it. Each is the same process
 * afterwards, and is asked again.
 */

#include <getopt.h>
#include <string.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

#define SIDECARS_MAX 48
#define ASKED_AGAIN 3

static unsigned int seconds = 5, n_sidecars = 24;

typedef struct Server {
        char name[16];
        int64_t generation;
        int main_fd;
} Server;

static Server servers[SIDECARS_MAX];

static void write_servers(void) {
        static const char *const intervals[] = { "50ms", "100ms", "250ms", "1s" };
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        for (unsigned int i = 0; i < n_sidecars; i++)
                fprintf(out,
                        "%s'web-%u': {'command': ['@CHILDREN@/http-server', '{port}', '/=200'],"
                        " 'port': 'auto', 'readiness': {'http': {'path': '/'}, 'interval':"
                        " '100ms'}, 'liveness': {'http': {'path': '/'}, 'interval': '%s',"
                        " 'timeout': '4s', 'failures': 1, 'onFailure': 'restart'}}",
                        i > 0 ? ", " : "", i, intervals[i % ELEMENTSOF(intervals)]);
        ck_assert_int_eq(fclose(out), 0);
        world_write_sidecars(world, "%s", text);
        free(text);
}

static void start(Server *server, unsigned int i) {
        (void) snprintf(server->name, sizeof(server->name), "web-%u", i);
        (void) world_start_ready(world, server->name);
        server->generation = world_get_number(world, server->name, "Generation");
        server->main_fd = world_open_main(world, server->name);
}

/* One question was perhaps under way when the brain was stopped; what comes after is new. */
static void await_asked_again(const Server *server) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;
        LogQuery query = { .lines = 1 };

        for (size_t n = 0; n < ASKED_AGAIN;) {
                _cleanup_(log_page_clear) LogPage page = log_query(world, server->name, query);

                ck_assert_msg(clock_monotonic_usec() < deadline, "%s is not asked", server->name);
                for (size_t i = 0; query.has_after && i < page.n_lines; i++)
                        n += startswith(page.lines[i].text, "asked for ");
                query = (LogQuery){ .has_after = true,
                                    .after = page.next,
                                    .wait_usec = USEC_PER_SEC };
        }
}

static void assert_same(const Server *server) {
        ck_assert_str_eq(world_state(world, server->name), "Running/ready");
        ck_assert_int_eq(world_get_number(world, server->name, "Generation"), server->generation);
        ck_assert(!process_is_gone(server->main_fd, 0));
        ck_assert_uint_eq(world_count(world, server->name, "Starting/backoff"), 0);
        ck_assert_uint_eq(world_count(world, server->name, "Running/unhealthy"), 0);
        (void) close(server->main_fd);
}

START_TEST(l2_nobody_is_killed_for_a_brain_that_was_stopped) {
        _cleanup_close_ int brain = -1;

        write_servers();
        world_run(world);
        for (unsigned int i = 0; i < n_sidecars; i++)
                start(&servers[i], i);

        brain = process_open(world_brain(world));
        process_signal(brain, SIGSTOP);
        ck_assert(!process_is_gone(brain, seconds * USEC_PER_SEC));
        process_signal(brain, SIGCONT);

        for (unsigned int i = 0; i < n_sidecars; i++)
                await_asked_again(&servers[i]);
        for (unsigned int i = 0; i < n_sidecars; i++)
                assert_same(&servers[i]);
        printf("%u sidecars, brain stopped for %u s: 0 health kills, all the same processes\n",
               n_sidecars, seconds);
}
END_TEST

int main(int argc, char *argv[]) {
        const TTest *const tests[] = { l2_nobody_is_killed_for_a_brain_that_was_stopped };
        static const struct option options[] = {
                { "seconds", required_argument, NULL, 's' },
                { "sidecars", required_argument, NULL, 'n' },
                { 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
                if (option == '?')
                        return 2;
                *(option == 's' ? &seconds : &n_sidecars) =
                        (unsigned int) strtoul(optarg, NULL, 10);
        }
        if (seconds == 0 || n_sidecars == 0 || n_sidecars > SIDECARS_MAX || optind < argc) {
                fprintf(stderr, "stopped [--seconds N] [--sidecars 1..%d]\n", SIDECARS_MAX);
                return 2;
        }

        return test_run("stopped", seconds + 120, world_setup, world_teardown, tests, 1);
}
