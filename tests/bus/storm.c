/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * storm [--seconds N] [--clients N] [--apps N] [--seed N]
 *
 * Many clients hold, hold again with other sets, release, close and die at random, over apps of
 * four sidecars with random dependencies. Bursts go out without waiting for answers; after each
 * comes quiet, and then what runs has to be what some hold wants, with what that depends on, and
 * nothing else: as the daemon tells it, and as the kernel knows it. At the end nothing runs.
 *
 * Neither crashes nor modes: what a sidecar does by itself is for other tests.
 */

#include <getopt.h>
#include <string.h>
#include <time.h>

#include "app-calls.h"
#include "test.h"

#define SIDECARS 4
#define APPS_MAX 120
#define CLIENTS_MAX 220
#define HOLDERS_MAX 12
#define BURST_MAX 60

static unsigned int seconds = 8, n_clients = 100, n_apps = 50, seed;

typedef struct StormApp {
        char id[32];
        bool auto_start[SIDECARS];
        unsigned int needs[SIDECARS]; /* bit i: depends on sidecar i, which is an earlier one */
} StormApp;

/* A client is a connection of this process, or a process that can be killed. */
typedef struct Client {
        bool is_process;
        sd_bus *bus;
        Holder holder;
        size_t n_pending;
        unsigned int wants[APPS_MAX]; /* bits; with IS_HELD even if there are none */
} Client;

#define IS_HELD (1u << SIDECARS)

static StormApp apps[APPS_MAX];
static Client clients[CLIENTS_MAX];

/* What was done, for people. */
static struct {
        size_t holds, releases, closes, kills, checks, most_up, n_up;
        uint64_t quiet_usec, longest_quiet_usec;
} figures;

static unsigned int below(unsigned int n) {
        return (unsigned int) random() % n;
}

static unsigned int close_set(const StormApp *app, unsigned int set) {
        /* Dependencies are earlier ones, so that one pass from the last is enough. */
        for (unsigned int i = SIDECARS; i-- > 0;)
                if (set & (1u << i))
                        set |= app->needs[i];

        return set;
}

static unsigned int default_set(const StormApp *app) {
        unsigned int set = 0;

        for (unsigned int i = 0; i < SIDECARS; i++)
                set |= app->auto_start[i] ? 1u << i : 0;
        return set;
}

static void write_app(StormApp *app, unsigned int number) {
        static const char *const conditions[] = { "started", "ready" };
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        (void) snprintf(app->id, sizeof(app->id), "org.storm.App%u", number);
        fprintf(out, "{'manifestVersion': 1, 'id': '%s', 'sidecars': {", app->id);
        for (unsigned int i = 0; i < SIDECARS; i++) {
                app->auto_start[i] = below(4) > 0;
                fprintf(out,
                        "%s's%u': {'command': ['@CHILDREN@/sleeper'], 'autoStart': %s,"
                        " 'dependsOn': {",
                        i > 0 ? ", " : "", i, app->auto_start[i] ? "true" : "false");
                for (unsigned int k = 0; k < i; k++)
                        if (below(2) > 0) {
                                fprintf(out, "%s's%u': '%s'", app->needs[i] ? ", " : "", k,
                                        conditions[below(2)]);
                                app->needs[i] |= 1u << k;
                        }
                fprintf(out, "}}");
        }
        fprintf(out, "}}");
        ck_assert_int_eq(fclose(out), 0);
        world_write_manifest(world, app->id, text);
}

/* Names with commas between them, as client_new_hold() takes them. */
static const char *set_text(unsigned int set) {
        static char text[64];

        text[0] = '\0';
        for (unsigned int i = 0; i < SIDECARS; i++)
                if (set & (1u << i))
                        (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%ss%u",
                                        text[0] ? "," : "", i);
        return text;
}

/* A random set; the default one is asked for by NULL. */
static const char *choose_set(const StormApp *app, unsigned int *ret_wants) {
        unsigned int set = below(1u << SIDECARS);

        if (below(4) == 0) {
                *ret_wants = IS_HELD | close_set(app, default_set(app));
                return NULL;
        }

        *ret_wants = IS_HELD | close_set(app, set);
        return set_text(set);
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error _unused_) {
        const sd_bus_error *answer = sd_bus_message_get_error(reply);

        ck_assert_msg(!answer, "%s: %s", answer->name, answer->message);
        ((Client *) userdata)->n_pending--;
        return 0;
}

