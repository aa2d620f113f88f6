/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Record
 *
 * A field is its tag (16 bits), the length of its bytes (32 bits), and these. The bytes of a nested
 * struct are fields again; those of a vector are the count of its strings, then length and bytes
 * of each. No string has its NUL.
 *
 * What is decoded may be any bytes: a length or a count is measured against what is there before
 * anything is made of it, so that no more is allocated than a small multiple of what was handed
 * in. How deep it goes is up to the tables alone. Of a tag that is there twice the last one counts.
 */

#include <string.h>

#include "model/record.h"
#include "util/strv.h"

#define FIELD_HEAD_BYTES (sizeof(uint16_t) + sizeof(uint32_t))
#define BUFFER_BYTES_MIN 512u

/* Of the types that are copied as they stand in memory; 0: the others. */
static const size_t widths[] = {
        [FIELD_BOOL] = sizeof(bool),    [FIELD_INT] = sizeof(int),
        [FIELD_U16] = sizeof(uint16_t), [FIELD_U32] = sizeof(uint32_t),
        [FIELD_U64] = sizeof(uint64_t), [FIELD_STRUCT] = 0,
};

/* What is left to be decoded. */
typedef struct Cursor {
        const char *bytes;
        size_t n_bytes;
} Cursor;

void record_buffer_done(RecordBuffer *buffer) {
        free(buffer->bytes);
        *buffer = (RecordBuffer){ 0 };
}

static int buffer_reserve(RecordBuffer *buffer, size_t n_bytes) {
        size_t n_allocated = buffer->n_allocated * 2;
        char *grown;

        if (n_bytes <= buffer->n_allocated - buffer->n_bytes)
                return 0;
        /* Then every length within it has its 32 bits. */
        if (n_bytes > UINT32_MAX - buffer->n_bytes)
                return -ENOMEM;

        if (n_allocated < buffer->n_bytes + n_bytes)
                n_allocated = buffer->n_bytes + n_bytes;
        if (n_allocated < BUFFER_BYTES_MIN)
                n_allocated = BUFFER_BYTES_MIN;
        grown = realloc(buffer->bytes, n_allocated);
        if (!grown)
                return -ENOMEM;

        buffer->bytes = grown;
        buffer->n_allocated = n_allocated;
        return 0;
}

int record_buffer_append(RecordBuffer *buffer, const void *bytes, size_t n_bytes) {
        int r = buffer_reserve(buffer, n_bytes);

        if (r < 0)
                return r;

        memcpy(buffer->bytes + buffer->n_bytes, bytes, n_bytes);
        buffer->n_bytes += n_bytes;
        return 0;
}

static int put_u32(RecordBuffer *buffer, size_t number) {
        uint32_t u32 = (uint32_t) number;

        return record_buffer_append(buffer, &u32, sizeof(u32));
}

static int put_strv(RecordBuffer *buffer, char *const *strv) {
        int r = put_u32(buffer, strv_length(strv));

        STRV_FOREACH (text, strv) {
                size_t n_bytes = strlen(*text);

                if (r >= 0)
                        r = put_u32(buffer, n_bytes);
                if (r >= 0)
                        r = record_buffer_append(buffer, *text, n_bytes);
                if (r < 0)
                        return r;
        }

        return r;
}

static bool is_left_out(const RecordField *field, const void *value) {
        static const char zero[sizeof(uint64_t)] = { 0 };

        switch (field->type) {
        case FIELD_STRING:
                return !*(char *const *) value;
        case FIELD_STRV:
                return !*(char **const *) value;
        case FIELD_STRUCT:
                return false;
        default:
                return memcmp(value, zero, widths[field->type]) == 0;
        }
}

static int put_field(RecordBuffer *buffer, const RecordField *field, const void *value) {
        size_t start = buffer->n_bytes;
        uint32_t n_bytes = 0;
        const char *text;
        int r;

        r = record_buffer_append(buffer, &field->tag, sizeof(field->tag));
        if (r >= 0)
                r = put_u32(buffer, 0);
        if (r < 0)
                return r;

        switch (field->type) {
        case FIELD_STRING:
                text = *(char *const *) value;
                r = record_buffer_append(buffer, text, strlen(text));
                break;
        case FIELD_STRV:
                r = put_strv(buffer, *(char **const *) value);
                break;
        case FIELD_STRUCT:
                r = record_encode(buffer, field->fields, value);
                break;
        default:
                r = record_buffer_append(buffer, value, widths[field->type]);
        }
        if (r < 0)
                return r;

        n_bytes = (uint32_t) (buffer->n_bytes - start - FIELD_HEAD_BYTES);
        memcpy(buffer->bytes + start + sizeof(field->tag), &n_bytes, sizeof(n_bytes));
        if (field->type == FIELD_STRUCT && n_bytes == 0)
                buffer->n_bytes = start;
        return 0;
}

