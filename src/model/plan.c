/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Plan
 *
 * Both sets are put into the one order of dependency_close(), and each is read in the direction
 * that its steps need.
 */

#include <string.h>

#include "model/dependency.h"
#include "model/mode.h"
#include "model/plan.h"
#include "util/format.h"
#include "util/strv.h"

static const char *const actions[] = {
        [PLAN_KEEP] = "keep",
        [PLAN_START] = "start",
        [PLAN_STOP] = "stop",
};

const char *plan_action_to_string(PlanAction action) {
        return actions[action];
}

Plan *plan_free(Plan *plan) {
        if (!plan)
                return NULL;

        for (size_t i = 0; i < plan->n_rows; i++) {
                free(plan->rows[i].sidecar);
                free(plan->rows[i].reason);
        }
        free(plan->rows);
        free(plan);
        return NULL;
}

/* What of the wanted needs it, the first that does; or NULL. */
static const char *find_dependent(const Manifest *manifest, char *const *wanted, const char *name) {
        STRV_FOREACH (other, wanted)
                if (sidecar_spec_find_dependency(manifest_find_sidecar(manifest, *other), name))
                        return *other;

        return NULL;
}

/* A new string, or NULL. */
static char *wanted_reason(const Manifest *manifest,
                           const ModeSpec *mode,
                           char *const *wanted,
                           const char *name) {
        const char *dependent = find_dependent(manifest, wanted, name);

        if (mode_wants(mode, name) || !dependent)
                return format_text("mode %s wants it", mode->name);

        return format_text("%s depends on it", dependent);
}

static char *stop_reason(const Manifest *manifest, const ModeSpec *mode, const char *name) {
        if (!manifest_find_sidecar(manifest, name))
                return strdup("the manifest does not have it any more");

        return format_text("mode %s does not want it", mode->name);
}

/* Takes the reason over; NULL: there was no memory for it. */
static int plan_add(Plan *plan, const char *name, PlanAction action, char *reason) {
        _cleanup_free_ char *copy = strdup(name), *owned = reason;
        PlanRow *grown;

        grown = reallocarray(plan->rows, plan->n_rows + 1, sizeof(PlanRow));
        if (grown)
                plan->rows = grown;
        if (!grown || !copy || !owned)
                return -ENOMEM;

        grown[plan->n_rows++] = (PlanRow){
                .sidecar = TAKE_PTR(copy),
                .action = action,
                .reason = TAKE_PTR(owned),
        };
        return 0;
}

/* Those of a list that the manifest has, or those that it does not have. */
static int filter(char ***ret, const Manifest *manifest, char *const *names, bool known) {
        _cleanup_(strv_freep) char **found = NULL;
        int r;

        STRV_FOREACH (name, names) {
                if ((manifest_find_sidecar(manifest, *name) != NULL) != known)
                        continue;
                r = strv_extend(&found, *name);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(found);
        return 0;
}

/* What is up and not wanted: strangers first, then dependents before what they need. */
static int add_stops(Plan *plan,
                     const Manifest *manifest,
                     const ModeSpec *mode,
                     char *const *up,
                     char *const *wanted) {
        _cleanup_(strv_freep) char **known = NULL, **order = NULL;
        int r;

        r = filter(&order, manifest, up, false);
        STRV_FOREACH (name, order)
                if (r >= 0)
                        r = plan_add(plan, *name, PLAN_STOP, stop_reason(manifest, mode, *name));
        order = strv_free(order);

        if (r >= 0)
                r = filter(&known, manifest, up, true);
        if (r >= 0)
                r = dependency_close(&order, manifest, known);
        if (r < 0)
                return r;

        /* What the closure adds is not up, and so nothing to stop. */
        for (size_t i = strv_length(order); i > 0; i--) {
                const char *name = order[i - 1];

                if (!strv_contains(up, name) || strv_contains(wanted, name))
                        continue;
                r = plan_add(plan, name, PLAN_STOP, stop_reason(manifest, mode, name));
                if (r < 0)
                        return r;
        }

        return 0;
}

/* The wanted that are up (keep), or those that are not (start). */
static int add_wanted(Plan *plan,
                      const Manifest *manifest,
                      const ModeSpec *mode,
                      char *const *up,
                      char *const *wanted,
                      PlanAction action) {
        int r;

        STRV_FOREACH (name, wanted) {
                if (strv_contains(up, *name) != (action == PLAN_KEEP))
                        continue;
                r = plan_add(plan, *name, action, wanted_reason(manifest, mode, wanted, *name));
                if (r < 0)
                        return r;
        }

        return 0;
}

int plan_make(Plan **ret,
              const Manifest *manifest,
              const ModeSpec *mode,
              char *const *up,
              char *const *wanted) {
        _cleanup_(plan_freep) Plan *plan = calloc(1, sizeof(*plan));
        _cleanup_(strv_freep) char **closed = NULL;
        int r;

        if (!plan)
                return -ENOMEM;

        r = dependency_close(&closed, manifest, wanted);
        if (r >= 0)
                r = add_stops(plan, manifest, mode, up, closed);
        if (r >= 0)
                r = add_wanted(plan, manifest, mode, up, closed, PLAN_KEEP);
        if (r >= 0)
                r = add_wanted(plan, manifest, mode, up, closed, PLAN_START);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(plan);
        return 0;
}