static void send_call(Client *client, sd_bus_message *call) {
        ck_assert_int_ge(
                sd_bus_call_async(client->bus, NULL, call, on_answer, client, WORLD_PATIENCE), 0);
        client->n_pending++;
        sd_bus_message_unref(call);
}

static void hold_something(Client *client) {
        unsigned int i = below(n_apps), wants;
        const char *set = choose_set(&apps[i], &wants);

        send_call(client, client_new_hold(client->bus, apps[i].id, set, 0));
        client->wants[i] = wants;
        figures.holds++;
}

static void release_something(Client *client) {
        unsigned int first = below(n_apps), i = first;
        sd_bus_message *call;

        /* Rather one that is held; releasing another is no error either. */
        for (unsigned int k = 0; k < n_apps && !client->wants[i]; k++)
                i = (first + k) % n_apps;
        ck_assert_int_ge(sd_bus_message_new_method_call(client->bus, &call, WORLD_BUS_NAME,
                                                        WORLD_PATH, WORLD_BUS_NAME ".Manager",
                                                        "Release"),
                         0);
        ck_assert_int_ge(sd_bus_message_append(call, "s", apps[i].id), 0);
        send_call(client, call);
        client->wants[i] = 0;
        figures.releases++;
}

static void close_client(Client *client) {
        if (!client->bus)
                return;

        client->bus = sd_bus_flush_close_unref(client->bus);
        client->n_pending = 0;
        memset(client->wants, 0, sizeof(client->wants));
        figures.closes++;
}

/* Some die before their hold stands. */
static void kill_client(Client *client) {
        if (client->holder.process.pid == 0)
                return;

        holder_kill(&client->holder);
        client->n_pending = 0;
        memset(client->wants, 0, sizeof(client->wants));
        figures.kills++;
}

static void act_as_process(Client *client) {
        unsigned int i = below(n_apps), wants;
        const char *set;

        if (client->holder.process.pid > 0) {
                kill_client(client);
                return;
        }

        set = choose_set(&apps[i], &wants);
        client->holder = holder_spawn(world, &(HolderSpec){ .app = apps[i].id, .sidecars = set });
        client->wants[i] = wants;
        client->n_pending = 1;
        figures.holds++;
}

static size_t count_held(const Client *client) {
        size_t n = 0;

        for (unsigned int i = 0; i < n_apps; i++)
                n += client->wants[i] != 0;
        return n;
}

static void act(Client *client) {
        if (client->is_process)
                act_as_process(client);
        else if (!client->bus) {
                client->bus = client_open(world);
                hold_something(client);
        } else if (below(8) == 0)
                close_client(client);
        /* There are 256 places for holds. */
        else if (count_held(client) >= 2 || below(3) == 0)
                release_something(client);
        else
                hold_something(client);
}

static void await_answers(Client *client) {
        uint64_t deadline = clock_monotonic_usec() + WORLD_PATIENCE;

        if (client->is_process && client->n_pending > 0) {
                holder_await_line(&client->holder, "held");
                client->n_pending = 0;
        }
        while (client->n_pending > 0) {
                int r = sd_bus_process(client->bus, NULL);

                ck_assert_msg(r >= 0, "A connection of the storm: %s", strerror(-r));
                ck_assert_msg(clock_monotonic_usec() < deadline, "A call is not answered");
                if (r == 0)
                        (void) sd_bus_wait(client->bus, USEC_PER_SEC);
        }
}

static unsigned int wanted_of(unsigned int app) {
        unsigned int wanted = 0;

        for (unsigned int i = 0; i < n_clients; i++)
                wanted |= clients[i].wants[app];
        return wanted & ~IS_HELD;
}

/* "org.storm.App7" */
static unsigned int app_number(const char *id) {
        return (unsigned int) atoi(id + strlen("org.storm.App"));
}

/*
 * Compares with what is wanted: the number of main processes, or -1 with the first difference in
 * words. Between Stopped and Running there is still something to come.
 */
