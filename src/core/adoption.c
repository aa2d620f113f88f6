/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Adoption
 *
 * First all is there as it was, then each sidecar is told what has happened since. So nobody acts
 * on what others were, but on what they are.
 */

#include <stdio.h>
#include <string.h>

#include "core/adoption.h"
#include "core/goals.h"
#include "core/message-ids.h"
#include "core/past.h"
#include "core/records.h"
#include "core/tmpdirs.h"
#include "io/ledger-file.h"
#include "util/clock.h"
#include "util/crashpoint.h"
#include "util/format.h"
#include "util/log.h"
#include "util/strv.h"

typedef struct Adoption {
        Supervisor *supervisor;
        Past past;
        Manifest **manifests; /* in the order of Past::manifests; NULL: not needed yet, or wrong */
        bool *is_taken;       /* by an app, which frees it */
} Adoption;

static void adoption_done(Adoption *adoption) {
        for (size_t i = 0; adoption->manifests && i < adoption->past.n_manifests; i++)
                if (!adoption->is_taken[i])
                        manifest_free(adoption->manifests[i]);
        free(adoption->manifests);
        free(adoption->is_taken);
        past_done(&adoption->past);
}

/* A ledger that cannot be read at all is as none: all that runs is then ended, and said. */
static int open_ledger(Adoption *adoption, LedgerFile **ret) {
        int fd = keeper_client_take_ledger(adoption->supervisor->keeper), r;

        r = ledger_file_open(ret, fd, past_take, &adoption->past);
        if (r != -EPROTONOSUPPORT && r != -EBADMSG)
                return r;

        (void) log_error_errno(r, "What was written down before cannot be read: starting afresh");
        past_done(&adoption->past);
        adoption->past.events = adoption->supervisor->events;
        if (ftruncate(fd, 0) < 0)
                return -errno;
        return ledger_file_open(ret, fd, past_take, &adoption->past);
}

static Manifest *parse(const Adoption *adoption, ManifestRecord *record) {
        ManifestError error = { 0 };
        Manifest *manifest = NULL;
        int r;

        r = manifest_parse(&manifest, record->path, record->text, strlen(record->text), &error);
        if (r < 0) {
                (void) log_error_errno(r, "%s as it was in force cannot be read any more: %s",
                                       record->path, error.message ? error.message : "");
                manifest_error_done(&error);
                return NULL;
        }

        manifest->source->drop_ins = TAKE_PTR(record->drop_ins);
        records_know_manifest(adoption->supervisor->records, manifest->source, record->number);
        return manifest;
}

/* Answers its place, or -ENOENT. */
static ssize_t find_manifest(const Adoption *adoption, uint64_t number) {
        const ManifestRecord *record = past_find_manifest(&adoption->past, number);
        ssize_t i = record ? record - adoption->past.manifests : -ENOENT;

        if (i >= 0 && !adoption->manifests[i])
                adoption->manifests[i] = parse(adoption, &adoption->past.manifests[i]);

        return i >= 0 && adoption->manifests[i] ? i : -ENOENT;
}

static SidecarSpec *find_spec(const Adoption *adoption, uint64_t number, const char *name) {
        ssize_t i = number != 0 ? find_manifest(adoption, number) : -ENOENT;

        return i >= 0 ? manifest_find_sidecar(adoption->manifests[i], name) : NULL;
}

static int take_app(const Adoption *adoption, AppRecord *record) {
        ssize_t i = find_manifest(adoption, record->manifest);
        App *app;
        int r;

        r = supervisor_add_app(adoption->supervisor, record->id, &app);
        if (r < 0)
                return r;

        if (i >= 0) {
                app->manifest = adoption->manifests[i];
                adoption->is_taken[i] = true;
        }
        app->mode = TAKE_PTR(record->mode);
        app->former_mode = TAKE_PTR(record->former_mode);
        app->mode_result =
                (unsigned) record->mode_result < _MODE_RESULT_MAX ? record->mode_result : MODE_DONE;
        app->mode_starts = TAKE_PTR(record->mode_starts);
        app->server_url = TAKE_PTR(record->server_url);
        app->told = TAKE_PTR(record->told);
        app->tried_mode = TAKE_PTR(record->tried_mode);
        app->former_up = TAKE_PTR(record->former_up);
        app->former_server_url = TAKE_PTR(record->former_server_url);
        app->mode_reason = TAKE_PTR(record->mode_reason);
        app->is_transient = record->is_transient && app->manifest;
        /* Of a file that never was there is nothing to tell. */
        app->is_missing = app->is_transient && !app->told;
        return 0;
}

