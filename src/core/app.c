/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * App
 *
 * The list of sidecars follows the manifest in force, except that nothing that is up is ever
 * taken off it: what a manifest no longer declares goes when it is down.
 */

#include <stdio.h>
#include <string.h>

#include "core/app.h"
#include "core/catalog.h"
#include "core/goals.h"
#include "core/modes.h"
#include "core/records.h"
#include "core/supervisor.h"
#include "util/crashpoint.h"
#include "util/format.h"
#include "util/log.h"
#include "util/strv.h"

int app_new(App **ret, Supervisor *supervisor, const char *id) {
        _cleanup_(app_freep) App *app = NULL;

        app = calloc(1, sizeof(*app));
        if (!app)
                return -ENOMEM;

        app->supervisor = supervisor;
        app->id = strdup(id);
        if (!app->id)
                return -ENOMEM;

        *ret = TAKE_PTR(app);
        return 0;
}

App *app_free(App *app) {
        if (!app)
                return NULL;

        for (size_t i = 0; i < app->n_sidecars; i++)
                sidecar_free(app->sidecars[i]);
        free(app->sidecars);
        manifest_free(app->manifest);
        manifest_free(app->installed);
        manifest_error_done(&app->error);
        free(app->mode);
        free(app->server_url);
        free(app->told);
        free(app->manifest_path);
        free(app->former_mode);
        free(app->former_server_url);
        strv_free(app->former_up);
        free(app->tried_mode);
        strv_free(app->mode_starts);
        free(app->mode_reason);
        free(app->id);
        free(app);
        return NULL;
}

Sidecar *app_find(const App *app, const char *name) {
        for (size_t i = 0; i < app->n_sidecars; i++)
                if (streq(sidecar_name(app->sidecars[i]), name))
                        return app->sidecars[i];

        return NULL;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(sidecar_name(*(Sidecar *const *) a), sidecar_name(*(Sidecar *const *) b));
}

/* Takes the sidecar over. */
static int add_sidecar(App *app, Sidecar *sidecar) {
        const Supervisor *supervisor = app->supervisor;
        Sidecar **grown;

        grown = reallocarray(app->sidecars, app->n_sidecars + 1, sizeof(Sidecar *));
        if (!grown) {
                sidecar_free(sidecar);
                return -ENOMEM;
        }

        app->sidecars = grown;
        app->sidecars[app->n_sidecars++] = sidecar;
        qsort(app->sidecars, app->n_sidecars, sizeof(Sidecar *), compare_names);
        supervisor->observer->on_sidecar_added(sidecar, supervisor->observer_userdata);
        return 0;
}

int app_add_sidecar(App *app, SidecarSpec *spec) {
        Sidecar *sidecar;
        int r;

        r = sidecar_new(&sidecar, app, spec);
        return r < 0 ? r : add_sidecar(app, sidecar);
}

int app_adopt_sidecar(App *app,
                      const SidecarRecord *record,
                      SidecarSpec *running,
                      SidecarSpec *ports_spec) {
        /* There is none if it is masked, or cannot be read any more. */
        SidecarSpec *spec =
                app->manifest ? manifest_find_sidecar(app->manifest, record->name) : NULL;
        Sidecar *sidecar;
        int r;

        if ((!spec && !running) || app_find(app, record->name))
                return -ENOENT;
        r = sidecar_adopt(&sidecar, app, spec ? spec : running, record, running, ports_spec);
        if (r < 0)
                return r;

        sidecar->spec_is_gone = !spec;
        return add_sidecar(app, sidecar);
}

static void mark_all_gone(const App *app) {
        for (size_t i = 0; i < app->n_sidecars; i++)
                app->sidecars[i]->spec_is_gone = true;
}

/* What is up needs a restart then. */
static void tell_gone(const App *app) {
        const Supervisor *supervisor = app->supervisor;

        for (size_t i = 0; i < app->n_sidecars; i++)
                if (app->sidecars[i]->spec_is_gone)
                        supervisor->observer->on_sidecar_changed(app->sidecars[i],
                                                                 supervisor->observer_userdata);
}

/* Whatever is declared is there; the rest is marked. */
static int follow_manifest(App *app, const Manifest *manifest) {
        mark_all_gone(app);

        for (size_t i = 0; i < manifest->n_sidecars; i++) {
                SidecarSpec *spec = manifest->sidecars[i];
                Sidecar *sidecar = app_find(app, spec->name);
                int r;

                if (sidecar)
                        sidecar_set_spec(sidecar, spec);
                else {
                        r = app_add_sidecar(app, spec);
                        if (r < 0)
                                return r;
                }
        }

        tell_gone(app);
        return 0;
}

