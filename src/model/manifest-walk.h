/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ManifestWalk
 *
 * How a manifest's keys become fields: tables of rows, and one walker that reads them, fills their
 * defaults in and writes them out again. Internal to the manifest-*.c files, which hold the
 * tables. To support one more key is to give its row a kind.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "model/json-scan.h"
#include "model/manifest.h"
#include "util/format.h"

/* Where a value stands: a chain up to the document, on the stack of whoever walks. */
typedef struct Place Place;

struct Place {
        const Place *parent; /* NULL: the document */
        const char *key;     /* in an object; NULL in an array */
        size_t index;        /* in the document's order */
        json_object *value;  /* NULL: null */
        struct lh_entry *entry;
};

/* The members of an object or the items of an array, in the document's order. */
Place place_first(const Place *parent);
bool place_is_there(const Place *place);
void place_next(Place *place);

/* false: the object has no such key. */
bool place_find(const Place *object, const char *key, Place *ret);

/* The number of a place's value in the document's order, which JsonScan keeps lines by. */
size_t place_number(const Place *place);

/* Appends "/key" or "/index" to a pointer; nothing for the document. */
int place_append_step(const Place *place, char **pointer);

/* Of a value that is known to be a string. */
const char *place_string(const Place *place);

/*
 * What json-c makes of a text, and where its lines are. -EBADMSG: it is no such JSON as JsonScan
 * lets through, and *ret_error says why.
 */
int manifest_read_json(const char *path,
                       const char *text,
                       size_t n_bytes,
                       JsonScan *ret_scan,
                       json_object **ret,
                       ManifestError *ret_error);

#define TYPE(type) (1u << json_type_##type)

/* One manifest while it is read. */
typedef struct Reader {
        const char *path;
        const JsonScan *scan;
        ManifestError *error;
        Manifest *manifest; /* its sidecars are those read so far, in no order */
        char *base_dir;
        char *manifest_dir;
        SidecarSpec base;  /* what every sidecar begins with; only fields that own nothing */
        SidecarSpec *spec; /* the sidecar that is being read */
} Reader;

/*
 * Notes what is wrong at a place and answers -EBADMSG; place NULL: with the file as a whole. The
 * message is taken over; -ENOMEM where it is NULL.
 */
int reader_fail_with(Reader *reader, const Place *place, char *message);
#define reader_fail(reader, place, ...) reader_fail_with(reader, place, format_text(__VA_ARGS__))

/* That the value at a place is of one of the types, TYPE() or TYPE() ...; expects: "must be ...".
 */
int reader_check_type(Reader *reader, const Place *place, unsigned types, const char *expects);

/* Checks a template at a place, against the sidecar that is being read. */
int reader_check_template(Reader *reader, const Place *place);
/* ... in which {token} may stand. */
int reader_check_secret_template(Reader *reader, const Place *place);

typedef struct Row Row;
typedef struct Table Table;

/* What a kind of value is in JSON and in memory. */
typedef struct Kind {
        const char *expects; /* "must be ..." */
        unsigned types;      /* TYPE() or TYPE() ... */
        int (*read)(Reader *reader, const Place *place, const Row *row, void *field);
        void (*fill)(const Row *row, void *field); /* the default; NULL: zeroes are */
        /* NULL in *ret: leave the key out. write itself NULL: another row writes the field. */
        int (*write)(const Row *row, const void *field, json_object **ret);
} Kind;

struct Row {
        const char *name;
        const Kind *kind; /* NULL: a key of the schema that is not supported yet */
        size_t offset;    /* of the field in what the table fills */
        double least, most, fallback;
        const Table *table; /* of an object */
        bool is_required;
};

/* Rows are read in their order, whatever the document's, so that one can refer to those before. */
struct Table {
        const Row *rows;
        size_t n_rows;
        const Table *also; /* more rows of the same object, read after these */
        bool allows_x;     /* more keys that begin with "x-", which are not looked at */
};

int table_read(Reader *reader, const Place *object, const Table *table, void *target);
/* Not the rows of table->also. */
void table_fill(const Table *table, void *target);
int table_write(const Table *table, const void *target, json_object *object);

/* Adds value, which it consumes, to an object; -ENOMEM for no value. */
int json_put(json_object *object, const char *key, json_object *value);

DEFINE_CLEANUP(json_object, json_object_put);
