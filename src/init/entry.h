/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Entry
 *
 * One generation in a slot, from its spawn until the brain has taken its end: what is known of it,
 * the descriptors that are to outlive a brain, and the news that the brain has not been sent yet.
 * News is bits and facts, not a queue: whatever the brain does, nothing grows and nothing is lost.
 * The keeper has a table of them, a guardian has one.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/spawn.h"
#include "util/macro.h"

typedef enum EntryState {
        ENTRY_FREE,
        ENTRY_RUNNING, /* pid is a child of ours that is not reaped */
        ENTRY_ENDED,   /* reaped; for a guardian's: nothing of its tree is left */
        ENTRY_LOST,    /* the guardian died before its tree, which is ours to end now */
} EntryState;

typedef struct Entry {
        EntryState state;
        unsigned news;       /* bits of what is to be sent */
        uint64_t generation; /* the current or last one; 0: none in this slot */
        bool is_guarded;     /* pid is a guardian */
        pid_t pid;           /* a child only as long as the state says RUNNING */
        int main_fd;         /* pidfd, or the brain's end of the guardian's pair */
        int stdout_fd;       /* where its output is read; -1: not kept */
        int stderr_fd;
        int notify_fd;             /* where it says how it is; -1: not kept */
        int memory_fd;             /* of the slot, through all its generations; -1: none */
        int stdin_fd;              /* where its stdin is fed; -1: not kept */
        uint64_t stdin_generation; /* whose that is: it comes before the spawn */
        int sockets_fd;            /* packed, of the slot as its memory is; -1: none */
        SpawnOrder lent;           /* to a child that has no descriptors of its own yet */
        int exec_fd;               /* speaks when the exec has come to something */
        bool has_exec;             /* it has */
        int exec_error;
        int code; /* as in siginfo_t */
        int status;
        uint64_t refused_generation; /* of the last SPAWN that came to nothing */
        int refused_error;
} Entry;

#define ENTRY_NONE                                                                                 \
        {                                                                                          \
                .main_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .notify_fd = -1, .memory_fd = -1, \
                .stdin_fd = -1, .sockets_fd = -1, .lent = SPAWN_ORDER_NONE, .exec_fd = -1,         \
        }

/* Facts, each with its news. Descriptors are handed over. */
void entry_set_forked(
        Entry *entry, uint64_t generation, pid_t pid, int pidfd, int exec_fd, SpawnOrder *lent);
void entry_set_guarded(
        Entry *entry, uint64_t generation, pid_t pid, int brain_end, int exec_fd, SpawnOrder *lent);
void entry_set_refused(Entry *entry, uint64_t generation, int error);
void entry_set_exec(Entry *entry, int error);
void entry_set_ended(Entry *entry, int code, int status);

/* Ready for another generation. What was spawned in it is remembered: nothing is spawned twice. */
void entry_drop(Entry *entry);

/* Keeps that descriptor, -1: none, in place of the former one. */
void entry_keep_stdin(Entry *entry, uint64_t generation, int fd);

/* Ready for another sidecar. */
void entry_release(Entry *entry);

/* Nobody knows any more of the SPAWN that came to nothing. */
void entry_forget_refused(Entry *entry);

/* All that is known is news again, for a brain that did not hear it. */
void entry_tell_again(Entry *entry);

/* Sends what is to be sent. 0: all; errors as wire_send(): the rest is still to be sent. */
int entry_send_news(Entry *entry, uint32_t slot, int socket_fd);

/* Sends all that is known as one ENTRY, if there is anything; so it is news no more. */
int entry_hand_over(Entry *entry, uint32_t slot, int socket_fd);
