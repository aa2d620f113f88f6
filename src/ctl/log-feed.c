/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogFeed
 *
 * Values are left where they are; only text, which is shown, is decoded in its place.
 */

#include <string.h>

#include "ctl/log-feed.h"
#include "util/strv.h"

#define READ_BYTES (64u * 1024u)

static int grow(LogFeed *feed) {
        size_t n = feed->n_allocated > 0 ? 2 * feed->n_allocated : 2 * READ_BYTES;
        char *grown;

        if (feed->n_allocated - feed->n_bytes >= READ_BYTES)
                return 0;

        grown = realloc(feed->bytes, n);
        if (!grown)
                return -ENOMEM;

        feed->bytes = grown;
        feed->n_allocated = n;
        return 0;
}

ssize_t log_feed_read(LogFeed *feed) {
        size_t n_left = feed->n_bytes - feed->n_taken;
        ssize_t n;
        int r;

        if (feed->n_taken > 0)
                memmove(feed->bytes, feed->bytes + feed->n_taken, n_left);
        feed->n_bytes = n_left;
        feed->n_taken = 0;
        r = grow(feed);
        if (r < 0)
                return r;

        n = TEMP_FAILURE_RETRY(read(feed->fd, feed->bytes + feed->n_bytes, READ_BYTES));
        if (n < 0)
                return -errno;

        feed->n_bytes += (size_t) n;
        return n;
}

void log_feed_set(LogFeed *feed, int fd) {
        safe_close(feed->fd);
        feed->fd = fd;
        feed->n_bytes = feed->n_taken = 0;
}

void log_feed_done(LogFeed *feed) {
        log_feed_set(feed, -1);
        free(feed->bytes);
        free(feed->prefix);
}

typedef struct Span {
        char *begin, *end;
} Span;

static bool span_is(const Span *span, const char *text) {
        size_t length = strlen(text);

        return (size_t) (span->end - span->begin) == length &&
               memcmp(span->begin, text, length) == 0;
}

/* What is between two quotes, escapes and all. Moves *at behind them; false: there is none. */
static bool take_string(char **at, Span *ret) {
        char *begin = *at + 1, *end;

        if (**at != '"')
                return false;

        for (end = begin; *end && *end != '"'; end++)
                if (*end == '\\' && end[1])
                        end++;
        if (!*end)
                return false;

        *ret = (Span){ begin, end };
        *at = end + 1;
        return true;
}

/* As far as UTF-16 needs no surrogates, which sidecard does not write. */
static char *put_character(char *to, unsigned long character) {
        if (character < 0x80)
                *to++ = (char) character;
        else if (character < 0x800) {
                *to++ = (char) (0xC0 | character >> 6);
                *to++ = (char) (0x80 | (character & 0x3F));
        } else {
                *to++ = (char) (0xE0 | character >> 12);
                *to++ = (char) (0x80 | (character >> 6 & 0x3F));
                *to++ = (char) (0x80 | (character & 0x3F));
        }

        return to;
}

/* In its place, where it only gets shorter, and with a NUL in place of the quote or before it. */
static char *decode_text(const Span *span) {
        static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
        char *to = span->begin;

        for (char *from = span->begin; from < span->end;) {
                const char *letter;

                if (*from != '\\') {
                        *to++ = *from++;
                        continue;
                }

                from++;
                letter = strchr(letters, *from);
                if (*from == 'u' && span->end - from > 4) {
                        char digits[] = { from[1], from[2], from[3], from[4], '\0' };

                        to = put_character(to, strtoul(digits, NULL, 16));
                        from += 5;
                } else {
                        *to++ = letter ? meanings[letter - letters] : *from;
                        from++;
                }
        }

        *to = '\0';
        return span->begin;
}

static const char *stream_of(const Span *span) {
        static const char *const streams[] = { "stdout", "stderr", "supervisor" };

        for (size_t i = 0; i < ELEMENTSOF(streams); i++)
                if (span_is(span, streams[i]))
                        return streams[i];

        return "";
}

static bool take_number(char **at, uint64_t *ret) {
        char *end;

        *ret = strtoull(*at, &end, 10);
        if (end == *at)
                return false;

        *at = end;
        return true;
}

/* A key and its value; a key that is not known is passed. */
static bool take_member(char **at, LogLine *line, Span *text) {
        const struct {
                const char *key;
                uint64_t *target;
        } numbers[] = {
                { "seq", &line->number },
                { "realtime-usec", &line->realtime_usec },
                { "generation", &line->generation },
                { "lost", &line->n_lost },
        };
        Span key, value;
        uint64_t number;

        if (!take_string(at, &key) || *(*at)++ != ':')
                return false;

        if (**at == '"') {
                if (!take_string(at, &value))
                        return false;
                if (span_is(&key, "text"))
                        *text = value;
                else if (span_is(&key, "stream"))
                        line->stream = stream_of(&value);
                return true;
        }

        if (!take_number(at, &number))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (span_is(&key, numbers[i].key))
                        *numbers[i].target = number;

        return true;
}

static int take_line(LogFeed *feed, char *json, LogLine *ret) {
        LogLine line = { .sidecar = feed->sidecar,
                         .prefix = feed->prefix ? feed->prefix : feed->sidecar->name,
                         .color = feed->color,
                         .json = json,
                         .stream = "",
                         .text = "" };
        Span text = { NULL, NULL };
        char *at = json;

        if (*at != '{')
                return -EBADMSG;
        do {
                at++;
                if (!take_member(&at, &line, &text))
                        return -EBADMSG;
        } while (*at == ',');
        if (!streq(at, "}"))
                return -EBADMSG;

        if (text.begin && !feed->keeps_json)
                line.text = decode_text(&text);
        *ret = line;
        return 0;
}

/* Where lines are missing, that has its place behind the line before, and is not told twice. */
static void note_line(LogFeed *feed, LogLine *line) {
        if (line->n_lost == 0) {
                feed->last = line->number;
                feed->last_usec = line->realtime_usec;
                return;
        }

        line->number = feed->last;
        line->realtime_usec = feed->last_usec;
        if (feed->last > 0)
                feed->last += line->n_lost;
}

int log_feed_take(LogFeed *feed, LogLines *lines) {
        LogLine line;
        char *newline;
        int r;

        while ((newline =
                        memchr(feed->bytes + feed->n_taken, '\n', feed->n_bytes - feed->n_taken))) {
                *newline = '\0';
                r = take_line(feed, feed->bytes + feed->n_taken, &line);
                if (r < 0)
                        return r;

                feed->n_taken = (size_t) (newline - feed->bytes) + 1;
                note_line(feed, &line);
                r = log_lines_add(lines, &line);
                if (r < 0)
                        return r;
        }

        return 0;
}
