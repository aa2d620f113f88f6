/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestWalk
 *
 * An object is gone through twice: once by its own keys, for what does not belong, since a
 * misspelt key explains best why another is missing; then by the rows of its table. Lines are
 * only needed for the one error that is reported, so they are counted then.
 */

#include <stdio.h>
#include <string.h>

#include "model/manifest-walk.h"
#include "model/template.h"
#include "util/strv.h"
#include "util/utf8.h"

#define KEY_BYTES_MAX 40 /* no key of the schema is half as long */

bool place_is_there(const Place *place) {
        if (json_object_is_type(place->parent->value, json_type_array))
                return place->index < json_object_array_length(place->parent->value);

        return place->entry != NULL;
}

/* What index and entry point at. */
static void place_look(Place *place) {
        if (!place_is_there(place))
                return;

        if (place->entry) {
                place->key = lh_entry_k(place->entry);
                place->value = lh_entry_v(place->entry);
        } else
                place->value = json_object_array_get_idx(place->parent->value, place->index);
}

Place place_first(const Place *parent) {
        Place place = { .parent = parent };

        if (json_object_is_type(parent->value, json_type_object))
                place.entry = lh_table_head(json_object_get_object(parent->value));
        place_look(&place);
        return place;
}

void place_next(Place *place) {
        place->index++;
        if (place->entry)
                place->entry = lh_entry_next(place->entry);
        place_look(place);
}

bool place_find(const Place *object, const char *key, Place *ret) {
        for (Place member = place_first(object); place_is_there(&member); place_next(&member))
                if (streq(member.key, key)) {
                        *ret = member;
                        return true;
                }

        return false;
}

const char *place_string(const Place *place) {
        return json_object_get_string(place->value);
}

/* A value and all that is in it. */
static size_t count_values(json_object *value) {
        Place place = { .value = value };
        bool is_container = json_object_is_type(value, json_type_object) ||
                            json_object_is_type(value, json_type_array);
        size_t n = 1;

        if (!is_container)
                return n;

        for (Place item = place_first(&place); place_is_there(&item); place_next(&item))
                n += count_values(item.value);

        return n;
}

size_t place_number(const Place *place) {
        size_t n;

        if (!place->parent)
                return 0;

        n = place_number(place->parent) + 1;
        for (Place before = place_first(place->parent); before.index < place->index;
             place_next(&before))
                n += count_values(before.value);

        return n;
}

int place_append_step(const Place *place, char **pointer) {
        char index[24];

        if (!place->parent)
                return 0;

        (void) snprintf(index, sizeof(index), "%zu", place->index);
        return json_pointer_append(pointer, place->key ? place->key : index);
}

static int place_append_pointer(const Place *place, char **pointer) {
        int r;

        if (!place->parent)
                return 0;

        r = place_append_pointer(place->parent, pointer);
        return r < 0 ? r : place_append_step(place, pointer);
}

int reader_fail_with(Reader *reader, const Place *place, char *message) {
        _cleanup_free_ char *path = strdup(reader->path), *pointer = strdup(""), *owned = message;
        int r;

        if (!path || !pointer || !message)
                return -ENOMEM;
        r = place ? place_append_pointer(place, &pointer) : 0;
        if (r < 0)
                return r;

        *reader->error = (ManifestError){
                .path = TAKE_PTR(path),
                .line = place ? reader->scan->lines[place_number(place)] : 0,
                .pointer = utf8_make_printable(TAKE_PTR(pointer)),
                .message = utf8_make_printable(TAKE_PTR(owned)),
        };
        return -EBADMSG;
}

int reader_check_type(Reader *reader, const Place *place, unsigned types, const char *expects) {
        static const char *const words[] = {
                [json_type_null] = "null",        [json_type_boolean] = "a boolean",
                [json_type_double] = "a number",  [json_type_int] = "a number",
                [json_type_object] = "an object", [json_type_array] = "an array",
                [json_type_string] = "a string",
        };
        json_type type = json_object_get_type(place->value);

        if (types & (1u << type))
                return 0;
        if (!place->key)
                return reader_fail(reader, place, "item %zu is %s, and must be %s", place->index,
                                   words[type], expects);

        return reader_fail(reader, place, "\"%s\" is %s, and must be %s", place->key, words[type],
                           expects);
}

static int check_template(Reader *reader, const Place *place, bool may_be_secret) {
        _cleanup_free_ char *message = NULL;
        int r;

        /* In "defaults": what it may speak of is another's each time, and looked at then. */
        if (!reader->spec)
                return 0;

        r = template_check(place_string(place), reader->spec, may_be_secret, &message);
        return r == -EINVAL ? reader_fail(reader, place, "%s", message) : r;
}

