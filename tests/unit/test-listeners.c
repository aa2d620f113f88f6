/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "io/listeners.h"
#include "test.h"
#include "util/cgroup-dir.h"
#include "util/strv.h"

#define CHILDREN_MAX 8

static pid_t children[CHILDREN_MAX];
static size_t n_children;
static char leaf[PATH_MAX]; /* of a cgroup that was made; "" */

static void tear_down(void) {
        for (size_t i = 0; i < n_children; i++) {
                (void) kill(children[i], SIGKILL);
                (void) waitpid(children[i], NULL, 0);
        }
        if (leaf[0])
                (void) rmdir(leaf);
}

static int listen_on(const char *text, uint16_t port, bool reuse, int protocol) {
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
        bool is_v6 = inet_pton(AF_INET6, text, &v6.sin6_addr) == 1;
        const struct sockaddr *address = is_v6 ? (const void *) &v6 : (const void *) &v4;
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, protocol);
        int on = 1;

        if (fd < 0 || (!is_v6 && inet_pton(AF_INET, text, &v4.sin_addr) != 1) ||
            (reuse && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
            (is_v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
            bind(fd, address, is_v6 ? sizeof(v6) : sizeof(v4)) < 0 || listen(fd, 1) < 0)
                return -1;
        return fd;
}

static uint16_t port_of(int fd) {
        struct sockaddr_in6 address; /* the port is in the same place as in sockaddr_in */
        socklen_t n = sizeof(address);

        ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &address, &n), 0);
        return ntohs(address.sin6_port);
}

/* What a child does before it listens. */
typedef struct Manner {
        const char *address;
        uint16_t port;
        bool reuse;
        bool hides; /* nobody may look at its descriptors, see PR_SET_DUMPABLE in prctl(2) */
        uid_t uid;  /* 0: ours */
        const char *cgroup_procs;
        int inherits; /* a listening socket, instead of one of its own; 0: none */
} Manner;

static int child_listen(const Manner *manner) {
        if (manner->cgroup_procs && kernel_file_write(AT_FDCWD, manner->cgroup_procs, "0") < 0)
                return -1;
        if (manner->uid > 0 && (setgid(manner->uid) < 0 || setuid(manner->uid) < 0))
                return -1;
        /* A change of user hides too, until the next exec. */
        if (prctl(PR_SET_DUMPABLE, !manner->hides) < 0)
                return -1;

        return manner->inherits > 0 ? manner->inherits
                                    : listen_on(manner->address, manner->port, manner->reuse, 0);
}

/* Another process that listens; it is there when this returns. */
static pid_t run(const Manner *manner) {
        int ready[2];
        char answer;
        pid_t pid;

        ck_assert_uint_lt(n_children, CHILDREN_MAX);
        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                (void) prctl(PR_SET_NAME, "a server");
                answer = child_listen(manner) >= 0;
                /* Last, since a change of user clears it. */
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) !write(ready[1], &answer, 1);
                for (;;)
                        (void) pause();
        }

        children[n_children++] = pid;
        close(ready[1]);
        ck_assert_int_eq(read(ready[0], &answer, 1), 1);
        ck_assert_msg(answer, "the child cannot listen");
        close(ready[0]);
        return pid;
}

static PortHolder stranger;

static PortOwner judge(uint16_t port, uint64_t cgroup_id, const pid_t *pids, size_t n_pids) {
        _cleanup_(listeners_done) Listeners listeners = { 0 };

        stranger = (PortHolder){ .pid = -1 };
        ck_assert_int_eq(listeners_find(&listeners, port), 0);
        return listeners_judge(&listeners, cgroup_id, pids, n_pids, &stranger);
}

static PortOwner judge_by_pid(uint16_t port, pid_t pid) {
        return judge(port, 0, &pid, 1);
}

/* A port on which nobody listens just now. */
static uint16_t spare_port(void) {
        _cleanup_close_ int fd = listen_on("127.0.0.1", 0, false, 0);

        ck_assert_int_ge(fd, 0);
        return port_of(fd);
}

