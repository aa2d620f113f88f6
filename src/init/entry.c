/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Entry
 *
 * The order of the bits is the order in which the news of one generation is told.
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

void entry_set_forked(Entry *entry, uint64_t generation, pid_t pid, int pidfd, int exec_fd) {
        entry->state = ENTRY_RUNNING;
        entry->news |= 1U << NEWS_FORKED;
        entry->generation = generation;
        entry->is_guarded = false;
        entry->pid = pid;
        entry->descriptor = pidfd;
        entry->exec_fd = exec_fd;
}

void entry_set_guarded(Entry *entry, uint64_t generation, pid_t pid, int brain_end) {
        entry_set_forked(entry, generation, pid, brain_end, -1);
        entry->is_guarded = true;
}

void entry_set_refused(Entry *entry, uint64_t generation, int error) {
        entry->news |= 1U << NEWS_REFUSED;
        entry->refused_generation = generation;
        entry->refused_error = error;
}

void entry_set_exec(Entry *entry, int error) {
        entry->news |= 1U << NEWS_EXEC;
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
        entry->descriptor = safe_close(entry->descriptor);
        entry->exec_fd = safe_close(entry->exec_fd);
        entry->news &= 1U << NEWS_REFUSED; /* that was never this generation's */
        entry->pid = 0;
        entry->state = ENTRY_FREE;
}

static WireMessage entry_message(const Entry *entry, int news) {
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
                message = entry_message(entry, news);
                message.slot = slot;
                r = wire_send(socket_fd, &message, &entry->descriptor, news == NEWS_FORKED);
                if (r < 0)
                        return r;
                if (news == NEWS_FORKED)
                        entry->descriptor = safe_close(entry->descriptor);
                entry->news &= ~(1U << news);
        }
        return 0;
}
