/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Raw
 *
 * With cgroups contained the test makes the leaves itself, where the keeper's own record says.
 */

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "raw.h"
#include "util/cgroup-dir.h"

RawNews raw_news;
int raw_socket = -1;

void raw_receive(int fd) {
        struct pollfd event = { .fd = fd, .events = POLLIN };

        wire_close_fds(raw_news.fds, raw_news.n_fds);
        raw_news.n_fds = 0;
        ck_assert_msg(poll(&event, 1, RIG_PATIENCE_MSEC) == 1, "nothing is said");
        ck_assert_int_eq(wire_receive(fd, &raw_news.message, raw_news.fds, &raw_news.n_fds), 1);
}

void raw_expect_from(int fd, WireKind kind) {
        raw_receive(fd);
        ck_assert_uint_eq(raw_news.message.kind, kind);
}

void raw_expect(WireKind kind, uint32_t slot) {
        raw_expect_from(raw_socket, kind);
        ck_assert_uint_eq(raw_news.message.slot, slot);
}

void raw_expect_hello(uint32_t flags) {
        raw_expect(WIRE_HELLO, 0);
        ck_assert_uint_eq(raw_news.message.version, WIRE_VERSION);
        ck_assert_uint_eq(raw_news.message.flags, flags);
        ck_assert_uint_eq(raw_news.n_fds, 1);
}

void raw_take_socket(void) {
        raw_socket = safe_close(raw_socket);
        ck_assert_int_eq(send(rig.control_fd, "socket", strlen("socket"), MSG_NOSIGNAL), 6);
        raw_receive(rig.control_fd);
        ck_assert_uint_eq(raw_news.n_fds, 1);
        raw_socket = TAKE_FD(raw_news.fds[0]);
}

void raw_accept_brain(void) {
        rig_accept_brain();
        raw_take_socket();
}

void raw_start(void) {
        rig_start();
        raw_take_socket();
        raw_expect_hello(WIRE_HELLO_FIRST);
        raw_expect(WIRE_TABLE_END, 0);
}

/* Our copy of its socket goes first, so that what is in it has an end. */
void raw_kill_brain(void) {
        _cleanup_close_ int brain_fd = pin(rig.brain_pid);

        raw_socket = safe_close(raw_socket);
        ck_assert_int_eq(kill(rig.brain_pid, SIGKILL), 0);
        ck_assert(is_gone(brain_fd, RIG_PATIENCE_MSEC));
}

void raw_stop_keeper(void) {
        siginfo_t info;

        ck_assert_int_eq(kill(rig.keeper_pid, SIGSTOP), 0);
        ck_assert_int_eq(waitid(P_PID, (id_t) rig.keeper_pid, &info, WSTOPPED | WNOWAIT), 0);
}

void raw_continue_keeper(void) {
        ck_assert_int_eq(kill(rig.keeper_pid, SIGCONT), 0);
}

static void order(const WireMessage *message, const int *fds, size_t n_fds) {
        struct pollfd room = { .fd = raw_socket, .events = POLLOUT };
        int r;

        while ((r = wire_send(raw_socket, message, fds, n_fds)) == -EAGAIN)
                ck_assert_msg(poll(&room, 1, RIG_PATIENCE_MSEC) == 1, "the keeper does not read");
        ck_assert_int_eq(r, 0);
}

void raw_order(WireKind kind, uint32_t slot, uint64_t generation) {
        order(&(WireMessage){ .kind = kind, .slot = slot, .generation = generation }, NULL, 0);
}

void raw_order_with(WireKind kind, uint32_t slot, int fd) {
        order(&(WireMessage){ .kind = kind, .slot = slot }, &fd, 1);
}

void raw_keep_stdin(uint32_t slot, uint64_t generation, int fd) {
        order(&(WireMessage){ .kind = WIRE_KEEP_STDIN, .slot = slot, .generation = generation },
              &fd, 1);
}

/* One program and one argument at most, with an empty environment. */
typedef struct Payload {
        WirePayload head;
        uint64_t argv[3];
        uint64_t envp[1];
        char root[2];
        char path[512]; /* and the argument, behind a NUL */
} Payload;

static int make_payload(const char *program) {
        Payload payload = {
                .head = { .path = offsetof(Payload, path),
                          .working_directory = offsetof(Payload, root),
                          .argv = offsetof(Payload, argv),
                          .envp = offsetof(Payload, envp) },
                .argv = { offsetof(Payload, path) },
                .root = "/",
        };
        int fd = memfd_create("payload", MFD_CLOEXEC);
        char *blank;

        (void) snprintf(payload.path, sizeof(payload.path), "%s",
                        program[0] == '/' ? program : child_path(program));
        blank = strchr(payload.path, ' ');
        if (blank) {
                *blank = '\0';
                payload.argv[1] = payload.argv[0] + (uint64_t) (blank + 1 - payload.path);
        }
        ck_assert_int_eq(write(fd, &payload, sizeof(payload)), sizeof(payload));
        return fd;
}

