/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Visible
 *
 * Characters are judged one by one, so that who must not allocate can ask for each.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util/duration.h"
#include "util/macro.h"
#include "util/utf8.h"
#include "util/visible.h"

#define ESCAPE_BYTES_MAX sizeof("\\u202e")

bool visible_must_escape(uint32_t character) {
        static const struct {
                uint32_t low, high;
        } ranges[] = {
                { 0x00, 0x08 },     { 0x0A, 0x1F },     { 0x7F, 0x9F },     { 0x061C, 0x061C },
                { 0x200E, 0x200F }, { 0x2028, 0x202E }, { 0x2066, 0x2069 },
        };

        for (size_t i = 0; i < ELEMENTSOF(ranges); i++)
                if (character >= ranges[i].low && character <= ranges[i].high)
                        return true;

        return false;
}

static char *append_visible(char *to, const char *from, size_t length, uint32_t character) {
        if (!visible_must_escape(character))
                return mempcpy(to, from, length);

        return to + sprintf(to, character < 0x80 ? "\\x%02x" : "\\u%04x", character);
}

char *visible_make(const char *text) {
        _cleanup_free_ char *valid = utf8_make_valid(text, strlen(text));
        char *visible, *to;

        to = visible = valid ? malloc(strlen(valid) * ESCAPE_BYTES_MAX + 1) : NULL;
        if (!visible)
                return NULL;

        for (const char *from = valid; *from;) {
                uint32_t character = 0;
                size_t length = utf8_decode(from, UTF8_BYTES_MAX, &character);

                to = append_visible(to, from, length, character);
                from += length;
        }

        *to = '\0';
        return visible;
}

/* A time that the calendar does not have is the year 1900. */
char *visible_log_time(char buffer[static VISIBLE_TIME_MAX], uint64_t realtime_usec) {
        time_t seconds = (time_t) (realtime_usec / USEC_PER_SEC);
        struct tm tm = { .tm_mday = 1 };
        size_t length;

        (void) localtime_r(&seconds, &tm);
        length = strftime(buffer, VISIBLE_TIME_MAX, "%b %d %H:%M:%S", &tm);
        (void) snprintf(buffer + length, VISIBLE_TIME_MAX - length, ".%03u",
                        (unsigned) (realtime_usec % USEC_PER_SEC / USEC_PER_MSEC));
        return buffer;
}
