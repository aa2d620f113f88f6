/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tree, from within
 *
 * What a Tree knows of the generation that it has, and how news changes that. Nobody but
 * io/tree.c and io/guest.c includes this.
 */

#include "io/cgroup.h"
#include "io/guest.h"
#include "io/keeper-wire-client.h"
#include "io/tree.h"

typedef enum TreeState {
        TREE_EMPTY,
        TREE_REQUESTED, /* the keeper was asked */
        TREE_RUNNING,   /* a main process exists */
        TREE_LEFTOVERS, /* it was reaped, what came from it may be there */
} TreeState;

typedef struct Guests Guests;

struct Tree {
        KeeperClient *client;
        char *name; /* NULL: not known any more */
        const TreeObserver *observer;
        void *userdata;
        uint32_t slot;
        TreeState state;
        uint64_t generation;
        bool owes_acknowledge; /* the keeper has that generation still, and nobody needs it */
        bool exec_was_told;
        int main_pidfd;
        int awaited_signal; /* for a main that a guardian has yet to tell of; 0: none */
        Cgroup *cgroup;     /* NULL: none was made yet, or guardians contain */
        Limits leaf_limits; /* what it was made for */
        sd_event_source *events_source;
        pid_t guardian_pid; /* 0: none */
        int guardian_fd;
        sd_event_source *guardian_source;
        int fork_error; /* what a guardian said that is still there itself */
        int exec_error; /* what the keeper knows of a main that had a guardian */
        Guests *guests; /* NULL: none ever was */
};

/* Of the keeper; a keeper_news_handler_t. */
void tree_on_news(const WireMessage *message, int descriptor, void *userdata);

/* Tells the keeper to forget the generation, if that is owed. */
void tree_acknowledge(Tree *tree);

void tree_forget_cgroup(Tree *tree); /* the directory stays */
void tree_forget_guardian(Tree *tree);

/* If the main process is reaped, and nothing is left. */
void tree_settle_if_empty(Tree *tree);

/* Sends the order for what payload_new() has made of a spec, whose texts are not looked at. */
int tree_send_spawn(Tree *tree, const SpawnSpec *spec, int payload_fd);

/* A tree beside another, for its guests; whoever spawns in there makes its cgroup. */
int tree_new_guest(Tree **ret, Tree *host, const TreeObserver *observer, void *userdata);

/* Of a tree that is about to go; whoever waits for one is told nothing any more. */
Guests *guests_free(Guests *guests);
/* The one that they are in, one after the other; NULL: there is none. */
Tree *guests_tree(const Guests *guests);
/* What an earlier brain has let in: nobody waits for its answer. */
void guests_end_former(const Tree *host);
