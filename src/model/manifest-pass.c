/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestPass
 *
 * What a sidecar lets its clients hand over: "passEnv", the variables that a hold may set, and
 * "args", what a call of Start may add to its command. Whether something is allowed by them is
 * model/passed.
 */

#include <string.h>

#include "model/manifest-kind.h"
#include "model/passed.h"
#include "util/strv.h"

#define PATTERN_CHARACTERS_MAX 1024

int reader_check_variable(Reader *reader, const Place *place) {
        if (passed_is_name(place->key, strlen(place->key)))
                return 0;

        return reader_fail(reader, place,
                           "\"%s\" is no name of a variable: take letters, digits and \"_\", the"
                           " first no digit",
                           place->key);
}

/* Without a text there is no key. */
static int text_write(const Row *row, const void *field, json_object **ret) {
        return *(char *const *) field ? kind_text.write(row, field, ret) : 0;
}

static int
default_read(Reader *reader _unused_, const Place *place, const Row *row _unused_, void *field) {
        return free_and_strdup(field, place_string(place));
}

static const Kind kind_default = { "a string", TYPE(string), default_read, NULL, text_write };

static const Row passed_rows[] = {
        { .name = "pattern",
          .kind = &kind_pattern,
          .offset = offsetof(PassedVariable, pattern),
          .most = PATTERN_CHARACTERS_MAX },
        { .name = "default", .kind = &kind_default, .offset = offsetof(PassedVariable, fallback) },
};

static const Table passed_table = { .rows = passed_rows, .n_rows = ELEMENTSOF(passed_rows) };

static int check_default(Reader *reader, const Place *place, const PassedVariable *variable) {
        Place member;
        int r;

        r = variable->fallback ? passed_check_value(variable, variable->fallback) : 1;
        if (r != 0)
                return r < 0 ? r : 0;

        (void) place_find(place, "default", &member);
        return reader_fail(reader, &member, "\"default\" does not match \"pattern\"");
}

/* The new one belongs to the sidecar from the first moment, half read or not. */
static int passed_read_one(Reader *reader, const Place *place, SidecarSpec *spec) {
        PassedVariable *variable = &spec->passed[spec->n_passed];
        int r;

        r = reader_check_variable(reader, place);
        if (r >= 0)
                r = reader_check_type(reader, place, TYPE(object), "an object, which may be {}");
        if (r < 0)
                return r;

        variable->name = strdup(place->key);
        if (!variable->name)
                return -ENOMEM;
        spec->n_passed++;
        r = table_read(reader, place, &passed_table, variable);
        return r < 0 ? r : check_default(reader, place, variable);
}

static int compare_variables(const void *a, const void *b) {
        return strcmp(((const PassedVariable *) a)->name, ((const PassedVariable *) b)->name);
}

static int passed_read(Reader *reader, const Place *place, const Row *row, void *field) {
        int n = json_object_object_length(place->value), r;
        SidecarSpec *spec = field;

        if ((unsigned) n > PASSED_MAX)
                return reader_fail(reader, place, "\"%s\" has %d names, of at most %u", row->name,
                                   n, PASSED_MAX);
        spec->passed = calloc((size_t) n + 1, sizeof(PassedVariable));
        if (!spec->passed)
                return -ENOMEM;

        for (Place member = place_first(place); place_is_there(&member); place_next(&member)) {
                r = passed_read_one(reader, &member, spec);
                if (r < 0)
                        return r;
        }

        qsort(spec->passed, spec->n_passed, sizeof(PassedVariable), compare_variables);
        return 0;
}

static int passed_write_one(json_object *object, const PassedVariable *variable) {
        json_object *member = json_object_new_object();
        int r;

        r = json_put(object, variable->name, member);
        return r < 0 ? r : table_write(&passed_table, variable, member);
}

static int passed_write(const Row *row _unused_, const void *field, json_object **ret) {
        _cleanup_(json_object_putp) json_object *object = NULL;
        const SidecarSpec *spec = field;

        if (spec->n_passed == 0)
                return 0;
        object = json_object_new_object();
        if (!object)
                return -ENOMEM;

        for (size_t i = 0; i < spec->n_passed; i++) {
                int r = passed_write_one(object, &spec->passed[i]);

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(object);
        return 0;
}

const Kind kind_passed = { "an object of names and rules", TYPE(object), passed_read, NULL,
                           passed_write };

static const Row rule_rows[] = {
        { .name = "pattern",
          .kind = &kind_pattern,
          .offset = offsetof(ArgumentRule, text),
          .most = PATTERN_CHARACTERS_MAX,
          .is_required = true },
};

static const Table rule_table = { .rows = rule_rows, .n_rows = ELEMENTSOF(rule_rows) };

static int rule_read(Reader *reader, const Place *place, ArgumentRule *rule) {
        int r;

        r = reader_check_type(reader, place, TYPE(string) | TYPE(object),
                              "a string, or an object with a \"pattern\"");
        if (r < 0)
                return r;

        rule->is_pattern = json_object_is_type(place->value, json_type_object);
        return rule->is_pattern ? table_read(reader, place, &rule_table, rule)
                                : free_and_strdup(&rule->text, place_string(place));
}

static int arguments_read(Reader *reader, const Place *place, const Row *row, void *field) {
        SidecarSpec *spec = field;
        size_t n;
        int r;

        if (json_object_is_type(place->value, json_type_boolean)) {
                spec->arguments =
                        json_object_get_boolean(place->value) ? ARGUMENTS_ANY : ARGUMENTS_NONE;
                return 0;
        }

        n = json_object_array_length(place->value);
        if (n > PASSED_MAX)
                return reader_fail(reader, place, "\"%s\" has %zu items, of at most %u", row->name,
                                   n, PASSED_MAX);
        spec->arguments = ARGUMENTS_LISTED;
        spec->argument_rules = calloc(n + 1, sizeof(ArgumentRule));
        if (!spec->argument_rules)
                return -ENOMEM;

        for (Place item = place_first(place); place_is_there(&item); place_next(&item)) {
                r = rule_read(reader, &item, &spec->argument_rules[spec->n_argument_rules++]);
                if (r < 0)
                        return r;
        }

        return 0;
}

static json_object *rule_write(const ArgumentRule *rule) {
        json_object *text = json_object_new_string(rule->text), *object;

        if (!rule->is_pattern || !text)
                return text;

        object = json_object_new_object();
        if (!object || json_object_object_add(object, "pattern", text) < 0) {
                json_object_put(text);
                json_object_put(object);
                return NULL;
        }

        return object;
}

static int arguments_write(const Row *row _unused_, const void *field, json_object **ret) {
        const SidecarSpec *spec = field;
        _cleanup_(json_object_putp) json_object *value =
                spec->arguments == ARGUMENTS_LISTED
                        ? json_object_new_array()
                        : json_object_new_boolean(spec->arguments == ARGUMENTS_ANY);

        for (size_t i = 0; value && i < spec->n_argument_rules; i++) {
                json_object *rule = rule_write(&spec->argument_rules[i]);

                if (!rule || json_object_array_add(value, rule) < 0) {
                        json_object_put(rule);
                        return -ENOMEM;
                }
        }

        *ret = TAKE_PTR(value);
        return *ret ? 0 : -ENOMEM;
}

const Kind kind_arguments = { "true, false, or a list of rules", TYPE(boolean) | TYPE(array),
                              arguments_read, NULL, arguments_write };
