/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Goals
 *
 * A wish for a set is a wish for each of its members: none waits for another here. That a
 * sidecar starts after what it depends on, and stops before it, follows from two facts that
 * app_settle() keeps up to date in each lifecycle.
 */

#include "core/goals.h"
#include "core/holds.h"
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

static void want_up(const App *app, char *const *names) {
        STRV_FOREACH (name, names) {
                Sidecar *sidecar = app_find(app, *name);

                if (!sidecar)
                        continue;
                sidecar->ignores_dependencies = false;
                sidecar_forget_arguments(sidecar);
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
        want_up(app, up);
        do_wanted(app);
        return 0;
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

/* What the mode has up, and what holds want by name in any mode. */
static int list_wanted(const App *app, const ModeSpec *mode, char *const *up, char ***ret) {
        _cleanup_(strv_freep) char **wanted = NULL;
        int r;

        r = mode_wanted_up(&wanted, app->manifest, mode, up);
        STRV_FOREACH (name, up)
                if (r >= 0 && app_is_named_by_hold(app, *name) && !strv_contains(wanted, *name))
                        r = strv_extend(&wanted, *name);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(wanted);
        return 0;
}

int app_plan_mode(const App *app, const char *name, Plan **ret) {
        const ModeSpec *mode = app->manifest ? manifest_find_mode(app->manifest, name) : NULL;
        _cleanup_(strv_freep) char **up = NULL, **wanted = NULL;
        int r;

        if (!mode)
                return -ENOENT;

        r = app_list_up(app, &up);
        if (r >= 0)
                r = list_wanted(app, mode, up, &wanted);

        return r < 0 ? r : plan_make(ret, app->manifest, mode, up, wanted);
}

static int collect_rows(const Plan *plan, PlanAction action, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;

        for (size_t i = 0; i < plan->n_rows; i++) {
                int r = plan->rows[i].action == action ? strv_extend(&names, plan->rows[i].sidecar)
                                                       : 0;

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(names);
        return 0;
}

static void tell_mode(App *app, ModeResult result) {
        const Supervisor *supervisor = app->supervisor;
        Event event = { .type = EVENT_MODE, .app = app->id, .text = app->mode };

        app->mode_result = result;
        supervisor->observer->on_app_changed(app, supervisor->observer_userdata);
        if (result == MODE_SWITCHING) {
                record_app(app);
                return;
        }

        records_begin(supervisor->records);
        record_app(app);
        (void) supervisor_add_event(app->supervisor, &event);
        CRASHPOINT("mode-decided");
        records_commit(supervisor->records);
        /* Even inside of another's batch: what follows is told at once. */
        (void) records_flush(supervisor->records);
        CRASHPOINT("mode-recorded");
        supervisor->observer->on_mode(app, supervisor->observer_userdata);
}

/*
 * What the switch is over with: what it starts, and what a switch still under way has started and
 * this one keeps.
 */
static int list_awaited(const App *app, const Plan *plan, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;

        for (size_t i = 0; i < plan->n_rows; i++) {
                const PlanRow *row = &plan->rows[i];
                bool is_under_way = app->mode_result == MODE_SWITCHING &&
                                    row->action == PLAN_KEEP &&
                                    strv_contains(app->mode_starts, row->sidecar);
                int r = is_under_way || row->action == PLAN_START
                                ? strv_extend(&names, row->sidecar)
                                : 0;

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(names);
        return 0;
}

int app_set_mode(App *app, const char *mode, const char *server_url, const Plan *plan) {
        _cleanup_(strv_freep) char **stops = NULL, **starts = NULL, **awaited = NULL;
        Records *records = app->supervisor->records;
        int r;

        r = supervisor_check_starts(app->supervisor);
        if (r >= 0)
                r = collect_rows(plan, PLAN_STOP, &stops);
        if (r >= 0)
                r = collect_rows(plan, PLAN_START, &starts);
        if (r >= 0)
                r = list_awaited(app, plan, &awaited);
        /* A switch that another supersedes never came to its end: the former mode stays former. */
        if (r >= 0 && app->mode_result != MODE_SWITCHING)
                r = free_and_strdup(&app->former_mode, app->mode);
        if (r >= 0)
                r = free_and_strdup(&app->server_url, server_url);
        if (r >= 0)
                r = free_and_strdup(&app->mode, mode);
        if (r < 0)
                return r;

        /* Before anything is stopped: each change of a sidecar asks whether the switch is over. */
        strv_free(app->mode_starts);
        app->mode_starts = TAKE_PTR(awaited);
        records_begin(records);
        tell_mode(app, MODE_SWITCHING);
        r = app_change(app, starts, stops, REASON_MODE);
        records_commit(records);
        app_settle(app);
        return r;
}

/* Some of what the new mode added is not ready yet, or some of what it dropped not gone. */
static ModeResult judge_switch(const App *app) {
        bool failed = false;

        STRV_FOREACH (name, app->mode_starts) {
                const Sidecar *sidecar = app_find(app, *name);
                WaitVerdict verdict = sidecar ? lifecycle_wait(&sidecar->life, WAIT_FOR_READY, 0)
                                              : WAIT_NOT_RUNNING;

                failed = failed || verdict == WAIT_START_FAILED;
                if (verdict != WAIT_HOLDS && !failed && !(sidecar && sidecar->life.exited))
                        return MODE_SWITCHING;
        }

        for (size_t i = 0; i < app->n_sidecars; i++)
                if (app->sidecars[i]->life.goal == GOAL_DOWN && !sidecar_is_gone(app->sidecars[i]))
                        return MODE_SWITCHING;

        return failed ? MODE_DEGRADED : MODE_DONE;
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

        if (app->mode_result == MODE_SWITCHING) {
                ModeResult result = judge_switch(app);

                if (result != MODE_SWITCHING)
                        tell_mode(app, result);
        }
}

const char *app_server_url(const App *app) {
        const ModeSpec *mode =
                app->manifest && app->mode ? manifest_find_mode(app->manifest, app->mode) : NULL;

        if (app->server_url)
                return app->server_url;

        return mode && mode->server_url ? mode->server_url : "";
}
