/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Entry
 *
 * The order of the bits is the order in which the news of one generation is told. What is sent
 * stays: the brain that got it may be dead before it has done anything with it.
 */

#include "init/entry.h"
#include "init/wire.h"

enum {
        NEWS_REFUSED,
        NEWS_FORKED,
        NEWS_EXEC,
        NEWS_ENDED,
        _NEWS_MAX,
};

void entry_set_forked(
        Entry *entry, uint64_t generation, pid_t pid, int pidfd, int exec_fd, SpawnOrder *lent) {
        entry->state = ENTRY_RUNNING;
        entry->news |= 1U << NEWS_FORKED;
        entry->generation = generation;
        entry->is_guarded = false;
        entry->pid = pid;
        entry->main_fd = pidfd;
        entry->exec_fd = exec_fd;
        entry->lent = TAKE(*lent, (SpawnOrder) SPAWN_ORDER_NONE);
        entry->has_exec = false;
}

void entry_set_guarded(Entry *entry,
                       uint64_t generation,
                       pid_t pid,
                       int brain_end,
                       int exec_fd,
                       SpawnOrder *lent) {
        entry_set_forked(entry, generation, pid, brain_end, exec_fd, lent);
        entry->is_guarded = true;
}

void entry_set_refused(Entry *entry, uint64_t generation, int error) {
        entry->news |= 1U << NEWS_REFUSED;
        entry->refused_generation = generation;
        entry->refused_error = error;
}

void entry_set_exec(Entry *entry, int error) {
        entry->news |= 1U << NEWS_EXEC;
        entry->has_exec = true;
        entry->exec_error = error;
        entry->exec_fd = safe_close(entry->exec_fd);
}

void entry_set_ended(Entry *entry, int code, int status) {
        entry->state = ENTRY_ENDED;
        entry->news |= 1U << NEWS_ENDED;
        entry->code = code;
        entry->status = status;
}

void entry_drop(Entry *entry) {
        entry->main_fd = safe_close(entry->main_fd);
        entry->stdout_fd = safe_close(entry->stdout_fd);
        entry->stderr_fd = safe_close(entry->stderr_fd);
        entry->notify_fd = safe_close(entry->notify_fd);
        entry->exec_fd = safe_close(entry->exec_fd);
        /* That of the next generation may be there before its spawn. */
        if (entry->stdin_generation == entry->generation)
                entry->stdin_fd = safe_close(entry->stdin_fd);
        entry->news &= 1U << NEWS_REFUSED; /* that was never this generation's */
        entry->pid = 0;
        entry->state = ENTRY_FREE;
}

void entry_keep_stdin(Entry *entry, uint64_t generation, int fd) {
        safe_close(entry->stdin_fd);
        entry->stdin_fd = fd;
        entry->stdin_generation = generation;
}

void entry_release(Entry *entry) {
        entry_drop(entry);
        entry_keep_stdin(entry, 0, -1);
        entry->memory_fd = safe_close(entry->memory_fd);
        entry->sockets_fd = safe_close(entry->sockets_fd);
        entry->generation = 0;
}

void entry_forget_refused(Entry *entry) {
        entry->news &= ~(1U << NEWS_REFUSED);
        entry->refused_error = 0;
}

void entry_tell_again(Entry *entry) {
        if (entry->refused_error != 0)
                entry->news |= 1U << NEWS_REFUSED;
        if (entry->state == ENTRY_FREE)
                return;
        entry->news |= 1U << NEWS_FORKED;
        if (entry->has_exec)
                entry->news |= 1U << NEWS_EXEC;
        if (entry->state == ENTRY_ENDED)
                entry->news |= 1U << NEWS_ENDED;
}

static WireMessage news_message(const Entry *entry, int news) {
        WireMessage message = { .generation = entry->generation };

        switch (news) {
        case NEWS_REFUSED:
                message.kind = WIRE_FORK_FAILED;
                message.generation = entry->refused_generation;
                message.error = entry->refused_error;
                break;
        case NEWS_FORKED:
                message.kind = entry->is_guarded ? WIRE_GUARDIAN : WIRE_FORKED;
                message.pid = entry->pid;
                break;
        case NEWS_EXEC:
                message.kind = WIRE_EXEC;
                message.error = entry->exec_error;
                break;
        default:
                message.kind = WIRE_EXITED;
                message.code = entry->code;
                message.status = entry->status;
        }
        return message;
}

int entry_send_news(Entry *entry, uint32_t slot, int socket_fd) {
        for (int news = 0; news < _NEWS_MAX; news++) {
                WireMessage message;
                int r;

                if (!(entry->news & 1U << news))
                        continue;
                message = news_message(entry, news);
                message.slot = slot;
                r = wire_send(socket_fd, &message, &entry->main_fd, news == NEWS_FORKED);
                if (r < 0)
                        return r;
                entry->news &= ~(1U << news);
        }
        return 0;
}

static WireMessage whole_message(const Entry *entry) {
        WireMessage message = { .kind = WIRE_ENTRY, .generation = entry->generation };

        if (entry->state == ENTRY_FREE)
                return message;
        message.flags = WIRE_ENTRY_THERE;
        message.pid = entry->pid;
        if (entry->is_guarded)
                message.flags |= WIRE_ENTRY_GUARDED;
        if (entry->has_exec) {
                message.flags |= WIRE_ENTRY_EXEC;
                message.error = entry->exec_error;
        }
        if (entry->state == ENTRY_ENDED) {
                message.flags |= WIRE_ENTRY_ENDED;
                message.code = entry->code;
                message.status = entry->status;
        }
        return message;
}

int entry_hand_over(Entry *entry, uint32_t slot, int socket_fd) {
        WireMessage message = whole_message(entry);
        int fds[WIRE_FDS_MAX], r;
        size_t n_fds = 0;

        if (entry->generation == 0 && entry->memory_fd < 0 && entry->sockets_fd < 0)
                return 0;
        message.slot = slot;
        if (entry->main_fd >= 0) {
                message.flags |= WIRE_ENTRY_MAIN_FD;
                fds[n_fds++] = entry->main_fd;
        }
        if (entry->stdout_fd >= 0) {
                message.flags |= WIRE_ENTRY_OUTPUT;
                fds[n_fds++] = entry->stdout_fd;
                fds[n_fds++] = entry->stderr_fd;
        }
        if (entry->memory_fd >= 0) {
                message.flags |= WIRE_ENTRY_MEMORY;
                fds[n_fds++] = entry->memory_fd;
        }
        if (entry->notify_fd >= 0) {
                message.flags |= WIRE_ENTRY_NOTIFY;
                fds[n_fds++] = entry->notify_fd;
        }
        if (entry->stdin_fd >= 0 && entry->stdin_generation == entry->generation) {
                message.flags |= WIRE_ENTRY_STDIN;
                fds[n_fds++] = entry->stdin_fd;
        }
        if (entry->sockets_fd >= 0) {
                message.flags |= WIRE_ENTRY_SOCKETS;
                fds[n_fds++] = entry->sockets_fd;
        }
        r = wire_send(socket_fd, &message, fds, n_fds);
        if (r >= 0)
                entry->news &= 1U << NEWS_REFUSED;
        return r;
}
