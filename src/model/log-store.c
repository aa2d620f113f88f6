/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogStore
 *
 * The way from raw counts to positions and back is walked from the end: what the file asks for is
 * near it. Not more skips can lie within a ring than half of the table, so those that are passed
 * are there, and their places are not being written.
 */

#include <string.h>

#include "model/log-store.h"

static const LogSkip *store_skip(const LogStore *store, uint64_t number) {
        return &store->header->skips[number % LOG_STORE_SKIPS];
}

uint64_t log_store_position(const LogStore *store, const LogExtent *extent, uint64_t raw) {
        uint64_t n_skipped = extent->n_skipped;

        for (uint64_t i = extent->n_skips; i > 0; i--) {
                const LogSkip *skip = store_skip(store, i - 1);

                if (skip->raw <= raw)
                        break;
                n_skipped -= skip->n_bytes;
        }

        return raw + n_skipped;
}

uint64_t log_store_raw(const LogStore *store, const LogExtent *extent, uint64_t position) {
        uint64_t n_skipped = extent->n_skipped;

        for (uint64_t i = extent->n_skips; i > 0; i--) {
                const LogSkip *skip = store_skip(store, i - 1);

                if (position >= skip->raw + n_skipped)
                        break;
                n_skipped -= skip->n_bytes;
                if (position >= skip->raw + n_skipped)
                        return skip->raw;
        }

        return position - n_skipped;
}

/* The oldest copy behind that raw byte; their number: there is none. */
static uint64_t next_skip(const LogStore *store, const LogExtent *extent, uint64_t raw) {
        uint64_t i = extent->n_skips;

        while (i > 0 && store_skip(store, i - 1)->raw > raw)
                i--;

        return i;
}

size_t log_store_copy(const LogStore *store,
                      const LogExtent *extent,
                      uint64_t raw,
                      char *ret_bytes,
                      size_t n_max) {
        uint64_t position = log_store_position(store, extent, raw);
        uint64_t i = next_skip(store, extent, raw), raw_end = log_extent_raw(extent);
        size_t n_bytes = 0;

        while (n_bytes < n_max && raw < raw_end) {
                const LogSkip *skip = i < extent->n_skips ? store_skip(store, i) : NULL;
                uint64_t n = (skip ? skip->raw : raw_end) - raw;

                if (n > n_max - n_bytes)
                        n = n_max - n_bytes;
                memcpy(ret_bytes + n_bytes, log_store_at(store, position), n);
                n_bytes += n;
                raw += n;
                position += n;

                if (skip && raw == skip->raw) {
                        position += skip->n_bytes;
                        i++;
                }
        }

        return n_bytes;
}

void log_store_note_file(const LogStore *store, const LogFileNote *note) {
        LogHeader *header = store->header;
        uint64_t other = !header->current_note;

        header->notes[other] = *note;
        log_store_set(&header->current_note, other);
}

LogFileNote log_store_file_note(const LogStore *store) {
        return store->header->notes[store->header->current_note & 1];
}