static void note(const App *app, EventType type, const char *text) {
        Event event = { .type = type, .app = app->id, .text = (char *) text };

        (void) supervisor_add_event(app->supervisor, &event);
}

/* Of the file, be it in force or under the manifest of a hold. */
static const char *file_state(const App *app) {
        if (app->is_missing)
                return "not-found";
        if (app->is_masked)
                return "masked";

        return app->error.message ? "bad-manifest" : "loaded";
}

static char *describe(const App *app) {
        const ManifestError *error = &app->error;
        char line[16] = ""; /* none where it is the file as a whole */

        if (!error->message)
                return strdup(file_state(app));

        if (error->line > 0)
                (void) snprintf(line, sizeof(line), ":%u", error->line);
        return format_text("%s: %s%s: %s%s%s", file_state(app), error->path, line, error->pointer,
                           *error->pointer ? ": " : "", error->message);
}

/* Once, not at each look: another brain has told it, too. That the first one is good is no news. */
static void tell_manifest(App *app, bool is_news) {
        char *text = describe(app);

        is_news =
                (is_news && app->told) || (text && !streq(text, app->told ? app->told : "loaded"));
        if (is_news) {
                note(app, EVENT_MANIFEST, text);
                if (app->error.message)
                        log_warning("%s", text);
        }
        free(app->told);
        app->told = text;
}

/* Who has failed for want of another that is tried again is tried again, too. */
static void retry_dependents(const App *app) {
        bool again = true;

        while (again) {
                again = false;
                for (size_t i = 0; i < app->n_sidecars; i++) {
                        Sidecar *s = app->sidecars[i];
                        const Sidecar *other = s->waits_for ? app_find(app, s->waits_for) : NULL;

                        if (!s->life.failed || !other || other->life.failed ||
                            lifecycle_reason_code(&s->life) != REASON_DEPENDENCY)
                                continue;
                        again = sidecar_retry(s) || again;
                }
        }
}

void app_follow(App *app) {
        app_settle(app);
        for (size_t i = 0; i < app->n_sidecars; i++)
                sidecar_converge(app->sidecars[i]);
        app->supervisor->observer->on_app_changed(app, app->supervisor->observer_userdata);
}

/*
 * Ends what records_begin() began: what has changed and who is tried again for it is one. A
 * successor that finds the one finds the other, and looks for no difference that is not there.
 */
static void do_changed(App *app) {
        Records *records = app->supervisor->records;

        retry_dependents(app);
        CRASHPOINT("manifest-decided");
        records_commit(records);
        (void) records_flush(records);
        CRASHPOINT("manifest-recorded");
        app_follow(app);
}

static int put_in_force(App *app, Manifest *manifest) {
        int r;

        manifest_free(app->manifest);
        app->manifest = manifest;
        r = app_choose_mode(app);
        record_app(app);
        return r < 0 ? r : follow_manifest(app, manifest);
}

static int put_installed(App *app, Manifest *manifest) {
        if (!app->is_transient)
                return put_in_force(app, manifest);

        manifest_free(app->installed);
        app->installed = manifest;
        record_app(app);
        return 0;
}

int app_take_manifest(App *app, Manifest *manifest) {
        /* What was installed under the manifest of a hold no successor knows. */
        bool is_news = app->is_transient ? app->installed != NULL : app->manifest != NULL;
        int r;

        records_begin(app->supervisor->records);
        app->is_missing = false;
        app->is_masked = false;
        manifest_error_done(&app->error);
        tell_manifest(app, is_news);
        r = put_installed(app, manifest);
        do_changed(app);
        return r;
}

int app_refuse_manifest(App *app, ManifestError *error) {
        int r;

        records_begin(app->supervisor->records);
        app->is_missing = false;
        app->is_masked = false;
        manifest_error_done(&app->error);
        app->error = TAKE(*error, (ManifestError){ 0 });
        tell_manifest(app, false);
        record_app(app);
        r = app->manifest ? follow_manifest(app, app->manifest) : 0;
        do_changed(app);
        return r;
}

void app_lose_manifest(App *app, bool is_masked) {
        if (is_masked ? app->is_masked : app->is_missing)
                return;

        records_begin(app->supervisor->records);
        app->is_missing = !is_masked;
        app->is_masked = is_masked;
        manifest_error_done(&app->error);
        if (app->is_transient)
                app->installed = manifest_free(app->installed);
        else {
                if (is_masked)
                        app->manifest = manifest_free(app->manifest);
                mark_all_gone(app);
                tell_gone(app);
        }
        tell_manifest(app, false);
        record_app(app);
        do_changed(app);
}

