/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Probe daemon
 *
 * The sidecars only sleep, and others answer for them ("anyOwner"), so that what is measured is
 * the asking. Both loops run at once, each in its own process, and are told by their CPU time. A
 * probe is due one interval after the last answer (contract L1), so the gap that the server sees
 * is the interval and what the timer, the connection and the request take.
 */

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <systemd/sd-bus.h>

#include "tests/bench/machine.h"
#include "tests/bench/probe-daemon.h"
#include "tests/bench/session.h"
#include "util/clock.h"
#include "util/duration.h"

#define SIDECARS_PER_APP 50
#define INTERVAL_USEC USEC_PER_SEC
#define MISSED_USEC (3 * INTERVAL_USEC / 2) /* by then an answer did not count, or did not come */

static void write_app(const Session *session, const uint16_t ports[], unsigned first, unsigned n) {
        char path[PATH_MAX];
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/data/sidecard/apps/org.bench.App%u.json",
                        session->folder, first / SIDECARS_PER_APP);
        file = fopen(path, "we");
        if (!file)
                fail("cannot make %s", path);
        (void) fprintf(file,
                       "{ \"manifestVersion\": 1, \"id\": \"org.bench.App%u\","
                       " \"sidecars\": {",
                       first / SIDECARS_PER_APP);
        for (unsigned id = first; id < n && id < first + SIDECARS_PER_APP; id++)
                (void) fprintf(file,
                               "%s\n\"s%u\": { \"command\": [\"/bin/sleep\", \"100000\"],"
                               " \"liveness\": { \"http\": { \"path\": \"/%u\", \"port\": %u },"
                               " \"anyOwner\": true, \"interval\": \"1s\", \"failures\": 1 } }",
                               id > first ? "," : "", id, id, (unsigned) ports[id % PROBE_PORTS]);
        (void) fputs("} }\n", file);
        if (fclose(file) != 0)
                fail("cannot write %s", path);
}

static void write_apps(const Session *session, const uint16_t ports[], unsigned n) {
        char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/data/sidecard", session->folder);
        (void) mkdir(path, 0700);
        (void) snprintf(path, sizeof(path), "%s/data/sidecard/apps", session->folder);
        (void) mkdir(path, 0700);
        for (unsigned first = 0; first < n; first += SIDECARS_PER_APP)
                write_app(session, ports, first, n);
}

static void start_all(unsigned n) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;

        if (sd_bus_open_user(&bus) < 0)
                fail("cannot connect to the bus");
        for (unsigned id = 0; id < n; id++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                char path[128];

                (void) snprintf(path, sizeof(path),
                                "/org/sidecard/Sidecars1/app/org_2ebench_2eApp%u/s%u",
                                id / SIDECARS_PER_APP, id);
                if (sd_bus_call_method(bus, "org.sidecard.Sidecars1", path,
                                       "org.sidecard.Sidecars1.Sidecar", "Start", &error, NULL,
                                       "a{sv}", 0) < 0)
                        fail("cannot start s%u: %s", id, error.message);
        }
}

/* The same interval for all: whoever was answered first is due first. */
typedef struct Due {
        unsigned id;
        uint64_t at_usec;
} Due;

typedef struct Bare {
        CURLM *multi;
        const uint16_t *ports;
        Due queue[SIDECARS_MAX];
        unsigned n, head, n_queued;
        uint64_t n_answers;
} Bare;

static void bare_push(Bare *bare, unsigned id, uint64_t at) {
        bare->queue[(bare->head + bare->n_queued++) % bare->n] = (Due){ id, at };
}

static void bare_ask_due(Bare *bare, uint64_t now) {
        while (bare->n_queued > 0 && bare->queue[bare->head].at_usec <= now) {
                unsigned id = bare->queue[bare->head].id;
                CURL *easy = bare_new(bare->ports[id % PROBE_PORTS], "/health");

                curl_easy_setopt(easy, CURLOPT_PRIVATE, (void *) (uintptr_t) id);
                if (curl_multi_add_handle(bare->multi, easy) != CURLM_OK)
                        fail("curl_multi_add_handle");
                bare->head = (bare->head + 1) % bare->n;
                bare->n_queued--;
        }
}

static void bare_collect(Bare *bare) {
        CURLMsg *message;
        int n_left;

        while ((message = curl_multi_info_read(bare->multi, &n_left))) {
                CURL *easy = message->easy_handle;
                void *id = NULL;

                curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &id);
                bare->n_answers += message->data.result == CURLE_OK;
                curl_multi_remove_handle(bare->multi, easy);
                curl_easy_cleanup(easy);
                bare_push(bare, (unsigned) (uintptr_t) id, clock_monotonic_usec() + INTERVAL_USEC);
        }
}