START_TEST(a_tree_owns_what_it_listens_on_at_every_address) {
        static const char *const addresses[] = { "127.0.0.1", "0.0.0.0", "::1", "::" };
        uint16_t port = spare_port();

        ck_assert_int_eq(judge_by_pid(port, getpid()), PORT_OWNER_NOBODY);

        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                pid_t pid = run(&(Manner){ .address = addresses[i], .port = port, .reuse = true });

                ck_assert_msg(judge(port, 0, children, n_children) == PORT_OWNER_TREE, "%s",
                              addresses[i]);
                ck_assert_int_eq(stranger.pid, -1);
                /* Without that one the tree has a stranger on its port. */
                ck_assert_int_eq(judge(port, 0, children, n_children - 1), PORT_OWNER_STRANGER);
                ck_assert_int_eq(stranger.pid, pid);
        }
}
END_TEST

START_TEST(a_stranger_is_named_by_pid_and_program) {
        uint16_t port = spare_port();
        pid_t pid = run(&(Manner){ .address = "127.0.0.1", .port = port });

        ck_assert_int_eq(judge_by_pid(port, getpid()), PORT_OWNER_STRANGER);
        ck_assert_int_eq(stranger.pid, pid);
        ck_assert_str_eq(stranger.program, "a server");
        /* A tree in which there is nobody any more owns nothing. */
        ck_assert_int_eq(judge(port, 0, NULL, 0), PORT_OWNER_STRANGER);
        ck_assert_int_eq(stranger.pid, pid);
}
END_TEST

START_TEST(ones_own_ipv4_does_not_outvote_a_strangers_ipv6) {
        uint16_t port = spare_port();
        pid_t own = run(&(Manner){ .address = "127.0.0.1", .port = port });
        pid_t other;

        ck_assert_int_eq(judge_by_pid(port, own), PORT_OWNER_TREE);
        other = run(&(Manner){ .address = "::1", .port = port });
        ck_assert_int_eq(judge_by_pid(port, own), PORT_OWNER_STRANGER);
        ck_assert_int_eq(stranger.pid, other);
        ck_assert_int_eq(judge_by_pid(port, other), PORT_OWNER_STRANGER);
        ck_assert_int_eq(stranger.pid, own);
}
END_TEST

START_TEST(a_port_shared_with_a_stranger_is_a_strangers) {
        uint16_t port = spare_port();
        pid_t own = run(&(Manner){ .address = "127.0.0.1", .port = port, .reuse = true });
        pid_t other = run(&(Manner){ .address = "127.0.0.1", .port = port, .reuse = true });

        ck_assert_int_eq(judge_by_pid(port, own), PORT_OWNER_STRANGER);
        ck_assert_int_eq(stranger.pid, other);
        ck_assert_int_eq(judge(port, 0, (const pid_t[]){ own, other }, 2), PORT_OWNER_TREE);
}
END_TEST

/* As with sockets that were handed over (LISTEN_FDS): who made it holds it too. */
START_TEST(a_socket_that_was_handed_to_the_tree_is_the_trees) {
        int fd = listen_on("127.0.0.1", 0, false, 0);
        uint16_t port = port_of(fd);
        pid_t pid = run(&(Manner){ .inherits = fd });

        ck_assert_int_eq(judge_by_pid(port, pid), PORT_OWNER_TREE);
        close(fd);
        ck_assert_int_eq(judge_by_pid(port, pid), PORT_OWNER_TREE);
}
END_TEST

START_TEST(who_has_exited_owns_nothing) {
        uint16_t port = spare_port();
        pid_t pid = run(&(Manner){ .address = "::1", .port = port });

        ck_assert_int_eq(judge_by_pid(port, pid), PORT_OWNER_TREE);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        ck_assert_int_eq(judge_by_pid(port, pid), PORT_OWNER_NOBODY);
        ck_assert_int_eq(stranger.pid, -1);
}
END_TEST

/* Multipath TCP, which Go's servers speak by default: two sockets of the kernel with one inode. */
START_TEST(a_multipath_listener_is_its_process_own) {
        int fd = listen_on("127.0.0.1", 0, false, IPPROTO_MPTCP);
        pid_t other;

        if (fd < 0) {
                puts("SKIP: no multipath TCP here");
                return;
        }
        ck_assert_int_eq(judge_by_pid(port_of(fd), getpid()), PORT_OWNER_TREE);
        other = run(&(Manner){ .address = "::1", .port = port_of(fd) });
        ck_assert_int_eq(judge_by_pid(port_of(fd), getpid()), PORT_OWNER_STRANGER);
        ck_assert_int_eq(stranger.pid, other);
        close(fd);
}
END_TEST

