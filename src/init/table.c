/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Table
 *
 * A generation is spawned once. A brain that was killed after its SPAWN has a successor that cannot
 * know whether that came through, and so orders it again: what was seen is not done twice.
 */

#include <sys/epoll.h>
#include <sys/mman.h>

#include "init/table.h"

int table_open(Table *table, int epoll_fd) {
        void *facts = mmap(NULL, WIRE_SLOTS_MAX * sizeof(GuardianFacts), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (facts == MAP_FAILED)
                return -errno;
        table->guardian_facts = facts;
        table->epoll_fd = epoll_fd;
        for (size_t i = 0; i < WIRE_HOLDERS_MAX; i++)
                table->holders[i] = -1;
        table->ledger_fd = memfd_create("sidecard-ledger", MFD_CLOEXEC);
        return table->ledger_fd < 0 ? -errno : 0;
}

uint32_t table_slot(const Table *table, const Entry *entry) {
        return (uint32_t) (entry - table->entries);
}

Entry *table_find_running(Table *table, pid_t pid) {
        for (size_t i = 0; i < table->n_entries; i++)
                if (table->entries[i].state == ENTRY_RUNNING && table->entries[i].pid == pid)
                        return &table->entries[i];

        return NULL;
}

static Entry *use_slot(Table *table, uint32_t slot) {
        for (; table->n_entries <= slot; table->n_entries++)
                table->entries[table->n_entries] = (Entry) ENTRY_NONE;

        return &table->entries[slot];
}

/* Before the close: a child that has not yet come to its exec still holds a copy. */
static void unwatch_exec(const Table *table, const Entry *entry) {
        if (entry->exec_fd >= 0)
                (void) epoll_ctl(table->epoll_fd, EPOLL_CTL_DEL, entry->exec_fd, NULL);
}

static void drop(Table *table, Entry *entry) {
        unwatch_exec(table, entry);
        entry_drop(entry);
}

/* Takes what is the child's out of fds. */
static bool order_from_fds(SpawnOrder *ret, uint32_t flags, int *fds, size_t n_fds) {
        size_t n_wanted = 3 + !!(flags & WIRE_SPAWN_STDIN) + !!(flags & WIRE_SPAWN_CGROUP) +
                          !!(flags & WIRE_SPAWN_SOCKETS) + 2 * !!(flags & WIRE_SPAWN_KEEP) +
                          !!(flags & WIRE_SPAWN_NOTIFY);

        if (n_fds != n_wanted)
                return false;
        ret->payload_fd = TAKE_FD(*fds++);
        ret->stdout_fd = TAKE_FD(*fds++);
        ret->stderr_fd = TAKE_FD(*fds++);
        if (flags & WIRE_SPAWN_STDIN)
                ret->stdin_fd = TAKE_FD(*fds++);
        if (flags & WIRE_SPAWN_CGROUP)
                ret->cgroup_fd = TAKE_FD(*fds++);
        if (flags & WIRE_SPAWN_SOCKETS)
                ret->sockets_fd = TAKE_FD(*fds);
        return true;
}

static void watch_exec(const Table *table, const Entry *entry) {
        struct epoll_event event = { .events = EPOLLIN, .data.u32 = table_slot(table, entry) };

        (void) epoll_ctl(table->epoll_fd, EPOLL_CTL_ADD, entry->exec_fd, &event);
}

/* They come last. */
static void keep_from_fds(Entry *entry, uint32_t flags, int *fds, size_t n_fds) {
        size_t n_notify = flags & WIRE_SPAWN_NOTIFY ? 1 : 0;

        if (flags & WIRE_SPAWN_KEEP) {
                entry->stdout_fd = spawn_keep(TAKE_FD(fds[n_fds - n_notify - 2]));
                entry->stderr_fd = spawn_keep(TAKE_FD(fds[n_fds - n_notify - 1]));
        }
        if (n_notify > 0)
                entry->notify_fd = spawn_keep(TAKE_FD(fds[n_fds - 1]));
}

static int spawn_guarded(Table *table,
                         Entry *entry,
                         const Session *session,
                         SpawnOrder *order,
                         uint64_t generation) {
        uint32_t slot = table_slot(table, entry);
        int r, brain_end, exec_fd;
        pid_t pid;

        order->cgroup_fd = safe_close(order->cgroup_fd);
        r = guardian_start(session, order, slot, generation, &table->guardian_facts[slot], &pid,
                           &brain_end, &exec_fd);
        if (r < 0)
                return r;
        entry_set_guarded(entry, generation, pid, spawn_keep(brain_end), exec_fd, order);
        watch_exec(table, entry);
        return 0;
}

static int
spawn(Table *table, Entry *entry, const Session *session, SpawnOrder *order, uint64_t generation) {
        int r, pidfd, exec_fd;
        pid_t pid;

        if (order->cgroup_fd < 0)
                return spawn_guarded(table, entry, session, order, generation);

        r = spawn_main(session, order, &pid, &pidfd, &exec_fd);
        /* We have been moved out of our subtree, so its directories are out of our reach. */
        if (r == -EACCES)
                return spawn_guarded(table, entry, session, order, generation);
        if (r < 0)
                return r;
        entry_set_forked(entry, generation, pid, spawn_keep(pidfd), exec_fd, order);
        watch_exec(table, entry);
        return 0;
}

Entry *table_spawn(
        Table *table, const Session *session, const WireMessage *message, int *fds, size_t n_fds) {
        Entry *entry = use_slot(table, message->slot);
        _cleanup_(spawn_order_close) SpawnOrder order = SPAWN_ORDER_NONE;
        int r;

        if (message->generation <= entry->generation)
                return NULL;

        if (entry->state == ENTRY_ENDED)
                drop(table, entry);
        if (entry->state != ENTRY_FREE)
                r = -EBUSY;
        else if (!order_from_fds(&order, message->flags, fds, n_fds))
                r = -EMFILE; /* the kernel drops what we have no numbers for */
        else
                r = spawn(table, entry, session, &order, message->generation);
        if (r < 0)
                entry_set_refused(entry, message->generation, -r);
        else
                keep_from_fds(entry, message->flags, fds, n_fds);
        return entry;
}

void table_acknowledge(Table *table, const WireMessage *message) {
        Entry *entry = use_slot(table, message->slot);

        if (entry->state == ENTRY_ENDED && entry->generation == message->generation)
                drop(table, entry);
}

void table_release(Table *table, const WireMessage *message) {
        Entry *entry = use_slot(table, message->slot);

        if (entry->state != ENTRY_FREE && entry->state != ENTRY_ENDED)
                return;
        unwatch_exec(table, entry);
        entry_release(entry);
}

static void replace(int *kept_fd, int *fd) {
        safe_close(*kept_fd);
        *kept_fd = *fd < 0 ? -1 : spawn_keep(TAKE_FD(*fd));
}

void table_keep_memory(Table *table, uint32_t slot, int *fd) {
        replace(&use_slot(table, slot)->memory_fd, fd);
}

void table_keep_stdin(Table *table, const WireMessage *message, int *fd) {
        Entry *entry = use_slot(table, message->slot);

        /* Of a spawn that was obeyed before the program has the other end of another pipe. */
        if (*fd >= 0 && message->generation <= entry->generation)
                return;
        entry_keep_stdin(entry, message->generation, *fd < 0 ? -1 : spawn_keep(TAKE_FD(*fd)));
}

void table_keep_sockets(Table *table, uint32_t slot, int *fd) {
        replace(&use_slot(table, slot)->sockets_fd, fd);
}

void table_keep_ledger(Table *table, int *fd) {
        replace(&table->ledger_fd, fd);
}

void table_keep_holder(Table *table, uint32_t index, int *fd) {
        if (index < WIRE_HOLDERS_MAX)
                replace(&table->holders[index], fd);
}

static void take_exec_result(const Table *table, Entry *entry, int error) {
        unwatch_exec(table, entry);
        /* A guardian has only told that nothing is lent to it any more. */
        if (entry->is_guarded)
                entry->exec_fd = safe_close(entry->exec_fd);
        else
                entry_set_exec(entry, error);
}

void table_read_exec_result(Table *table, Entry *entry) {
        int error;

        if (entry->exec_fd < 0 || spawn_exec_result(entry->exec_fd, &entry->lent, &error) < 0)
                return;
        take_exec_result(table, entry, error);
}

void table_read_last_exec_result(Table *table, Entry *entry) {
        spawn_order_close(&entry->lent);
        table_read_exec_result(table, entry);
        /* A younger child may still have a copy of its end: a failure would have been told. */
        if (entry->exec_fd >= 0)
                take_exec_result(table, entry, 0);
}
