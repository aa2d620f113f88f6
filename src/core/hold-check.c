/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Hold: what is refused
 *
 * All that can be wrong with a hold is found out before anything is done for it: a hold that is
 * refused leaves no app behind, and no manifest in force.
 */

#include <string.h>

#include "core/holds.h"
#include "core/supervisor.h"
#include "model/passed.h"
#include "util/strv.h"

static int check_set(const Manifest *manifest, const HoldSpec *spec) {
        if (!manifest)
                return -ENOENT;

        STRV_FOREACH (name, spec->sidecars)
                if (!manifest_find_sidecar(manifest, *name))
                        return -ENOENT;

        return 0;
}

/* Each sidecar that takes it has to; and with a manifest that is one's own one needs nobody. */
static int check_value(const Manifest *manifest,
                       const char *name,
                       const char *value,
                       bool is_free,
                       const char **ret_pattern) {
        const char *pattern = NULL;

        for (size_t i = 0; i < manifest->n_sidecars; i++) {
                const PassedVariable *variable =
                        sidecar_spec_find_passed(manifest->sidecars[i], name);
                int r = variable ? passed_check_value(variable, value) : 1;

                if (r < 0)
                        return r;
                if (r == 0)
                        pattern = variable->pattern;
                is_free = is_free || variable;
        }
        if (is_free && !pattern)
                return 0;

        *ret_pattern = pattern;
        return -EINVAL;
}

static int check_env(const Manifest *manifest,
                     const HoldSpec *spec,
                     const char **ret_entry,
                     const char **ret_pattern) {
        STRV_FOREACH (entry, spec->env) {
                _cleanup_free_ char *name = strndup(*entry, strcspn(*entry, "="));
                int r;

                if (!name)
                        return -ENOMEM;
                r = check_value(manifest, name, *entry + strlen(name) + 1, spec->manifest,
                                ret_pattern);
                if (r == -EINVAL)
                        *ret_entry = *entry;
                if (r < 0)
                        return r;
        }

        return 0;
}

/* Contract A6. What it declares takes the place of what the app has, or is more. */
static int check_manifest(const Supervisor *supervisor, const App *app, const Manifest *manifest) {
        size_t n_sidecars = manifest->n_sidecars;

        for (size_t i = 0; i < supervisor->n_apps; i++)
                if (supervisor->apps[i] != app)
                        n_sidecars += supervisor->apps[i]->n_sidecars;
        if (n_sidecars > SIDECARS_MAX || (!app && supervisor->n_apps >= APPS_MAX))
                return -ENOSPC;

        return !app || app_can_be_covered(app, manifest) ? 0 : -EEXIST;
}

int hold_check(const Supervisor *supervisor,
               const App *app,
               const HoldSpec *spec,
               const char **ret_entry,
               const char **ret_pattern) {
        const Manifest *manifest = app ? app->manifest : NULL;
        int r;

        if (spec->manifest)
                manifest = *spec->manifest;
        r = supervisor_check_starts(supervisor);
        if (r >= 0 && supervisor->n_holds >= HOLDS_MAX && !(app && hold_find_former(app, spec)))
                r = -EUSERS;
        if (r >= 0)
                r = check_set(manifest, spec);
        if (r >= 0)
                r = check_env(manifest, spec, ret_entry, ret_pattern);
        if (r >= 0 && spec->manifest)
                r = check_manifest(supervisor, app, manifest);

        return r;
}
