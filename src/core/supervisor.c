/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Supervisor
 *
 * The list of apps follows the folders of manifests, and the end of the daemon is here: it waits
 * until nothing is left of any tree, for 80 s, and then kills.
 */

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/goals.h"
#include "core/records.h"
#include "core/sidecar-parts.h"
#include "core/summary.h"
#include "core/supervisor.h"
#include "core/tmpdirs.h"
#include "io/manifest-file.h"
#include "util/clock.h"
#include "util/crashpoint.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/strv.h"
#include "util/xdg.h"

#define SHUTDOWN_LIMIT_USEC (80 * USEC_PER_SEC)

Supervisor *supervisor_free(Supervisor *supervisor) {
        if (!supervisor)
                return NULL;

        /* Until all log files are written a successor may have to do that. */
        if (supervisor->keeper)
                keeper_client_leave_all(supervisor->keeper);
        holds_free(supervisor);
        tmpdirs_free(supervisor->tmpdirs);
        summary_free(supervisor->summary);
        for (size_t i = 0; i < supervisor->n_apps; i++)
                app_free(supervisor->apps[i]);
        free(supervisor->apps);
        sd_event_source_disable_unref(supervisor->shutdown_timer);
        sd_event_source_disable_unref(supervisor->collector);
        prober_free(supervisor->prober);
        log_writer_free(supervisor->writer);
        records_free(supervisor->records);
        events_free(supervisor->events);
        free(supervisor->bus_id);
        strv_free(supervisor->environment);
        free(supervisor->folder);
        free(supervisor->runtime_dir);
        free(supervisor->state_dir);
        sd_event_unref(supervisor->event);
        free(supervisor);
        return NULL;
}

void supervisor_set_observer(Supervisor *supervisor,
                             const SupervisorObserver *observer,
                             void *userdata) {
        supervisor->observer = observer;
        supervisor->observer_userdata = userdata;
}

uint64_t supervisor_add_event(Supervisor *supervisor, const Event *event) {
        uint64_t seq = events_add(supervisor->events, event);

        record_event(supervisor->records, events_next(supervisor->events, seq - 1));
        summary_note(supervisor->summary);
        supervisor->observer->on_event(supervisor->observer_userdata);
        return seq;
}

App *supervisor_find_app(const Supervisor *supervisor, const char *id) {
        for (size_t i = 0; i < supervisor->n_apps; i++)
                if (streq(supervisor->apps[i]->id, id))
                        return supervisor->apps[i];

        return NULL;
}

static int compare_ids(const void *a, const void *b) {
        return strcmp((*(App *const *) a)->id, (*(App *const *) b)->id);
}

int supervisor_add_app(Supervisor *supervisor, const char *id, App **ret) {
        App **grown, *app;
        int r;

        grown = reallocarray(supervisor->apps, supervisor->n_apps + 1, sizeof(App *));
        if (!grown)
                return -ENOMEM;
        supervisor->apps = grown;

        r = app_new(&app, supervisor, id);
        if (r < 0)
                return r;

        supervisor->apps[supervisor->n_apps++] = app;
        qsort(supervisor->apps, supervisor->n_apps, sizeof(App *), compare_ids);
        supervisor->observer->on_app_added(app, supervisor->observer_userdata);
        *ret = app;
        return 0;
}

static void note_app(Supervisor *supervisor, const App *app, EventType type) {
        Event event = { .type = type, .app = app->id };

        (void) supervisor_add_event(supervisor, &event);
}

int supervisor_add_new_app(Supervisor *supervisor, const char *id, App **ret) {
        int r = supervisor_add_app(supervisor, id, ret);

        if (r < 0)
                return r;

        (*ret)->is_missing = true; /* until its file is read */
        note_app(supervisor, *ret, EVENT_APP_ADDED);
        return 0;
}

