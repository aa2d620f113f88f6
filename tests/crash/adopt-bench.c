/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * adopt-bench [--n N] [--runs R] [--daemon SIDECARD-INIT]
 *
 * How long a brain's death is to be seen: the time from its SIGKILL until its successor has adopted
 * all sidecars and its name is on the bus again, and until it has answered a call; and what both
 * processes weigh then. It prints figures and judges none: the goal for 1,000 is 100 ms.
 */

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>

#include <systemd/sd-bus.h>

#include "tests/bench/contender.h"
#include "tests/bench/machine.h"
#include "util/strv.h"

#define N_DEFAULT 1000u
#define N_MAX 1000u
#define RUNS_DEFAULT 10u
#define RUNS_MAX 100u
#define NSEC_PER_MSEC 1e6

#define BUS_NAME "org.sidecard.Sidecars1"
#define PATH "/org/sidecard/Sidecars1"

static struct {
        unsigned n, n_runs;
        const char *daemon;
} options = { .n = N_DEFAULT, .n_runs = RUNS_DEFAULT };

typedef struct Samples {
        const char *title;
        double values[RUNS_MAX];
        unsigned n;
} Samples;

static Samples to_name = { .title = "SIGKILL to the name" };
static Samples to_answer = { .title = "... to a list of all" };
static Samples cpu = { .title = "CPU of the new brain" };

static void note(Samples *samples, double nsec) {
        samples->values[samples->n++] = nsec / NSEC_PER_MSEC;
}

static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *error _unused_) {
        char *owner = userdata;
        const char *name, *before, *after;

        if (sd_bus_message_read(message, "sss", &name, &before, &after) < 0)
                fail("a signal of the bus is not what it should be");
        (void) snprintf(owner, 32, "%s", after);
        return 0;
}

static sd_bus *listen_to_the_owner(char owner[static 32]) {
        sd_bus *bus;

        if (sd_bus_open_user(&bus) < 0 ||
            sd_bus_add_match(bus, NULL,
                             "type='signal',sender='org.freedesktop.DBus',"
                             "member='NameOwnerChanged',arg0='" BUS_NAME "'",
                             on_owner, owner) < 0)
                fail("cannot connect to the bus");
        return bus;
}

static pid_t find_brain(sd_bus *bus) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *credentials = NULL;
        pid_t pid;

        if (sd_bus_get_name_creds(bus, BUS_NAME, SD_BUS_CREDS_PID, &credentials) < 0 ||
            sd_bus_creds_get_pid(credentials, &pid) < 0)
                fail("nobody owns the name");
        return pid;
}

/* Answers how many of them run. */
static unsigned count_running(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *status;
        unsigned n = 0;

        if (sd_bus_call_method(bus, BUS_NAME, PATH, BUS_NAME ".Manager", "ListSidecars", NULL,
                               &reply, "a{sv}", 0) < 0 ||
            sd_bus_message_enter_container(reply, 'a', "(ssssuo)") < 0)
                fail("ListSidecars is not answered");
        while (sd_bus_message_read(reply, "(ssssuo)", NULL, NULL, &status, NULL, NULL, NULL) > 0)
                n += streq(status, "Running");
        return n;
}

static void measure(sd_bus *bus, char owner[static 32]) {
        char former[32];
        _cleanup_close_ int pidfd = pidfd_open(find_brain(bus), 0);
        uint64_t began_at;

        (void) snprintf(former, sizeof(former), "%s", owner);
        began_at = machine_now_nsec();
        if (pidfd < 0 || pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0)
                fail("cannot kill the brain");
        while (owner[0] == '\0' || streq(owner, former)) {
                int r = sd_bus_process(bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0)
                        fail("the bus has gone");
        }
        note(&to_name, (double) (machine_now_nsec() - began_at));
        if (count_running(bus) != options.n)
                fail("not all sidecars were adopted");
        note(&to_answer, (double) (machine_now_nsec() - began_at));
        note(&cpu, (double) process_cpu_nsec(find_brain(bus)));
}

static int compare_values(const void *a, const void *b) {
        double first = *(const double *) a, second = *(const double *) b;

        return first < second ? -1 : first > second;
}

static void print_samples(Samples *samples) {
        qsort(samples->values, samples->n, sizeof(double), compare_values);
        printf("%-28s %8.1f ms, median of %u (%.1f at most)\n", samples->title,
               samples->values[samples->n / 2], samples->n, samples->values[samples->n - 1]);
}

static void print_memory(const Contender *contender, pid_t brain, const char *when) {
        uint64_t brain_kib = process_memory_kib(brain, "Pss"),
                 keeper_kib = process_memory_kib(contender->pids[0], "Pss");

        printf("PSS %-24s %8.2f MiB, of that the keeper %.2f\n", when,
               (double) (brain_kib + keeper_kib) / 1024, (double) keeper_kib / 1024);
}

static void run(const Session *session) {
        Contender *contender = sidecard_new(session, options.n);
        char owner[32] = "";
        sd_bus *bus = listen_to_the_owner(owner);

        contender->kind->start_all(contender);
        for (unsigned i = 0; i < options.n; i++)
                (void) stamps_next(&contender->stamps);
        while (count_running(bus) < options.n)
                (void) poll(NULL, 0, 1);

        print_memory(contender, find_brain(bus), "before");
        for (unsigned i = 0; i < options.n_runs; i++)
                measure(bus, owner);
        print_samples(&to_name);
        print_samples(&to_answer);
        print_samples(&cpu);
        print_memory(contender, find_brain(bus), "of the last one");

        if (stamps_skip(&contender->stamps) > 0)
                fail("sidecars were started once more");
        sd_bus_flush_close_unref(bus);
        contender->kind->end(contender);
}

static bool parse_argv(int argc, char *argv[]) {
        static const struct option words[] = {
                { "n", required_argument, NULL, 'n' },
                { "runs", required_argument, NULL, 'r' },
                { "daemon", required_argument, NULL, 'd' },
                { 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "", words, NULL)) >= 0)
                if (option == 'n')
                        options.n = (unsigned) atoi(optarg);
                else if (option == 'r')
                        options.n_runs = (unsigned) atoi(optarg);
                else if (option == 'd')
                        options.daemon = optarg;
                else
                        return false;

        return optind == argc && options.n > 0 && options.n <= N_MAX && options.n_runs > 0 &&
               options.n_runs <= RUNS_MAX;
}

int main(int argc, char *argv[]) {
        struct rlimit files;
        Session session;

        if (!parse_argv(argc, argv)) {
                (void) fputs("adopt-bench [--n 1..1000] [--runs 1..100] [--daemon SIDECARD-INIT]\n",
                             stderr);
                return 2;
        }

        /* What the daemon may open is what decides how many sidecars it takes: contract A6. */
        (void) getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &files);

        session_open(&session, options.daemon);
        run(&session);
        session_close(&session);
        return EXIT_SUCCESS;
}
