/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Goals
 *
 * A wish for a set is a wish for each of its members: none waits for another here. That a
 * sidecar starts after what it depends on, and stops before it, follows from two facts that
 * app_settle() keeps up to date in each lifecycle.
 */

#include "core/goals.h"
#include "core/modes.h"
#include "core/records.h"
#include "core/supervisor.h"
#include "model/dependency.h"
#include "model/mode.h"
#include "util/crashpoint.h"
#include "util/strv.h"

int app_select(const App *app, char *const *names, char ***ret) {
        const Manifest *manifest = app->manifest;

        if (!manifest)
                return -ENOENT;
        if (names)
                return dependency_close(ret, manifest, names);

        return mode_wanted_up(ret, manifest, manifest_find_mode(manifest, app->mode), NULL);
}

static void app_converge(App *app) {
        app_settle(app);
        for (size_t i = 0; i < app->n_sidecars; i++)
                sidecar_converge(app->sidecars[i]);
}

/*
 * Ends what records_begin() began. All is decided before any of it is done, and is written down as
 * one, together with what the caller has changed before: even inside of the caller's own batch.
 */
static void do_wanted(App *app) {
        Records *records = app->supervisor->records;

        CRASHPOINT("goals-decided");
        records_commit(records);
        (void) records_flush(records);
        CRASHPOINT("goals-recorded");
        app_converge(app);
        CRASHPOINT("goals-begun");
}

/* as_before: those that were started without what they depend on are so again. */
static void want_up(const App *app, char *const *names, bool as_before) {
        STRV_FOREACH (name, names) {
                Sidecar *sidecar = app_find(app, *name);

                if (!sidecar)
                        continue;
                if (!as_before) {
                        sidecar->ignores_dependencies = false;
                        sidecar_forget_arguments(sidecar);
                }
                sidecar_want_up(sidecar);
        }
}

static void want_down(const App *app, char *const *names, ReasonCode on_whose_account, bool kill) {
        STRV_FOREACH (name, names) {
                Sidecar *sidecar = app_find(app, *name);

                if (sidecar)
                        sidecar_want_down(sidecar, on_whose_account, kill);
        }
}

int app_start(App *app, char *const *names) {
        return app_change(app, names, NULL, REASON_NONE);
}

int app_change(App *app, char *const *up, char *const *down, ReasonCode on_whose_account) {
        int r;

        r = up ? supervisor_check_starts(app->supervisor) : 0;
        if (r < 0)
                return r;

        records_begin(app->supervisor->records);
        want_down(app, down, on_whose_account, false);
        want_up(app, up, false);
        do_wanted(app);
        return 0;
}

void app_change_back(App *app, char *const *up, char *const *down) {
        records_begin(app->supervisor->records);
        want_down(app, down, REASON_MODE, false);
        want_up(app, up, true);
        do_wanted(app);
}

/* A manifest has no cycles, and 64 sidecars at most: the recursion is shallow. */
int app_start_dependencies(App *app, const Sidecar *sidecar) {
        for (size_t i = 0; i < sidecar->spec->n_depends_on; i++) {
                const Dependency *dependency = &sidecar->spec->depends_on[i];
                Sidecar *other = app_find(app, dependency->name);
                uint64_t generation;
                int r;

                if (!other || lifecycle_check_dependency(&other->life, dependency->condition) ==
                                      DEPENDENCY_HOLDS)
                        continue;
                sidecar_forget_arguments(other);
                r = app_start_dependencies(app, other);
                if (r >= 0)
                        r = sidecar_start(other, &generation);
                if (r < 0)
                        return r;
        }

        return 0;
}

int app_start_one(App *app, Sidecar *sidecar, bool no_deps, uint64_t *ret) {
        int r;

        sidecar->ignores_dependencies = no_deps;
        r = no_deps ? 0 : app_start_dependencies(app, sidecar);
        if (r < 0)
                return r;

        app_settle(app);
        return sidecar_start(sidecar, ret);
}

