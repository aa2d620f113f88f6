/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * JsonScan
 *
 * Recursive descent over RFC 8259, no deeper than JSON_DEPTH_MAX. The levels that are open make
 * the pointer of an error, and the keys of each are what a duplicate is found by: after
 * unescaping, since "port" and "\u0070ort" are one key to json-c.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/json-scan.h"
#include "util/format.h"
#include "util/strv.h"
#include "util/utf8.h"

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

/* An object or array that is open. */
typedef struct Level {
        char **keys; /* of an object, so far; the last is that of the value being read */
        size_t n_keys;
        size_t index;  /* of the value being read, in an array */
        bool in_value; /* between a key or "[" or "," and the end of the value */
} Level;

typedef struct Scanner {
        const char *at, *end;
        unsigned line;
        Level levels[JSON_DEPTH_MAX];
        size_t depth;
        unsigned *lines;
        size_t n_values;
        JsonScanError *error;
} Scanner;

static int scan_value(Scanner *s);

void json_scan_done(JsonScan *scan) {
        free(scan->lines);
        *scan = (JsonScan){ 0 };
}

void json_scan_error_done(JsonScanError *error) {
        free(error->pointer);
        free(error->message);
        *error = (JsonScanError){ 0 };
}

int json_pointer_append(char **pointer, const char *token) {
        size_t n = *pointer ? strlen(*pointer) : 0;
        char *grown, *end;

        /* Each byte becomes two at most. */
        grown = realloc(*pointer, n + 1 + 2 * strlen(token) + 1);
        if (!grown)
                return -ENOMEM;

        *pointer = grown;
        end = grown + n;
        *end++ = '/';
        for (; *token; token++)
                if (*token == '~' || *token == '/') {
                        *end++ = '~';
                        *end++ = *token == '~' ? '0' : '1';
                } else
                        *end++ = *token;
        *end = '\0';
        return 0;
}