static int take_sidecar(const Adoption *adoption, const SidecarRecord *record) {
        App *app = supervisor_find_app(adoption->supervisor, record->app);
        SidecarSpec *running = find_spec(adoption, record->running, record->name);
        SidecarSpec *ports_spec = find_spec(adoption, record->ports_from, record->name);
        int r;

        r = app ? app_adopt_sidecar(app, record, running, ports_spec) : -ENOENT;
        if (r != -ENOENT)
                return r;

        log_error("[%s] its manifest is not known any more: what runs of it is ended",
                  record->name);
        return 0;
}

static int take_hold(const Adoption *adoption, const HoldRecord *record) {
        const Supervisor *supervisor = adoption->supervisor;
        App *app = supervisor_find_app(supervisor, record->app);
        _cleanup_close_ int pidfd = -1;

        if (!app)
                return 0;
        pidfd = keeper_client_take_holder(supervisor->keeper, record->place);
        if (pidfd < 0)
                (void) log_warning_errno(pidfd,
                                         "%s: its holder, pid %d, was not kept: only its name"
                                         " on the bus tells its end",
                                         record->app, (int) record->pid);

        return hold_adopt(app, record, pidfd);
}

/* What its manifest declares and was never started. */
static int add_others(App *app) {
        for (size_t i = 0; app->manifest && i < app->manifest->n_sidecars; i++) {
                SidecarSpec *spec = app->manifest->sidecars[i];
                int r = app_find(app, spec->name) ? 0 : app_add_sidecar(app, spec);

                if (r < 0)
                        return r;
        }

        return 0;
}

static int take_all(Adoption *adoption) {
        const Supervisor *supervisor = adoption->supervisor;
        const Past *past = &adoption->past;
        int r = 0;

        adoption->manifests = calloc(past->n_manifests + 1, sizeof(Manifest *));
        adoption->is_taken = calloc(past->n_manifests + 1, sizeof(bool));
        if (!adoption->manifests || !adoption->is_taken)
                return -ENOMEM;

        for (size_t i = 0; r >= 0 && i < past->n_apps; i++)
                r = take_app(adoption, &past->apps[i]);
        for (size_t i = 0; r >= 0 && i < past->n_sidecars; i++)
                if (past->sidecars[i])
                        r = take_sidecar(adoption, past->sidecars[i]);
        for (size_t i = 0; r >= 0 && i < supervisor->n_apps; i++)
                r = add_others(supervisor->apps[i]);
        for (size_t i = 0; r >= 0 && i < past->n_holds; i++)
                if (past->holds[i])
                        r = take_hold(adoption, past->holds[i]);

        /* Its last hold ended, or never stood, when the brain before us died. */
        for (size_t i = 0; r >= 0 && i < supervisor->n_apps; i++)
                if (!app_is_held(supervisor->apps[i]))
                        app_uncover(supervisor->apps[i]);

        return r;
}

static void note_adoption(const Sidecar *s) {
        Event event = {
                .type = EVENT_ADOPTED,
                .app = s->app->id,
                .sidecar = s->spec->name,
                .generation = s->life.generation,
        };

        (void) supervisor_add_event(s->supervisor, &event);
}

static bool depends_on_unresumed(const App *app, const Sidecar *s) {
        for (size_t i = 0; i < s->spec->n_depends_on; i++) {
                const Sidecar *other = app_find(app, s->spec->depends_on[i].name);

                if (other && other->is_to_resume)
                        return true;
        }

        return false;
}