/* The judge is an ordinary user: it may look at its own children, and at nobody who hides. */
static int judge_as_nobody(uint16_t port, uint64_t cgroup_id, pid_t pid) {
        int status;
        pid_t child = fork();

        ck_assert_int_ge(child, 0);
        if (child == 0) {
                if (setgid(65534) < 0 || setuid(65534) < 0)
                        _exit(99);
                _exit(judge(port, cgroup_id, &pid, 1) * 2 + (stranger.pid > 0));
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

START_TEST(what_cannot_be_seen_is_not_known_unless_a_stranger_is_seen) {
        uint16_t port = spare_port();
        pid_t hidden, empty;

        if (geteuid() != 0) {
                puts("SKIP: being two users takes root");
                return;
        }

        hidden =
                run(&(Manner){ .address = "127.0.0.1", .port = port, .hides = true, .uid = 65534 });
        ck_assert_int_eq(judge_as_nobody(port, 0, hidden), PORT_OWNER_UNKNOWN * 2);
        /* Of a tree all of which was seen it is not, whoever else's it is. */
        empty = run(&(Manner){ .address = "127.0.0.1", .port = spare_port(), .uid = 65534 });
        ck_assert_int_eq(judge_as_nobody(port, 0, empty), PORT_OWNER_STRANGER * 2);

        (void) run(&(Manner){ .address = "::1", .port = port, .uid = 65534 });
        ck_assert_int_eq(judge_as_nobody(port, 0, hidden), PORT_OWNER_STRANGER * 2 + 1);
}
END_TEST

/* A cgroup below the root, and its id; 0: none can be made here. */
static uint64_t make_cgroup(void) {
        static const char *const mounts[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
        struct stat st;

        for (size_t i = 0; i < ELEMENTSOF(mounts); i++) {
                char probe[PATH_MAX];

                (void) snprintf(probe, sizeof(probe), "%s/cgroup.procs", mounts[i]);
                (void) snprintf(leaf, sizeof(leaf), "%s/test-listeners-%d", mounts[i], getpid());
                if (access(probe, F_OK) == 0 && mkdir(leaf, 0700) == 0 && stat(leaf, &st) == 0)
                        return st.st_ino;
        }

        leaf[0] = '\0';
        return 0;
}

START_TEST(the_cgroup_of_a_socket_tells_whose_it_is_without_a_look_at_the_process) {
        uint64_t id = make_cgroup();
        char procs[PATH_MAX + 16];
        uint16_t port = spare_port();
        pid_t inside, outside;

        if (id == 0) {
                puts("SKIP: no writable cgroup here");
                return;
        }
        (void) snprintf(procs, sizeof(procs), "%s/cgroup.procs", leaf);

        inside = run(&(Manner){ .address = "127.0.0.1",
                                .port = port,
                                .hides = true,
                                .uid = 65534,
                                .cgroup_procs = procs });
        ck_assert_int_eq(judge_as_nobody(port, id, inside), PORT_OWNER_TREE * 2);
        ck_assert_int_eq(judge(port, id, NULL, 0), PORT_OWNER_TREE);
        ck_assert_int_eq(judge(port, id + 1, NULL, 0), PORT_OWNER_STRANGER);
        ck_assert_int_eq(stranger.pid, inside);

        outside = run(&(Manner){ .address = "::1", .port = port });
        ck_assert_int_eq(judge(port, id, NULL, 0), PORT_OWNER_STRANGER);
        ck_assert_int_eq(stranger.pid, outside);
        /* A cgroup below the tree's own has another id: then the descriptors tell. */
        ck_assert_int_eq(judge(port, id, &outside, 1), PORT_OWNER_TREE);
}
END_TEST

TEST_MAIN("listeners",
          NULL,
          tear_down,
          a_tree_owns_what_it_listens_on_at_every_address,
          a_stranger_is_named_by_pid_and_program,
          ones_own_ipv4_does_not_outvote_a_strangers_ipv6,
          a_port_shared_with_a_stranger_is_a_strangers,
          a_socket_that_was_handed_to_the_tree_is_the_trees,
          who_has_exited_owns_nothing,
          a_multipath_listener_is_its_process_own,
          what_cannot_be_seen_is_not_known_unless_a_stranger_is_seen,
          the_cgroup_of_a_socket_tells_whose_it_is_without_a_look_at_the_process)
