/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz: notify
 *
 * Any bytes are a message or are refused, and what is told of a message is within its bounds,
 * whoever wrote it. abort() is a find.
 */

#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "model/notify-message.h"
#include "util/macro.h"
#include "util/utf8.h"

#define CENTURY_USEC (UINT64_C(100) * 365 * 24 * 3600 * 1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_status(const char *status) {
        size_t n = strlen(status);

        assert(n <= NOTIFY_STATUS_BYTES_MAX && utf8_is_valid(status, n));
        for (size_t i = 0; i < n; i++)
                assert((unsigned char) status[i] >= ' ' && status[i] != 0x7F);
}

static void check_same(const NotifyMessage *a, const NotifyMessage *b) {
        assert(a->said == b->said && a->error == b->error && a->main_pid == b->main_pid &&
               a->extend_timeout_usec == b->extend_timeout_usec &&
               a->watchdog_timeout_usec == b->watchdog_timeout_usec &&
               strcmp(a->status, b->status) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *bytes = malloc(size + 1), *line = NULL;
        NotifyMessage message, again;

        /* An exact copy, so that a read beyond its end is seen. */
        memcpy(bytes, data, size);
        bytes = realloc(bytes, size > 0 ? size : 1);
        if (notify_message_parse(&message, bytes, size) < 0) {
                assert(size > NOTIFY_BYTES_MAX || memchr(bytes, '\0', size));
                return 0;
        }

        assert(size <= NOTIFY_BYTES_MAX);
        check_status(message.status);
        assert(!(message.said & NOTIFY_ERRNO) || (message.error > 0 && message.error < 4096));
        assert(!(message.said & NOTIFY_MAIN_PID) || message.main_pid > 0);
        assert(message.extend_timeout_usec <= CENTURY_USEC);
        assert(message.watchdog_timeout_usec <= CENTURY_USEC);

        /* A line that means nothing changes nothing. */
        if (size > 0 && size + 3 <= NOTIFY_BYTES_MAX && bytes[size - 1] != '\0') {
                line = malloc(size + 3);
                memcpy(line, "x=\n", 3);
                memcpy(line + 3, bytes, size);
                assert(notify_message_parse(&again, line, size + 3) == 0);
                check_same(&message, &again);
        }
        return 0;
}
