/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogMemory
 *
 * The ring is mapped a second time behind itself, over a reservation that keeps others away. The
 * size is sealed: a memfd that somebody made shorter would be a SIGBUS.
 */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "io/log-memory.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)
#define MAPPED_BYTES (LOG_STORE_BYTES + LOG_STORE_RING_BYTES)

struct LogMemory {
        unsigned n_refs; /* of two threads */
        LogStore store;
};

static int memory_map(LogMemory *memory, int fd) {
        const int access = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED;
        char *base, *again;

        base = mmap(NULL, MAPPED_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base == MAP_FAILED)
                return -errno;

        memory->store.header = (LogHeader *) (void *) base;
        memory->store.bytes = base + LOG_STORE_HEADER_BYTES;
        again = base + LOG_STORE_BYTES;
        if (mmap(base, LOG_STORE_BYTES, access, flags, fd, 0) == MAP_FAILED ||
            mmap(again, LOG_STORE_RING_BYTES, access, flags, fd, LOG_STORE_HEADER_BYTES) ==
                    MAP_FAILED)
                return -errno;

        return 0;
}

int log_memory_open(LogMemory **ret, int fd) {
        _cleanup_(log_memory_unrefp) LogMemory *memory = NULL;
        struct stat st;
        int r, seals;

        if (fstat(fd, &st) < 0)
                return -errno;
        seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || (seals & SEALS) != SEALS || st.st_size != (off_t) LOG_STORE_BYTES)
                return -EBADMSG;

        memory = calloc(1, sizeof(*memory));
        if (!memory)
                return -ENOMEM;

        memory->n_refs = 1;
        r = memory_map(memory, fd);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(memory);
        return 0;
}

int log_memory_new(LogMemory **ret, int *ret_fd) {
        _cleanup_close_ int fd = memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0 || ftruncate(fd, LOG_STORE_BYTES) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;

        r = log_memory_open(ret, fd);
        if (r < 0)
                return r;

        *ret_fd = TAKE_FD(fd);
        return 0;
}

LogMemory *log_memory_ref(LogMemory *memory) {
        (void) __atomic_add_fetch(&memory->n_refs, 1, __ATOMIC_RELAXED);
        return memory;
}

LogMemory *log_memory_unref(LogMemory *memory) {
        if (!memory || __atomic_sub_fetch(&memory->n_refs, 1, __ATOMIC_ACQ_REL) > 0)
                return NULL;

        if (memory->store.header)
                (void) munmap(memory->store.header, MAPPED_BYTES);
        free(memory);
        return NULL;
}

const LogStore *log_memory_store(const LogMemory *memory) {
        return &memory->store;
}

void log_memory_trim(const LogMemory *memory, uint64_t position) {
        const uint64_t page = LOG_STORE_PAGE_BYTES, next = (position + page - 1) / page * page;

        (void) madvise(log_store_at(&memory->store, next),
                       LOG_STORE_RING_BYTES - LOG_RING_BYTES - LOG_STORE_PAGE_BYTES, MADV_REMOVE);
}
