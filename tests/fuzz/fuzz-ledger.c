/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz: ledger
 *
 * Any bytes are a ledger or an error, and any payload is a record or an error. A record that was
 * read reads the same from what it is written as, and whatever bytes are framed come back whole,
 * or not at all when the frame is cut. abort() is a find.
 */

#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "model/ledger.h"
#include "unit/sample-record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(const char *bytes, size_t n_bytes) {
        _cleanup_(sample_done) Sample sample = { 0 }, again = { 0 };
        _cleanup_(record_buffer_done) RecordBuffer first = { 0 }, second = { 0 };
        int r;

        r = record_decode(bytes, n_bytes, sample_fields, &sample);
        if (r < 0) {
                assert(r == -EBADMSG && !sample.token && !sample.argv && !sample.part.name);
                return;
        }

        assert(record_encode(&first, sample_fields, &sample) == 0);
        assert(record_decode(first.bytes, first.n_bytes, sample_fields, &again) == 0);
        assert(record_encode(&second, sample_fields, &again) == 0);
        assert(first.n_bytes == second.n_bytes);
        assert(first.n_bytes == 0 || memcmp(first.bytes, second.bytes, first.n_bytes) == 0);
}

static int on_record(uint32_t kind _unused_, const char *payload, size_t n_bytes, void *userdata) {
        check_record(payload, n_bytes);
        ++*(size_t *) userdata;
        return 0;
}

/* What is valid reads as the same records again, and nothing of it is cut any more. */
static void check_read(const char *bytes, size_t n_bytes) {
        size_t valid, valid_again, n = 0, n_again = 0;
        int r;

        r = ledger_read(bytes, n_bytes, on_record, &n, &valid);
        if (r < 0) {
                assert(n == 0 && (r == -EBADMSG || r == -EPROTONOSUPPORT));
                return;
        }

        assert(valid <= n_bytes && (valid == 0 || valid >= LEDGER_HEADER_BYTES));
        assert(ledger_read(bytes, valid, on_record, &n_again, &valid_again) == 0);
        assert(n_again == n && valid_again == valid);
}

static void check_framed(const char *payload, size_t n_payload) {
        size_t n_bytes = LEDGER_HEADER_BYTES + LEDGER_FRAME_BYTES + n_payload, valid, n = 0;
        _cleanup_free_ char *bytes = malloc(n_bytes);
        char *frame = bytes + LEDGER_HEADER_BYTES;

        assert(bytes);
        ledger_make_header(bytes);
        ledger_make_frame(frame, 1, payload, n_payload);
        memcpy(frame + LEDGER_FRAME_BYTES, payload, n_payload);

        assert(ledger_read(bytes, n_bytes, on_record, &n, &valid) == 0);
        assert(n == 1 && valid == n_bytes);
        assert(ledger_read(bytes, n_bytes - 1, on_record, &n, &valid) == 0);
        assert(n == 1 && valid == LEDGER_HEADER_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* An exact copy, so that a read beyond its end is seen. */
        _cleanup_free_ char *bytes = malloc(size > 0 ? size : 1);

        assert(bytes);
        memcpy(bytes, data, size);
        check_read(bytes, size);
        check_record(bytes, size);
        check_framed(bytes, size);
        return 0;
}
