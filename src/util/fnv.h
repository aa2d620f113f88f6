/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * FNV
 *
 * FNV-1a of 64 bits: for names, for torn records and for what has changed. It is quick and stable
 * for ever, and keeps nobody out who wants two texts to have the same.
 */

#include <stddef.h>
#include <stdint.h>

#define FNV_BEGIN UINT64_C(0xcbf29ce484222325)

/* Of several pieces: the hash of those before goes in, FNV_BEGIN at first. */
static inline uint64_t fnv_hash(uint64_t hash, const void *bytes, size_t n_bytes) {
        const unsigned char *byte = bytes;

        for (size_t i = 0; i < n_bytes; i++)
                hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);

        return hash;
}