/* Dependencies first: nobody is started beside one that has died meanwhile. NULL: that was all. */
static Sidecar *find_next(const App *app) {
        Sidecar *next = NULL;

        for (size_t i = 0; i < app->n_sidecars; i++) {
                Sidecar *s = app->sidecars[i];

                if (!s->is_to_resume)
                        continue;
                next = s;
                if (!depends_on_unresumed(app, s))
                        break;
        }

        return next;
}

/* What a sidecar comes to is written down by itself; these events can be so all at once. */
static unsigned resume_all(const Supervisor *supervisor) {
        _cleanup_free_ Sidecar **adopted = NULL;
        size_t n = 0;

        for (size_t i = 0; i < supervisor->n_apps; i++)
                n += supervisor->apps[i]->n_sidecars;
        adopted = calloc(n + 1, sizeof(Sidecar *));
        n = 0;
        for (size_t i = 0; i < supervisor->n_apps; i++) {
                App *app = supervisor->apps[i];
                Sidecar *s;

                while ((s = find_next(app))) {
                        app_hold_still(app, true); /* as the others are by now */
                        if (sidecar_resume(s) && adopted)
                                adopted[n++] = s;
                }
                app_hold_still(app, false);
        }

        records_begin(supervisor->records);
        for (size_t i = 0; i < n; i++)
                note_adoption(adopted[i]);
        records_commit(supervisor->records);
        return (unsigned) n;
}

/* Holders may have died meanwhile: their pidfds tell, as soon as the loop runs. */
static void tell(Supervisor *supervisor, unsigned n) {
        _cleanup_free_ char *text =
                format_text("%u adopted%s", n, supervisor->is_safe_mode ? "; in safe mode" : "");

        (void) supervisor_add_event(supervisor,
                                    &(Event){ .type = EVENT_BRAIN_RESTARTED, .text = text });
        log_about(&(LogSubject){ .message_id = MESSAGE_ADOPTED }, LOG_NOTICE, 0,
                  "Taking over from a supervisor that ended: %u sidecar%s adopted", n,
                  n == 1 ? "" : "s");
        if (supervisor->is_safe_mode)
                log_about(&(LogSubject){ .message_id = MESSAGE_SAFE_MODE }, LOG_ERR, 0,
                          "This is safe mode: nothing is started before \"sidecarctl daemon "
                          "upgrade\" or the next login");
}

int supervisor_adopt(Supervisor *supervisor) {
        _cleanup_(adoption_done) Adoption adoption = {
                .supervisor = supervisor,
                .past = { .events = supervisor->events },
        };
        LedgerFile *ledger;
        unsigned n;
        int r;

        r = open_ledger(&adoption, &ledger);
        if (r < 0)
                return r;

        CRASHPOINT("adopt-ledger-read");
        records_attach(supervisor->records, ledger, adoption.past.last_manifest);
        supervisor->is_safe_mode = keeper_client_is_safe_mode(supervisor->keeper);
        supervisor->shutdown_until = adoption.past.supervisor.shutdown_until;
        supervisor->bus_lost_at = adoption.past.supervisor.bus_lost_at;
        supervisor->bus_id = TAKE_PTR(adoption.past.supervisor.bus_id);
        supervisor->log_base = adoption.past.supervisor.log_base;
        supervisor->session_has_begun = adoption.past.supervisor.session_has_begun;
        supervisor->environment = TAKE_PTR(adoption.past.supervisor.environment);
        if (supervisor->log_base == 0)
                supervisor_note_log_number(supervisor, clock_realtime_usec());

        r = take_all(&adoption);
        if (r < 0)
                return r;

        CRASHPOINT("adopt-taken");
        n = resume_all(supervisor);
        CRASHPOINT("adopt-resumed");
        keeper_client_end_unclaimed(supervisor->keeper);
        tmpdirs_sweep(supervisor->tmpdirs);
        if (!keeper_client_is_first(supervisor->keeper))
                tell(supervisor, n);
        if (supervisor->shutdown_until != 0)
                supervisor_shut_down(supervisor);
        return 0;
}
