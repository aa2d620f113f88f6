/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-probe [--sidecars N [--seconds N]]
 *
 * The CPU time of an HTTP probe through Prober, beside that of a bare loop of curl_multi_poll(3)
 * with the same options, round by round in the same run. Both ask 100 ports of a server in another
 * process, 100 at a time. What counts is this process alone; the median is over the rounds.
 *
 * With --sidecars it is the brain of this build instead, which asks so many sidecars each second
 * (tests/bench/probe-daemon.c).
 */

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "io/probe.h"
#include "tests/bench/machine.h"
#include "tests/bench/probe-daemon.h"
#include "util/clock.h"
#include "util/duration.h"

#define N_PORTS PROBE_PORTS
#define N_PROBES 1000 /* a round */
#define N_ROUNDS 11

static uint16_t ports[N_PORTS];
static Asked *asked; /* shared with the server */

/* "GET /17 HTTP/1.1" is sidecar 17's. */
static void note_asked(const char *request, uint64_t now) {
        unsigned id;
        Asked *of;
        uint64_t gap;

        if (sscanf(request, "GET /%u ", &id) != 1 || id >= SIDECARS_MAX)
                return;

        of = &asked[id];
        gap = of->answered_usec != 0 ? now - of->answered_usec : 0;
        if (of->answered_usec != 0 && of->n < GAPS_MAX)
                of->gaps_usec[of->n++] = (uint32_t) gap;
}

static void serve(int epoll_fd, const int *listeners) {
        static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                                     "Connection: close\r\n\r\nok";
        struct epoll_event events[64];
        char request[2048];
        unsigned id;

        for (;;) {
                int n = epoll_wait(epoll_fd, events, ELEMENTSOF(events), -1);

                for (int i = 0; i < n; i++) {
                        int fd = accept4(listeners[events[i].data.u32], NULL, NULL, SOCK_CLOEXEC);

                        ssize_t n_bytes = recv(fd, request, sizeof(request) - 1, 0);

                        request[n_bytes > 0 ? n_bytes : 0] = '\0';
                        note_asked(request, clock_monotonic_usec());
                        (void) !send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
                        if (sscanf(request, "GET /%u ", &id) == 1 && id < SIDECARS_MAX)
                                asked[id].answered_usec = clock_monotonic_usec();
                        (void) close(fd);
                }
        }
}

static pid_t start_server(void) {
        int listeners[N_PORTS], epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        pid_t pid;

        for (uint32_t i = 0; i < N_PORTS; i++) {
                struct sockaddr_in address = { .sin_family = AF_INET,
                                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
                struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
                socklen_t n = sizeof(address);

                listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (bind(listeners[i], (struct sockaddr *) &address, n) < 0 ||
                    listen(listeners[i], 128) < 0 ||
                    getsockname(listeners[i], (struct sockaddr *) &address, &n) < 0 ||
                    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listeners[i], &event) < 0)
                        fail("listen");
                ports[i] = ntohs(address.sin_port);
        }

        pid = fork();
        if (pid < 0)
                fail("fork");
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                serve(epoll_fd, listeners);
        }

        for (size_t i = 0; i < N_PORTS; i++)
                (void) close(listeners[i]);
        (void) close(epoll_fd);
        return pid;
}

