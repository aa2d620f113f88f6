/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Post
 *
 * How far the hand-over has come is two numbers: what changes in an entry that is above them is
 * told with it, what changes in one below is a bit of news, and has to wait for the table's end.
 */

#include <sys/epoll.h>

#include "init/post.h"

static void set_room_wanted(Post *post, bool wanted) {
        struct epoll_event event = {
                .events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN,
                .data.u32 = post->event,
        };

        if (post->waits != wanted)
                (void) epoll_ctl(post->epoll_fd, EPOLL_CTL_MOD, post->socket_fd, &event);
        post->waits = wanted;
}

static void note_no_room(Post *post, int r) {
        if (wire_is_to_be_repeated(r))
                post->retry = true;
        else if (r == -EAGAIN)
                set_room_wanted(post, true);
        /* Any other error: the brain is gone, and its death will be told. */
}

static int tell_hello(Post *post) {
        WireMessage message = {
                .kind = WIRE_HELLO,
                .version = WIRE_VERSION,
                .flags = post->hello_flags,
        };
        int r = 0;

        if (!post->told_hello)
                r = wire_send(post->socket_fd, &message, &post->table->ledger_fd, 1);
        post->told_hello = r >= 0;
        return r;
}

static int tell_entries(Post *post) {
        Table *table = post->table;
        int r;

        for (; post->n_entries_told < table->n_entries; post->n_entries_told++) {
                r = entry_hand_over(&table->entries[post->n_entries_told], post->n_entries_told,
                                    post->socket_fd);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int tell_holders(Post *post) {
        for (; post->n_holders_told < WIRE_HOLDERS_MAX; post->n_holders_told++) {
                WireMessage message = { .kind = WIRE_HOLDER, .slot = post->n_holders_told };
                const int *pidfd = &post->table->holders[post->n_holders_told];
                int r = 0;

                if (*pidfd >= 0)
                        r = wire_send(post->socket_fd, &message, pidfd, 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int tell_table(Post *post) {
        WireMessage end = { .kind = WIRE_TABLE_END };
        int r;

        if (post->told_table)
                return 0;
        r = tell_hello(post);
        if (r >= 0)
                r = tell_entries(post);
        if (r >= 0)
                r = tell_holders(post);
        if (r >= 0)
                r = wire_send(post->socket_fd, &end, NULL, 0);
        post->told_table = r >= 0;
        return r;
}

static int tell_owed(const Post *post, bool *owed, uint32_t kind) {
        WireMessage message = { .kind = kind };
        int r = 0;

        if (*owed)
                r = wire_send(post->socket_fd, &message, NULL, 0);
        *owed = *owed && r < 0;
        return r;
}

void post_tell_entry(Post *post, Entry *entry) {
        if (post->socket_fd >= 0 && post->told_table && !post->waits && entry->news != 0)
                note_no_room(post, entry_send_news(entry, table_slot(post->table, entry),
                                                   post->socket_fd));
}

void post_tell_all(Post *post) {
        int r;

        if (post->socket_fd < 0)
                return;
        post->retry = false;
        set_room_wanted(post, false);
        r = tell_table(post);
        if (r >= 0)
                r = tell_owed(post, &post->owes_terminate, WIRE_TERMINATE);
        if (r >= 0)
                r = tell_owed(post, &post->owes_ping, WIRE_PING);
        note_no_room(post, r);
        for (size_t i = 0; i < post->table->n_entries; i++)
                post_tell_entry(post, &post->table->entries[i]);
}

void post_terminate(Post *post) {
        post->owes_terminate = true;
        if (!post->waits)
                post_tell_all(post);
}

void post_ping(Post *post) {
        post->owes_ping = true;
        if (!post->waits)
                post_tell_all(post);
}

void post_open(Post *post, int socket_fd, uint32_t hello_flags) {
        struct epoll_event event = { .events = EPOLLIN, .data.u32 = post->event };

        for (size_t i = 0; i < post->table->n_entries; i++)
                entry_forget_refused(&post->table->entries[i]);

        post->socket_fd = socket_fd;
        post->hello_flags = hello_flags;
        post->told_hello = post->told_table = false;
        post->n_entries_told = post->n_holders_told = 0;
        post->owes_terminate = post->owes_ping = false;
        (void) epoll_ctl(post->epoll_fd, EPOLL_CTL_ADD, socket_fd, &event);
        post_tell_all(post);
}

void post_unwatch(const Post *post) {
        (void) epoll_ctl(post->epoll_fd, EPOLL_CTL_DEL, post->socket_fd, NULL);
}

int post_close(Post *post) {
        if (post->socket_fd >= 0)
                post_unwatch(post);
        post->waits = post->retry = false;
        return TAKE_FD(post->socket_fd);
}
