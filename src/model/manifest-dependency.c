/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestDependency
 *
 * "dependsOn". That a name exists is asked of the document, since a sidecar may depend on one that
 * stands below it; what hangs on more than the name waits until all of them are read.
 */

#include <stdio.h>
#include <string.h>

#include "model/dependency.h"
#include "model/manifest-kind.h"
#include "util/strv.h"

static int check_target(Reader *reader, const Place *place) {
        const Place *sidecars = place->parent->parent->parent;
        Place target;

        if (streq(place->key, reader->spec->name))
                return reader_fail(reader, place, "\"%s\" depends on itself: take it out",
                                   place->key);
        if (!place_find(sidecars, place->key, &target))
                return reader_fail(reader, place,
                                   "there is no sidecar \"%s\": declare it under \"sidecars\"",
                                   place->key);
        return 0;
}

static int condition_read(Reader *reader, const Place *place, DependencyCondition *ret_condition) {
        DependencyCondition condition;
        int r;

        r = reader_check_type(reader, place, TYPE(string),
                              "\"started\", \"ready\" or \"completed\"");
        if (r < 0)
                return r;

        condition = dependency_condition_from_string(place_string(place));
        if (condition < 0)
                return reader_fail(
                        reader, place,
                        "\"%s\" is no condition: write \"started\", \"ready\" or \"completed\"",
                        place_string(place));

        *ret_condition = condition;
        return 0;
}

static int dependency_add(SidecarSpec *spec, const char *name, DependencyCondition condition) {
        _cleanup_free_ char *copy = strdup(name);
        Dependency *grown;

        grown = reallocarray(spec->depends_on, spec->n_depends_on + 1, sizeof(Dependency));
        if (grown)
                spec->depends_on = grown;
        if (!grown || !copy)
                return -ENOMEM;

        grown[spec->n_depends_on++] = (Dependency){ TAKE_PTR(copy), condition };
        return 0;
}

static int compare_dependencies(const void *a, const void *b) {
        return strcmp(((const Dependency *) a)->name, ((const Dependency *) b)->name);
}

static int
depends_on_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        SidecarSpec *spec = field;
        int r;

        for (Place member = place_first(place); place_is_there(&member); place_next(&member)) {
                DependencyCondition condition = DEPENDENCY_STARTED;

                r = check_target(reader, &member);
                if (r >= 0)
                        r = condition_read(reader, &member, &condition);
                if (r >= 0)
                        r = dependency_add(spec, member.key, condition);
                if (r < 0)
                        return r;
        }

        if (spec->n_depends_on > 0)
                qsort(spec->depends_on, spec->n_depends_on, sizeof(Dependency),
                      compare_dependencies);
        return 0;
}

static int depends_on_write(const Row *row _unused_, const void *field, json_object **ret) {
        _cleanup_(json_object_putp) json_object *object = NULL;
        const SidecarSpec *spec = field;
        int r;

        if (spec->n_depends_on == 0)
                return 0;
        object = json_object_new_object();
        if (!object)
                return -ENOMEM;

        for (size_t i = 0; i < spec->n_depends_on; i++) {
                const Dependency *dependency = &spec->depends_on[i];
                const char *word = dependency_condition_to_string(dependency->condition);

                r = json_put(object, dependency->name, json_object_new_string(word));
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(object);
        return 0;
}

const Kind kind_depends_on = { "an object of names and conditions", TYPE(object), depends_on_read,
                               NULL, depends_on_write };

/* Where a sidecar depends on another, both of which are there. Takes the message over. */
static int fail_dependency(Reader *reader,
                           const Place *sidecars,
                           const char *name,
                           const char *target,
                           char *message) {
        Place sidecar, depends_on, place;

        (void) place_find(sidecars, name, &sidecar);
        (void) place_find(&sidecar, "dependsOn", &depends_on);
        (void) place_find(&depends_on, target, &place);
        return reader_fail_with(reader, &place, message);
}

static int fail_cycle(Reader *reader, const Place *sidecars, char *const *cycle) {
        _cleanup_free_ char *message = NULL;
        size_t size;
        FILE *out = open_memstream(&message, &size);

        if (!out)
                return -ENOMEM;
        (void) fputs("they wait for each other: ", out);
        STRV_FOREACH (name, cycle)
                (void) fprintf(out, "%s%s", name > cycle ? " -> " : "", *name);
        (void) fputs(": take one of these dependencies out", out);
        if (fclose(out) < 0)
                return -ENOMEM;

        return fail_dependency(reader, sidecars, cycle[0], cycle[1], TAKE_PTR(message));
}

/* "completed" is an end with success, after which "always" starts it again. */
static int check_completed(Reader *reader, const Place *sidecars, const SidecarSpec *spec) {
        for (size_t i = 0; i < spec->n_depends_on; i++) {
                const Dependency *dependency = &spec->depends_on[i];
                const SidecarSpec *target =
                        manifest_find_sidecar(reader->manifest, dependency->name);

                if (dependency->condition != DEPENDENCY_COMPLETED ||
                    target->restart.policy != RESTART_POLICY_ALWAYS)
                        continue;
                return fail_dependency(
                        reader, sidecars, spec->name, target->name,
                        format_text("\"%s\" never completes: its restart policy is \"always\";"
                                    " make that \"on-failure\", or wait for \"ready\"",
                                    target->name));
        }

        return 0;
}

int dependencies_check(Reader *reader, const Place *sidecars) {
        _cleanup_(strv_freep) char **cycle = NULL;
        const Manifest *manifest = reader->manifest;
        int r;

        r = dependency_find_cycle(&cycle, manifest);
        if (r < 0)
                return r;
        if (cycle)
                return fail_cycle(reader, sidecars, cycle);

        for (size_t i = 0; i < manifest->n_sidecars; i++) {
                r = check_completed(reader, sidecars, manifest->sidecars[i]);
                if (r < 0)
                        return r;
        }

        return 0;
}
