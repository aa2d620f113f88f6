/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * UTF-8
 *
 * The table of well-formed sequences of the Unicode standard (3.9, table 3-7): what the
 * second byte may be depends on the first, all further ones are 80 to BF.
 */

#include <stdlib.h>
#include <string.h>

#include "util/utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD"
#define PRINTABLE_BYTES_MAX 1024

static const struct {
        uint8_t first_low, first_high, second_low, second_high;
        size_t length;
} sequences[] = {
        { 0x00, 0x7F, 0x00, 0x00, 1 }, { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 },
        { 0xE1, 0xEC, 0x80, 0xBF, 3 }, { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 },
        { 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
};

/* Bytes of the character at the front, 0 if there is none. */
static size_t character_length(const uint8_t *bytes, size_t n_bytes) {
        for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
                size_t length = sequences[i].length;

                if (bytes[0] < sequences[i].first_low || bytes[0] > sequences[i].first_high)
                        continue;
                if (length > n_bytes)
                        return 0;
                if (length > 1 &&
                    (bytes[1] < sequences[i].second_low || bytes[1] > sequences[i].second_high))
                        return 0;
                for (size_t k = 2; k < length; k++)
                        if (bytes[k] < 0x80 || bytes[k] > 0xBF)
                                return 0;
                return length;
        }

        return 0;
}

size_t utf8_decode(const char *bytes, size_t n_bytes, uint32_t *ret) {
        static const uint8_t masks[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
        size_t length = n_bytes > 0 ? character_length((const uint8_t *) bytes, n_bytes) : 0;
        uint32_t character;

        if (length == 0)
                return 0;

        character = (uint8_t) bytes[0] & masks[length];
        for (size_t i = 1; i < length; i++)
                character = character << 6 | ((uint8_t) bytes[i] & 0x3F);
        *ret = character;
        return length;
}

bool utf8_is_valid(const char *bytes, size_t n_bytes) {
        while (n_bytes > 0) {
                size_t length = character_length((const uint8_t *) bytes, n_bytes);

                if (length == 0)
                        return false;
                bytes += length;
                n_bytes -= length;
        }

        return true;
}

char *utf8_make_valid(const char *bytes, size_t n_bytes) {
        char *text, *end;

        /* Each byte becomes three at most. */
        text = end = malloc(n_bytes * strlen(REPLACEMENT) + 1);
        if (!text)
                return NULL;

        while (n_bytes > 0) {
                size_t length = character_length((const uint8_t *) bytes, n_bytes);

                if (length == 0 || *bytes == '\0') {
                        end = stpcpy(end, REPLACEMENT);
                        length = 1;
                } else
                        end = mempcpy(end, bytes, length);
                bytes += length;
                n_bytes -= length;
        }

        *end = '\0';
        return text;
}

char *utf8_make_printable(char *text) {
        char *from = text, *to = text, *end = text + strlen(text);

        while (from < end) {
                const uint8_t *bytes = (const uint8_t *) from;
                size_t length = character_length(bytes, (size_t) (end - from));
                /* U+0080 to U+009F are control characters too, and C2 begins them. */
                bool is_control = length == 0 || bytes[0] < 0x20 || bytes[0] == 0x7F ||
                                  (bytes[0] == 0xC2 && bytes[1] < 0xA0);

                if (to + length > text + PRINTABLE_BYTES_MAX)
                        break;
                if (is_control)
                        *to++ = '?';
                else
                        to = (char *) memmove(to, from, length) + length;
                from += length > 0 ? length : 1;
        }

        *to = '\0';
        return text;
}