static int scanner_pointer(const Scanner *s, char **ret) {
        _cleanup_free_ char *pointer = strdup("");
        int r;

        if (!pointer)
                return -ENOMEM;

        for (size_t i = 0; i < s->depth; i++) {
                const Level *level = &s->levels[i];
                char index[24];

                if (!level->in_value)
                        break;
                (void) snprintf(index, sizeof(index), "%zu", level->index);
                r = json_pointer_append(&pointer,
                                        level->n_keys > 0 ? level->keys[level->n_keys - 1] : index);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(pointer);
        return 0;
}

/* Takes the message over. */
static int scan_fail_with(Scanner *s, char *message) {
        _cleanup_free_ char *pointer = NULL, *owned = message;
        int r;

        r = message ? scanner_pointer(s, &pointer) : -ENOMEM;
        if (r < 0)
                return r;

        *s->error = (JsonScanError){
                .line = s->line,
                .pointer = utf8_make_printable(TAKE_PTR(pointer)),
                .message = utf8_make_printable(TAKE_PTR(owned)),
        };
        return -EBADMSG;
}

#define scan_fail(s, ...) scan_fail_with(s, format_text(__VA_ARGS__))

static void skip_space(Scanner *s) {
        for (; s->at < s->end && strchr(" \t\r\n", *s->at) && *s->at != '\0'; s->at++)
                if (*s->at == '\n')
                        s->line++;
}

static bool is_digit(const Scanner *s) {
        return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

/* Something stands where `wanted` should: what JSON is often taken for has a word of its own. */
static int scan_fail_at(Scanner *s, const char *wanted) {
        unsigned char byte;

        if (s->at == s->end)
                return scan_fail(s, "the text ends where %s should be: complete it", wanted);

        byte = (unsigned char) *s->at;
        if (byte == '/' || byte == '#')
                return scan_fail(
                        s, "JSON has no comments: take it out, or keep it under an \"x-\" key");
        if (byte == '\'')
                return scan_fail(s, "a single quote: JSON strings take double quotes");
        if (byte < 0x20 || byte >= 0x7F)
                return scan_fail(s, "byte 0x%02X where %s should be: take it out", byte, wanted);

        return scan_fail(s, "'%c' where %s should be: put that there", byte, wanted);
}

/* Leaves *ret_end at the closing quote of the string that begins at s->at. */
static int string_find_end(Scanner *s, const char **ret_end) {
        const char *at = s->at + 1;

        for (; at < s->end && *at != '"'; at++) {
                unsigned char byte = (unsigned char) *at;

                if (byte < 0x20)
                        return scan_fail(s, "control byte 0x%02X in a string: write \\u%04X", byte,
                                         byte);
                if (byte == '\\' && at + 1 < s->end && (unsigned char) at[1] >= 0x20)
                        at++;
        }

        if (at == s->end)
                return scan_fail(s, "a string without end: close it with a double quote");

        *ret_end = at;
        return 0;
}

static int parse_hex4(const char *at, const char *end, uint32_t *ret) {
        uint32_t value = 0;

        if (end - at < 4)
                return -EINVAL;

        for (size_t i = 0; i < 4; i++) {
                const char *digits = "0123456789abcdef", *digit;
                char c = at[i] >= 'A' && at[i] <= 'F' ? (char) (at[i] - 'A' + 'a') : at[i];

                digit = c ? strchr(digits, c) : NULL;
                if (!digit)
                        return -EINVAL;
                value = value * 16 + (uint32_t) (digit - digits);
        }

        *ret = value;
        return 0;
}

static char *put_utf8(char *out, uint32_t c) {
        if (c < 0x80)
                *out++ = (char) c;
        else if (c < 0x800) {
                *out++ = (char) (0xC0 | c >> 6);
                *out++ = (char) (0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
                *out++ = (char) (0xE0 | c >> 12);
                *out++ = (char) (0x80 | (c >> 6 & 0x3F));
                *out++ = (char) (0x80 | (c & 0x3F));
        } else {
                *out++ = (char) (0xF0 | c >> 18);
                *out++ = (char) (0x80 | (c >> 12 & 0x3F));
                *out++ = (char) (0x80 | (c >> 6 & 0x3F));
                *out++ = (char) (0x80 | (c & 0x3F));
        }

        return out;
}

/* *at is behind "\u". Two escapes make one character above U+FFFF. */
static int unescape_unicode(Scanner *s, const char **at, const char *end, char **out) {
        uint32_t c, low;

        if (parse_hex4(*at, end, &c) < 0)
                return scan_fail(s, "\\u takes four hexadecimal digits");
        *at += 4;

        if (c == 0)
                return scan_fail(s, "\\u0000: no string here can hold a NUL, take it out");

        if (c >= 0xD800 && c <= 0xDFFF) {
                bool is_pair = c < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' &&
                               (*at)[1] == 'u' && parse_hex4(*at + 2, end, &low) >= 0 &&
                               low >= 0xDC00 && low <= 0xDFFF;

                if (!is_pair)
                        return scan_fail(s, "\\u%04X is half of a character: write both halves", c);
                c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
                *at += 6;
        }

        *out = put_utf8(*out, c);
        return 0;
}

static int string_unescape(Scanner *s, const char *at, const char *end, char *out) {
        static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
        int r;

        while (at < end) {
                const char *letter;

                if (*at != '\\') {
                        *out++ = *at++;
                        continue;
                }
                if (at[1] == 'u') {
                        at += 2;
                        r = unescape_unicode(s, &at, end, &out);
                        if (r < 0)
                                return r;
                        continue;
                }

                letter = strchr(letters, at[1]);
                if (!letter)
                        return scan_fail(s, "unknown escape \\%c: write \\\\ for a backslash",
                                         (unsigned char) at[1] < 0x7F ? at[1] : '?');
                *out++ = bytes[letter - letters];
                at += 2;
        }

        *out = '\0';
        return 0;
}

static int scan_string(Scanner *s, char **ret) {
        _cleanup_free_ char *text = NULL;
        const char *start = s->at + 1, *end = NULL;
        int r;

        r = string_find_end(s, &end);
        if (r < 0)
                return r;
        if (!utf8_is_valid(start, (size_t) (end - start)))
                return scan_fail(s, "invalid UTF-8 in a string: save the file as UTF-8");

        /* No escape is shorter than what it stands for. */
        text = malloc((size_t) (end - start) + 1);
        if (!text)
                return -ENOMEM;
        r = string_unescape(s, start, end, text);
        if (r < 0)
                return r;

        s->at = end + 1;
        *ret = TAKE_PTR(text);
        return 0;
}

/* Answers how many digits there are at s->at, and goes behind them. */
static size_t skip_digits(Scanner *s) {
        const char *start = s->at;

        while (is_digit(s))
                s->at++;

        return (size_t) (s->at - start);
}

static int scan_number(Scanner *s) {
        size_t n_digits, n;
        bool has_leading_zero;

        s->at += *s->at == '-';
        if (s->at < s->end && *s->at == 'I')
                return scan_fail(s, "JSON has no NaN and no Infinity: write a number");

        has_leading_zero = s->at < s->end && *s->at == '0';
        n_digits = skip_digits(s);
        if (n_digits == 0)
                return scan_fail_at(s, "a digit");
        if (has_leading_zero && n_digits > 1)
                return scan_fail(s, "a number with a leading zero: take the zero out");

        if (s->at < s->end && *s->at == '.') {
                s->at++;
                n = skip_digits(s);
                if (n == 0)
                        return scan_fail_at(s, "a digit");
                n_digits += n;
        }

        if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
                s->at++;
                s->at += s->at < s->end && (*s->at == '+' || *s->at == '-');
                n = skip_digits(s);
                if (n == 0)
                        return scan_fail_at(s, "a digit");
                /* Beyond two digits of exponent a double may be infinite. */
                n_digits += n > 2 ? JSON_DIGITS_MAX : n;
        }

        if (n_digits > JSON_DIGITS_MAX)
                return scan_fail(s, "a number of over %d digits does not fit: write fewer",
                                 JSON_DIGITS_MAX);
        return 0;
}

static bool is_letter(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int scan_word(Scanner *s) {
        static const char *const words[] = { "true", "false", "null" };
        const char *start = s->at;
        size_t n;

        while (s->at < s->end && is_letter(*s->at))
                s->at++;

        n = (size_t) (s->at - start);
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strlen(words[i]) == n && memcmp(words[i], start, n) == 0)
                        return 0;

        if (memcmp(start, "NaN", n < 3 ? n : 3) == 0 || memcmp(start, "Inf", n < 3 ? n : 3) == 0)
                return scan_fail(s, "JSON has no NaN and no Infinity: write a number");
        return scan_fail(s, "%.*s is no JSON: write true, false, null, or a string in quotes",
                         n > 32 ? 32 : (int) n, start);
}

/* "key" and the colon behind it. */
static int scan_key(Scanner *s, Level *level) {
        _cleanup_free_ char *key = NULL;
        bool is_duplicate;
        int r;

        if (s->at == s->end || *s->at != '"')
                return scan_fail_at(s, "a key in double quotes");
        r = scan_string(s, &key);
        if (r < 0)
                return r;

        is_duplicate = strv_contains(level->keys, key);
        r = strv_consume(&level->keys, TAKE_PTR(key));
        if (r < 0)
                return r;
        level->n_keys++;
        level->in_value = true;

        if (is_duplicate)
                return scan_fail(s, "this key is there twice: take one of the two out");
        if (level->n_keys > JSON_KEYS_MAX)
                return scan_fail(s, "more than %d keys in one object: take some out",
                                 JSON_KEYS_MAX);

        skip_space(s);
        if (s->at == s->end || *s->at != ':')
                return scan_fail_at(s, "a colon");
        s->at++;
        skip_space(s);
        return 0;
}

/* Behind a value: 1 there is another, 0 that was the last one. */
static int scan_separator(Scanner *s, char close) {
        skip_space(s);
        if (s->at < s->end && *s->at == close) {
                s->at++;
                return 0;
        }
        if (s->at == s->end || *s->at != ',')
                return scan_fail_at(s, close == '}' ? "a comma or }" : "a comma or ]");

        s->at++;
        skip_space(s);
        if (s->at < s->end && *s->at == close)
                return scan_fail(s, "a comma before %c: take the comma out", close);
        return 1;
}

static int scan_members(Scanner *s, Level *level, bool is_object) {
        char close = is_object ? '}' : ']';
        int r;

        if (s->at < s->end && *s->at == close) {
                s->at++;
                return 0;
        }

        do {
                if (is_object) {
                        r = scan_key(s, level);
                        if (r < 0)
                                return r;
                }
                level->in_value = true;
                r = scan_value(s);
                if (r < 0)
                        return r;
                level->in_value = false;
                level->index++;
                r = scan_separator(s, close);
        } while (r > 0);

        return r;
}

static int scan_container(Scanner *s) {
        bool is_object = *s->at == '{';
        Level *level;
        int r;

        if (s->depth == JSON_DEPTH_MAX)
                return scan_fail(s, "nested deeper than %d levels: make it flatter",
                                 JSON_DEPTH_MAX);

        s->at++;
        skip_space(s);

        /* The level stays open on an error: its key is part of the pointer until then. */
        level = &s->levels[s->depth];
        *level = (Level){ 0 };
        r = s->at == s->end ? scan_fail_at(s, is_object ? "a key or }" : "a value or ]") : 0;
        if (r < 0)
                return r;

        s->depth++;
        r = scan_members(s, level, is_object);
        if (r < 0)
                return r;

        s->depth--;
        level->keys = strv_free(level->keys);
        return 0;
}

static int scan_value(Scanner *s) {
        _cleanup_free_ char *text = NULL;

        if (s->n_values == JSON_VALUES_MAX)
                return scan_fail(s, "more than %d values: take some out", JSON_VALUES_MAX);
        s->lines[s->n_values++] = s->line;

        if (s->at == s->end)
                return scan_fail_at(s, "a value");
        if (*s->at == '{' || *s->at == '[')
                return scan_container(s);
        if (*s->at == '"')
                return scan_string(s, &text);
        if (*s->at == '-' || is_digit(s))
                return scan_number(s);
        if (is_letter(*s->at))
                return scan_word(s);

        return scan_fail_at(s, "a value");
}

static int scan_document(Scanner *s) {
        size_t n_bytes = (size_t) (s->end - s->at);
        int r;

        if (n_bytes > JSON_BYTES_MAX) {
                s->line = 0;
                return scan_fail(s, "%zu bytes, of at most %u: make it smaller", n_bytes,
                                 JSON_BYTES_MAX);
        }
        if (n_bytes >= strlen(BYTE_ORDER_MARK) &&
            memcmp(s->at, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
                return scan_fail(s, "a byte order mark: save the file as UTF-8 without one");

        skip_space(s);
        if (s->at == s->end || *s->at != '{')
                return scan_fail_at(s, "an object {}");
        r = scan_value(s);
        if (r < 0)
                return r;

        skip_space(s);
        if (s->at < s->end)
                return scan_fail(s, "there is more behind the end of the object: take it out");
        return 0;
}

int json_scan(JsonScan *ret, const char *text, size_t n_bytes, JsonScanError *ret_error) {
        _cleanup_free_ unsigned *lines = calloc(JSON_VALUES_MAX, sizeof(unsigned));
        Scanner s = {
                .at = text, .end = text + n_bytes, .line = 1, .lines = lines, .error = ret_error
        };
        int r;

        if (!lines)
                return -ENOMEM;

        r = scan_document(&s);
        for (size_t i = 0; i < s.depth; i++)
                strv_free(s.levels[i].keys);
        if (r < 0)
                return r;

        *ret = (JsonScan){ .lines = TAKE_PTR(lines), .n_values = s.n_values };
        return 0;
}
