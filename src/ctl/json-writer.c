/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * JsonWriter
 *
 * A comma stands before a value that follows another one: after a key or an opening bracket there
 * is none.
 */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ctl/json-writer.h"
#include "util/macro.h"
#include "util/utf8.h"

static void begin_value(JsonWriter *writer) {
        if (TAKE(writer->needs_comma, true))
                (void) fputc(',', writer->stream);
}

void json_open(JsonWriter *writer, char bracket) {
        begin_value(writer);
        (void) fputc(bracket, writer->stream);
        writer->needs_comma = false;
}

void json_close(JsonWriter *writer, char bracket) {
        (void) fputc(bracket, writer->stream);
        writer->needs_comma = true;
}

static void write_character(FILE *stream, char c) {
        static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
        const char *found = strchr(escaped, c);

        /* DEL is allowed bare, but the line may be looked at on a terminal. */
        if (found)
                (void) fprintf(stream, "\\%c", letters[found - escaped]);
        else if ((unsigned char) c < 0x20 || c == 0x7F)
                (void) fprintf(stream, "\\u%04x", (unsigned) c);
        else
                (void) fputc(c, stream);
}

static void write_string(FILE *stream, const char *text) {
        size_t length = strlen(text);
        _cleanup_free_ char *valid =
                utf8_is_valid(text, length) ? NULL : utf8_make_valid(text, length);

        (void) fputc('"', stream);
        for (const char *c = valid ? valid : text; *c; c++)
                write_character(stream, *c);
        (void) fputc('"', stream);
}

void json_key(JsonWriter *writer, const char *key) {
        begin_value(writer);
        write_string(writer->stream, key);
        (void) fputc(':', writer->stream);
        writer->needs_comma = false;
}

void json_string(JsonWriter *writer, const char *text) {
        begin_value(writer);
        write_string(writer->stream, text);
}

void json_unsigned(JsonWriter *writer, uint64_t value) {
        begin_value(writer);
        (void) fprintf(writer->stream, "%" PRIu64, value);
}

void json_signed(JsonWriter *writer, int64_t value) {
        begin_value(writer);
        (void) fprintf(writer->stream, "%" PRId64, value);
}

/* JSON has no infinity. LC_NUMERIC is never set, so that the point is a point. */
void json_double(JsonWriter *writer, double value) {
        begin_value(writer);
        if (isfinite(value))
                (void) fprintf(writer->stream, "%.17g", value);
        else
                (void) fputs("null", writer->stream);
}

void json_bool(JsonWriter *writer, bool value) {
        begin_value(writer);
        (void) fputs(value ? "true" : "false", writer->stream);
}

void json_member(JsonWriter *writer, const char *key, const char *text) {
        json_key(writer, key);
        json_string(writer, text);
}

void json_member_unsigned(JsonWriter *writer, const char *key, uint64_t value) {
        json_key(writer, key);
        json_unsigned(writer, value);
}

void json_end(JsonWriter *writer) {
        (void) fputc('\n', writer->stream);
        writer->needs_comma = false;
}