/* In force, or told why not: then the last good one stays in force. Takes both over. */
static int judge_manifest(App *app, Manifest *manifest, ManifestError *error) {
        const Supervisor *supervisor = app->supervisor;

        if (manifest)
                return app_take_manifest(app, manifest);

        log_warning("%s:%u: %s: %s", error->path, error->line, error->pointer, error->message);
        manifest_error_done(&app->error);
        app->error = *error;
        app->is_missing = app->is_masked = false;
        supervisor->observer->on_app_changed(app, supervisor->observer_userdata);
        return 0;
}

/* What a file may be the same as; NULL where it has to be read in any case. */
static const Manifest *manifest_in_force(const App *app) {
        const Manifest *installed = app->is_transient ? app->installed : app->manifest;

        return app->is_missing || app->is_masked || app->error.message ? NULL : installed;
}

static int load_one(Supervisor *supervisor, const char *id, const char *path) {
        ManifestError error = { 0 };
        Manifest *manifest = NULL;
        App *app = supervisor_find_app(supervisor, id);
        bool is_masked = manifest_is_masked(path);
        int r = 0;

        if (!app)
                r = supervisor_add_new_app(supervisor, id, &app);
        if (r >= 0 && !is_masked)
                r = manifest_load(&manifest, manifest_in_force(app), path, &error);

        if (r >= 0 && is_masked)
                app_lose_manifest(app, true);
        else if (r == 0 || r == -EBADMSG)
                r = judge_manifest(app, manifest, &error);

        return r < 0 ? log_error_errno(r, "%s cannot be put in force", path) : 0;
}

/* ID.json gives ID, and 1; anything else in the folder is not ours: 0. */
static int id_of_file(const char *file, char **ret) {
        size_t n = strlen(file), n_suffix = strlen(".json");

        if (n <= n_suffix || *file == '.' || !streq(file + n - n_suffix, ".json"))
                return 0;

        *ret = strndup(file, n - n_suffix);
        return *ret ? 1 : -ENOMEM;
}

static int load_folder(Supervisor *supervisor, const char *folder, char ***seen) {
        DIR *dir = opendir(folder);
        int r = 0;

        if (!dir)
                return 0;

        for (struct dirent *entry; r != -ENOMEM && (entry = readdir(dir));) {
                _cleanup_free_ char *id = NULL, *path = NULL;

                r = id_of_file(entry->d_name, &id);
                if (r <= 0 || strv_contains(*seen, id))
                        continue;
                r = asprintf(&path, "%s/%s", folder, entry->d_name) < 0 ? -ENOMEM
                                                                        : strv_extend(seen, id);
                if (r >= 0)
                        r = load_one(supervisor, id, path);
        }

        (void) closedir(dir);
        return r == -ENOMEM ? r : 0;
}

static void remove_app(Supervisor *supervisor, size_t index) {
        App *app = supervisor->apps[index];

        supervisor->observer->on_app_removed(app, supervisor->observer_userdata);
        record_app_gone(app);
        note_app(supervisor, app, EVENT_APP_REMOVED);
        memmove(supervisor->apps + index, supervisor->apps + index + 1,
                (supervisor->n_apps - index - 1) * sizeof(App *));
        supervisor->n_apps--;
        app_free(app);
}

static void forget_missing(Supervisor *supervisor, char *const *seen) {
        for (size_t i = 0; i < supervisor->n_apps; i++)
                if (!strv_contains(seen, supervisor->apps[i]->id))
                        app_lose_manifest(supervisor->apps[i], false);
}

/* What is no longer declared goes once it is down, and an app with its last sidecar. */
static void collect(Supervisor *supervisor) {
        for (size_t i = supervisor->n_apps; i-- > 0;) {
                App *app = supervisor->apps[i];

                app_collect(app);
                if (app->is_missing && !app->is_transient && app->n_sidecars == 0 &&
                    !app_is_held(app))
                        remove_app(supervisor, i);
        }
}

