/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "probe-fixture.h"

/* 0: no answer. Timed: only the time of the probe ends it. */
static const struct {
        const char *path;
        unsigned status;
        bool is_timed;
} hostile[] = {
        { "/silent", 0, true },         { "/loris", 0, true },
        { "/loris-body", 200, true },   { "/body", 200, false },
        { "/chunks", 200, false },      { "/headers", 0, false },
        { "/trailers", 200, false },    { "/informational", 0, false },
        { "/hints", 204, false },       { "/switching", 0, false },
        { "/status-line", 0, false },   { "/http09", 0, false },
        { "/garbage", 0, false },       { "/close", 0, false },
        { "/reset", 0, false },         { "/redirect", 302, false },
        { "/long-length", 200, false }, { "/short-length", 200, false },
        { "/bad-length", 0, false },
};

/* With 200 ms, or as much as a machine that does something else needs for what is to come in time.
 */
static void ask_with_patience(ProbeTarget *target, unsigned status) {
        target->timeout_usec = 200 * USEC_PER_MSEC;
        while (ask(target)->status != status && target->timeout_usec < 10 * USEC_PER_SEC)
                target->timeout_usec *= 2;
}

START_TEST(hostile_servers_get_the_verdict_that_they_earn) {
        uint16_t port = serve("127.0.0.1");

        for (size_t i = 0; i < ELEMENTSOF(hostile); i++) {
                ProbeTarget target = http(port, TEXTS(hostile[i].path));

                if (hostile[i].is_timed)
                        ask_with_patience(&target, hostile[i].status);
                else
                        (void) ask(&target);

                ck_assert_msg(said.status == hostile[i].status, "%s: status %u, %s",
                              hostile[i].path, said.status, said_error);
                ck_assert_msg(said.alive == (hostile[i].status != 0), "%s", hostile[i].path);
                ck_assert_int_eq(said.path_index, hostile[i].status != 0 ? 0 : -1);
                ck_assert_msg(said.alive == (said_error[0] == '\0'), "%s", hostile[i].path);
                ck_assert_msg((said.latency_usec >= 200 * USEC_PER_MSEC) || !hostile[i].is_timed,
                              "%s took %" PRIu64 " us", hostile[i].path, said.latency_usec);
                ck_assert_uint_lt(said.latency_usec, 20 * USEC_PER_SEC);
        }
}
END_TEST

START_TEST(what_is_no_HTTP_is_told_in_words) {
        uint16_t port = serve("127.0.0.1");

        (void) ask_path(port, "/http09");
        ck_assert_str_eq(said_error, "GET /http09: what it answers is no HTTP");
        (void) ask_path(port, "/headers");
        ck_assert_str_eq(said_error, "GET /headers: its answer has no end");
        (void) ask_path(port, "/status-line");
        ck_assert_str_eq(said_error,
                         "GET /status-line: its answer is longer than there is room for");
        (void) ask_path(port, "/reset");
        ck_assert_ptr_nonnull(strstr(said_error, "GET /reset: "));
}
END_TEST

START_TEST(a_path_that_hangs_does_not_keep_the_next_from_being_asked) {
        ProbeTarget target = http(serve("127.0.0.1"), TEXTS("/silent", "/reset", "/status/200"));

        ask_with_patience(&target, 200);
        ck_assert(said.alive);
        ck_assert_int_eq(said.path_index, 2);
}
END_TEST

START_TEST(the_deadline_holds_within_a_path_and_over_all) {
        ProbeTarget target = http(serve("127.0.0.1"), TEXTS("/silent"));
        const char *paths[101] = { NULL };
        uint64_t start = now_usec();

        target.timeout_usec = 40 * USEC_PER_SEC;
        target.deadline_usec = start + 100 * USEC_PER_MSEC;
        ck_assert(!ask(&target)->alive);
        ck_assert_uint_ge(now_usec(), target.deadline_usec);
        ck_assert_uint_lt(now_usec() - start, 20 * USEC_PER_SEC);
        ck_assert_ptr_nonnull(strstr(said_error, "GET /silent: no answer within"));

        /* Twenty seconds of them, were they all asked. */
        for (size_t i = 0; i + 1 < ELEMENTSOF(paths); i++)
                paths[i] = i < 50 ? "/silent" : "/beyond";
        target.paths = (char **) (uintptr_t) paths;
        target.timeout_usec = 400 * USEC_PER_MSEC;
        start = now_usec();
        target.deadline_usec = start + USEC_PER_SEC;
        ck_assert(!ask(&target)->alive);
        ck_assert_uint_ge(now_usec(), target.deadline_usec);
        ck_assert_uint_lt(now_usec() - start, 20 * USEC_PER_SEC);
        ck_assert_ptr_nonnull(strstr(said_error, "GET /silent: no answer within"));
}
END_TEST

START_TEST(past_the_deadline_nothing_is_asked) {
        uint16_t port = serve("127.0.0.1");
        ProbeTarget targets[] = { http(port, TEXTS("/status/200", "/status/200")), tcp(port) };

        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                targets[i].deadline_usec = 1;
                ck_assert(!ask(&targets[i])->alive);
        }
}
END_TEST

/* A listener whose queue is full and that never accepts: the kernel drops what comes, in silence.
 */
