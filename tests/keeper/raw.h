/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Raw
 *
 * The wire, spoken by the test itself over the socket of a raw-brain. What the keeper says is taken
 * message by message, and each must be what is expected.
 */

#include "init/wire.h"
#include "rig.h"

/* What came last; its descriptors are closed when the next one comes. */
typedef struct RawNews {
        WireMessage message;
        int fds[WIRE_FDS_MAX];
        size_t n_fds;
} RawNews;

extern RawNews raw_news;
extern int raw_socket; /* the brain's end */

/* Takes the socket of the brain that the rig has accepted. */
void raw_take_socket(void);
/* Waits for a brain, and takes its. */
void raw_accept_brain(void);
/* The rig's start, up to a brain that is ready and has been told an empty table. */
void raw_start(void);

/* With the keeper stopped a killed brain has no successor until raw_continue_keeper(). */
void raw_kill_brain(void);
void raw_stop_keeper(void);
void raw_continue_keeper(void);

void raw_receive(int fd);
/* The next message, from the keeper, must be of that kind and slot. */
void raw_expect(WireKind kind, uint32_t slot);
/* ... from a guardian's pair. */
void raw_expect_from(int fd, WireKind kind);
/* HELLO with these flags. */
void raw_expect_hello(uint32_t flags);

/* Orders wait for room. */
void raw_order(WireKind kind, uint32_t slot, uint64_t generation);
void raw_order_with(WireKind kind, uint32_t slot, int fd);
void raw_keep_stdin(uint32_t slot, uint64_t generation, int fd);

/* Of the cgroup that a slot is spawned in, or of that above all of them. */
void raw_write_leaf(uint32_t slot, const char *file, const char *text);
void raw_write_trees(const char *file, const char *text);

/*
 * One of tests/children, or an absolute path. ret_kept: where its output is read, and what
 * stands for its notify socket, which the keeper keeps too; NULL: it does not.
 */
void raw_spawn(uint32_t slot, uint64_t generation, const char *program, int ret_kept[3]);
/* ... with input_fd, which is consumed, as its input. */
void raw_spawn_fed(
        uint32_t slot, uint64_t generation, const char *program, int input_fd, int ret_kept[3]);

typedef struct RawTree {
        int main_fd;  /* pidfd */
        int child_fd; /* pidfd of the keeper's own child: the main, or its guardian */
        int pair_fd;  /* the brain's end of the guardian's; -1: there is none */
} RawTree;

/* Waits until its main has executed, whatever contains it. */
RawTree raw_expect_started(uint32_t slot, uint64_t generation);
/* Skips news until its end, as the keeper tells it. */
void raw_wait_for_end(uint32_t slot);

bool raw_is_same_file(int fd, int other_fd);
