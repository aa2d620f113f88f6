/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pages
 *
 * Memory of a fixed size that costs what is touched of it, and goes back to the kernel at once.
 * For buffers of which there is one a sidecar, and which mostly stay empty.
 */

#include <stddef.h>
#include <sys/mman.h>

/* Zeroed; NULL where there is no memory. */
static inline void *pages_map(size_t n_bytes) {
        void *pages =
                mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (pages == MAP_FAILED)
                return NULL;

        /* Neighbours merge into one area, of which a huge page would touch 2 MiB at a time. */
        (void) madvise(pages, n_bytes, MADV_NOHUGEPAGE);
        return pages;
}

/* Answers NULL, and takes it. */
static inline void *pages_unmap(void *pages, size_t n_bytes) {
        if (pages)
                (void) munmap(pages, n_bytes);

        return NULL;
}