START_TEST(a_tcp_probe_gives_up_in_time) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fillers[4];
        struct pollfd queue = { .fd = listener, .events = POLLIN };
        ProbeTarget target;

        ck_assert_int_eq(bind(listener, (struct sockaddr *) &address, n), 0);
        ck_assert_int_eq(listen(listener, 0), 0);
        ck_assert_int_eq(getsockname(listener, (struct sockaddr *) &address, &n), 0);
        for (size_t i = 0; i < ELEMENTSOF(fillers); i++) {
                fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                (void) connect(fillers[i], (struct sockaddr *) &address, sizeof(address));
        }
        /* One is in the queue, which is full of it. */
        ck_assert_int_eq(poll(&queue, 1, -1), 1);

        target = tcp(ntohs(address.sin_port));
        target.timeout_usec = 100 * USEC_PER_MSEC;
        ck_assert(!ask(&target)->alive);
        ck_assert_ptr_nonnull(strstr(said_error, "no answer within"));

        for (size_t i = 0; i < ELEMENTSOF(fillers); i++)
                close(fillers[i]);
        close(listener);
}
END_TEST

/* In a network of its own, where the one ephemeral port is the one that is asked. */
START_TEST(a_connection_with_oneself_is_no_sign_of_life) {
        struct ifreq interface = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        ProbeTarget target = tcp(40000);
        FILE *range;
        int fd;

        if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
                puts("SKIP: a network of one's own takes root");
                return;
        }
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &interface), 0);
        close(fd);
        range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "we");
        ck_assert_ptr_nonnull(range);
        ck_assert_int_gt(fprintf(range, "40000 40000"), 0);
        ck_assert_int_eq(fclose(range), 0);

        ck_assert(!ask(&target)->alive);
        ck_assert_str_eq(said_error, "nothing listens on port 40000");

        target = http(40000, TEXTS("/"));
        ck_assert(!ask(&target)->alive);
}
END_TEST

/* Kilobytes; the allocator of a sanitizer keeps what is freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PEAK_MAX (64 * 1024)
#else
#define PEAK_MAX (4 * 1024)
#endif

static long peak_memory(void) {
        struct rusage usage;

        ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
        return usage.ru_maxrss;
}

static unsigned count_descriptors(void) {
        DIR *all = opendir("/proc/self/fd");
        unsigned n = 0;

        ck_assert_ptr_nonnull(all);
        while (readdir(all))
                n++;
        (void) closedir(all);
        return n;
}

START_TEST(endless_answers_take_no_memory_and_leave_no_descriptor) {
        static const char *const endless[] = {
                "/body", "/chunks", "/headers", "/trailers", "/informational", "/status-line",
        };
        uint16_t port = serve("127.0.0.1");
        unsigned n_descriptors;
        long before;

        (void) ask_path(port, "/body");
        before = peak_memory();
        n_descriptors = count_descriptors();
        for (size_t i = 0; i < 60; i++)
                (void) ask_path(port, endless[i % ELEMENTSOF(endless)]);
        printf("60 endless answers: peak memory %ld KiB before, %ld after; descriptors %u, %u\n",
               before, peak_memory(), n_descriptors, count_descriptors());
        ck_assert_int_lt(peak_memory() - before, PEAK_MAX);
        ck_assert_uint_eq(count_descriptors(), n_descriptors);
}
END_TEST

#define N_CROWD 64

typedef struct Member {
        Probe *probe;
        unsigned *n_waiting;
} Member;

static void member_note(_unused_ const ProbeResult *result, void *userdata) {
        Member *member = userdata;

        ck_assert_ptr_nonnull(member->probe);
        member->probe = probe_free(member->probe);
        (*member->n_waiting)--;
}

/* Also frees some other member from within a handler, which may have its answer already. */
static void member_note_and_free_neighbour(const ProbeResult *result, void *userdata) {
        Member *member = userdata, *neighbour = member + 1;

        member_note(result, userdata);
        if (neighbour->probe) {
                neighbour->probe = probe_free(neighbour->probe);
                (*member->n_waiting)--;
        }
}

START_TEST(a_crowd_of_probes_can_be_freed_at_any_moment) {
        uint16_t port = serve("127.0.0.1");
        unsigned seed = (unsigned) now_usec(), n_waiting = 0;
        Member members[N_CROWD + 1] = { 0 };

        printf("seed %u\n", seed);
        srandom(seed);

        for (size_t i = 0; i < N_CROWD; i++) {
                ProbeTarget target =
                        http(port, TEXTS(hostile[(size_t) random() % ELEMENTSOF(hostile)].path));

                if (random() % 4 == 0)
                        target = tcp(port);
                target.timeout_usec = 500 * USEC_PER_MSEC;
                members[i].n_waiting = &n_waiting;
                ck_assert_int_eq(
                        probe_start(&members[i].probe, prober, &target,
                                    random() % 2 ? member_note : member_note_and_free_neighbour,
                                    &members[i]),
                        0);
                n_waiting++;
        }

        while (n_waiting > 0) {
                Member *member = &members[random() % N_CROWD];

                if (random() % 8 == 0 && member->probe) {
                        member->probe = probe_free(member->probe);
                        n_waiting--;
                        continue;
                }
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
        }
}
END_TEST

TEST_MAIN("probe-hostile",
          set_up,
          tear_down,
          hostile_servers_get_the_verdict_that_they_earn,
          what_is_no_HTTP_is_told_in_words,
          a_path_that_hangs_does_not_keep_the_next_from_being_asked,
          the_deadline_holds_within_a_path_and_over_all,
          past_the_deadline_nothing_is_asked,
          a_tcp_probe_gives_up_in_time,
          a_connection_with_oneself_is_no_sign_of_life,
          endless_answers_take_no_memory_and_leave_no_descriptor,
          a_crowd_of_probes_can_be_freed_at_any_moment)