static void bare_run(Bare *bare, uint64_t until) {
        for (uint64_t now; (now = clock_monotonic_usec()) < until;) {
                uint64_t next = until;
                int n_running;

                bare_ask_due(bare, now);
                curl_multi_perform(bare->multi, &n_running);
                bare_collect(bare);
                if (bare->n_queued > 0 && bare->queue[bare->head].at_usec < next)
                        next = bare->queue[bare->head].at_usec;
                now = clock_monotonic_usec();
                curl_multi_poll(bare->multi, NULL, 0,
                                next > now ? (int) ((next - now) / USEC_PER_MSEC) + 1 : 0, NULL);
        }
}

static int compare_gaps(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

static void print_gaps(const Asked *asked, unsigned n_sidecars) {
        uint32_t *all = calloc(SIDECARS_MAX * GAPS_MAX, sizeof(uint32_t));
        size_t n = 0, n_missed = 0;
        uint64_t sum = 0, worst = 0;

        if (!all)
                fail("set-up");
        for (unsigned id = 0; id < n_sidecars; id++) {
                uint64_t own = 0;

                for (uint32_t i = 0; i < asked[id].n; i++) {
                        own += all[n++] = asked[id].gaps_usec[i];
                        n_missed += asked[id].gaps_usec[i] > MISSED_USEC;
                }
                sum += own;
                if (asked[id].n > 0 && own / asked[id].n > worst)
                        worst = own / asked[id].n;
        }
        if (n == 0)
                fail("nobody was asked");

        qsort(all, n, sizeof(uint32_t), compare_gaps);
        printf("from an answer to the next probe, over %zu probes of %u sidecars: mean %.2f ms, "
               "median %.2f, 99 %% %.2f, longest %.2f; the sidecar with the longest mean %.2f; "
               "%zu later than 1.5 s\n",
               n, n_sidecars, (double) sum / (double) n / 1e3, all[n / 2] / 1e3,
               all[n - 1 - n / 100] / 1e3, all[n - 1] / 1e3, (double) worst / 1e3, n_missed);
        free(all);
}

/* What the brain says of a sidecar that missed a probe: "Running/unhealthy". */
static unsigned count_unhealthy(const Session *session) {
        char path[PATH_MAX], line[1024];
        unsigned n = 0;
        FILE *log;

        (void) snprintf(path, sizeof(path), "%s/log", session->folder);
        log = fopen(path, "re");
        if (!log)
                fail("cannot read %s", path);
        while (fgets(line, sizeof(line), log))
                n += strstr(line, "unhealthy") != NULL;
        (void) fclose(log);
        return n;
}

void probe_daemon_measure(CURLM *multi,
                          const uint16_t ports[static PROBE_PORTS],
                          Asked *asked,
                          unsigned n_sidecars,
                          unsigned seconds) {
        static Bare bare;
        Session session;
        struct rlimit files;
        pid_t pids[2];
        uint64_t now, brain_nsec, bare_nsec, n_asked = 0, n_answered;

        (void) getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &files);
        session_open(&session, NULL);
        write_apps(&session, ports, n_sidecars);
        session_run_daemon(&session, pids);
        start_all(n_sidecars);

        bare = (Bare){ .multi = multi, .ports = ports, .n = n_sidecars };
        now = clock_monotonic_usec();
        for (unsigned id = 0; id < n_sidecars; id++)
                bare_push(&bare, id, now + id * INTERVAL_USEC / n_sidecars);

        /* What is paid once, and the starts, are not what is measured. */
        bare_run(&bare, now + 5 * USEC_PER_SEC);
        for (unsigned id = 0; id < n_sidecars; id++)
                asked[id].n = 0;
        n_answered = bare.n_answers;
        brain_nsec = process_cpu_nsec(pids[1]);
        bare_nsec = process_cpu_nsec(getpid());
        bare_run(&bare, clock_monotonic_usec() + seconds * USEC_PER_SEC);
        brain_nsec = process_cpu_nsec(pids[1]) - brain_nsec;
        bare_nsec = process_cpu_nsec(getpid()) - bare_nsec;
        n_answered = bare.n_answers - n_answered;
        for (unsigned id = 0; id < n_sidecars; id++)
                n_asked += asked[id].n;

        printf("%u sidecars, each second, for %u s: brain %.1f us a probe (%" PRIu64
               " probes, %.1f %% of a CPU), bare curl %.1f us (%" PRIu64 "), ratio %.2f; "
               "%u misses\n",
               n_sidecars, seconds, (double) brain_nsec / 1e3 / (double) n_asked, n_asked,
               (double) brain_nsec / 1e7 / seconds, (double) bare_nsec / 1e3 / (double) n_answered,
               n_answered,
               (double) brain_nsec / (double) n_asked / ((double) bare_nsec / (double) n_answered),
               count_unhealthy(&session));
        print_gaps(asked, n_sidecars);

        (void) kill(pids[0], SIGTERM);
        (void) waitpid(pids[0], NULL, 0);
        session_close(&session);
}
