/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Ledger
 *
 * A header, then records without gaps: a frame with length, kind and checksum, and the payload.
 * The checksum is FNV-1a of 64 bits. It guards against what an append leaves that was cut short,
 * and against stray writes, which pass by a chance of 2^-64. It does not guard against whoever
 * means harm, who would write the right one: so a payload may still be anything.
 *
 * The minor version tells people only: what is new in it are kinds and tags, which are skipped.
 */

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "model/ledger.h"
#include "util/fnv.h"

#define LEDGER_MINOR 0

typedef struct LedgerHeader {
        char magic[8];
        uint32_t major;
        uint32_t minor;
} LedgerHeader;

typedef struct LedgerFrame {
        uint32_t kind;
        uint32_t n_bytes; /* of the payload */
        uint64_t checksum;
} LedgerFrame;

static_assert(sizeof(LedgerHeader) == LEDGER_HEADER_BYTES, "it is written as it stands in memory");
static_assert(sizeof(LedgerFrame) == LEDGER_FRAME_BYTES, "it is written as it stands in memory");

static const LedgerHeader own_header = {
        .magic = { 's', 'i', 'd', 'e', 'c', 'a', 'r', 'd' },
        .major = LEDGER_MAJOR,
        .minor = LEDGER_MINOR,
};

static uint64_t frame_checksum(const LedgerFrame *frame, const char *payload) {
        uint64_t hash = FNV_BEGIN;

        hash = fnv_hash(hash, &frame->kind, sizeof(frame->kind));
        hash = fnv_hash(hash, &frame->n_bytes, sizeof(frame->n_bytes));
        return fnv_hash(hash, payload, frame->n_bytes);
}

void ledger_make_header(char ret[static LEDGER_HEADER_BYTES]) {
        memcpy(ret, &own_header, sizeof(own_header));
}

void ledger_make_frame(char ret[static LEDGER_FRAME_BYTES],
                       uint32_t kind,
                       const char *payload,
                       size_t n_bytes) {
        LedgerFrame frame = { .kind = kind, .n_bytes = (uint32_t) n_bytes };

        frame.checksum = frame_checksum(&frame, payload);
        memcpy(ret, &frame, sizeof(frame));
}

/* 1: it is whole; 0: it was torn, and nothing was written behind it. */
static int read_header(const char *bytes, size_t n_bytes) {
        LedgerHeader header = own_header;

        memcpy(&header, bytes, n_bytes < sizeof(header) ? n_bytes : sizeof(header));
        if (memcmp(header.magic, own_header.magic, sizeof(header.magic)) != 0)
                return -EBADMSG;
        if (header.major != LEDGER_MAJOR)
                return -EPROTONOSUPPORT;

        return n_bytes >= sizeof(header);
}

static bool read_frame(const char *bytes, size_t n_bytes, LedgerFrame *ret) {
        LedgerFrame frame;

        if (n_bytes < sizeof(frame))
                return false;

        memcpy(&frame, bytes, sizeof(frame));
        if (frame.n_bytes > LEDGER_RECORD_BYTES_MAX || frame.n_bytes > n_bytes - sizeof(frame))
                return false;
        if (frame.checksum != frame_checksum(&frame, bytes + sizeof(frame)))
                return false;

        *ret = frame;
        return true;
}

int ledger_read(const char *bytes,
                size_t n_bytes,
                ledger_record_handler_t handler,
                void *userdata,
                size_t *ret_valid) {
        size_t position = LEDGER_HEADER_BYTES;
        LedgerFrame frame;
        int r;

        r = n_bytes > 0 ? read_header(bytes, n_bytes) : 0;
        if (r < 0)
                return r;
        if (r == 0) {
                *ret_valid = 0;
                return 0;
        }

        while (read_frame(bytes + position, n_bytes - position, &frame)) {
                position += sizeof(frame);
                r = handler(frame.kind, bytes + position, frame.n_bytes, userdata);
                if (r < 0)
                        return r;
                position += frame.n_bytes;
        }

        *ret_valid = position;
        return 0;
}
