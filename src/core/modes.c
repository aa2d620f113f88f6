/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Modes
 *
 * Each turn of a switch, its goals included, is one record of the ledger, so that no brain dies
 * between the wish and the word of it; the end of a switch is one with its event.
 */

#include <string.h>

#include "core/goals.h"
#include "core/holds.h"
#include "core/modes.h"
#include "core/records.h"
#include "core/supervisor.h"
#include "io/mode-file.h"
#include "model/mode.h"
#include "util/crashpoint.h"
#include "util/format.h"
#include "util/log.h"
#include "util/strv.h"

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

/*
 * What the switch is over with: what it starts, and what a switch still under way has started and
 * this one keeps.
 */
static int list_awaited(const App *app, const Plan *plan, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;

        for (size_t i = 0; i < plan->n_rows; i++) {
                const PlanRow *row = &plan->rows[i];
                bool is_under_way = mode_result_is_under_way(app->mode_result) &&
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

/* What a way back is to bring about again; what had failed before need not come. */
static int list_former(const App *app, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;

        for (size_t i = 0; i < app->n_sidecars; i++) {
                const Sidecar *s = app->sidecars[i];
                int r = s->life.goal == GOAL_UP && !s->life.failed
                                ? strv_extend(&names, sidecar_name(s))
                                : 0;

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(names);
        return 0;
}

/* A switch that another supersedes never came to its end: what was before it stays so. */
static int remember_former(App *app) {
        _cleanup_(strv_freep) char **up = NULL;
        int r;

        if (mode_result_is_under_way(app->mode_result))
                return 0;

        r = list_former(app, &up);
        if (r >= 0)
                r = free_and_strdup(&app->former_mode, app->mode);
        if (r >= 0)
                r = free_and_strdup(&app->former_server_url, app->server_url);
        if (r < 0)
                return r;

        strv_free(app->former_up);
        app->former_up = TAKE_PTR(up);
        return 0;
}

static void tell_changed(App *app) {
        const Supervisor *supervisor = app->supervisor;

        supervisor->observer->on_app_changed(app, supervisor->observer_userdata);
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
        if (r >= 0)
                r = remember_former(app);
        if (r >= 0)
                r = free_and_strdup(&app->server_url, server_url);
        if (r >= 0)
                r = free_and_strdup(&app->tried_mode, mode);
        if (r >= 0)
                r = free_and_strdup(&app->mode, mode);
        if (r < 0)
                return r;

        /* Before anything is stopped: each change of a sidecar asks whether the switch is over. */
        strv_free(app->mode_starts);
        app->mode_starts = TAKE_PTR(awaited);
        app->mode_reason = (free(app->mode_reason), NULL);
        app->mode_result = MODE_SWITCHING;
        records_begin(records);
        record_app(app);
        r = app_change(app, starts, stops, REASON_MODE);
        records_commit(records);
        tell_changed(app);
        app_settle(app);
        return r;
}

static ModeFacts look(const App *app) {
        ModeFacts facts = { 0 };

        STRV_FOREACH (name, app->mode_starts) {
                const Sidecar *s = app_find(app, *name);

                if (s)
                        mode_facts_add_awaited(&facts, &s->life);
        }
        for (size_t i = 0; i < app->n_sidecars; i++)
                mode_facts_add_any(&facts, &app->sidecars[i]->life);

        return facts;
}

/* Who has failed; rather one that has failed by itself than one that depends on it. */
static const Sidecar *find_failed(const App *app) {
        const Sidecar *found = NULL;

        STRV_FOREACH (name, app->mode_starts) {
                const Sidecar *s = app_find(app, *name);

                if (!s || !s->life.failed)
                        continue;
                found = s;
                if (lifecycle_reason_code(&s->life) != REASON_DEPENDENCY)
                        break;
        }

        return found;
}

/* "NAME: why it failed"; a new string, or NULL. */
static char *say_failure(const App *app) {
        const Sidecar *s = find_failed(app);
        _cleanup_free_ char *reason = s ? sidecar_reason(s) : NULL;

        return s ? format_text("%s: %s", sidecar_name(s), reason ? reason : "") : NULL;
}

static bool is_to_start_again(const Sidecar *s) {
        return !s->spec_is_gone && !s->life.exited && (s->life.goal == GOAL_DOWN || s->life.failed);
}

/* With what it depends on, if that was stopped meanwhile; a migration that is done stays done. */
static int add_start_again(const App *app, const Sidecar *s, char ***names) {
        if (!is_to_start_again(s) || strv_contains(*names, sidecar_name(s)))
                return 0;

        for (size_t i = 0; !s->ignores_dependencies && i < s->spec->n_depends_on; i++) {
                const Sidecar *other = app_find(app, s->spec->depends_on[i].name);
                int r = other ? add_start_again(app, other, names) : 0;

                if (r < 0)
                        return r;
        }

        return strv_extend(names, sidecar_name(s));
}

static int list_starts_back(const App *app, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;

        STRV_FOREACH (name, app->former_up) {
                const Sidecar *s = app_find(app, *name);
                int r = s ? add_start_again(app, s, &names) : 0;

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(names);
        return 0;
}

/* What the switch has started, and neither was up before nor is named by a hold. */
static int list_stops_back(const App *app, char *const *starts, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;

        STRV_FOREACH (name, app->mode_starts) {
                bool stays = strv_contains(app->former_up, *name) || strv_contains(starts, *name) ||
                             app_is_named_by_hold(app, *name);
                int r = stays ? 0 : strv_extend(&names, *name);

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(names);
        return 0;
}

/* The whole of the former set is waited for: what both modes want may have failed as well. */
static int list_awaited_back(const App *app, char *const *starts, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;
        int r = 0;

        STRV_FOREACH (name, app->former_up)
                if (r >= 0)
                        r = strv_extend(&names, *name);
        STRV_FOREACH (name, starts)
                if (r >= 0 && !strv_contains(names, *name))
                        r = strv_extend(&names, *name);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(names);
        return 0;
}

/* A manifest may have come meanwhile that has no such mode. */
static const char *mode_to_go_back_to(const App *app) {
        return app->manifest && !manifest_find_mode(app->manifest, app->former_mode)
                       ? app->manifest->default_mode
                       : app->former_mode;
}

static int roll_back(App *app) {
        _cleanup_(strv_freep) char **stops = NULL, **starts = NULL, **awaited = NULL;
        _cleanup_free_ char *reason = say_failure(app);
        Records *records = app->supervisor->records;
        int r;

        r = list_starts_back(app, &starts);
        if (r >= 0)
                r = list_stops_back(app, starts, &stops);
        if (r >= 0)
                r = list_awaited_back(app, starts, &awaited);
        if (r >= 0)
                r = free_and_strdup(&app->server_url, app->former_server_url);
        if (r >= 0)
                r = free_and_strdup(&app->mode, mode_to_go_back_to(app));
        if (r < 0)
                return r;

        log_warning("%s: mode %s is not to be had, back to %s: %s", app->id, app->tried_mode,
                    app->mode, reason ? reason : "");
        strv_free(app->mode_starts);
        app->mode_starts = TAKE_PTR(awaited);
        free(app->mode_reason);
        app->mode_reason = TAKE_PTR(reason);
        app->mode_result = MODE_ROLLING_BACK;
        CRASHPOINT("rollback-decided");
        records_begin(records);
        record_app(app);
        app_change_back(app, starts, stops);
        records_commit(records);
        CRASHPOINT("rollback-begun");
        tell_changed(app);
        app_settle(app);
        return 0;
}

/* What the event says: of a switch that was done, the mode. A new string, or NULL. */
static char *say_end(const App *app, ModeResult result) {
        _cleanup_free_ char *failure = result == MODE_DEGRADED ? say_failure(app) : NULL;
        const char *reason = app->mode_reason ? app->mode_reason : "";

        if (result == MODE_DONE)
                return strdup(app->mode);
        if (result == MODE_ROLLED_BACK)
                return format_text("%s: rolled-back to %s (%s)", app->tried_mode, app->mode,
                                   reason);

        return format_text("%s: degraded (%s), and back in %s (%s)", app->tried_mode, reason,
                           app->mode, failure ? failure : "");
}

static char *file_path(const App *app) {
        return format_text("%s/mode/%s", app->supervisor->state_dir, app->id);
}

static void remember(const App *app) {
        _cleanup_free_ char *path = file_path(app);
        int r = path ? mode_file_write(path, app->mode, app->server_url) : -ENOMEM;

        if (r < 0)
                (void) log_warning_errno(r, "%s: its mode is not remembered in %s", app->id,
                                         path ? path : "");
}

static void end_switch(App *app, ModeResult result) {
        const Supervisor *supervisor = app->supervisor;
        _cleanup_free_ char *text = say_end(app, result);
        Event event = { .type = EVENT_MODE, .app = app->id, .text = text };

        if (result != MODE_DONE)
                log_warning("%s: mode %s", app->id, text ? text : "");

        /* Before it is told: a successor that does not know of the end writes it once more. */
        remember(app);
        app->mode_result = result;
        records_begin(supervisor->records);
        record_app(app);
        (void) supervisor_add_event(app->supervisor, &event);
        CRASHPOINT("mode-decided");
        records_commit(supervisor->records);
        /* Even inside of another's batch: what follows is told at once. */
        (void) records_flush(supervisor->records);
        CRASHPOINT("mode-recorded");
        tell_changed(app);
        supervisor->observer->on_mode(app, supervisor->observer_userdata);
}

void app_settle_mode(App *app) {
        const Supervisor *supervisor = app->supervisor;
        ModeFacts facts;
        ModeResult result;
        int r;

        if (!mode_result_is_under_way(app->mode_result) || supervisor->shutting_down)
                return;

        facts = look(app);
        result = mode_switch_next(app->mode_result, &facts);
        if (result == app->mode_result)
                return;
        if (result != MODE_ROLLING_BACK) {
                end_switch(app, result);
                return;
        }

        /* In safe mode nothing would start; the brain after it goes on from here. */
        r = supervisor->is_safe_mode ? 0 : roll_back(app);
        if (r < 0)
                (void) log_error_errno(r, "%s: cannot go back to mode %s", app->id,
                                       app->former_mode);
}

void app_note_stop_wish(App *app, const char *name) {
        size_t kept = 0;

        if (!mode_result_is_under_way(app->mode_result) || !strv_contains(app->former_up, name))
                return;

        for (size_t i = 0; app->former_up[i]; i++) {
                if (streq(app->former_up[i], name))
                        free(app->former_up[i]);
                else
                        app->former_up[kept++] = app->former_up[i];
        }
        app->former_up[kept] = NULL;
        record_app(app);
}

/* 1: that is its mode now; 0: there is none, or none that is of use. */
static int recall(App *app) {
        _cleanup_free_ char *path = file_path(app), *mode = NULL, *server_url = NULL;
        int r = path ? mode_file_read(path, &mode, &server_url) : -ENOMEM;

        if (r == -ENOENT || r == -ENOMEM)
                return r == -ENOENT ? 0 : r;
        if (r >= 0 && server_url && mode_check_server_url(server_url))
                r = -EBADMSG;
        if (r < 0) {
                (void) log_warning_errno(r, "%s cannot be read: %s begins in mode %s", path,
                                         app->id, app->manifest->default_mode);
                return 0;
        }
        if (!manifest_find_mode(app->manifest, mode)) {
                log_warning("%s: the manifest has no mode \"%s\" any more: %s begins in mode %s",
                            path, mode, app->id, app->manifest->default_mode);
                return 0;
        }

        app->mode = TAKE_PTR(mode);
        app->server_url = TAKE_PTR(server_url);
        return 1;
}

int app_choose_mode(App *app) {
        int r;

        if (app->mode && manifest_find_mode(app->manifest, app->mode))
                return 0;

        r = app->mode ? 0 : recall(app);
        if (r != 0)
                return r;

        app->server_url = (free(app->server_url), NULL);
        return free_and_strdup(&app->mode, app->manifest->default_mode);
}

const char *app_server_url(const App *app) {
        const ModeSpec *mode =
                app->manifest && app->mode ? manifest_find_mode(app->manifest, app->mode) : NULL;

        if (app->server_url)
                return app->server_url;

        return mode && mode->server_url ? mode->server_url : "";
}
