/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * JsonWriter
 *
 * Writes JSON (RFC 8259) on one line as it is told to: the caller sees to it that what is opened
 * is closed and that a key stands before each value of an object. The only JSON in sidecarctl,
 * which never reads any.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct JsonWriter {
        FILE *stream;
        bool needs_comma;
} JsonWriter;

/* bracket: '{' or '[', and '}' or ']'. */
void json_open(JsonWriter *writer, char bracket);
void json_close(JsonWriter *writer, char bracket);
void json_key(JsonWriter *writer, const char *key);

/* What is no valid UTF-8 becomes U+FFFD. */
void json_string(JsonWriter *writer, const char *text);
void json_unsigned(JsonWriter *writer, uint64_t value);
void json_signed(JsonWriter *writer, int64_t value);
void json_double(JsonWriter *writer, double value);
void json_bool(JsonWriter *writer, bool value);

/* A key and its value. */
void json_member(JsonWriter *writer, const char *key, const char *text);
void json_member_unsigned(JsonWriter *writer, const char *key, uint64_t value);

/* The value is whole: a new line, and another one may follow. */
void json_end(JsonWriter *writer);
