/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * JsonScan
 *
 * What has to be true of a text before json-c may see it. json-c 0.16 accepts, even when asked to
 * be strict, duplicate keys, "a\u0000b" as a key "a", single quotes, NaN, numbers that do not fit
 * and whatever follows a NUL; and it forgets lines. This reads the text once, refuses all of that,
 * and keeps the lines. It builds no values: that is json-c's work.
 */

#include <stddef.h>

#define JSON_BYTES_MAX (256u * 1024u)
#define JSON_DEPTH_MAX 16
#define JSON_KEYS_MAX 256 /* of one object */
#define JSON_VALUES_MAX 4096
#define JSON_DIGITS_MAX                                                          \
        15 /* of a number, what a double keeps exactly; those of an exponent too \
            */

typedef struct JsonScan {
        unsigned *lines; /* of each value in the document's order, which is json_c_visit()'s */
        size_t n_values;
} JsonScan;

typedef struct JsonScanError {
        unsigned line; /* from 1; 0: the text as a whole */
        char *pointer; /* RFC 6901: the value being read; "" for the whole document */
        char *message; /* what is wrong and what to do */
} JsonScanError;

/* -EBADMSG: the text is no such JSON, and *ret_error says why; json_scan_error_done() frees that.
 */
int json_scan(JsonScan *ret, const char *text, size_t n_bytes, JsonScanError *ret_error);
void json_scan_done(JsonScan *scan);
void json_scan_error_done(JsonScanError *error);

/* Appends "/token" to a pointer, escaped as RFC 6901 has it. */
int json_pointer_append(char **pointer, const char *token);
