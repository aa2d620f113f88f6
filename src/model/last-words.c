/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LastWords
 *
 * Every line is cleaned once, secrets first, so that nothing unblanked is ever compared or told.
 * What is kept of a line is bounded (utf8_make_printable() cuts at a kilobyte), and a pattern goes
 * through it from left to right once: the work is bounded whatever was written.
 */

#include <ctype.h>
#include <string.h>

#include "model/last-words-rules.h"
#include "model/last-words.h"
#include "model/secrets.h"
#include "util/format.h"
#include "util/utf8.h"

#define FOLLOWS_WITHIN 8u /* lines: a message of several may stand between */
#define ELLIPSIS "\xE2\x80\xA6"

typedef struct Line {
        char *buffer;
        const char *text; /* in buffer, behind its indentation */
        size_t indent;
        bool is_noise;
} Line;

/* The lines of one stream, oldest first; blank ones are left out. */
typedef struct Page {
        Line lines[LAST_WORDS_LINES_MAX];
        size_t n;
} Page;

static void page_done(Page *page) {
        for (size_t i = 0; i < page->n; i++)
                free(page->lines[i].buffer);
}

size_t last_words_collect(LogLine ret[2 * LAST_WORDS_LINES_MAX],
                          const LogRing *ring,
                          uint64_t generation) {
        uint64_t first = log_ring_first(ring), number = log_ring_next(ring);
        size_t n_of[_LOG_STREAM_MAX] = { 0 }, room = 2 * LAST_WORDS_LINES_MAX, at = room;

        /* Filled from its end, since the newest come first. */
        while (number-- > first && at > 0) {
                LogLine line;

                if (!log_ring_get(ring, number, &line) || line.generation < generation)
                        break;
                if (line.generation > generation || line.stream == LOG_SUPERVISOR ||
                    n_of[line.stream] >= LAST_WORDS_LINES_MAX)
                        continue;
                n_of[line.stream]++;
                ret[--at] = line;
        }

        memmove(ret, ret + at, (room - at) * sizeof(LogLine));
        return room - at;
}

/* ECMA-48: bytes of the escape sequence at the front; one that does not end takes all. */
static size_t escape_length(const char *bytes, size_t n_bytes) {
        size_t n = 2;

        if (n_bytes < 2)
                return n_bytes;

        if (memchr("]PX^_", bytes[1], 5)) { /* a text, up to BEL or ESC \ */
                while (n < n_bytes && bytes[n] != '\a' && bytes[n] != '\033')
                        n++;
                if (n < n_bytes && bytes[n] == '\033')
                        n++;
                return n < n_bytes ? n + 1 : n_bytes;
        }

        if (bytes[1] == '[') {
                while (n < n_bytes && bytes[n] >= 0x20 && bytes[n] <= 0x3F)
                        n++;
                return n < n_bytes && bytes[n] >= 0x40 && bytes[n] <= 0x7E ? n + 1 : n;
        }

        n = 1;
        while (n < n_bytes && bytes[n] >= 0x20 && bytes[n] <= 0x2F)
                n++;
        return n < n_bytes && bytes[n] >= 0x30 && bytes[n] <= 0x7E ? n + 1 : n;
}

/* In place: what a terminal would be left with. Answers how many bytes that are. */
static size_t strip_escapes(char *bytes, size_t n_bytes) {
        bool returned = false;
        size_t from = 0, to = 0;

        while (from < n_bytes) {
                char c = bytes[from];

                if (c == '\033') {
                        from += escape_length(bytes + from, n_bytes - from);
                        continue;
                }
                from++;
                if (c == '\r') {
                        returned = true;
                        continue;
                }
                /* A progress bar begins its line anew. */
                if (returned)
                        to = 0;
                returned = false;
                bytes[to++] = c == '\t' ? ' ' : c;
        }

        return to;
}