static int compare(pid_t *pids, char difference[static 128]) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *id, *name, *status, *sub_state, *path;
        size_t n_seen = 0;
        uint32_t pid;
        int n_up = 0;

        ck_assert_int_ge(
                world_call(world, WORLD_PATH, "Manager", "ListSidecars", NULL, &reply, "a{sv}", 0),
                0);
        ck_assert_int_gt(sd_bus_message_enter_container(reply, 'a', "(ssssuo)"), 0);
        for (; sd_bus_message_read(reply, "(ssssuo)", &id, &name, &status, &sub_state, &pid,
                                   &path) > 0;
             n_seen++) {
                bool is_wanted = wanted_of(app_number(id)) & (1u << (name[1] - '0'));

                if (!streq(is_wanted ? "Running" : "Stopped", status) ||
                    streq(sub_state, "stopping")) {
                        (void) snprintf(difference, 128, "%s/%s is %s/%s, and is %swanted", id,
                                        name, status, sub_state, is_wanted ? "" : "not ");
                        return -1;
                }
                if (is_wanted)
                        pids[n_up++] = (pid_t) pid;
        }

        ck_assert_uint_eq(n_seen, (size_t) n_apps * SIDECARS);
        return n_up;
}

static int compare_pids(const void *a, const void *b) {
        return *(const pid_t *) a < *(const pid_t *) b ? -1
                                                       : *(const pid_t *) a > *(const pid_t *) b;
}

static bool is_sleeper(pid_t pid) {
        char path[64], name[32] = "";
        FILE *file;

        (void) snprintf(path, sizeof(path), "/proc/%d/comm", (int) pid);
        file = fopen(path, "re");
        if (file) {
                (void) fscanf(file, "%31s", name);
                (void) fclose(file);
        }
        return streq(name, "sleeper");
}

/* The kernel's word: those processes, and no other of their kind. Or the difference, as above. */
static int compare_processes(pid_t *pids, size_t n_pids, char difference[static 128]) {
        static pid_t found[APPS_MAX * SIDECARS * 3];
        size_t n = processes_find(world->mark, world->home, found, ELEMENTSOF(found)),
               n_sleepers = 0;

        qsort(pids, n_pids, sizeof(*pids), compare_pids);
        for (size_t i = 0; i < n; i++)
                if (is_sleeper(found[i])) {
                        n_sleepers++;
                        if (!bsearch(&found[i], pids, n_pids, sizeof(*pids), compare_pids)) {
                                (void) snprintf(difference, 128,
                                                "Process %d runs, and nobody wants it",
                                                (int) found[i]);
                                return -1;
                        }
                }

        (void) snprintf(difference, 128, "%zu processes run, not %zu", n_sleepers, n_pids);
        return n_sleepers == n_pids ? 0 : -1;
}

/* Sleeps until the daemon has something new; answers the number to go on after. */
static uint64_t await_event(uint64_t after) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t last;

        ck_assert_int_ge(world_call(world, WORLD_PATH, "Manager", "GetEvents", NULL, &reply,
                                    "ta{sv}", after, 2, "max", "u", 1024, "wait-usec", "t",
                                    USEC_PER_SEC),
                         0);
        ck_assert_int_gt(sd_bus_message_skip(reply, "aa{sv}"), 0);
        ck_assert_int_gt(sd_bus_message_read(reply, "t", &last), 0);
        return last;
}

static void check(void) {
        static pid_t pids[APPS_MAX * SIDECARS];
        static uint64_t last;
        uint64_t began_at = clock_monotonic_usec(), took;
        char difference[128] = "";
        int n_up;

        for (unsigned int i = 0; i < n_clients; i++)
                await_answers(&clients[i]);
        /* The call of a client that was killed may arrive in between, and is undone by its death.
         */
        while ((n_up = compare(pids, difference)) < 0 ||
               compare_processes(pids, (size_t) n_up, difference) < 0) {
                ck_assert_msg(clock_monotonic_usec() < began_at + WORLD_PATIENCE, "%s", difference);
                last = await_event(last);
        }
        /* Reads it: else the daemon, which tells of each end, would find no more room. */
        (void) world_has_logged(world, "");

        took = clock_monotonic_usec() - began_at;
        figures.checks++;
        figures.n_up += (size_t) n_up;
        figures.quiet_usec += took;
        if (took > figures.longest_quiet_usec)
                figures.longest_quiet_usec = took;
        if ((size_t) n_up > figures.most_up)
                figures.most_up = (size_t) n_up;
}

