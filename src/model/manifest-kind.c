/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestKind
 *
 * The simple kinds. What a kind writes, its own read takes and answers the same for.
 */

#include <stdio.h>
#include <string.h>

#include "model/manifest-kind.h"
#include "util/duration.h"
#include "util/signal-name.h"
#include "util/strv.h"

#define NAME_BYTES_MAX 63
#define BYTES_MAX (UINT64_C(1) << 60) /* what off_t and a sum of two can hold without a thought */

bool text_is_of(const char *text, const char *set) {
        return text[strspn(text, set)] == '\0';
}

int reader_check_name(Reader *reader, const Place *place) {
        size_t n = strlen(place->key);

        if (n >= 1 && n <= NAME_BYTES_MAX && strchr(LOWER_CASE DIGITS, place->key[0]) &&
            text_is_of(place->key, LOWER_CASE DIGITS "_.-"))
                return 0;

        return reader_fail(reader, place,
                           "\"%s\" is no name: take up to %d of a-z, 0-9, \"_\", \".\" and \"-\","
                           " the first a letter or digit",
                           place->key, NAME_BYTES_MAX);
}

int json_new_strv(json_object **ret, char *const *strv) {
        _cleanup_(json_object_putp) json_object *array = json_object_new_array();

        STRV_FOREACH (s, strv) {
                json_object *text = json_object_new_string(*s);

                if (!array || !text || json_object_array_add(array, text) < 0) {
                        json_object_put(text);
                        return -ENOMEM;
                }
        }

        *ret = TAKE_PTR(array);
        return *ret ? 0 : -ENOMEM;
}

static int check_range(Reader *reader, const Place *place, const Row *row, double value) {
        if (value >= row->least && value <= row->most)
                return 0;

        return reader_fail(reader, place, "\"%s\" is %.15g, and must be from %.15g to %.15g",
                           row->name, value, row->least, row->most);
}

static int ignored_read(Reader *reader _unused_,
                        const Place *place _unused_,
                        const Row *row _unused_,
                        void *field _unused_) {
        return 0;
}

const Kind kind_ignored = { "a string", TYPE(string), ignored_read, NULL, NULL };

static int notifications_read(Reader *reader,
                              const Place *place,
                              const Row *row _unused_,
                              void *field _unused_) {
        SidecarSpec *spec = reader->spec ? reader->spec : &reader->base;

        if (json_object_is_type(place->value, json_type_boolean))
                spec->is_quiet = !json_object_get_boolean(place->value);

        return 0;
}

const Kind kind_notifications = { "anything", ~0u, notifications_read, NULL, NULL };

static int text_read(Reader *reader, const Place *place, const Row *row, void *field) {
        const char *text = place_string(place);
        size_t n = 0;

        /* Characters, not bytes: what continues one is not counted. */
        for (const char *c = text; *c; c++)
                n += ((unsigned char) *c & 0xC0) != 0x80;
        if ((double) n > row->most)
                return reader_fail(reader, place,
                                   "\"%s\" has %zu characters, of at most %.0f: shorten it",
                                   row->name, n, row->most);

        return free_and_strdup(field, text);
}

static int text_write(const Row *row _unused_, const void *field, json_object **ret) {
        const char *text = *(char *const *) field;

        *ret = json_object_new_string(text);
        return *ret ? 0 : -ENOMEM;
}

const Kind kind_text = { "a string", TYPE(string), text_read, NULL, text_write };

static int duration_read(Reader *reader, const Place *place, const Row *row, void *field) {
        char least[DURATION_TEXT_MAX];
        uint64_t usec;
        int r;

        r = duration_parse(&usec, place_string(place));
        if (r == -ERANGE)
                return reader_fail(reader, place, "\"%s\" is over a hundred years: shorten it",
                                   row->name);
        if (r < 0)
                return reader_fail(reader, place,
                                   "\"%s\" is no duration: write one as \"500ms\" or \"1m30s\"",
                                   place_string(place));
        if ((double) usec < row->least)
                return reader_fail(reader, place, "\"%s\" is %s, and must be at least %s",
                                   row->name, place_string(place),
                                   duration_format(least, (uint64_t) row->least));

        *(uint64_t *) field = usec;
        return 0;
}

static void duration_fill(const Row *row, void *field) {
        *(uint64_t *) field = (uint64_t) row->fallback;
}

static int duration_write(const Row *row _unused_, const void *field, json_object **ret) {
        char text[DURATION_TEXT_MAX];

        *ret = json_object_new_string(duration_format(text, *(const uint64_t *) field));
        return *ret ? 0 : -ENOMEM;
}

const Kind kind_duration = { "a duration such as \"500ms\" or \"1m30s\"", TYPE(string),
                             duration_read, duration_fill, duration_write };

static const char byte_units[] = "KMGT"; /* each 1024 of the one before */

/* -EINVAL: not of the form [0-9]+[KMGT]?; -ERANGE: too much. */
static int bytes_parse(const char *text, uint64_t *ret) {
        uint64_t bytes = 0;
        const char *unit;

        if (!*text || !strchr(DIGITS, *text))
                return -EINVAL;

        for (; *text && strchr(DIGITS, *text); text++) {
                bytes = bytes * 10 + (uint64_t) (*text - '0');
                if (bytes > BYTES_MAX)
                        return -ERANGE;
        }

        if (*text) {
                unit = strchr(byte_units, *text);
                if (!unit || text[1])
                        return -EINVAL;
                for (const char *each = byte_units; each <= unit; each++) {
                        if (bytes > BYTES_MAX / 1024)
                                return -ERANGE;
                        bytes *= 1024;
                }
        }

        *ret = bytes;
        return 0;
}

