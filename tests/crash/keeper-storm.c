/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * keeper-storm [--kills N] [--seed N]
 *
 * Contract D3: the keeper is killed at random instants while its sidecars start, flood, fork and
 * refuse to go. After three seconds nothing of them may be there, by the cgroups that the daemon
 * named, by the mark in their environment, and by their directory; and the next start is clean:
 * all sidecars come up once more, and each is there once.
 *
 * The seconds are those of a machine that runs who has something to do. One that stops the brain,
 * or us, for two of them makes a few ends late; a daemon that is slow makes many so.
 */

#include <dirent.h>
#include <poll.h>
#include <string.h>

#include "log-lines.h"
#include "storm-options.h"
#include "test.h"

#define LATEST_KILL_USEC (150 * USEC_PER_MSEC)
#define IN_TIME_USEC (3 * USEC_PER_SEC)   /* contract D3 */
#define PATIENCE_USEC (20 * USEC_PER_SEC) /* the reforkers end by themselves after 60 s */
#define LATE_ONE_IN 10
#define N_LOOKS 3

#define STUBBORN "'command': ['@CHILDREN@/stubborn']"
#define REFORKER "'command': ['@CHILDREN@/reforker', '2']"
#define BOOTLOADER "'command': ['@CHILDREN@/bootloader', 'sleep', '1000']"
#define CRASHER                                    \
        "'command': ['@CHILDREN@/stubborn', '3']," \
        "'restart': {'delay': '50ms', 'factor': 1, 'attempts': 'unlimited'}"
#define FLOOD "'command': ['yes', 'a line of a flood that nobody stops']"
#define NUMBERER "'command': ['@CHILDREN@/numberer', '@DIR@/stamps']"

static const struct {
        const char *name, *text;
} sidecars[] = {
        { "stubborn", STUBBORN },  { "sturdy", STUBBORN },   { "reforker", REFORKER },
        { "packed", BOOTLOADER },  { "crasher", CRASHER },   { "flood", FLOOD },
        { "second-flood", FLOOD }, { "numberer", NUMBERER },
};

static unsigned int n_kills = 100, seed;

static struct {
        unsigned int n_kills, n_late;
        size_t n_processes, n_in_cgroups;
        char containment[16];
        uint64_t longest_usec, sum_usec;
} figures;

static void write_manifest(void) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        for (size_t i = 0; i < ELEMENTSOF(sidecars); i++)
                fprintf(out, "%s'%s': {%s}", i > 0 ? ", " : "", sidecars[i].name, sidecars[i].text);
        ck_assert_int_eq(fclose(out), 0);
        world_write_sidecars(world, "%s", text);
}

static void setup(void) {
        _cleanup_free_ char *containment = NULL;

        srandom(seed);
        world_setup();
        write_manifest();
        world_run(world);
        containment = world_get_text_at(world, WORLD_PATH, "Manager", "Containment");
        (void) snprintf(figures.containment, sizeof(figures.containment), "%s", containment);
}

/* Number of processes in the cgroup and below it; a directory that has gone has none. */
static size_t count_in_cgroup(const char *path) {
        char name[4096];
        const struct dirent *entry;
        size_t n = 0;
        FILE *procs;
        DIR *directory;
        int pid;

        (void) snprintf(name, sizeof(name), "%s/cgroup.procs", path);
        procs = fopen(name, "re");
        while (procs && fscanf(procs, "%d", &pid) == 1)
                n++;
        if (procs)
                (void) fclose(procs);

        directory = opendir(path);
        while (directory && (entry = readdir(directory)))
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
                        (void) snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
                        n += count_in_cgroup(name);
                }
        if (directory)
                (void) closedir(directory);
        return n;
}

/* The daemon's own leaf, and beside it the one above all trees: architecture.md, Containment. */
static size_t count_in_cgroups(const char *supervisor) {
        _cleanup_free_ char *trees = NULL;

        if (!supervisor)
                return 0;

        ck_assert_int_ge(asprintf(&trees, "%.*s/trees",
                                  (int) (strrchr(supervisor, '/') - supervisor), supervisor),
                         0);
        return count_in_cgroup(supervisor) + count_in_cgroup(trees);
}

static void go_on_until(uint64_t until) {
        while (clock_monotonic_usec() < until) {
                int r = sd_bus_process(world->bus, NULL);

                ck_assert_int_ge(r, 0);
                (void) world_has_logged(world, "");
                if (r == 0)
                        (void) sd_bus_wait(world->bus, USEC_PER_MSEC);
        }
}

