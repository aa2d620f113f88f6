/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Environment
 *
 * Later entries win: the session's, then what a hold brought along with a manifest, then defaults,
 * the manifest's, what holds pass on by its "passEnv", and the identity, which nobody may change.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <systemd/sd-id128.h>

#include "core/environment.h"
#include "core/session.h"
#include "util/strv.h"

static bool is_declared(const SidecarSpec *spec, const char *entry) {
        _cleanup_free_ char *name = strndup(entry, strcspn(entry, "="));

        return name && sidecar_spec_find_passed(spec, name);
}

/*
 * Of what the holds pass on: what "passEnv" declares is over the manifest's own, the rest, which
 * only a hold with a manifest has, stands in for the session's and is below it.
 */
static int add_passed(char ***env, const Sidecar *s, bool declared) {
        STRV_FOREACH (entry, s->passed) {
                _cleanup_free_ char *name = strndup(*entry, strcspn(*entry, "="));
                int r;

                if (!name)
                        return -ENOMEM;
                if (is_declared(s->running, *entry) != declared)
                        continue;
                r = strv_env_set(env, name, *entry + strlen(name) + 1);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* Else Python keeps its last words in a buffer that dies with it. */
static int unbuffer_python(char ***env) {
        return strv_env_get(*env, "PYTHONUNBUFFERED") ? 0
                                                      : strv_env_set(env, "PYTHONUNBUFFERED", "1");
}

static int add_manifest(char ***env, const SidecarSpec *spec, const TemplateValues *values) {
        int r;

        STRV_FOREACH (name, spec->unset_env)
                (void) strv_env_set(env, *name, NULL);

        STRV_FOREACH (entry, spec->env) {
                _cleanup_free_ char *name = strndup(*entry, strcspn(*entry, "="));
                _cleanup_free_ char *value = NULL;

                if (!name)
                        return -ENOMEM;
                r = template_expand(&value, *entry + strlen(name) + 1, values, NULL);
                if (r >= 0)
                        r = strv_env_set(env, name, value);
                if (r < 0)
                        return r;
        }

        return 0;
}

static int add_identity(char ***env, const Sidecar *s) {
        char invocation[SD_ID128_STRING_MAX], generation[32];
        sd_id128_t id;
        int r;

        r = sd_id128_randomize(&id);
        if (r < 0)
                return r;

        (void) snprintf(generation, sizeof(generation), "%" PRIu64, s->life.generation);
        r = strv_env_set(env, "SIDECARD_APP", s->running->app_id);
        if (r >= 0)
                r = strv_env_set(env, "SIDECARD_NAME", s->running->name);
        if (r >= 0)
                r = strv_env_set(env, "SIDECARD_GENERATION", generation);
        if (r >= 0)
                r = strv_env_set(env, "INVOCATION_ID", sd_id128_to_string(id, invocation));

        return r;
}

/* sd_notify(3), sd_watchdog_enabled(3). Any process of the tree may feed: no WATCHDOG_PID. */
static int add_notify(char ***env, const Sidecar *s) {
        char usec[32];
        int r;

        /* Of a generation that is over it is closed. */
        if (!s->notify)
                return 0;
        r = strv_env_set(env, "NOTIFY_SOCKET", notify_socket_path(s->notify));
        if (r < 0 || s->running->watchdog_usec == 0)
                return r;

        (void) snprintf(usec, sizeof(usec), "%" PRIu64, s->running->watchdog_usec);
        return strv_env_set(env, "WATCHDOG_USEC", usec);
}

int environment_make(char ***ret, const Sidecar *s, const TemplateValues *values) {
        _cleanup_(strv_freep) char **env = NULL;
        int r;

        r = session_copy_environment(s->supervisor, &env);
        if (r >= 0)
                r = add_passed(&env, s, false);
        if (r >= 0)
                r = unbuffer_python(&env);
        if (r >= 0)
                r = add_manifest(&env, s->running, values);
        if (r >= 0)
                r = add_passed(&env, s, true);
        if (r >= 0)
                r = add_identity(&env, s);
        if (r >= 0)
                r = add_notify(&env, s);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(env);
        return 0;
}