int reader_check_template(Reader *reader, const Place *place) {
        return check_template(reader, place, false);
}

int reader_check_secret_template(Reader *reader, const Place *place) {
        return check_template(reader, place, true);
}

static const Row *table_find(const Table *table, const char *name) {
        for (; table; table = table->also)
                for (size_t i = 0; i < table->n_rows; i++)
                        if (streq(table->rows[i].name, name))
                                return &table->rows[i];

        return NULL;
}

/* Levenshtein: how many letters have to be put in, taken out or changed. */
static size_t edit_distance(const char *a, const char *b) {
        size_t row[KEY_BYTES_MAX + 1], n = strlen(b);

        for (size_t k = 0; k <= n; k++)
                row[k] = k;

        for (size_t i = 1; a[i - 1]; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t k = 1; k <= n; k++) {
                        size_t best = diagonal + (a[i - 1] != b[k - 1]);

                        diagonal = row[k];
                        if (row[k] + 1 < best)
                                best = row[k] + 1;
                        if (row[k - 1] + 1 < best)
                                best = row[k - 1] + 1;
                        row[k] = best;
                }
        }

        return row[n];
}

static const char *table_suggest(const Table *table, const char *name) {
        /* Two letters in three have to be right: else any short key would be like any other. */
        size_t nearest = strlen(name) / 3 + 1;
        const char *suggestion = NULL;

        if (strlen(name) > KEY_BYTES_MAX)
                return NULL;

        for (; table; table = table->also)
                for (size_t i = 0; i < table->n_rows; i++) {
                        size_t distance = edit_distance(name, table->rows[i].name);

                        if (distance < nearest) {
                                nearest = distance;
                                suggestion = table->rows[i].name;
                        }
                }

        return suggestion;
}

static int fail_unknown(Reader *reader, const Place *place, const Table *table) {
        const char *suggestion = table_suggest(table, place->key);

        if (suggestion)
                return reader_fail(reader, place, "unknown key \"%s\": did you mean \"%s\"?",
                                   place->key, suggestion);

        return reader_fail(reader, place, "unknown key \"%s\": take it out%s", place->key,
                           table->allows_x ? ", or begin its name with \"x-\" to keep it" : "");
}

static int check_keys(Reader *reader, const Place *object, const Table *table) {
        for (Place member = place_first(object); place_is_there(&member); place_next(&member)) {
                const Row *row = table_find(table, member.key);

                if (!row && table->allows_x && startswith(member.key, "x-"))
                        continue;
                if (!row)
                        return fail_unknown(reader, &member, table);
                if (!row->kind)
                        return reader_fail(reader, &member,
                                           "\"%s\" is not supported yet: take it out", row->name);
        }

        return 0;
}

static int row_read(Reader *reader, const Place *object, const Row *row, void *target) {
        Place member;
        int r;

        if (!place_find(object, row->name, &member))
                return row->is_required
                               ? reader_fail(reader, object, "\"%s\" is missing: add it, it is %s",
                                             row->name, row->kind->expects)
                               : 0;

        r = reader_check_type(reader, &member, row->kind->types, row->kind->expects);
        if (r < 0)
                return r;

        return row->kind->read(reader, &member, row, (char *) target + row->offset);
}

int table_read(Reader *reader, const Place *object, const Table *table, void *target) {
        int r;

        r = check_keys(reader, object, table);
        if (r < 0)
                return r;

        for (; table; table = table->also)
                for (size_t i = 0; i < table->n_rows; i++) {
                        if (!table->rows[i].kind)
                                continue;
                        r = row_read(reader, object, &table->rows[i], target);
                        if (r < 0)
                                return r;
                }

        return 0;
}

void table_fill(const Table *table, void *target) {
        for (size_t i = 0; i < table->n_rows; i++) {
                const Row *row = &table->rows[i];

                if (row->kind && row->kind->fill)
                        row->kind->fill(row, (char *) target + row->offset);
        }
}

int json_put(json_object *object, const char *key, json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(object, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }

        return 0;
}

int table_write(const Table *table, const void *target, json_object *object) {
        int r;

        for (; table; table = table->also)
                for (size_t i = 0; i < table->n_rows; i++) {
                        const Row *row = &table->rows[i];
                        json_object *value = NULL;

                        if (!row->kind || !row->kind->write)
                                continue;
                        r = row->kind->write(row, (const char *) target + row->offset, &value);
                        if (r >= 0 && value)
                                r = json_put(object, row->name, value);
                        if (r < 0)
                                return r;
                }

        return 0;
}
