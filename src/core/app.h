/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * App
 *
 * One desktop app: its manifest and the sidecars that the manifest declares.
 */

#include "core/sidecar.h"
#include "model/manifest.h"
#include "model/mode-switch.h"

struct App {
        Supervisor *supervisor;
        void *userdata; /* of the observer */
        char *id;
        Manifest *manifest;  /* in force, the last good one; NULL: there was none yet */
        Manifest *installed; /* what is the last good one while a hold's is in force; or NULL */
        bool is_transient;   /* a hold has brought the one in force */
        ManifestError error; /* why the file is not in force; error.message NULL: it is */
        bool is_missing;     /* the file has gone */
        bool is_masked;      /* a link to /dev/null is in its place (contract F1) */
        Sidecar **sidecars;  /* sorted by name */
        size_t n_sidecars;

        char *mode;       /* current, or being switched to; NULL until there is a manifest */
        char *server_url; /* as given to SetMode; NULL: the manifest's counts */
        ModeResult mode_result;

        /* Of the last switch, or of the one under way: see core/modes.h. */
        char *former_mode;
        char *former_server_url;
        char **former_up;   /* what was up before it, less what somebody has stopped since */
        char *tried_mode;   /* where it went to; other than `mode` on the way back, and after it */
        char **mode_starts; /* what it waits for */
        char *mode_reason;  /* why it is on its way back; or NULL */
        bool is_settling;
};

int app_new(App **ret, Supervisor *supervisor, const char *id);
App *app_free(App *app);
DEFINE_CLEANUP(App, app_free);

/* NULL: there is none of that name. */
Sidecar *app_find(const App *app, const char *name);

/*
 * Puts a manifest in force, from the next starts on: new sidecars appear, those that it no longer
 * has go as soon as they are down. Takes the manifest over, also on failure.
 */
int app_take_manifest(App *app, Manifest *manifest);

/*
 * Puts the manifest of a hold in force, over what is installed, for as long as somebody holds.
 * Where something is up only the one in force already will do, from another folder perhaps.
 * app_cover() takes it over, also on failure; app_uncover() puts in force what is installed.
 */
bool app_can_be_covered(const App *app, const Manifest *manifest);
int app_cover(App *app, Manifest *manifest);
void app_uncover(App *app);

/* For an adoption (core/adoption.c): a sidecar as an earlier brain left it, or a new one. */
int app_adopt_sidecar(App *app,
                      const SidecarRecord *record,
                      SidecarSpec *running,
                      SidecarSpec *ports_spec);
int app_add_sidecar(App *app, SidecarSpec *spec);

/* The file has gone, or is masked: what is up stays until it is down. */
void app_lose_manifest(App *app, bool is_masked);

/* Why nothing can be asked of it: no manifest is in force. "POINTER: MESSAGE", or a sentence. */
char *app_explain_problem(const App *app);

/* Frees what nobody declares any more and nothing is left of. */
void app_collect(App *app);

/* "loaded", "bad-manifest", "masked" or "not-found". */
const char *app_load_state(const App *app);

/* The worst of those that are wanted up (contract: App.Status). */
Status app_status(const App *app);
