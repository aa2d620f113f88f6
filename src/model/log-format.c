/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogFormat
 *
 * Most bytes are printable ASCII and are looked at once. Both formats that are text escape the same
 * characters, each in its own way; what is no character, and NUL, is U+FFFD, as on the bus.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "model/log-format.h"
#include "util/utf8.h"
#include "util/visible.h"

#define REPLACEMENT "\uFFFD"

static const char *const formats[_LOG_FORMAT_MAX] = {
        [LOG_FORMAT_RAW] = "raw",
        [LOG_FORMAT_SHORT] = "short",
        [LOG_FORMAT_JSON] = "json",
};

LogFormat log_format_from_string(const char *text) {
        for (LogFormat format = 0; format < _LOG_FORMAT_MAX; format++)
                if (strcmp(formats[format], text) == 0)
                        return format;

        return _LOG_FORMAT_INVALID;
}

static char *put_escape(char *to, LogFormat format, uint32_t character) {
        static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
        const char *found = format == LOG_FORMAT_JSON && character < 0x80
                                    ? strchr(escaped, (int) character)
                                    : NULL;

        if (found)
                return to + sprintf(to, "\\%c", letters[found - escaped]);
        if (format == LOG_FORMAT_SHORT && character < 0x80)
                return to + sprintf(to, "\\x%02x", character);

        return to + sprintf(to, "\\u%04x", character);
}

static bool must_escape(LogFormat format, uint32_t character) {
        if (format == LOG_FORMAT_JSON &&
            (character == '"' || character == '\\' || character == '\t'))
                return true;

        return visible_must_escape(character);
}

static bool is_plain(char c) {
        return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static char *put_text(char *to, LogFormat format, const LogLine *line) {
        const char *from = line->bytes, *end = from + line->n_bytes;

        while (from < end) {
                uint32_t character = 0;
                size_t length;

                if (is_plain(*from)) {
                        *to++ = *from++;
                        continue;
                }

                length = utf8_decode(from, (size_t) (end - from), &character);
                if (length == 0 || character == 0) {
                        to = stpcpy(to, REPLACEMENT);
                        length = 1;
                } else if (must_escape(format, character))
                        to = put_escape(to, format, character);
                else
                        to = mempcpy(to, from, length);
                from += length;
        }

        return line->ending == LOG_ENDING_SPLIT ? stpcpy(to, LOG_SPLIT_MARK) : to;
}

static const char *const endings[_LOG_ENDING_MAX] = {
        [LOG_ENDING_NEWLINE] = "\n",
        [LOG_ENDING_SPLIT] = "",
        [LOG_ENDING_RETURN] = "\r\n",
        [LOG_ENDING_NONE] = "",
};

/* A line that was put together of pieces has something else behind it. */
size_t log_format_raw_in_place(const LogLine *line) {
        size_t n_ending = strlen(endings[line->ending]);

        return memcmp(line->bytes + line->n_bytes, endings[line->ending], n_ending) == 0
                       ? line->n_bytes + n_ending
                       : 0;
}

static size_t format_raw(char *to, const LogLine *line) {
        return (size_t) (stpcpy(mempcpy(to, line->bytes, line->n_bytes), endings[line->ending]) -
                         to);
}

static size_t format_short(char *to, const LogAuthor *author, const LogLine *line) {
        char time[VISIBLE_TIME_MAX], *end = to;

        end = stpcpy(end, visible_log_time(time, line->realtime_usec));
        end += sprintf(end, " %s: ", author->sidecar);
        end = put_text(end, LOG_FORMAT_SHORT, line);
        *end++ = '\n';
        return (size_t) (end - to);
}

static size_t format_json(char *to, const LogAuthor *author, const LogLine *line) {
        char *end = to;

        end += sprintf(end,
                       "{\"seq\":%" PRIu64 ",\"realtime-usec\":%" PRIu64
                       ",\"app\":\"%s\",\"sidecar\":\"%s\",\"generation\":%" PRIu64
                       ",\"stream\":\"%s\",\"text\":\"",
                       line->number, line->realtime_usec, author->app, author->sidecar,
                       line->generation, log_stream_to_string(line->stream));
        end = put_text(end, LOG_FORMAT_JSON, line);
        end = stpcpy(end, "\"}\n");
        return (size_t) (end - to);
}

size_t log_format_line(char to[static LOG_FORMAT_BYTES_MAX],
                       LogFormat format,
                       const LogAuthor *author,
                       const LogLine *line) {
        if (format == LOG_FORMAT_RAW)
                return format_raw(to, line);

        return format == LOG_FORMAT_SHORT ? format_short(to, author, line)
                                          : format_json(to, author, line);
}

size_t log_format_lost(char to[static LOG_FORMAT_LOST_BYTES_MAX],
                       LogFormat format,
                       const LogAuthor *author,
                       uint64_t n_lost,
                       bool is_at_line_start) {
        if (format == LOG_FORMAT_JSON)
                return (size_t) sprintf(
                        to, "{\"app\":\"%s\",\"sidecar\":\"%s\",\"lost\":%" PRIu64 "}\n",
                        author->app, author->sidecar, n_lost);

        return (size_t) sprintf(to, "%s[sidecard: %" PRIu64 " line%s lost]\n",
                                format == LOG_FORMAT_SHORT || is_at_line_start ? "" : "\n", n_lost,
                                n_lost == 1 ? "" : "s");
}
