/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestLimits
 *
 * "limits" as a manifest has it. There is no default: what is not asked for is as the session has
 * it, so a key that is not there is not written either.
 */

#include "model/limit.h"
#include "model/manifest-kind.h"

static const Row rows[_LIMIT_MAX];

static Limit limit_of(const Row *row) {
        return (Limit) (row - rows);
}

static int size_read(Reader *reader, const Place *place, const Row *row, void *field) {
        uint64_t bytes = 0;
        int r;

        r = kind_bytes.read(reader, place, row, &bytes);
        if (r < 0)
                return r;

        limits_set(field, limit_of(row), (int64_t) bytes);
        return 0;
}

static int size_write(const Row *row, const void *field, json_object **ret) {
        const Limits *limits = field;
        uint64_t bytes = (uint64_t) limits->values[limit_of(row)];

        return limits_ask(limits, limit_of(row)) ? kind_bytes.write(row, &bytes, ret) : 0;
}

static const Kind kind_size = { "a size such as \"512M\", or a whole number of bytes",
                                TYPE(string) | TYPE(int), size_read, NULL, size_write };

static int number_read(Reader *reader, const Place *place, const Row *row, void *field) {
        int64_t number = json_object_get_int64(place->value);

        if ((double) number < row->least || (double) number > row->most)
                return reader_fail(reader, place, "\"%s\" is %lld, and must be from %.0f to %.0f",
                                   row->name, (long long) number, row->least, row->most);

        limits_set(field, limit_of(row), number);
        return 0;
}

static int number_write(const Row *row, const void *field, json_object **ret) {
        const Limits *limits = field;

        if (!limits_ask(limits, limit_of(row)))
                return 0;

        *ret = json_object_new_int64(limits->values[limit_of(row)]);
        return *ret ? 0 : -ENOMEM;
}

static const Kind kind_number = { "a whole number", TYPE(int), number_read, NULL, number_write };

static const Row rows[_LIMIT_MAX] = {
        [LIMIT_MEMORY_MAX] = { .name = "memoryMax", .kind = &kind_size },
        [LIMIT_MEMORY_HIGH] = { .name = "memoryHigh", .kind = &kind_size },
        [LIMIT_CPU_WEIGHT] = { .name = "cpuWeight",
                               .kind = &kind_number,
                               .least = 1,
                               .most = 10000 },
        [LIMIT_TASKS_MAX] = { .name = "tasksMax",
                              .kind = &kind_number,
                              .least = 1,
                              .most = INT32_MAX },
        [LIMIT_OPEN_FILES] = { .name = "openFiles",
                               .kind = &kind_number,
                               .least = 16,
                               .most = INT32_MAX },
        [LIMIT_NICE] = { .name = "nice", .kind = &kind_number, .least = -20, .most = 19 },
        [LIMIT_OOM_SCORE_ADJUST] = { .name = "oomScoreAdjust",
                                     .kind = &kind_number,
                                     .least = -1000,
                                     .most = 1000 },
};

static const Table table = { .rows = rows, .n_rows = ELEMENTSOF(rows) };

const char *limit_to_string(Limit limit) {
        return rows[limit].name;
}

static int limits_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        return table_read(reader, place, &table, field);
}

static int limits_write(const Row *row _unused_, const void *field, json_object **ret) {
        _cleanup_(json_object_putp) json_object *object = NULL;
        const Limits *limits = field;
        int r;

        if (limits->asked == 0)
                return 0;
        object = json_object_new_object();
        if (!object)
                return -ENOMEM;
        r = table_write(&table, limits, object);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(object);
        return 0;
}

const Kind kind_limits = { "an object", TYPE(object), limits_read, NULL, limits_write };
