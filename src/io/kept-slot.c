/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * KeptSlot
 *
 * Descriptors come in the order of the flags that announce them.
 */

#include "io/kept-slot.h"

int kept_slot_new(KeptSlot **ret, const WireMessage *entry, int *fds, size_t n_fds) {
        size_t n_main = entry->flags & WIRE_ENTRY_MAIN_FD ? 1 : 0;
        size_t n_output = entry->flags & WIRE_ENTRY_OUTPUT ? 2 : 0;
        size_t n_memory = entry->flags & WIRE_ENTRY_MEMORY ? 1 : 0;
        size_t n_notify = entry->flags & WIRE_ENTRY_NOTIFY ? 1 : 0;
        size_t n_stdin = entry->flags & WIRE_ENTRY_STDIN ? 1 : 0;
        size_t n_sockets = entry->flags & WIRE_ENTRY_SOCKETS ? 1 : 0;
        KeptSlot *kept;

        if (n_fds != n_main + n_output + n_memory + n_notify + n_stdin + n_sockets)
                return -EMFILE;
        kept = malloc(sizeof(*kept));
        if (!kept)
                return -ENOMEM;
        *kept = (KeptSlot){
                .entry = *entry,
                .main_fd = n_main > 0 ? TAKE_FD(fds[0]) : -1,
                .stdout_fd = n_output > 0 ? TAKE_FD(fds[n_main]) : -1,
                .stderr_fd = n_output > 0 ? TAKE_FD(fds[n_main + 1]) : -1,
                .memory_fd = n_memory > 0 ? TAKE_FD(fds[n_main + n_output]) : -1,
                .notify_fd = n_notify > 0 ? TAKE_FD(fds[n_main + n_output + n_memory]) : -1,
                .stdin_fd = n_stdin > 0 ? TAKE_FD(fds[n_fds - n_sockets - 1]) : -1,
                .sockets_fd = n_sockets > 0 ? TAKE_FD(fds[n_fds - 1]) : -1,
        };
        *ret = kept;
        return 0;
}

KeptSlot *kept_slot_free(KeptSlot *kept) {
        if (!kept)
                return NULL;

        safe_close(kept->main_fd);
        safe_close(kept->stdout_fd);
        safe_close(kept->stderr_fd);
        safe_close(kept->memory_fd);
        safe_close(kept->notify_fd);
        safe_close(kept->stdin_fd);
        safe_close(kept->sockets_fd);
        free(kept);
        return NULL;
}

void kept_slot_add_news(KeptSlot *kept, const WireMessage *message) {
        if (message->generation != kept->entry.generation)
                return;
        switch (message->kind) {
        case WIRE_EXEC:
                kept->entry.flags |= WIRE_ENTRY_EXEC;
                kept->entry.error = message->error;
                break;
        case WIRE_EXITED:
                kept->entry.flags |= WIRE_ENTRY_ENDED;
                kept->entry.code = message->code;
                kept->entry.status = message->status;
                break;
        default:
                break;
        }
}