static int open_trees(void) {
        char record[128], path[PATH_MAX];
        int n, fd;

        (void) snprintf(record, sizeof(record), "%s/run/sidecard/containment", rig.directory);
        n = kernel_file_read(AT_FDCWD, record, path, sizeof(path));
        ck_assert_int_gt(n, 0);
        (void) snprintf(path + n, sizeof(path) - (size_t) n, "/trees");
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        return fd;
}

static int open_leaf(uint32_t slot) {
        _cleanup_close_ int trees_fd = open_trees();
        char leaf[32];
        int fd;

        (void) snprintf(leaf, sizeof(leaf), "raw-%u", slot);
        ck_assert(mkdirat(trees_fd, leaf, 0755) == 0 || errno == EEXIST);
        fd = openat(trees_fd, leaf, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        return fd;
}

void raw_write_leaf(uint32_t slot, const char *file, const char *text) {
        _cleanup_close_ int leaf_fd = open_leaf(slot);

        ck_assert_int_eq(kernel_file_write(leaf_fd, file, text), 0);
}

void raw_write_trees(const char *file, const char *text) {
        _cleanup_close_ int trees_fd = open_trees();

        ck_assert_int_eq(kernel_file_write(trees_fd, file, text), 0);
}

void raw_spawn(uint32_t slot, uint64_t generation, const char *program, int ret_kept[3]) {
        raw_spawn_fed(slot, generation, program, -1, ret_kept);
}

void raw_spawn_fed(
        uint32_t slot, uint64_t generation, const char *program, int input_fd, int ret_kept[3]) {
        WireMessage message = { .kind = WIRE_SPAWN, .slot = slot, .generation = generation };
        int out[2], err[2], fds[WIRE_FDS_MAX];
        size_t n_fds = 0;

        ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(err, O_CLOEXEC), 0);
        fds[n_fds++] = make_payload(program);
        fds[n_fds++] = out[1];
        fds[n_fds++] = err[1];
        if (input_fd >= 0) {
                message.flags |= WIRE_SPAWN_STDIN;
                fds[n_fds++] = input_fd;
        }
        if (rig_is_cgroup()) {
                message.flags |= WIRE_SPAWN_CGROUP;
                fds[n_fds++] = open_leaf(slot);
        }
        if (ret_kept) {
                message.flags |= WIRE_SPAWN_KEEP;
                ret_kept[0] = fds[n_fds++] = out[0];
                ret_kept[1] = fds[n_fds++] = err[0];
                message.flags |= WIRE_SPAWN_NOTIFY;
                ret_kept[2] = fds[n_fds++] = memfd_create("notify", MFD_CLOEXEC);
        }
        order(&message, fds, n_fds);
        /* The reading ends stay: a writer without a reader would be killed. */
        wire_close_fds(fds, ret_kept ? n_fds - 3 : n_fds);
}

RawTree raw_expect_started(uint32_t slot, uint64_t generation) {
        RawTree tree = { .pair_fd = -1 };
        int from = raw_socket;

        if (!rig_is_cgroup()) {
                raw_expect(WIRE_GUARDIAN, slot);
                ck_assert_uint_eq(raw_news.n_fds, 1);
                tree.child_fd = pin(raw_news.message.pid);
                from = tree.pair_fd = TAKE_FD(raw_news.fds[0]);
        }
        raw_expect_from(from, WIRE_FORKED);
        ck_assert_uint_eq(raw_news.message.slot, slot);
        ck_assert_uint_eq(raw_news.message.generation, generation);
        ck_assert_uint_eq(raw_news.n_fds, 1);
        tree.main_fd = TAKE_FD(raw_news.fds[0]);
        if (tree.pair_fd < 0)
                tree.child_fd = tree.main_fd;
        raw_expect_from(from, WIRE_EXEC);
        ck_assert_int_eq(raw_news.message.error, 0);
        return tree;
}

void raw_wait_for_end(uint32_t slot) {
        do
                raw_receive(raw_socket);
        while (raw_news.message.kind != WIRE_EXITED || raw_news.message.slot != slot);
}

bool raw_is_same_file(int fd, int other_fd) {
        struct stat st, other;

        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_int_eq(fstat(other_fd, &other), 0);
        return st.st_dev == other.st_dev && st.st_ino == other.st_ino;
}
