/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Listing
 *
 * Sidecars as ListSidecars tells of them, and what a name on the command line stands for among
 * them.
 */

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "util/macro.h"

typedef struct Listed {
        char *app;
        char *name;
        char *status;
        char *sub_state;
        uint32_t main_pid; /* 0: none */
        char *path;
} Listed;

typedef struct Listing {
        Listed *items; /* sorted by app, then name */
        size_t n_items;
} Listing;

/* app_id NULL: of all apps. */
int listing_read(Listing *listing, sd_bus *bus, const char *app_id);
void listing_done(Listing *listing);

/* A single sidecar, or an app (name is NULL then). */
typedef struct Target {
        char *app;
        char *name;
        char *path; /* the object's */
} Target;

/*
 * What APP, APP/NAME or a NAME that only one app has stands for. Tells what is wrong where it
 * stands for nothing, or for more than one.
 */
int target_resolve(Target *ret, sd_bus *bus, const char *text);
void target_done(Target *target);

typedef struct Targets {
        Target *items;
        size_t n_items;
        int told; /* for one that was named and has nothing to show: the exit status; or 0 */
} Targets;

/* All of them or none. Targets that are apps stay so. */
int targets_resolve(Targets *targets, sd_bus *bus, char *const *texts);

/*
 * The same, but the sidecars of an app instead of it; without texts all sidecars there are. An app
 * without any is complained of, and keeps none of the others away.
 */
int targets_resolve_sidecars(Targets *targets, sd_bus *bus, char *const *texts);
void targets_done(Targets *targets);

/* The object of a sidecar; NULL for lack of memory. */
char *path_of_sidecar(const char *app, const char *name);
