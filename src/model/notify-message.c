/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * NotifyMessage
 *
 * Lines of NAME=VALUE, in any order; of one that comes twice the last counts. A line that is
 * wrong takes nothing away from the others, since sd_notify(3) promises that unknown ones are
 * ignored.
 */

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "model/notify-message.h"
#include "util/duration.h"
#include "util/macro.h"
#include "util/utf8.h"

/* What is added to a time of ours must not wrap it around. */
#define SPAN_USEC_MAX (UINT64_C(100) * 365 * 24 * USEC_PER_HOUR)
#define ERRNO_MAX 4095 /* as far as the kernel has them, include/linux/err.h */

/* Part of a message, not terminated. */
typedef struct Text {
        const char *bytes;
        size_t n;
} Text;

static bool text_is(Text text, const char *word) {
        return text.n == strlen(word) && memcmp(text.bytes, word, text.n) == 0;
}

/* Digits and nothing else, from least to most. */
static bool text_read_number(Text text, uint64_t least, uint64_t most, uint64_t *ret) {
        uint64_t number = 0;

        for (size_t i = 0; i < text.n; i++) {
                uint64_t digit = (uint64_t) (text.bytes[i] - '0');

                if (text.bytes[i] < '0' || text.bytes[i] > '9' || number > (most - digit) / 10)
                        return false;
                number = number * 10 + digit;
        }
        if (text.n == 0 || number < least)
                return false;

        *ret = number;
        return true;
}

static bool read_status(NotifyMessage *message, Text value) {
        size_t n = value.n;

        if (!utf8_is_valid(value.bytes, n))
                return false;

        if (n > NOTIFY_STATUS_BYTES_MAX) {
                n = NOTIFY_STATUS_BYTES_MAX;
                /* Not within a character, of which all bytes but the first begin with 10. */
                while ((value.bytes[n] & 0xC0) == 0x80)
                        n--;
        }

        memcpy(message->status, value.bytes, n);
        message->status[n] = '\0';
        (void) utf8_make_printable(message->status);
        return true;
}

static bool read_error(NotifyMessage *message, Text value) {
        uint64_t number;

        if (!text_read_number(value, 1, ERRNO_MAX, &number))
                return false;

        message->error = (int) number;
        return true;
}

static bool read_main_pid(NotifyMessage *message, Text value) {
        uint64_t number;

        if (!text_read_number(value, 1, INT_MAX, &number))
                return false;

        message->main_pid = (pid_t) number;
        return true;
}

static bool read_extend_timeout(NotifyMessage *message, Text value) {
        return text_read_number(value, 0, SPAN_USEC_MAX, &message->extend_timeout_usec);
}

static bool read_watchdog_timeout(NotifyMessage *message, Text value) {
        return text_read_number(value, 0, SPAN_USEC_MAX, &message->watchdog_timeout_usec);
}

/* Either the one value that it may have, or how that is read. */
static const struct {
        const char *name;
        unsigned says;
        const char *value;
        bool (*read)(NotifyMessage *message, Text value);
} words[] = {
        { "READY", NOTIFY_READY, .value = "1" },
        { "RELOADING", NOTIFY_RELOADING, .value = "1" },
        { "STOPPING", NOTIFY_STOPPING, .value = "1" },
        { "BARRIER", NOTIFY_BARRIER, .value = "1" },
        { "WATCHDOG", NOTIFY_WATCHDOG, .value = "1" },
        { "WATCHDOG", NOTIFY_WATCHDOG_TRIGGER, .value = "trigger" },
        { "STATUS", NOTIFY_STATUS, .read = read_status },
        { "ERRNO", NOTIFY_ERRNO, .read = read_error },
        { "MAINPID", NOTIFY_MAIN_PID, .read = read_main_pid },
        { "EXTEND_TIMEOUT_USEC", NOTIFY_EXTEND_TIMEOUT, .read = read_extend_timeout },
        { "WATCHDOG_USEC", NOTIFY_WATCHDOG_TIMEOUT, .read = read_watchdog_timeout },
};

static void message_take_line(NotifyMessage *message, Text line) {
        const char *equals = memchr(line.bytes, '=', line.n);
        Text name = { line.bytes, equals ? (size_t) (equals - line.bytes) : line.n };
        Text value = { equals ? equals + 1 : NULL, equals ? line.n - name.n - 1 : 0 };

        if (!equals)
                return;

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (text_is(name, words[i].name) &&
                    (words[i].read ? words[i].read(message, value)
                                   : text_is(value, words[i].value)))
                        message->said |= words[i].says;
}

int notify_message_parse(NotifyMessage *ret, const char *bytes, size_t n_bytes) {
        NotifyMessage message = { 0 };

        if (n_bytes > NOTIFY_BYTES_MAX)
                return -EBADMSG;
        /* A client in C may have sent its string with its end. */
        if (n_bytes > 0 && bytes[n_bytes - 1] == '\0')
                n_bytes--;
        if (memchr(bytes, '\0', n_bytes))
                return -EBADMSG;

        while (n_bytes > 0) {
                const char *end = memchr(bytes, '\n', n_bytes);
                size_t n = end ? (size_t) (end - bytes) : n_bytes;

                message_take_line(&message, (Text){ bytes, n });
                n += end != NULL;
                bytes += n;
                n_bytes -= n;
        }

        *ret = message;
        return 0;
}
