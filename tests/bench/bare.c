/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bare PROGRAM FILE N
 *
 * The floor that Sidecard is measured against: what any supervisor on this machine has to pay.
 * One loop of epoll(7), a pidfd and posix_spawn(3) a child, started again at once when it dies.
 * No containment, no output, no limits, no policy, and nothing it has to say to anybody.
 *
 * Its children are N times `PROGRAM pause I FILE`, and as number N one `PROGRAM exit N FILE`.
 * Orders are packets on the socket that it has as descriptor 3, each answered by one byte: "u I"
 * and "d I" start and stop one child, "U" starts the first N, "D" stops them. At the end of that
 * connection all children are killed.
 */

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "util/macro.h"

#define CONTROL_FD 3
#define EVENT_CONTROL UINT32_MAX /* any other event is the end of the child of that number */

typedef struct Service {
        bool is_wanted;
        pid_t pid; /* 0: it is down */
        int pidfd;
        char id[16];
        char *argv[5];
} Service;

static Service *services;
static uint32_t n_pausing; /* one more is there, which exits at once */
static int epoll_fd;
static posix_spawnattr_t spawn_attributes;

static void fail(const char *what) {
        perror(what);
        exit(EXIT_FAILURE);
}

static void watch(int fd, uint32_t what) {
        struct epoll_event event = { .events = EPOLLIN, .data.u32 = what };

        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
                fail("epoll_ctl");
}

static void start(uint32_t number) {
        Service *service = &services[number];
        int error;

        service->is_wanted = true;
        if (service->pid != 0)
                return;

        error = posix_spawn(&service->pid, service->argv[0], NULL, &spawn_attributes, service->argv,
                            environ);
        if (error != 0) {
                errno = error;
                fail("posix_spawn");
        }
        service->pidfd = (int) syscall(SYS_pidfd_open, service->pid, 0);
        if (service->pidfd < 0)
                fail("pidfd_open");
        watch(service->pidfd, number);
}

static void stop(uint32_t number) {
        Service *service = &services[number];

        service->is_wanted = false;
        if (service->pid != 0)
                (void) kill(service->pid, SIGTERM);
}

static void on_end(uint32_t number) {
        Service *service = &services[number];

        (void) waitpid(service->pid, NULL, 0);
        (void) close(service->pidfd);
        service->pid = 0;
        if (service->is_wanted)
                start(number);
}

static void for_all(void (*act)(uint32_t number)) {
        for (uint32_t i = 0; i < n_pausing; i++)
                act(i);
}

static void kill_one(uint32_t number) {
        if (services[number].pid != 0)
                (void) kill(services[number].pid, SIGKILL);
}

/* Answers false at the end of the connection. */
static bool on_control(void) {
        char order[32];
        ssize_t n = recv(CONTROL_FD, order, sizeof(order) - 1, 0);
        uint32_t number;

        if (n <= 0)
                return false;

        order[n] = '\0';
        number = (uint32_t) strtoul(order + 1, NULL, 10);
        if (order[0] == 'U')
                for_all(start);
        else if (order[0] == 'D')
                for_all(stop);
        else if (number <= n_pausing)
                (order[0] == 'u' ? start : stop)(number);

        return send(CONTROL_FD, "", 1, MSG_NOSIGNAL) == 1;
}

/* posix_spawn(3) does for a child what every supervisor does: a session and signals of its own. */
static void prepare_spawn(void) {
        sigset_t none, all;

        (void) sigemptyset(&none);
        (void) sigfillset(&all);
        (void) posix_spawnattr_init(&spawn_attributes);
        (void) posix_spawnattr_setflags(&spawn_attributes, POSIX_SPAWN_SETSID |
                                                                   POSIX_SPAWN_SETSIGMASK |
                                                                   POSIX_SPAWN_SETSIGDEF);
        (void) posix_spawnattr_setsigmask(&spawn_attributes, &none);
        (void) posix_spawnattr_setsigdefault(&spawn_attributes, &all);
}

static void prepare_services(char *program, char *file) {
        static char pauses[] = "pause", exits[] = "exit";

        services = calloc(n_pausing + 1, sizeof(Service));
        if (!services)
                fail("calloc");
        for (uint32_t i = 0; i <= n_pausing; i++) {
                Service *service = &services[i];

                (void) snprintf(service->id, sizeof(service->id), "%u", (unsigned) i);
                service->argv[0] = program;
                service->argv[1] = i < n_pausing ? pauses : exits;
                service->argv[2] = service->id;
                service->argv[3] = file;
        }
}

static void run(void) {
        struct epoll_event events[64];

        for (;;) {
                int n = epoll_wait(epoll_fd, events, ELEMENTSOF(events), -1);

                for (int i = 0; i < n; i++)
                        if (events[i].data.u32 != EVENT_CONTROL)
                                on_end(events[i].data.u32);
                        else if (!on_control())
                                return;
        }
}

int main(int argc, char **argv) {
        struct rlimit files;

        if (argc != 4)
                return 2;

        (void) getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &files);

        n_pausing = (uint32_t) strtoul(argv[3], NULL, 10);
        prepare_spawn();
        prepare_services(argv[1], argv[2]);
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (epoll_fd < 0 || fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC) < 0)
                fail("cannot begin");
        watch(CONTROL_FD, EVENT_CONTROL);
        run();

        for_all(kill_one);
        kill_one(n_pausing);
        return EXIT_SUCCESS;
}