/* A new string, or NULL. */
static char *clean(const LogLine *line, const Secrets *secrets) {
        bool is_cut = line->ending == LOG_ENDING_SPLIT || line->n_bytes > LAST_WORDS_SCAN_BYTES_MAX;
        size_t n_raw = line->n_bytes, n_bytes;
        _cleanup_free_ char *bytes = NULL;
        char *text;

        if (n_raw > LAST_WORDS_SCAN_BYTES_MAX)
                n_raw = LAST_WORDS_SCAN_BYTES_MAX;
        bytes = malloc(n_raw + 1);
        if (!bytes)
                return NULL;

        memcpy(bytes, line->bytes, n_raw);
        if (secrets_blank(secrets, bytes, &n_raw, is_cut) < 0)
                return NULL;

        /* Once more, where colours may have stood in the middle of one. */
        n_bytes = strip_escapes(bytes, n_raw);
        if (n_bytes < n_raw && secrets_blank(secrets, bytes, &n_bytes, is_cut) < 0)
                return NULL;

        text = utf8_make_valid(bytes, n_bytes);
        return text ? utf8_make_printable(text) : NULL;
}

/* ret_star: what the last * of the pattern stands for; NULL: nobody asks. */
static bool matches(const char *pattern, const char *text, const char **ret_star, size_t *ret_n) {
        size_t n = strcspn(pattern, "*");

        if (strncmp(text, pattern, n) != 0)
                return false;
        text += n;
        pattern += n;

        /* Leftmost is enough: all a * ever leaves to the next piece is more text. */
        while (*pattern) {
                size_t n_text = strlen(text);
                const char *hit;

                pattern++;
                n = strcspn(pattern, "*");
                if (!pattern[n]) {
                        if (n_text < n || strcmp(text + n_text - n, pattern) != 0)
                                return false;
                        if (ret_star) {
                                *ret_star = text;
                                *ret_n = n_text - n;
                        }
                        return true;
                }
                hit = memmem(text, n_text, pattern, n);
                if (!hit)
                        return false;
                text = hit + n;
                pattern += n;
        }

        return !*text;
}

static bool has_word(const char *text) {
        for (; *text; text++)
                if (isalnum((unsigned char) *text) || (unsigned char) *text >= 0x80)
                        return true;

        return false;
}

static void page_mark_traceback(Page *page, size_t index) {
        static const char header[] = "Traceback (most recent call last):";
        size_t indent = page->lines[index].indent;

        while (++index < page->n) {
                Line *line = &page->lines[index];

                line->is_noise = true;
                if (line->indent <= indent && strcmp(line->text, header) != 0)
                        return;
        }
}

static void page_mark_noise(Page *page) {
        for (size_t i = 0; i < page->n; i++) {
                Line *line = &page->lines[i];

                if (!has_word(line->text))
                        line->is_noise = true;
                for (size_t k = 0; k < n_last_words_noise && !line->is_noise; k++) {
                        if (!matches(last_words_noise[k].pattern, line->text, NULL, NULL))
                                continue;
                        line->is_noise = true;
                        if (last_words_noise[k].with_traceback)
                                page_mark_traceback(page, i);
                }
        }
}

static void page_add(Page *page, const LogLine *from, const Secrets *secrets) {
        Line line = { .buffer = clean(from, secrets) };
        size_t n;

        if (!line.buffer)
                return;

        n = strlen(line.buffer);
        while (n > 0 && line.buffer[n - 1] == ' ')
                line.buffer[--n] = '\0';
        line.indent = strspn(line.buffer, " |");
        line.text = line.buffer + line.indent;
        if (!*line.text)
                free(line.buffer);
        else
                page->lines[page->n++] = line;
}

static void page_fill(Page *page,
                      LogStream stream,
                      const LogLine *lines,
                      size_t n_lines,
                      const Secrets *secrets) {
        bool goes_on = false; /* this line is the rest of a split one: no place to begin reading */
        size_t first = n_lines, n = 0;

        while (first > 0 && n < LAST_WORDS_LINES_MAX)
                if (lines[--first].stream == stream)
                        n++;

        for (size_t i = first; i < n_lines; i++) {
                if (lines[i].stream != stream)
                        continue;
                if (!goes_on)
                        page_add(page, &lines[i], secrets);
                goes_on = lines[i].ending == LOG_ENDING_SPLIT;
        }

        page_mark_noise(page);
}

static bool is_followed(const Page *page, size_t index, const char *pattern) {
        for (size_t i = index + 1; i < page->n && i <= index + FOLLOWS_WITHIN; i++)
                if (matches(pattern, page->lines[i].text, NULL, NULL))
                        return true;

        return false;
}