static unsigned long brain_kib(void) {
        char path[64], line[256];
        unsigned long kib = 0;
        FILE *status;

        (void) snprintf(path, sizeof(path), "/proc/%d/status", (int) world_brain(world));
        status = fopen(path, "re");
        ck_assert_ptr_nonnull(status);
        while (kib == 0 && fgets(line, sizeof(line), status))
                (void) sscanf(line, "VmRSS: %lu", &kib);
        (void) fclose(status);
        return kib;
}

static void report(unsigned long kib_before) {
        printf("storm: seed %u, %u apps, %u clients, %u s\n"
               "storm: %zu holds, %zu releases, %zu connections closed, %zu holders killed\n"
               "storm: %zu checks, %zu sidecars up at a check (%zu at most)\n"
               "storm: from the last call to all in place %" PRIu64 " ms (%" PRIu64 " at most)\n"
               "storm: the brain has %lu KiB (%lu before)\n",
               seed, n_apps, n_clients, seconds, figures.holds, figures.releases, figures.closes,
               figures.kills, figures.checks, figures.n_up / figures.checks, figures.most_up,
               figures.quiet_usec / figures.checks / USEC_PER_MSEC,
               figures.longest_quiet_usec / USEC_PER_MSEC, brain_kib(), kib_before);
        (void) fflush(stdout);
}

static void setup(void) {
        srandom(seed);
        world_setup();
        for (unsigned int i = 0; i < n_apps; i++)
                write_app(&apps[i], i);
        world_run(world);
        /* A connection that listens to nothing: there are thousands of changes. */
        sd_bus_close_unref(world->bus);
        world->bus = client_open(world);
        for (unsigned int i = 0; i < n_clients; i++)
                clients[i] = (Client){ .is_process = i < HOLDERS_MAX && i < n_clients / 2 };
}

START_TEST(what_runs_is_what_some_hold_wants) {
        uint64_t end = clock_monotonic_usec() + seconds * USEC_PER_SEC;
        unsigned long kib;

        check();
        kib = brain_kib();
        while (clock_monotonic_usec() < end) {
                for (unsigned int n = 1 + below(BURST_MAX); n > 0; n--)
                        act(&clients[below(n_clients)]);
                check();
        }

        for (unsigned int i = 0; i < n_clients; i++)
                if (clients[i].is_process)
                        kill_client(&clients[i]);
                else
                        close_client(&clients[i]);
        check();
        ck_assert_uint_eq(app_count_holds(world), 0);
        report(kib);
}
END_TEST

static int read_options(int argc, char *argv[]) {
        static const struct option options[] = {
                { "seconds", required_argument, NULL, 's' },
                { "clients", required_argument, NULL, 'c' },
                { "apps", required_argument, NULL, 'a' },
                { "seed", required_argument, NULL, 'r' },
                { 0 },
        };
        int option;

        seed = (unsigned int) time(NULL);
        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
                unsigned int *target = option == 's'   ? &seconds
                                       : option == 'c' ? &n_clients
                                       : option == 'a' ? &n_apps
                                                       : &seed;

                if (option == '?')
                        return -EINVAL;
                *target = (unsigned int) strtoul(optarg, NULL, 10);
        }

        return n_clients < 1 || n_clients > CLIENTS_MAX || n_apps < 1 || n_apps > APPS_MAX ? -EINVAL
                                                                                           : 0;
}

int main(int argc, char *argv[]) {
        const TTest *const tests[] = { what_runs_is_what_some_hold_wants };

        if (read_options(argc, argv) < 0) {
                fprintf(stderr, "storm [--seconds N] [--clients 1..%d] [--apps 1..%d] [--seed N]\n",
                        CLIENTS_MAX, APPS_MAX);
                return 2;
        }

        printf("storm: seed %u\n", seed);
        (void) fflush(stdout);
        return test_run("storm", seconds + 120, setup, world_teardown, tests, 1);
}
