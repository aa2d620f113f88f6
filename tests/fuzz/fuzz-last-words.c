/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz: last words
 *
 * The first line of the input is a secret, the rest is output: a line that begins with ">" is of
 * stdout, the others are of stderr. Whatever it is, what is told is valid UTF-8 of bounded length
 * that drives no terminal and does not have the secret in it. abort() is a find.
 */

#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "model/last-words.h"
#include "model/secrets.h"
#include "util/utf8.h"

#define LINES_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t split(LogLine lines[LINES_MAX], const char *text, size_t n_bytes) {
        size_t n = 0;

        while (n_bytes > 0 && n < LINES_MAX) {
                const char *end = memchr(text, '\n', n_bytes);
                size_t n_line = end ? (size_t) (end - text) : n_bytes;
                bool is_out = n_line > 0 && *text == '>';

                lines[n++] = (LogLine){
                        .stream = is_out ? LOG_STDOUT : LOG_STDERR,
                        .ending = n_line > 0 && text[n_line - 1] == '\\' ? LOG_ENDING_SPLIT
                                                                         : LOG_ENDING_NEWLINE,
                        .bytes = text + is_out,
                        .n_bytes = n_line - is_out,
                };
                text += end ? n_line + 1 : n_line;
                n_bytes -= end ? n_line + 1 : n_line;
        }

        return n;
}

/* Of a secret that is printable text: any other one is changed by what makes a line printable. */
static void check_secret(const char *words, const char *secret) {
        if (strlen(secret) < SECRET_BYTES_MIN || strchr(secret, '*'))
                return;
        for (const char *c = secret; *c; c++)
                if (*c <= ' ' || *c > '~')
                        return;

        assert(!strstr(words, secret));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* An exact copy, so that a read beyond its end is seen. */
        char *text = memcpy(malloc(size + 1), data, size), *end = memchr(text, '\n', size), *words;
        size_t n_secret = end ? (size_t) (end - text) : 0, n_head = end ? n_secret + 1 : 0;
        char *secret = strndup(text, n_secret), *secrets[] = { secret, NULL };
        char *rest = memcpy(malloc(size - n_head + !(size - n_head)), text + n_head, size - n_head);
        LogLine lines[LINES_MAX];

        words = last_words(lines, split(lines, rest, size - n_head), secrets);
        if (words) {
                assert(words[0] && strlen(words) <= LAST_WORDS_BYTES_MAX);
                assert(utf8_is_valid(words, strlen(words)));
                for (const char *c = words; *c; c++)
                        assert((unsigned char) *c >= 0x20 && *c != 0x7F);
                check_secret(words, secret);
        }

        free(words);
        free(rest);
        free(secret);
        free(text);
        return 0;
}