/* Which line to tell instead; page->n: there is none. */
static size_t find_outdented(const Page *page, size_t index) {
        size_t i = index + 1;

        while (i < page->n && page->lines[i].indent >= page->lines[index].indent)
                i++;

        return i;
}

static size_t find_block_end(const Page *page, size_t index) {
        size_t i = index;

        while (i + 1 < page->n && page->lines[i + 1].indent > page->lines[index].indent)
                i++;

        return i > index ? i : page->n;
}

/* "first: second", with the colon of the first line where it has one. */
static char *join(const char *first, const char *second) {
        char last = first[strlen(first) - 1];

        return format_text("%s%s %s", first, last == ':' || last == '.' ? "" : ":", second);
}

/* A new string; NULL: the row says nothing of this line. */
static char *page_tell(const Page *page, size_t index, const LastWordsRule *rule) {
        const Line *line = &page->lines[index];
        const char *star = line->text;
        size_t n_star = 0, other = index;

        if (line->is_noise || !matches(rule->pattern, line->text, &star, &n_star) ||
            (rule->followed_by && !is_followed(page, index, rule->followed_by)))
                return NULL;

        if (rule->tell == TELL_OUTDENTED)
                other = find_outdented(page, index);
        else if (rule->tell == TELL_BLOCK_END)
                other = find_block_end(page, index);
        else if (rule->tell == TELL_WITH_NEXT)
                other = index + 1;
        if (other >= page->n || page->lines[other].is_noise)
                return NULL;

        if (rule->tell == TELL_STAR)
                return n_star > 0 ? strndup(star, n_star) : NULL;
        if (rule->tell == TELL_WITH_NEXT)
                return join(line->text, page->lines[other].text);
        return strdup(page->lines[other].text);
}

/* Of the rows from first to before end: the last line that one of them matches. */
static char *page_find(const Page *page, size_t first, size_t end) {
        for (size_t i = page->n; i-- > 0;)
                for (size_t k = first; k < end; k++) {
                        char *text = page_tell(page, i, &last_words_rules[k]);

                        if (text)
                                return text;
                }

        return NULL;
}

static char *page_find_cause(const Page *page) {
        size_t end;

        for (size_t first = 0; first < n_last_words_rules; first = end) {
                const char *language = last_words_rules[first].language;
                char *text;

                for (end = first + 1; end < n_last_words_rules; end++)
                        if (strcmp(last_words_rules[end].language, language) != 0)
                                break;
                text = page_find(page, first, end);
                if (text)
                        return text;
        }

        return NULL;
}

static char *page_last_line(const Page *page, bool noise_too) {
        for (size_t i = page->n; i-- > 0;)
                if (noise_too || !page->lines[i].is_noise)
                        return strdup(page->lines[i].text);

        return NULL;
}

/* In place, between two characters. */
static char *shorten(char *text) {
        size_t n = LAST_WORDS_BYTES_MAX - strlen(ELLIPSIS);

        if (strlen(text) <= LAST_WORDS_BYTES_MAX)
                return text;

        while (n > 0 && ((unsigned char) text[n] & 0xC0) == 0x80)
                n--;
        (void) strcpy(text + n, ELLIPSIS);
        return text;
}

char *last_words(const LogLine *lines, size_t n_lines, char *const *secrets) {
        _cleanup_(page_done) Page err = { .n = 0 }, out = { .n = 0 };
        _cleanup_(secrets_freep) Secrets *blanked = NULL;
        char *text;

        if (secrets_new(&blanked, secrets) < 0)
                return NULL;

        page_fill(&err, LOG_STDERR, lines, n_lines, blanked);
        page_fill(&out, LOG_STDOUT, lines, n_lines, blanked);

        text = page_find_cause(&err);
        if (!text)
                text = page_find_cause(&out);
        if (!text)
                text = page_last_line(&err, false);
        if (!text)
                text = page_last_line(&out, false);
        if (!text)
                text = page_last_line(&err, true);
        if (!text)
                text = page_last_line(&out, true);

        return text ? shorten(text) : NULL;
}
