/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Listeners
 *
 * Who listens on a TCP port of this machine, and whether that is a sidecar's tree (contract R3).
 * The sockets are asked of the kernel by sock_diag(7); whose they are is told by the cgroup in
 * which each was made, else by its inode among the descriptors of processes. What was made in the
 * tree and then moved out of it in a process counts as the tree's for as long as it listens.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

typedef struct Listener {
        uint32_t inode;
        uint64_t cgroup_id; /* where the socket was made; 0: the kernel does not say */
} Listener;

/* All zero at first. */
typedef struct Listeners {
        Listener *all;
        size_t n;
} Listeners;

void listeners_done(Listeners *listeners);

/*
 * Those on a loopback or wildcard address of IPv4 or IPv6; none is no error. Negative errno: the
 * kernel would not tell.
 */
int listeners_find(Listeners *ret, uint16_t port);

/* Takes the one of that inode out; false: it is not among them. */
bool listeners_strike_inode(Listeners *listeners, uint32_t inode);

typedef struct PortHolder {
        pid_t pid;        /* 0: cannot be seen (another user's) */
        char program[64]; /* comm; "" where pid is 0 */
} PortHolder;

/* Some process that holds one of them, which may be taken out. Walks /proc. */
PortHolder listeners_find_holder(Listeners *listeners);

typedef enum PortOwner {
        PORT_OWNER_NOBODY,   /* nobody listens */
        PORT_OWNER_TREE,     /* every listener belongs to the tree */
        PORT_OWNER_STRANGER, /* at least one does not */
        PORT_OWNER_UNKNOWN,  /* one may be held by a process of the tree that lets nobody look */
        _PORT_OWNER_MAX,
        _PORT_OWNER_INVALID = -EINVAL,
} PortOwner;

/*
 * Takes those of the tree out. cgroup_id: the inode number of its cgroup's directory, 0: it has
 * none. pids: all of the tree, listed after listeners_find(), or the listener of a process that
 * was forked meanwhile is taken for a stranger's. *ret_stranger is written with
 * PORT_OWNER_STRANGER alone.
 */
PortOwner listeners_judge(Listeners *listeners,
                          uint64_t cgroup_id,
                          const pid_t *pids,
                          size_t n_pids,
                          PortHolder *ret_stranger);
