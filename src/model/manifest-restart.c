/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestRestart
 *
 * "restart" as a manifest has it: a policy alone, or an object with one in it. Short and long form
 * differ in nothing but what they name, so the default of a delay holds for both.
 */

#include <string.h>

#include "model/manifest-kind.h"
#include "util/duration.h"
#include "util/strv.h"

#define ATTEMPTS_MAX (RESTART_ATTEMPTS_UNLIMITED - 1)

static const char *const policies[_RESTART_POLICY_MAX] = {
        [RESTART_POLICY_NO] = "no",
        [RESTART_POLICY_ON_FAILURE] = "on-failure",
        [RESTART_POLICY_ALWAYS] = "always",
};

static int policy_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        for (size_t i = 0; i < ELEMENTSOF(policies); i++)
                if (streq(policies[i], place_string(place))) {
                        *(RestartPolicy *) field = (RestartPolicy) i;
                        return 0;
                }

        return reader_fail(reader, place,
                           "\"%s\" is no policy: write \"no\", \"on-failure\" or \"always\"",
                           place_string(place));
}

static void policy_fill(const Row *row, void *field) {
        *(RestartPolicy *) field = (RestartPolicy) row->fallback;
}

static int policy_write(const Row *row _unused_, const void *field, json_object **ret) {
        *ret = json_object_new_string(policies[*(const RestartPolicy *) field]);
        return *ret ? 0 : -ENOMEM;
}

static const Kind kind_policy = { "\"no\", \"on-failure\" or \"always\"", TYPE(string), policy_read,
                                  policy_fill, policy_write };

static int attempts_read(Reader *reader, const Place *place, const Row *row, void *field) {
        if (json_object_is_type(place->value, json_type_int))
                return kind_count.read(reader, place, row, field);
        if (!streq(place_string(place), "unlimited"))
                return reader_fail(reader, place,
                                   "\"%s\" is no number of attempts: write a number, or"
                                   " \"unlimited\"",
                                   place_string(place));

        *(uint32_t *) field = RESTART_ATTEMPTS_UNLIMITED;
        return 0;
}

static void attempts_fill(const Row *row, void *field) {
        kind_count.fill(row, field);
}

static int attempts_write(const Row *row, const void *field, json_object **ret) {
        if (*(const uint32_t *) field != RESTART_ATTEMPTS_UNLIMITED)
                return kind_count.write(row, field, ret);

        *ret = json_object_new_string("unlimited");
        return *ret ? 0 : -ENOMEM;
}

static const Kind kind_attempts = { "a whole number or \"unlimited\"", TYPE(int) | TYPE(string),
                                    attempts_read, attempts_fill, attempts_write };

static int exit_codes_read(Reader *reader, const Place *place, const Row *row, void *field) {
        uint8_t bits[sizeof(((RestartSpec *) NULL)->success_exit_codes)] = { 0 };
        int r;

        for (Place item = place_first(place); place_is_there(&item); place_next(&item)) {
                int64_t code;

                r = reader_check_type(reader, &item, TYPE(int), "a whole number from 0 to 255");
                if (r < 0)
                        return r;

                code = json_object_get_int64(item.value);
                if (code < 0 || code > UINT8_MAX)
                        return reader_fail(reader, &item,
                                           "%lld in \"%s\" is no exit code: they are from 0 to 255",
                                           (long long) code, row->name);
                bits[code / 8] |= (uint8_t) (1u << (code % 8));
        }

        memcpy(field, bits, sizeof(bits));
        return 0;
}

/* The default is success alone: exit code 0. */
static void exit_codes_fill(const Row *row _unused_, void *field) {
        *(uint8_t *) field = 1;
}

static int exit_codes_write(const Row *row _unused_, const void *field, json_object **ret) {
        _cleanup_(json_object_putp) json_object *codes = json_object_new_array();
        const uint8_t *bits = field;

        for (int code = 0; codes && code <= UINT8_MAX; code++) {
                json_object *number;

                if (!(bits[code / 8] & (1u << (code % 8))))
                        continue;
                number = json_object_new_int(code);
                if (!number || json_object_array_add(codes, number) < 0) {
                        json_object_put(number);
                        return -ENOMEM;
                }
        }

        *ret = TAKE_PTR(codes);
        return *ret ? 0 : -ENOMEM;
}

static const Kind kind_exit_codes = { "a list of exit codes such as [0, 3]", TYPE(array),
                                      exit_codes_read, exit_codes_fill, exit_codes_write };

#define FIELD(name) offsetof(RestartSpec, name)

static const Row rows[] = {
        { .name = "policy",
          .kind = &kind_policy,
          .offset = FIELD(policy),
          .fallback = RESTART_POLICY_ON_FAILURE },
        { .name = "delay",
          .kind = &kind_duration,
          .offset = FIELD(delay_usec),
          .fallback = 500 * USEC_PER_MSEC },
        { .name = "factor",
          .kind = &kind_ratio,
          .offset = FIELD(factor),
          .least = 1,
          .most = 10,
          .fallback = 2 },
        { .name = "maxDelay",
          .kind = &kind_duration,
          .offset = FIELD(max_delay_usec),
          .fallback = 30 * USEC_PER_SEC },
        { .name = "jitter",
          .kind = &kind_ratio,
          .offset = FIELD(jitter),
          .most = 1,
          .fallback = 0.1 },
        { .name = "resetAfter",
          .kind = &kind_duration,
          .offset = FIELD(reset_after_usec),
          .least = 50 * USEC_PER_MSEC,
          .fallback = USEC_PER_MINUTE },
        { .name = "attempts",
          .kind = &kind_attempts,
          .offset = FIELD(attempts),
          .least = 1,
          .most = ATTEMPTS_MAX,
          .fallback = 5 },
        { .name = "successExitCodes",
          .kind = &kind_exit_codes,
          .offset = FIELD(success_exit_codes) },
};

static const Table table = { .rows = rows, .n_rows = ELEMENTSOF(rows) };

static int restart_read(Reader *reader, const Place *place, const Row *row, void *field) {
        RestartSpec *restart = field;

        if (json_object_is_type(place->value, json_type_string))
                return policy_read(reader, place, row, &restart->policy);

        return table_read(reader, place, &table, restart);
}

static void restart_fill(const Row *row _unused_, void *field) {
        table_fill(&table, field);
}

static int restart_write(const Row *row _unused_, const void *field, json_object **ret) {
        return kind_object.write(&(const Row){ .table = &table }, field, ret);
}

const Kind kind_restart = { "\"no\", \"on-failure\", \"always\" or an object",
                            TYPE(string) | TYPE(object), restart_read, restart_fill,
                            restart_write };