static int on_collect(sd_event_source *source _unused_, void *userdata) {
        collect(userdata);
        return 0;
}

int supervisor_load(Supervisor *supervisor) {
        _cleanup_(strv_freep) char **path = NULL, **seen = NULL;
        int r;

        r = xdg_data_path(&path);
        if (r < 0)
                return r;

        STRV_FOREACH (dir, path) {
                _cleanup_free_ char *folder = NULL;

                if (asprintf(&folder, "%s/sidecard/apps", *dir) < 0)
                        return -ENOMEM;
                r = load_folder(supervisor, folder, &seen);
                if (r < 0)
                        return r;
        }

        forget_missing(supervisor, seen);
        collect(supervisor);
        return 0;
}

static bool has_port(const Sidecar *sidecar, uint16_t port) {
        for (size_t i = 0; i < sidecar->n_ports; i++)
                if (sidecar->ports[i] == port)
                        return true;

        return false;
}

/* What is down keeps an auto port for its next start, but a number it wants is anybody's. */
static bool is_up_with_port(const Sidecar *sidecar, uint16_t port) {
        return !sidecar_is_gone(sidecar) && has_port(sidecar, port);
}

static bool claims_port(const Sidecar *sidecar, uint16_t port) {
        if (has_port(sidecar, port))
                return true;
        for (size_t i = 0; i < sidecar->spec->n_ports; i++)
                if (sidecar->spec->ports[i].number == port)
                        return true;

        return false;
}

typedef bool (*port_claim_t)(const Sidecar *sidecar, uint16_t port);

static const Sidecar *find_claim(const Supervisor *supervisor,
                                 uint16_t port,
                                 const Sidecar *except,
                                 port_claim_t claims) {
        for (size_t i = 0; i < supervisor->n_apps; i++) {
                const App *app = supervisor->apps[i];

                for (size_t k = 0; k < app->n_sidecars; k++)
                        if (app->sidecars[k] != except && claims(app->sidecars[k], port))
                                return app->sidecars[k];
        }

        return NULL;
}

bool supervisor_port_is_taken(const Supervisor *supervisor, uint16_t port, const Sidecar *except) {
        return find_claim(supervisor, port, except, claims_port) != NULL;
}

const Sidecar *
supervisor_find_port_user(const Supervisor *supervisor, uint16_t port, const Sidecar *except) {
        return find_claim(supervisor, port, except, is_up_with_port);
}

static bool anything_is_left(const Supervisor *supervisor) {
        for (size_t i = 0; i < supervisor->n_apps; i++)
                for (size_t k = 0; k < supervisor->apps[i]->n_sidecars; k++)
                        if (!sidecar_is_gone(supervisor->apps[i]->sidecars[k]))
                                return true;

        return false;
}

void supervisor_collect_soon(Supervisor *supervisor) {
        (void) sd_event_source_set_enabled(supervisor->collector, SD_EVENT_ONESHOT);
}

void supervisor_note_gone(Supervisor *supervisor, const Sidecar *sidecar) {
        /* Not at once: whoever calls still uses the sidecar. */
        if (sidecar->spec_is_gone)
                supervisor_collect_soon(supervisor);

        if (supervisor->shutting_down && !anything_is_left(supervisor))
                (void) sd_event_exit(supervisor->event, 0);
}

static void stop_all(Supervisor *supervisor, bool kill) {
        for (size_t i = 0; i < supervisor->n_apps; i++)
                app_stop_all(supervisor->apps[i], REASON_SHUTDOWN, kill);
}

static int
on_shutdown_limit(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        log_warning("Something is still there after 80 s, it is killed");
        stop_all(userdata, true);
        return 0;
}

