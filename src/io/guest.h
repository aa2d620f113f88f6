/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Guest
 *
 * A program that runs in a sidecar's tree beside the main process, to ask it how it is. It is a
 * generation in a slot of its own, in a cgroup below the tree's or under a guardian beside that of
 * the tree. So it can be ended with all that came from it and nothing else is touched; its end is
 * nobody else's; and the tree is empty only when it is gone. There is one at a time in a tree,
 * others wait for their turn: whoever asks a lot forks no more for it.
 *
 * No record wants a guest: a brain that takes a tree up ends what another had let in.
 */

#include "io/tree.h"

typedef struct Guest Guest;

typedef struct GuestEnd {
        int error; /* positive errno: it was not executed; ECANCELED: its tree is being ended */
        int code;  /* else as in siginfo_t; 0: nobody saw */
        int status;
} GuestEnd;

typedef struct GuestObserver {
        /* Its turn has come, maybe from within guest_start(). */
        void (*on_started)(void *userdata);
        /* Its main process was reaped, or there was none: once, from the loop. It may free it. */
        void (*on_ended)(const GuestEnd *end, void *userdata);
} GuestObserver;

/*
 * Of a tree whose main process runs, else -ESRCH. Generation and what is to be kept do not matter
 * in spec, its outputs are /dev/null. -EUSERS: too many trees have guests.
 */
int guest_start(Guest **ret,
                Tree *tree,
                const SpawnSpec *spec,
                const GuestObserver *observer,
                void *userdata);
/* At any moment. Before its end: it is killed, with all that came from it, and nobody is told. */
Guest *guest_free(Guest *guest);
DEFINE_CLEANUP(Guest, guest_free);

/* Before a tree is ended: its guests are killed, and whoever waits for them is told. */
void tree_end_guests(Tree *tree);