static double cpu_usec(void) {
        struct rusage usage;

        (void) getrusage(RUSAGE_SELF, &usage);
        return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
               (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static unsigned n_done, n_alive;

static void note(const ProbeResult *result, void *userdata) {
        Probe **probe = userdata;

        n_done++;
        n_alive += result->alive;
        *probe = probe_free(*probe);
}

static double round_of_prober(sd_event *event, Prober *prober) {
        static const StatusRange alive[] = { { 200, 399 } };
        static Probe *probes[N_PORTS];
        char *paths[] = { (char *) (uintptr_t) "/health", NULL };
        double before = cpu_usec();

        for (unsigned started = n_done = 0; started < N_PROBES;) {
                for (size_t i = 0; i < N_PORTS; i++, started++) {
                        ProbeTarget target = {
                                .kind = PROBE_HTTP,
                                .port = ports[i],
                                .paths = paths,
                                .alive = alive,
                                .n_alive = ELEMENTSOF(alive),
                                .timeout_usec = 2 * USEC_PER_SEC,
                                .deadline_usec = USEC_INFINITY,
                        };

                        if (probe_start(&probes[i], prober, &target, note, &probes[i]) < 0)
                                fail("probe_start");
                }
                while (n_done < started)
                        (void) sd_event_run(event, UINT64_MAX);
        }

        return (cpu_usec() - before) / N_PROBES;
}

static size_t drop(_unused_ char *bytes, size_t size, size_t n, _unused_ void *userdata) {
        return size * n;
}

CURL *bare_new(uint16_t port, const char *path) {
        CURL *easy = curl_easy_init();
        char url[64];

        (void) snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", (unsigned) port, path);
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 2000L);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
        return easy;
}

static void bare_add(CURLM *multi, uint16_t port) {
        if (curl_multi_add_handle(multi, bare_new(port, "/health")) != CURLM_OK)
                fail("curl_multi_add_handle");
}

static void bare_collect(CURLM *multi) {
        CURLMsg *message;
        int n_left;

        while ((message = curl_multi_info_read(multi, &n_left))) {
                CURL *easy = message->easy_handle;

                n_done++;
                n_alive += message->data.result == CURLE_OK;
                curl_multi_remove_handle(multi, easy);
                curl_easy_cleanup(easy);
        }
}

static double round_of_curl(CURLM *multi) {
        double before = cpu_usec();

        for (unsigned started = n_done = 0; started < N_PROBES;) {
                for (size_t i = 0; i < N_PORTS; i++, started++)
                        bare_add(multi, ports[i]);
                while (n_done < started) {
                        int n_running;

                        curl_multi_perform(multi, &n_running);
                        bare_collect(multi);
                        if (n_done < started)
                                curl_multi_poll(multi, NULL, 0, 1000, NULL);
                }
        }

        return (cpu_usec() - before) / N_PROBES;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

static double median(double values[static N_ROUNDS]) {
        qsort(values, N_ROUNDS, sizeof(double), compare);
        return values[N_ROUNDS / 2];
}

static void compare_probers(CURLM *multi) {
        double ours[N_ROUNDS], bare[N_ROUNDS], ours_median, bare_median;
        sd_event *event = NULL;
        Prober *prober = NULL;

        if (sd_event_new(&event) < 0 || prober_new(&prober, event) < 0)
                fail("set-up");

        /* Once each beforehand, for what is paid once. */
        (void) round_of_prober(event, prober);
        (void) round_of_curl(multi);
        n_alive = 0;

        for (size_t i = 0; i < N_ROUNDS; i++) {
                ours[i] = round_of_prober(event, prober);
                bare[i] = round_of_curl(multi);
        }

        ours_median = median(ours);
        bare_median = median(bare);
        printf("CPU a probe, median of %d rounds of %d: Prober %.1f us (%.1f to %.1f), "
               "bare curl %.1f us (%.1f to %.1f), ratio %.2f; %u of %u alive\n",
               N_ROUNDS, N_PROBES, ours_median, ours[0], ours[N_ROUNDS - 1], bare_median, bare[0],
               bare[N_ROUNDS - 1], ours_median / bare_median, n_alive, 2 * N_ROUNDS * N_PROBES);

        prober_free(prober);
        sd_event_unref(event);
}

int main(int argc, char *argv[]) {
        static const struct option words[] = {
                { "sidecars", required_argument, NULL, 'n' },
                { "seconds", required_argument, NULL, 's' },
                { 0 },
        };
        unsigned n_sidecars = 0, seconds = 30;
        CURLM *multi;
        pid_t server;
        int option;

        while ((option = getopt_long(argc, argv, "", words, NULL)) >= 0)
                if (option == '?')
                        return 2;
                else
                        *(option == 'n' ? &n_sidecars : &seconds) = (unsigned) atoi(optarg);
        if (n_sidecars > SIDECARS_MAX || seconds == 0 || seconds > GAPS_MAX || optind < argc) {
                (void) fputs("bench-probe [--sidecars 1..1000 [--seconds 1..120]]\n", stderr);
                return 2;
        }

        asked = mmap(NULL, SIDECARS_MAX * sizeof(Asked), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        (void) curl_global_init(CURL_GLOBAL_NOTHING);
        multi = curl_multi_init();
        if (asked == MAP_FAILED || !multi)
                fail("set-up");
        server = start_server();

        if (n_sidecars == 0)
                compare_probers(multi);
        else
                probe_daemon_measure(multi, ports, asked, n_sidecars, seconds);

        curl_multi_cleanup(multi);
        curl_global_cleanup();
        (void) kill(server, SIGKILL);
        return EXIT_SUCCESS;
}