static void start_all(void) {
        for (size_t i = 0; i < ELEMENTSOF(sidecars); i++)
                (void) world_start(world, sidecars[i].name);
}

/* Sometimes all have come up, sometimes they are starting, sometimes one is just being stopped. */
static void make_load(void) {
        start_all();
        if (random() % 2 == 0)
                log_await(world, "sturdy", "main process");
        if (random() % 3 == 0)
                world_ask_to_stop(world, sidecars[(size_t) random() % ELEMENTSOF(sidecars)].name,
                                  random() % 2 == 0);
}

/* One that forks on and on may slip through a look at /proc, and not through several. */
static void await_nothing_left(uint64_t deadline) {
        size_t n;

        while ((n = count_in_cgroups(world->cgroup)) > 0) {
                ck_assert_msg(clock_monotonic_usec() < deadline,
                              "%zu processes are left in the cgroups beside %s", n, world->cgroup);
                (void) poll(NULL, 0, 1);
        }
        for (int look = 0; look < N_LOOKS; look++) {
                uint64_t now = clock_monotonic_usec();

                world_assert_empty(world, now < deadline ? deadline - now : 0);
        }
}

static void kill_keeper(void) {
        pid_t pids[256];
        uint64_t killed_at, took;

        go_on_until(clock_monotonic_usec() + (uint64_t) random() % LATEST_KILL_USEC);
        figures.n_processes += processes_find(world->mark, world->home, pids, ELEMENTSOF(pids));
        figures.n_in_cgroups += count_in_cgroups(world->cgroup);

        killed_at = clock_monotonic_usec();
        process_signal(world->keeper.pidfd, SIGKILL);
        (void) process_reap(&world->keeper);
        figures.n_kills++;
        await_nothing_left(killed_at + PATIENCE_USEC);

        took = clock_monotonic_usec() - killed_at;
        figures.sum_usec += took;
        figures.n_late += took > IN_TIME_USEC;
        if (took > figures.longest_usec)
                figures.longest_usec = took;
        WORLD_AWAIT(world, world->owner[0] == '\0');
}

static void assert_clean_start(void) {
        static const char *const alone[] = { "flood", "second-flood", "numberer" };

        for (size_t i = 0; i < ELEMENTSOF(sidecars); i++)
                if (!streq(sidecars[i].name, "crasher"))
                        world_wait_ready(world, sidecars[i].name);
        for (size_t i = 0; i < ELEMENTSOF(alone); i++) {
                int pidfds[4];
                size_t n = world_open_tree(world, alone[i], pidfds, ELEMENTSOF(pidfds));

                for (size_t k = 0; k < n; k++)
                        (void) close(pidfds[k]);
                ck_assert_msg(n == 1, "%s has %zu processes", alone[i], n);
        }
}

static void report(void) {
        printf("keeper storm: seed %u, containment %s\n"
               "  keepers killed              %8u\n"
               "  processes at their deaths   %8zu (%zu in cgroups)\n"
               "  from SIGKILL to none left   %8.1f ms, the mean (%.1f at most)\n"
               "  ... later than it should be %8u\n",
               seed, figures.containment, figures.n_kills, figures.n_processes,
               figures.n_in_cgroups, (double) figures.sum_usec / figures.n_kills / USEC_PER_MSEC,
               (double) figures.longest_usec / USEC_PER_MSEC, figures.n_late);
        (void) fflush(stdout);
}

START_TEST(d3_nothing_is_left_when_the_keeper_is_killed_and_the_next_start_is_clean) {
        while (figures.n_kills < n_kills) {
                make_load();
                kill_keeper();
                world_run(world);
        }

        start_all();
        assert_clean_start();
        report();
        ck_assert_uint_le(figures.n_late, n_kills / LATE_ONE_IN);
}
END_TEST

int main(int argc, char *argv[]) {
        const TTest *const tests[] = {
                d3_nothing_is_left_when_the_keeper_is_killed_and_the_next_start_is_clean
        };

        if (storm_read_options(argc, argv, &n_kills, &seed, NULL) < 0) {
                fprintf(stderr, "keeper-storm [--kills N] [--seed N]\n");
                return 2;
        }

        printf("keeper storm: seed %u\n", seed);
        (void) fflush(stdout);
        return test_run("keeper-storm", 120 + 4 * n_kills, setup, world_teardown, tests, 1);
}
