/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Session
 *
 * The environment is kept as it came, and cleaned for each start, so that what is written down is
 * what the user manager said.
 */

#include <stdio.h>
#include <string.h>

#include "core/goals.h"
#include "core/records.h"
#include "core/session.h"
#include "util/clock.h"
#include "util/crashpoint.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/strv.h"

#define ASK_AGAIN_USEC USEC_PER_SEC
#define PATIENCE_USEC (200 * USEC_PER_MSEC)

/* What a service manager or a bus told this daemon about itself: systemd.exec(5). */
static const char *const private_names[] = {
        "NOTIFY_SOCKET",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "MANAGERPID",
        "MAINPID",
        "SYSTEMD_EXEC_PID",
        "DBUS_STARTER_ADDRESS",
        "DBUS_STARTER_BUS_TYPE",
};

/* What the runtime of an AppImage tells the app about itself. */
static const char *const appimage_names[] = { "APPDIR", "APPIMAGE", "ARGV0", "OWD" };

void session_want_environment(Supervisor *supervisor) {
        uint64_t now = clock_monotonic_usec();

        if (supervisor->environment_asked_at != 0 &&
            now < supervisor->environment_asked_at + ASK_AGAIN_USEC)
                return;
        if (!supervisor->observer->on_environment_wanted(supervisor->observer_userdata))
                return;

        supervisor->environment_asked_at = now;
        supervisor->environment_awaited_until = now + PATIENCE_USEC;
}

static void resume_starts(const Supervisor *supervisor) {
        for (size_t i = 0; i < supervisor->n_apps; i++)
                for (size_t k = 0; k < supervisor->apps[i]->n_sidecars; k++) {
                        Sidecar *s = supervisor->apps[i]->sidecars[k];

                        if (TAKE(s->awaits_environment, false))
                                sidecar_converge(s);
                }
}

void session_take_environment(Supervisor *supervisor, char *const *environment) {
        supervisor->environment_awaited_until = 0;
        if (environment && !strv_equal(environment, supervisor->environment)) {
                if (strv_copy(&supervisor->environment, environment) < 0)
                        (void) log_warning_errno(-ENOMEM, "Cannot keep the session's environment");
                record_supervisor(supervisor);
        }

        resume_starts(supervisor);
}

bool session_holds_start_up(Sidecar *s, uint64_t now, uint64_t *ret_until) {
        uint64_t until = s->supervisor->environment_awaited_until;

        /* Automatic restarts take the last known. */
        s->awaits_environment = now < until && s->life.n_restarts == 0;
        if (s->awaits_environment)
                *ret_until = until;

        return s->awaits_environment;
}

void session_drop_private(char ***env) {
        for (size_t i = 0; i < ELEMENTSOF(private_names); i++)
                (void) strv_env_set(env, private_names[i], NULL);
}

/* A path of the mount, wherever in a piece of a list it stands. */
static bool speaks_of(const char *piece, const char *mount, size_t n_mount) {
        for (const char *at = strstr(piece, mount); at; at = strstr(at + 1, mount))
                if (at[n_mount] == '\0' || at[n_mount] == '/')
                        return true;

        return false;
}

/* What is left of the entry; *ret is NULL where nothing is. */
static int clean_entry(const char *entry, const char *mount, size_t n_mount, char **ret) {
        _cleanup_(strv_freep) char **pieces = NULL;
        _cleanup_free_ char *cleaned = NULL;
        int n_name = (int) strcspn(entry, "="), r;

        r = strv_split(&pieces, entry + n_name + 1, ':');
        STRV_FOREACH (piece, pieces) {
                char *longer;

                if (r < 0)
                        return r;
                if (speaks_of(*piece, mount, n_mount))
                        continue;
                if (cleaned)
                        r = asprintf(&longer, "%s:%s", cleaned, *piece);
                else
                        r = asprintf(&longer, "%.*s=%s", n_name, entry, *piece);
                if (r < 0)
                        return -ENOMEM;
                free(cleaned);
                cleaned = longer;
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(cleaned);
        return 0;
}

/* An app that came up out of an AppImage may have told the session, or us, where it is mounted. */
static int drop_appimage(char ***env) {
        const char *told = strv_env_get(*env, "APPDIR");
        _cleanup_free_ char *mount = strdup(told ? told : "");
        _cleanup_(strv_freep) char **cleaned = NULL;
        size_t n_mount;

        if (!mount)
                return -ENOMEM;
        for (n_mount = strlen(mount); n_mount > 0 && mount[n_mount - 1] == '/'; n_mount--)
                mount[n_mount - 1] = '\0';
        if (mount[0] != '/')
                return 0;

        for (size_t i = 0; i < ELEMENTSOF(appimage_names); i++)
                (void) strv_env_set(env, appimage_names[i], NULL);
        STRV_FOREACH (entry, *env) {
                bool is_concerned = strchr(*entry, '=') && speaks_of(*entry, mount, n_mount);
                char *rest = NULL;
                int r = is_concerned ? clean_entry(*entry, mount, n_mount, &rest)
                                     : strv_extend(&cleaned, *entry);

                if (r >= 0 && rest)
                        r = strv_consume(&cleaned, rest);
                if (r < 0)
                        return r;
        }

        strv_free(*env);
        *env = TAKE_PTR(cleaned);
        return 0;
}

int session_copy_environment(const Supervisor *supervisor, char ***ret) {
        _cleanup_(strv_freep) char **env = NULL;
        int r;

        r = strv_copy(&env, supervisor->environment ? supervisor->environment : environ);
        if (r >= 0)
                r = drop_appimage(&env);
        if (r < 0)
                return r;

        session_drop_private(&env);
        *ret = TAKE_PTR(env);
        return 0;
}

bool session_keeps(const App *app) {
        const Manifest *manifest = app->is_transient ? app->installed : app->manifest;

        return manifest && manifest->is_session;
}

void session_begin(Supervisor *supervisor) {
        if (supervisor->session_has_begun || supervisor_check_starts(supervisor) < 0)
                return;

        for (size_t i = 0; i < supervisor->n_apps; i++) {
                App *app = supervisor->apps[i];
                _cleanup_(strv_freep) char **names = NULL;
                int r;

                if (!session_keeps(app))
                        continue;
                r = app_select(app, NULL, &names);
                if (r >= 0)
                        r = app_start(app, names);
                if (r < 0)
                        (void) log_error_errno(r, "%s: cannot be started with the session",
                                               app->id);
        }

        /* Not before: a successor starts what is not up yet, and the rest is as it is. */
        CRASHPOINT("session-begun");
        supervisor->session_has_begun = true;
        record_supervisor(supervisor);
}