void supervisor_shut_down(Supervisor *supervisor) {
        if (supervisor->shutting_down)
                return;

        supervisor->shutting_down = true;
        log_notice("Stopping all sidecars");
        if (supervisor->shutdown_until == 0) {
                supervisor->shutdown_until = clock_monotonic_usec() + SHUTDOWN_LIMIT_USEC;
                record_supervisor(supervisor);
        }
        (void) sd_event_add_time(supervisor->event, &supervisor->shutdown_timer, CLOCK_MONOTONIC,
                                 supervisor->shutdown_until, 0, on_shutdown_limit, supervisor);
        CRASHPOINT("shutdown-recorded");
        stop_all(supervisor, false);
        CRASHPOINT("shutdown-begun");
        if (!anything_is_left(supervisor))
                (void) sd_event_exit(supervisor->event, 0);
}

int supervisor_check_starts(const Supervisor *supervisor) {
        if (supervisor->shutting_down)
                return -ESHUTDOWN;

        return supervisor->is_safe_mode ? -EPERM : 0;
}

void supervisor_leave(Supervisor *supervisor, bool is_upgrade) {
        if (is_upgrade) {
                log_notice("What is on disk now takes over");
                (void) keeper_client_send_upgrade(supervisor->keeper);
        }
        _exit(EX_TEMPFAIL);
}

/* Should it come back its numbers go on. */
void supervisor_note_log_number(Supervisor *supervisor, uint64_t number) {
        if (number <= supervisor->log_base)
                return;

        supervisor->log_base = number;
        record_supervisor(supervisor);
}

/* The first loss counts: a bus that takes us and drops us at once is not back. */
void supervisor_note_bus_lost(Supervisor *supervisor) {
        if (supervisor->bus_lost_at != 0)
                return;

        supervisor->bus_lost_at = clock_monotonic_usec();
        record_supervisor(supervisor);
}

void supervisor_note_bus_there(Supervisor *supervisor) {
        if (supervisor->bus_lost_at == 0)
                return;

        supervisor->bus_lost_at = 0;
        record_supervisor(supervisor);
}

void supervisor_take_bus_id(Supervisor *supervisor, const char *id) {
        if (supervisor->bus_id && streq(supervisor->bus_id, id))
                return;

        records_begin(supervisor->records);
        if (supervisor->bus_id)
                holds_void_names(supervisor);
        (void) free_and_strdup(&supervisor->bus_id, id);
        record_supervisor(supervisor);
        records_commit(supervisor->records);
}

int supervisor_new(Supervisor **ret, sd_event *event, const char *folder) {
        _cleanup_(supervisor_freep) Supervisor *supervisor = NULL;
        _cleanup_free_ char *state_home = NULL;
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        int r;

        if (!runtime)
                return -ENXIO;
        r = xdg_state_home(&state_home);
        if (r < 0)
                return r;

        supervisor = calloc(1, sizeof(*supervisor));
        if (!supervisor)
                return -ENOMEM;

        /* What was slept before is nobody's loss. */
        (void) supervisor_check_time(supervisor, UINT64_MAX, 0);
        supervisor->event = sd_event_ref(event);
        supervisor->folder = strdup(folder);
        if (!supervisor->folder ||
            asprintf(&supervisor->runtime_dir, "%s/%s", runtime, folder) < 0 ||
            asprintf(&supervisor->state_dir, "%s/%s", state_home, folder) < 0)
                return -ENOMEM;

        r = events_new(&supervisor->events);
        if (r >= 0)
                r = records_new(&supervisor->records, supervisor);
        if (r >= 0)
                r = tmpdirs_new(&supervisor->tmpdirs, supervisor);
        if (r >= 0)
                r = summary_new(&supervisor->summary, supervisor);
        if (r >= 0)
                r = prober_new(&supervisor->prober, event);
        if (r >= 0)
                r = log_writer_new(&supervisor->writer, event);
        if (r >= 0)
                r = sd_event_add_defer(event, &supervisor->collector, on_collect, supervisor);
        if (r >= 0)
                r = sd_event_source_set_enabled(supervisor->collector, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(supervisor);
        return 0;
}