void app_check_programs(App *app) {
        bool retried = false;

        records_begin(app->supervisor->records);
        for (size_t i = 0; i < app->n_sidecars; i++)
                retried = sidecar_check_program(app->sidecars[i]) || retried;
        if (retried)
                do_changed(app);
        else
                records_commit(app->supervisor->records);
}

static bool is_wanted_up(const Sidecar *sidecar) {
        return sidecar->life.goal == GOAL_UP || !sidecar_is_gone(sidecar);
}

static bool has_text_in_force(const App *app, const Manifest *manifest) {
        const ManifestSource *former = app->manifest ? app->manifest->source : NULL;

        return former && former->n_bytes == manifest->source->n_bytes &&
               memcmp(former->text, manifest->source->text, former->n_bytes) == 0;
}

bool app_can_be_covered(const App *app, const Manifest *manifest) {
        if (has_text_in_force(app, manifest))
                return true;

        for (size_t i = 0; i < app->n_sidecars; i++)
                if (is_wanted_up(app->sidecars[i]))
                        return false;

        return true;
}

int app_cover(App *app, Manifest *manifest) {
        int r;

        /* Another window of the same app. */
        if (app->is_transient && has_text_in_force(app, manifest) &&
            streq(app->manifest->source->path, manifest->source->path)) {
                manifest_free(manifest);
                return 0;
        }

        /* Of a file that has gone nothing is to come back. */
        if (!app->is_transient && !app->is_missing)
                app->installed = TAKE_PTR(app->manifest);
        app->is_transient = true;
        r = put_in_force(app, manifest);
        retry_dependents(app);
        catalog_note_program(app->supervisor->catalog);
        return r;
}

void app_uncover(App *app) {
        int r;

        if (!app->is_transient)
                return;

        app->is_transient = false;
        if (!app->installed) {
                app->manifest = manifest_free(app->manifest);
                app->is_missing = !app->is_masked && !app->error.message;
                mark_all_gone(app);
                tell_gone(app);
                record_app(app);
                return;
        }

        r = put_in_force(app, TAKE_PTR(app->installed));
        if (r < 0)
                (void) log_error_errno(r, "%s: not all of what is installed is in force", app->id);
        retry_dependents(app);
        catalog_note_program(app->supervisor->catalog);
}

static bool is_collectable(const Sidecar *sidecar) {
        return sidecar->spec_is_gone && sidecar_is_gone(sidecar) &&
               (sidecar->life.goal == GOAL_DOWN || sidecar->life.failed || sidecar->life.exited);
}

void app_collect(App *app) {
        const Supervisor *supervisor = app->supervisor;
        size_t kept = 0;

        for (size_t i = 0; i < app->n_sidecars; i++) {
                Sidecar *sidecar = app->sidecars[i];

                if (!is_collectable(sidecar)) {
                        app->sidecars[kept++] = sidecar;
                        continue;
                }
                supervisor->observer->on_sidecar_removed(sidecar, supervisor->observer_userdata);
                record_sidecar_gone(sidecar);
                supervisor_note_log_number(app->supervisor, log_ring_next(sidecar->ring));
                sidecar_free(sidecar);
        }

        app->n_sidecars = kept;
}

char *app_explain_problem(const App *app) {
        const ManifestError *error = &app->error;

        if (app->is_missing)
                return strdup("its manifest has gone");
        if (!error->message)
                return strdup("its manifest is masked by a link to /dev/null: remove the link");

        return format_text("%s%s%s", error->pointer, *error->pointer ? ": " : "", error->message);
}

const char *app_load_state(const App *app) {
        return app->is_transient ? "loaded" : file_state(app);
}

Status app_status(const App *app) {
        static const int badness[] = {
                [STATUS_STOPPED] = 0,
                [STATUS_RUNNING] = 1,
                [STATUS_STARTING] = 2,
                [STATUS_FAILED] = 3,
        };
        Status worst = STATUS_STOPPED;

        for (size_t i = 0; i < app->n_sidecars; i++) {
                const Sidecar *sidecar = app->sidecars[i];

                if (is_wanted_up(sidecar) && badness[sidecar->life.status] > badness[worst])
                        worst = sidecar->life.status;
        }

        return worst;
}