static int bytes_read(Reader *reader, const Place *place, const Row *row, void *field) {
        const char *text = json_object_get_string(place->value); /* of a number its digits */
        uint64_t bytes;
        int r;

        if (!text)
                return -ENOMEM;

        r = bytes_parse(text, &bytes);
        if (r == -ERANGE)
                return reader_fail(reader, place, "\"%s\" is more than 1048576T: make it smaller",
                                   row->name);
        if (r < 0)
                return reader_fail(reader, place,
                                   "\"%s\" is no size: write a number of bytes, or one with K, M, G"
                                   " or T such as \"10M\"",
                                   text);

        *(uint64_t *) field = bytes;
        return 0;
}

static int bytes_write(const Row *row _unused_, const void *field, json_object **ret) {
        uint64_t bytes = *(const uint64_t *) field;
        char text[32], unit[2] = "";

        for (const char *each = byte_units; *each && bytes > 0 && bytes % 1024 == 0; each++) {
                bytes /= 1024;
                unit[0] = *each;
        }

        (void) snprintf(text, sizeof(text), "%llu%s", (unsigned long long) bytes, unit);
        *ret = json_object_new_string(text);
        return *ret ? 0 : -ENOMEM;
}

const Kind kind_bytes = { "a size such as \"10M\", or a whole number of bytes",
                          TYPE(string) | TYPE(int), bytes_read, duration_fill, bytes_write };

static int count_read(Reader *reader, const Place *place, const Row *row, void *field) {
        int64_t count = json_object_get_int64(place->value);
        int r;

        r = check_range(reader, place, row, (double) count);
        if (r < 0)
                return r;

        *(uint32_t *) field = (uint32_t) count;
        return 0;
}

static void count_fill(const Row *row, void *field) {
        *(uint32_t *) field = (uint32_t) row->fallback;
}

static int count_write(const Row *row _unused_, const void *field, json_object **ret) {
        *ret = json_object_new_int64(*(const uint32_t *) field);
        return *ret ? 0 : -ENOMEM;
}

const Kind kind_count = { "a whole number", TYPE(int), count_read, count_fill, count_write };

static int ratio_read(Reader *reader, const Place *place, const Row *row, void *field) {
        double value = json_object_get_double(place->value);
        int r;

        r = check_range(reader, place, row, value);
        if (r < 0)
                return r;

        *(double *) field = value;
        return 0;
}

static void ratio_fill(const Row *row, void *field) {
        *(double *) field = row->fallback;
}

static int ratio_write(const Row *row _unused_, const void *field, json_object **ret) {
        double value = *(const double *) field;
        char text[32];

        /* json-c would write 0.1 with 17 digits; no more than 15 were read. */
        (void) snprintf(text, sizeof(text), "%.*g", JSON_DIGITS_MAX, value);
        *ret = json_object_new_double_s(value, text);
        return *ret ? 0 : -ENOMEM;
}

const Kind kind_ratio = { "a number", TYPE(int) | TYPE(double), ratio_read, ratio_fill,
                          ratio_write };

static int
boolean_read(Reader *reader _unused_, const Place *place, const Row *row _unused_, void *field) {
        *(bool *) field = json_object_get_boolean(place->value);
        return 0;
}

static void boolean_fill(const Row *row, void *field) {
        *(bool *) field = row->fallback > 0;
}

static int boolean_write(const Row *row _unused_, const void *field, json_object **ret) {
        *ret = json_object_new_boolean(*(const bool *) field);
        return *ret ? 0 : -ENOMEM;
}

const Kind kind_boolean = { "true or false", TYPE(boolean), boolean_read, boolean_fill,
                            boolean_write };

static int signal_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        int number = signal_from_name(place_string(place));

        if (number < 0)
                return reader_fail(reader, place,
                                   "\"%s\" is no signal: write one as \"SIGTERM\" or \"SIGINT\"",
                                   place_string(place));

        *(int *) field = number;
        return 0;
}

static void signal_fill(const Row *row, void *field) {
        *(int *) field = (int) row->fallback;
}

static int signal_write(const Row *row _unused_, const void *field, json_object **ret) {
        *ret = json_object_new_string(signal_to_name(*(const int *) field));
        return *ret ? 0 : -ENOMEM;
}

const Kind kind_signal = { "the name of a signal such as \"SIGTERM\"", TYPE(string), signal_read,
                           signal_fill, signal_write };

static int object_read(Reader *reader, const Place *place, const Row *row, void *field) {
        return table_read(reader, place, row->table, field);
}

static void object_fill(const Row *row, void *field) {
        table_fill(row->table, field);
}

static int object_write(const Row *row, const void *field, json_object **ret) {
        _cleanup_(json_object_putp) json_object *object = json_object_new_object();
        int r;

        if (!object)
                return -ENOMEM;
        r = table_write(row->table, field, object);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(object);
        return 0;
}

const Kind kind_object = { "an object", TYPE(object), object_read, object_fill, object_write };
