/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * slow-start [--seconds N] [--busy N]
 *
 * FastAPI servers that load a model for so long, on a machine that so many loops keep busy
 * (contract R5): one that does not listen meanwhile, one that answers 503 for longer than its
 * startTimeout, and one that answers 503 for longer than its loadTimeout. The first two are one
 * process each, and Running no sooner than they have loaded.
 */

#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "calls.h"
#include "log-lines.h"
#include "test.h"

#define BUSY_MAX 8

/* Beyond what an import of FastAPI may take; with 40 seconds of loading, half of that. */
#define START_TIMEOUT_S 20

static unsigned int seconds = 4, n_busy;

static const char program[] = "import asyncio, sys\n"
                              "import uvicorn\n"
                              "from fastapi import FastAPI, Response\n"
                              "app = FastAPI()\n"
                              "loaded = False\n"
                              "async def load():\n"
                              "    global loaded\n"
                              "    await asyncio.sleep(float(sys.argv[3]))\n"
                              "    print('loaded', flush=True)\n"
                              "    loaded = True\n"
                              "@app.on_event('startup')\n"
                              "async def lifespan():\n"
                              "    if sys.argv[2] == 'silent':\n"
                              "        await load()\n"
                              "    else:\n"
                              "        app.state.load = asyncio.create_task(load())\n"
                              "@app.get('/health')\n"
                              "def health():\n"
                              "    return Response(status_code=200 if loaded else 503)\n"
                              "uvicorn.run(app, host='127.0.0.1', port=int(sys.argv[1]))\n";

/* Dies with the test, whichever way that goes. */
static pid_t spawn_loop(void) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        ;
        }
        return pid;
}

static uint64_t loaded_at_usec(const char *name) {
        _cleanup_(log_page_clear) LogPage page =
                log_query(world, name, (LogQuery){ .lines = 1000, .stream = "stdout" });

        for (size_t i = 0; i < page.n_lines; i++)
                if (streq(page.lines[i].text, "loaded"))
                        return page.lines[i].realtime_usec;

        ck_abort_msg("%s is Running, and has not loaded", name);
}

/* A line has the time at which it was read, which is later than that at which it was written. */
static void assert_was_ready_when_loaded(const char *name) {
        uint64_t ready, loaded;

        world_wait_ready(world, name);
        (void) world_next(world, name, "Running/ready");
        ready = (uint64_t) world_get_number(world, name, "ReadyTimestamp");
        loaded = loaded_at_usec(name);
        ck_assert_uint_ge(ready, loaded);
        ck_assert_uint_eq(world_count(world, name, "Starting/spawning"), 1);
        ck_assert_uint_eq(world_count(world, name, "Starting/backoff"), 0);
        printf("%s: loading took %u s, one generation, Running %" PRIu64 " ms after \"loaded\"\n",
               name, seconds, (ready - loaded) / 1000);
}

static void write_servers(void) {
        world_write_file(world, "slow.py", 0644, program);
        world_write_sidecars(
                world,
                "'silent': {'command': ['/usr/bin/python3', '@DIR@/slow.py', '{port}', 'silent',"
                " '%u'], 'port': 'auto', 'readiness': {'http': {}}, 'startTimeout': '%us'},"
                "'loading': {'command': ['/usr/bin/python3', '@DIR@/slow.py', '{port}', 'loading',"
                " '%u'], 'port': 'auto', 'readiness': {'http': {'path': '/health'}},"
                " 'startTimeout': '%us'},"
                "'endless': {'command': ['/usr/bin/python3', '@DIR@/slow.py', '{port}', 'loading',"
                " '10000'], 'port': 'auto', 'readiness': {'http': {'path': '/health'}},"
                " 'startTimeout': '%us', 'loadTimeout': '%us', 'restart': 'no'}",
                seconds, seconds + 60, seconds, START_TIMEOUT_S, START_TIMEOUT_S,
                START_TIMEOUT_S + 1);
}

START_TEST(r5_what_loads_for_long_is_one_generation_and_running_when_it_has_loaded) {
        bool waits_for_the_limit = seconds > START_TIMEOUT_S;
        pid_t loops[BUSY_MAX];

        write_servers();
        world_run(world);
        for (unsigned int i = 0; i < n_busy; i++)
                loops[i] = spawn_loop();
        (void) world_start(world, "silent");
        (void) world_start(world, "loading");
        if (waits_for_the_limit)
                (void) world_start(world, "endless");

        assert_was_ready_when_loaded("silent");
        assert_was_ready_when_loaded("loading");
        if (waits_for_the_limit) {
                _cleanup_free_ char *reason = NULL;

                (void) world_next(world, "endless", "Failed/failed");
                reason = world_get_text(world, "endless", "Reason");
                printf("endless: %s\n", reason);
                ck_assert_ptr_nonnull(strstr(reason, "did not become ready within 21s"));
        }

        for (unsigned int i = 0; i < n_busy; i++) {
                (void) kill(loops[i], SIGKILL);
                (void) waitpid(loops[i], NULL, 0);
        }
}
END_TEST

int main(int argc, char *argv[]) {
        const TTest *const tests[] = {
                r5_what_loads_for_long_is_one_generation_and_running_when_it_has_loaded
        };
        static const struct option options[] = {
                { "seconds", required_argument, NULL, 's' },
                { "busy", required_argument, NULL, 'b' },
                { 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
                if (option == '?')
                        return 2;
                *(option == 's' ? &seconds : &n_busy) = (unsigned int) strtoul(optarg, NULL, 10);
        }
        if (seconds == 0 || n_busy > BUSY_MAX || optind < argc) {
                fprintf(stderr, "slow-start [--seconds N] [--busy 0..%d]\n", BUSY_MAX);
                return 2;
        }

        return test_run("slow-start", seconds + 180, world_setup, world_teardown, tests, 1);
}
