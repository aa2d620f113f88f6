/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Post
 *
 * All that goes out to the brain, and in which order: HELLO, the table, its end, then what is
 * news. Nothing waits for a brain that does not read: what finds no room stays where it is, in the
 * table or as a bit, and goes out when the socket is writable.
 */

#include <stdbool.h>
#include <stdint.h>

#include "init/table.h"

typedef struct Post {
        int epoll_fd; /* borrowed; it tells of the socket by this event */
        uint32_t event;
        Table *table;
        int socket_fd; /* -1: there is no brain */
        bool waits;    /* for the socket to be writable */
        bool retry;    /* it is, and yet a message did not go */
        uint32_t hello_flags;
        bool told_hello;
        uint32_t n_entries_told;
        uint32_t n_holders_told;
        bool told_table;
        bool owes_terminate;
        bool owes_ping;
} Post;

/* For a new brain: begins to tell it everything. Takes socket_fd over. */
void post_open(Post *post, int socket_fd, uint32_t hello_flags);

/* Answers the socket, which is the caller's now. -1: there was none. */
int post_close(Post *post);

/* The other end is closed: there is nothing to be read, and nobody to be told. */
void post_unwatch(const Post *post);

void post_terminate(Post *post);
void post_ping(Post *post);

/* Tells what is news of one entry, or all that is to be told. */
void post_tell_entry(Post *post, Entry *entry);
void post_tell_all(Post *post);
