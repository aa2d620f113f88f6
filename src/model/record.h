/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Record
 *
 * A struct as bytes and back, by a table of its fields. Each field has a tag of its own for ever,
 * so that an older or newer brain reads what it knows and skips the rest; a field that is not
 * there, or has the value zero, stays as it was before decoding. No byte order: a record lives as
 * long as the machine is up.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

typedef enum FieldType {
        FIELD_BOOL,
        FIELD_INT, /* int, pid_t, or an enum */
        FIELD_U16,
        FIELD_U32,
        FIELD_U64,
        FIELD_STRING, /* char *, or NULL */
        FIELD_STRV,   /* char **, or NULL; none is not NULL */
        FIELD_STRUCT, /* by a table of its own, in place */
} FieldType;

typedef struct RecordField {
        uint16_t tag; /* not 0; unique in its table, never used again for anything else */
        FieldType type;
        size_t offset;
        const struct RecordField *fields; /* of FIELD_STRUCT; ended by a tag of 0 */
} RecordField;

#define RECORD_FIELD(tag, object, member, type) \
        { (tag), (type), offsetof(object, member), NULL }
#define RECORD_STRUCT(tag, object, member, fields) \
        { (tag), FIELD_STRUCT, offsetof(object, member), (fields) }
#define RECORD_END \
        { 0, FIELD_BOOL, 0, NULL }

/* Bytes that grow; all zero: empty. */
typedef struct RecordBuffer {
        char *bytes;
        size_t n_bytes;
        size_t n_allocated;
} RecordBuffer;

void record_buffer_done(RecordBuffer *buffer);
int record_buffer_append(RecordBuffer *buffer, const void *bytes, size_t n_bytes);

/* Adds the fields of an object to what is in the buffer. -ENOMEM: nothing was added. */
int record_encode(RecordBuffer *buffer, const RecordField *fields, const void *object);

/*
 * Sets the fields of an object, which is zero, or holds defaults without pointers. Strings are
 * new. -EBADMSG: these bytes are no such record; -ENOMEM. On failure strings that were made are
 * freed, and the object is zero where they were.
 */
int record_decode(const char *bytes, size_t n_bytes, const RecordField *fields, void *object);

/* Frees the strings of an object that was decoded. */
void record_done(const RecordField *fields, void *object);
