/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Probe fixture
 *
 * A loop, a prober and, beside them, a server that misbehaves on demand (tests/children): what the
 * tests of probes have in common.
 */

#include <arpa/inet.h>
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "child.h"
#include "io/probe.h"
#include "test.h"
#include "util/duration.h"
#include "util/strv.h"

#define TEXTS(...) ((char **) (uintptr_t) (const char *[]){ __VA_ARGS__, NULL })

static const StatusRange success[] = { { 200, 399 } };

static sd_event *event;
static Prober *prober;
static Child server;

/* What the last probe said; error is a copy. */
static Probe *probe;
static ProbeResult said;
static char said_error[1024];
static unsigned n_said;

static inline uint64_t now_usec(void) {
        struct timespec now;

        ck_assert_int_eq(clock_gettime(CLOCK_MONOTONIC, &now), 0);
        return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / 1000;
}

static inline void set_up(void) {
        ck_assert_int_ge(sd_event_new(&event), 0);
        ck_assert_int_eq(prober_new(&prober, event), 0);
}

static inline void tear_down(void) {
        probe = probe_free(probe);
        prober = prober_free(prober);
        event = sd_event_unref(event);
        child_end(&server);
}

static inline uint16_t serve(const char *address) {
        char path[PATH_MAX], line[64];
        const char *argv[] = { child_path(path, "hostile-http"), address, NULL };

        server = child_run(argv);
        return (uint16_t) atoi(child_read_line(&server, line, sizeof(line)));
}

static inline ProbeTarget http(uint16_t port, char **paths) {
        return (ProbeTarget){
                .kind = PROBE_HTTP,
                .port = port,
                .paths = paths,
                .alive = success,
                .n_alive = ELEMENTSOF(success),
                .timeout_usec = 20 * USEC_PER_SEC,
                .deadline_usec = USEC_INFINITY,
        };
}

static inline ProbeTarget tcp(uint16_t port) {
        return (ProbeTarget){
                .kind = PROBE_TCP,
                .port = port,
                .timeout_usec = 20 * USEC_PER_SEC,
                .deadline_usec = USEC_INFINITY,
        };
}

/* Frees the probe in its own handler, as its users do. */
static inline void note(const ProbeResult *result, _unused_ void *userdata) {
        said = *result;
        (void) snprintf(said_error, sizeof(said_error), "%s", result->error);
        n_said++;
        probe = probe_free(probe);
}

static inline const ProbeResult *ask(const ProbeTarget *target) {
        n_said = 0;
        ck_assert_int_eq(probe_start(&probe, prober, target, note, NULL), 0);
        ck_assert_msg(n_said == 0, "the handler was called from within probe_start()");
        while (n_said == 0)
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);

        ck_assert_uint_eq(n_said, 1);
        return &said;
}

static inline const ProbeResult *ask_path(uint16_t port, const char *path) {
        ProbeTarget target = http(port, TEXTS(path));

        return ask(&target);
}

/* Turns the loop until nothing is left to do right now. */
static inline void let_all_happen(void) {
        while (sd_event_run(event, 0) > 0)
                ;
}

static inline int read_line(_unused_ sd_event_source *source,
                            _unused_ int fd,
                            _unused_ uint32_t revents,
                            void *line) {
        (void) child_read_line(&server, line, 64);
        return 0;
}

/* Turns the loop until the server says something, which must be this. */
static inline void wait_for_line(const char *expected) {
        sd_event_source *source = NULL;
        char line[64] = "";

        ck_assert_int_ge(
                sd_event_add_io(event, &source, fileno(server.lines), EPOLLIN, read_line, line), 0);
        while (line[0] == '\0')
                ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
        sd_event_source_disable_unref(source);
        ck_assert_str_eq(line, expected);
}

static inline unsigned count_fds(void) {
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        ck_assert_ptr_nonnull(directory);
        while (readdir(directory))
                n++;
        closedir(directory);
        return n;
}

/* A port on which nobody listens: bound, so that nobody else takes it meanwhile. */
static inline uint16_t mute_port(int *ret_fd) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t n = sizeof(address);

        *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(bind(*ret_fd, (struct sockaddr *) &address, n), 0);
        ck_assert_int_eq(getsockname(*ret_fd, (struct sockaddr *) &address, &n), 0);
        return ntohs(address.sin_port);
}