int record_encode(RecordBuffer *buffer, const RecordField *fields, const void *object) {
        size_t start = buffer->n_bytes;
        int r;

        for (const RecordField *field = fields; field->tag != 0; field++) {
                const void *value = (const char *) object + field->offset;

                if (is_left_out(field, value))
                        continue;
                r = put_field(buffer, field, value);
                if (r < 0) {
                        buffer->n_bytes = start;
                        return r;
                }
        }

        return 0;
}

static int take_bytes(Cursor *cursor, size_t n_bytes, const char **ret) {
        if (n_bytes > cursor->n_bytes)
                return -EBADMSG;

        *ret = cursor->bytes;
        cursor->bytes += n_bytes;
        cursor->n_bytes -= n_bytes;
        return 0;
}

static int take_number(Cursor *cursor, void *ret, size_t width) {
        const char *bytes;
        int r = take_bytes(cursor, width, &bytes);

        if (r < 0)
                return r;

        memcpy(ret, bytes, width);
        return 0;
}

/* The 32 bits of a length, and then as many bytes. */
static int take_sized(Cursor *cursor, Cursor *ret) {
        uint32_t n_bytes;
        const char *bytes;
        int r;

        r = take_number(cursor, &n_bytes, sizeof(n_bytes));
        if (r < 0)
                return r;
        r = take_bytes(cursor, n_bytes, &bytes);
        if (r < 0)
                return r;

        *ret = (Cursor){ bytes, n_bytes };
        return 0;
}

static int decode_string(Cursor value, char **ret) {
        char *text;

        if (memchr(value.bytes, '\0', value.n_bytes))
                return -EBADMSG;
        text = strndup(value.bytes, value.n_bytes);
        if (!text)
                return -ENOMEM;

        free(*ret);
        *ret = text;
        return 0;
}

static int decode_strv(Cursor value, char ***ret) {
        _cleanup_(strv_freep) char **strv = NULL;
        uint32_t n;
        int r;

        r = take_number(&value, &n, sizeof(n));
        if (r < 0)
                return r;
        /* Every string has a length at least. */
        if (n > value.n_bytes / sizeof(uint32_t))
                return -EBADMSG;

        strv = calloc((size_t) n + 1, sizeof(char *));
        if (!strv)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++) {
                Cursor text;

                r = take_sized(&value, &text);
                if (r < 0)
                        return r;
                r = decode_string(text, &strv[i]);
                if (r < 0)
                        return r;
        }
        if (value.n_bytes > 0)
                return -EBADMSG;

        strv_free(*ret);
        *ret = TAKE_PTR(strv);
        return 0;
}

static int decode_scalar(Cursor value, FieldType type, void *ret) {
        if (value.n_bytes != widths[type])
                return -EBADMSG;
        /* A bool that is neither is undefined behaviour to read. */
        if (type == FIELD_BOOL && (unsigned char) *value.bytes > 1)
                return -EBADMSG;

        memcpy(ret, value.bytes, value.n_bytes);
        return 0;
}

static const RecordField *field_find(const RecordField *fields, uint16_t tag) {
        for (; fields->tag != 0; fields++)
                if (fields->tag == tag)
                        return fields;

        return NULL;
}

static int decode_fields(Cursor record, const RecordField *fields, void *object) {
        while (record.n_bytes > 0) {
                const RecordField *field;
                Cursor value;
                uint16_t tag;
                void *target;
                int r;

                r = take_number(&record, &tag, sizeof(tag));
                if (r < 0)
                        return r;
                r = take_sized(&record, &value);
                if (r < 0)
                        return r;
                if (tag == 0)
                        return -EBADMSG;

                field = field_find(fields, tag);
                if (!field)
                        continue;

                target = (char *) object + field->offset;
                switch (field->type) {
                case FIELD_STRING:
                        r = decode_string(value, target);
                        break;
                case FIELD_STRV:
                        r = decode_strv(value, target);
                        break;
                case FIELD_STRUCT:
                        r = decode_fields(value, field->fields, target);
                        break;
                default:
                        r = decode_scalar(value, field->type, target);
                }
                if (r < 0)
                        return r;
        }

        return 0;
}

void record_done(const RecordField *fields, void *object) {
        for (; fields->tag != 0; fields++) {
                void *target = (char *) object + fields->offset;

                if (fields->type == FIELD_STRING) {
                        free(*(char **) target);
                        *(char **) target = NULL;
                } else if (fields->type == FIELD_STRV)
                        *(char ***) target = strv_free(*(char ***) target);
                else if (fields->type == FIELD_STRUCT)
                        record_done(fields->fields, target);
        }
}

int record_decode(const char *bytes, size_t n_bytes, const RecordField *fields, void *object) {
        int r = decode_fields((Cursor){ bytes, n_bytes }, fields, object);

        if (r < 0)
                record_done(fields, object);
        return r;
}
