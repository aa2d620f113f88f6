/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: what clients hand over
 *
 * The variables that holds pass on, and the arguments of a start. What is passed on is looked up
 * among the living holds at each start, the newest last, and judged by the manifest of that start;
 * it is kept with the generation, which may outlive the hold, and whose last words are to be
 * blanked of it.
 */

#include <string.h>

#include "core/holds.h"
#include "core/session.h"
#include "core/sidecar-parts.h"
#include "model/passed.h"
#include "util/strv.h"

/* What "passEnv" does not name only a hold with a manifest may give. */
static int judge(const SidecarSpec *spec, const Hold *hold, const char *name, const char *value) {
        const PassedVariable *variable = sidecar_spec_find_passed(spec, name);

        return variable ? passed_check_value(variable, value) : hold->brings_manifest;
}

static int add_of_hold(char ***passed, const SidecarSpec *spec, const Hold *hold) {
        STRV_FOREACH (entry, hold->env) {
                _cleanup_free_ char *name = strndup(*entry, strcspn(*entry, "="));
                const char *value;
                int r;

                if (!name)
                        return -ENOMEM;
                value = *entry + strlen(name) + 1;
                r = judge(spec, hold, name, value);
                if (r > 0)
                        r = strv_env_set(passed, name, value);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int add_defaults(char ***passed, const SidecarSpec *spec) {
        for (size_t i = 0; i < spec->n_passed; i++) {
                const PassedVariable *variable = &spec->passed[i];
                int r = variable->fallback && !strv_env_get(*passed, variable->name)
                                ? strv_env_set(passed, variable->name, variable->fallback)
                                : 0;

                if (r < 0)
                        return r;
        }

        return 0;
}

int sidecar_take_passed(Sidecar *s) {
        const Supervisor *supervisor = s->supervisor;
        _cleanup_(strv_freep) char **passed = NULL;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < supervisor->n_holds; i++)
                if (supervisor->holds[i]->app == s->app)
                        r = add_of_hold(&passed, s->running, supervisor->holds[i]);

        /* A terminal may be a service itself, and what it was told is not meant for others. */
        session_drop_private(&passed);
        if (r >= 0)
                r = add_defaults(&passed, s->running);
        if (r < 0)
                return r;

        strv_free(s->passed);
        s->passed = TAKE_PTR(passed);
        return 0;
}

static bool is_up(const Sidecar *s) {
        return s->life.goal == GOAL_UP && !sidecar_is_gone(s);
}

int sidecar_set_arguments(Sidecar *s, char *const *arguments, bool is_restart, char **ret_message) {
        int r;

        r = passed_check_arguments(s->spec, arguments, ret_message);
        if (r < 0)
                return r;
        if (!is_restart && is_up(s) && !strv_equal(s->arguments, arguments))
                return -EBUSY;

        return strv_copy(&s->arguments, arguments);
}

void sidecar_forget_arguments(Sidecar *s) {
        if (s->life.goal != GOAL_UP || s->life.failed || s->life.exited)
                s->arguments = strv_free(s->arguments);
}
