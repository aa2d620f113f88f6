/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Dependency
 *
 * Depth first, both ways. A manifest has 64 sidecars at most, so the recursion is shallow and a
 * list is as good as a set.
 */

#include <string.h>

#include "model/dependency.h"
#include "util/strv.h"

static const char *const conditions[] = {
        [DEPENDENCY_STARTED] = "started",
        [DEPENDENCY_READY] = "ready",
        [DEPENDENCY_COMPLETED] = "completed",
};

const char *dependency_condition_to_string(DependencyCondition condition) {
        return conditions[condition];
}

DependencyCondition dependency_condition_from_string(const char *text) {
        for (size_t i = 0; i < ELEMENTSOF(conditions); i++)
                if (streq(conditions[i], text))
                        return (DependencyCondition) i;

        return _DEPENDENCY_CONDITION_INVALID;
}

const Dependency *sidecar_spec_find_dependency(const SidecarSpec *spec, const char *name) {
        for (size_t i = 0; i < spec->n_depends_on; i++)
                if (streq(spec->depends_on[i].name, name))
                        return &spec->depends_on[i];

        return NULL;
}

static int close_one(char ***closed, const Manifest *manifest, const char *name) {
        const SidecarSpec *spec = manifest_find_sidecar(manifest, name);
        int r;

        if (!spec)
                return -ENOENT;
        if (strv_contains(*closed, name))
                return 0;

        for (size_t i = 0; i < spec->n_depends_on; i++) {
                r = close_one(closed, manifest, spec->depends_on[i].name);
                if (r < 0)
                        return r;
        }

        return strv_extend(closed, name);
}

int dependency_close(char ***ret, const Manifest *manifest, char *const *names) {
        _cleanup_(strv_freep) char **closed = NULL;
        int r;

        STRV_FOREACH (name, names) {
                r = close_one(&closed, manifest, *name);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(closed);
        return 0;
}

/* Where a search is: a chain up to where it began, on the stack. */
typedef struct Path Path;

struct Path {
        const Path *before;
        const SidecarSpec *spec;
};

/* From the first of that name on the path, down to its end. */
static int copy_path(char ***cycle, const Path *path, const char *from) {
        int r;

        if (!streq(path->spec->name, from)) {
                r = copy_path(cycle, path->before, from);
                if (r < 0)
                        return r;
        }

        return strv_extend(cycle, path->spec->name);
}

static bool is_on_path(const Path *path, const char *name) {
        for (; path; path = path->before)
                if (streq(path->spec->name, name))
                        return true;

        return false;
}

/* Positive: *cycle is one. visited: whatever was left without having found any. */
static int search(char ***cycle,
                  char ***visited,
                  const Manifest *manifest,
                  const SidecarSpec *spec,
                  const Path *before) {
        const Path path = { before, spec };
        int r;

        if (is_on_path(before, spec->name)) {
                r = copy_path(cycle, before, spec->name);
                if (r >= 0)
                        r = strv_extend(cycle, spec->name);
                return r < 0 ? r : 1;
        }
        if (strv_contains(*visited, spec->name))
                return 0;

        for (size_t i = 0; i < spec->n_depends_on; i++) {
                r = search(cycle, visited, manifest,
                           manifest_find_sidecar(manifest, spec->depends_on[i].name), &path);
                if (r != 0)
                        return r;
        }

        return strv_extend(visited, spec->name);
}

int dependency_find_cycle(char ***ret, const Manifest *manifest) {
        _cleanup_(strv_freep) char **cycle = NULL, **visited = NULL;
        int r = 0;

        for (size_t i = 0; i < manifest->n_sidecars && r == 0; i++)
                r = search(&cycle, &visited, manifest, manifest->sidecars[i], NULL);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(cycle);
        return 0;
}