/* First all goals, then the steps: else the first one stops before its dependents know. */
void app_stop(App *app, char *const *names, ReasonCode on_whose_account, bool kill) {
        records_begin(app->supervisor->records);
        want_down(app, names, on_whose_account, kill);
        do_wanted(app);
}

void app_stop_all(App *app, ReasonCode on_whose_account, bool kill) {
        records_begin(app->supervisor->records);
        for (size_t i = 0; i < app->n_sidecars; i++)
                sidecar_want_down(app->sidecars[i], on_whose_account, kill);
        do_wanted(app);
}

int app_list_up(const App *app, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;

        for (size_t i = 0; i < app->n_sidecars; i++) {
                const Sidecar *sidecar = app->sidecars[i];
                int r = sidecar->life.goal == GOAL_UP ? strv_extend(&names, sidecar_name(sidecar))
                                                      : 0;

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(names);
        return 0;
}

static DependencyVerdict
check_dependencies(const App *app, const Sidecar *s, const char **ret_name) {
        DependencyVerdict worst = DEPENDENCY_HOLDS;

        if (s->ignores_dependencies)
                return DEPENDENCY_HOLDS;

        for (size_t i = 0; i < s->spec->n_depends_on; i++) {
                const Dependency *dependency = &s->spec->depends_on[i];
                const Sidecar *other = app_find(app, dependency->name);
                DependencyVerdict verdict =
                        other ? lifecycle_check_dependency(&other->life, dependency->condition)
                              : DEPENDENCY_PENDING;

                if (verdict == DEPENDENCY_HOLDS || worst == DEPENDENCY_FAILED)
                        continue;
                if (verdict == DEPENDENCY_FAILED || worst == DEPENDENCY_HOLDS)
                        *ret_name = dependency->name;
                worst = verdict;
        }

        return worst;
}

/* Somebody who is to go down as well, and needs it until then. */
static bool has_dependent_going_down(const App *app, const Sidecar *s) {
        for (size_t i = 0; i < app->n_sidecars; i++) {
                const Sidecar *other = app->sidecars[i];

                if (other != s && other->life.goal == GOAL_DOWN && !sidecar_is_gone(other) &&
                    other->running && sidecar_spec_find_dependency(other->running, sidecar_name(s)))
                        return true;
        }

        return false;
}

void app_hold_still(App *app, bool still) {
        app->is_settling = still;
        for (size_t i = 0; still && i < app->n_sidecars; i++) {
                Sidecar *s = app->sidecars[i];
                const char *name = NULL;

                lifecycle_set_blocked(&s->life,
                                      check_dependencies(app, s, &name) != DEPENDENCY_HOLDS);
                lifecycle_set_end_blocked(&s->life, has_dependent_going_down(app, s));
        }
        if (!still)
                app_converge(app);
}

/* True: something of it has changed by what the others have come to. */
static bool settle_one(App *app, Sidecar *s) {
        const char *name = NULL;
        DependencyVerdict verdict = check_dependencies(app, s, &name);
        bool blocked = verdict != DEPENDENCY_HOLDS;
        bool end_blocked = has_dependent_going_down(app, s);
        bool was_failed = s->life.failed;

        if (name)
                (void) free_and_strdup(&s->waits_for, name);
        if (blocked == s->life.blocked && end_blocked == s->life.end_blocked &&
            verdict != DEPENDENCY_FAILED)
                return false;

        lifecycle_set_blocked(&s->life, blocked);
        lifecycle_set_end_blocked(&s->life, end_blocked);
        if (verdict == DEPENDENCY_FAILED)
                lifecycle_on_dependency_failed(&s->life);

        return verdict != DEPENDENCY_FAILED || s->life.failed != was_failed;
}

void app_settle(App *app) {
        bool again = true;

        /* Whoever converges in here calls this again: once is enough. */
        if (app->is_settling)
                return;

        app->is_settling = true;
        while (again) {
                again = false;
                for (size_t i = 0; i < app->n_sidecars; i++)
                        if (settle_one(app, app->sidecars[i])) {
                                again = true;
                                sidecar_converge(app->sidecars[i]);
                        }
        }
        app->is_settling = false;

        app_settle_mode(app);
}
