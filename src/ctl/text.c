/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Text
 *
 * Columns are those of wcwidth(3); what has none, or drives the terminal, was made visible before.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "ctl/text.h"
#include "util/clock.h"
#include "util/macro.h"
#include "util/utf8.h"

/* The next character of valid UTF-8, in which none reaches beyond the end. Moves text behind it. */
static uint32_t decode(const char **text) {
        uint32_t character = 0;

        *text += utf8_decode(*text, UTF8_BYTES_MAX, &character);
        return character;
}

/* wcwidth(3) answers -1 for what the locale does not know, which terminals show as one column. */
static unsigned character_width(uint32_t character) {
        int width = wcwidth((wchar_t) character);

        return width < 0 ? 1 : (unsigned) width;
}

unsigned text_width(const char *text) {
        unsigned width = 0;

        while (*text)
                width += character_width(decode(&text));

        return width;
}

int text_cut(char **text, unsigned n_columns, const char *mark) {
        const char *end = *text, *next = *text;
        unsigned width = 0;
        char *cut;

        if (text_width(*text) <= n_columns)
                return 0;

        while (*next) {
                width += character_width(decode(&next));
                if (width + 1 > n_columns)
                        break;
                end = next;
        }

        if (asprintf(&cut, "%.*s%s", (int) (end - *text), *text, mark) < 0)
                return -ENOMEM;
        free(*text);
        *text = cut;
        return 0;
}

/* A time that the calendar does not have is the year 1900. */
static struct tm local_time(uint64_t realtime_usec) {
        time_t seconds = (time_t) (realtime_usec / USEC_PER_SEC);
        struct tm tm = { .tm_mday = 1 };

        (void) localtime_r(&seconds, &tm);
        return tm;
}

char *text_of_time(char buffer[static TEXT_TIME_MAX], uint64_t realtime_usec) {
        struct tm tm = local_time(realtime_usec);

        (void) strftime(buffer, TEXT_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm);
        return buffer;
}

char *text_of_bytes(char buffer[static TEXT_TIME_MAX], uint64_t n_bytes) {
        static const char units[] = "BKMGT";
        double value = (double) n_bytes;
        size_t unit = 0;

        for (; value >= 1024 && units[unit + 1]; unit++)
                value /= 1024;

        (void) snprintf(buffer, TEXT_TIME_MAX, unit == 0 ? "%.0f%c" : "%.1f%c", value, units[unit]);
        return buffer;
}

/* A format without a date means today, one without a time midnight. */
static bool parse_date(uint64_t *ret_usec, const char *text, const char *format) {
        time_t now = time(NULL), seconds;
        const char *end;
        struct tm tm;

        if (!localtime_r(&now, &tm))
                return false;
        tm.tm_hour = tm.tm_min = tm.tm_sec = 0;

        end = strptime(text, format, &tm);
        if (!end || *end)
                return false;

        tm.tm_isdst = -1;
        seconds = mktime(&tm);
        if (seconds < 0)
                return false;

        *ret_usec = (uint64_t) seconds * USEC_PER_SEC;
        return true;
}

int text_parse_since(uint64_t *ret_realtime_usec, const char *text) {
        static const char *const formats[] = {
                "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M",
        };
        uint64_t now = clock_realtime_usec(), ago;

        if (duration_parse(&ago, text) >= 0) {
                *ret_realtime_usec = ago < now ? now - ago : 0;
                return 0;
        }

        for (size_t i = 0; i < ELEMENTSOF(formats); i++)
                if (parse_date(ret_realtime_usec, text, formats[i]))
                        return 0;

        return -EINVAL;
}
