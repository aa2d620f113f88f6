/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Holds
 *
 * Who has an app in use, and what they want of it (contract H1 to H5). A hold is bound to a name
 * on the bus and to the process behind it; whichever goes first ends it. Here the process is
 * watched, by its pidfd; the name is watched by the bus, which calls holds_owner_gone().
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "core/app.h"

#define HOLDS_MAX 256
#define APPS_MAX 128
#define SIDECARS_MAX 1024

typedef struct Hold {
        Supervisor *supervisor;
        App *app;
        uint32_t place; /* by which the keeper has its pidfd; no two have the same */
        char *owner;    /* the unique name of its connection; "": of a bus that has gone */
        char *reason;   /* in the words of the client */
        pid_t pid;
        int pidfd;
        uint64_t since_usec; /* CLOCK_REALTIME */
        bool has_set;        /* it names what it wants; else what the mode starts */
        char **sidecars;
        char **env;           /* NAME=VALUE, for the sidecars that may have them */
        bool brings_manifest; /* ... and for all of them what no "passEnv" names */
        uint64_t order;       /* the newest has the highest */
        uint64_t linger_usec;
        uint64_t linger_until;   /* CLOCK_MONOTONIC; 0: the owner is there */
        sd_event_source *death;  /* of the process */
        sd_event_source *linger; /* set: the owner has gone, the hold not yet */
} Hold;

/* What a client asks for; borrowed. */
typedef struct HoldSpec {
        const char *owner;
        const char *reason;
        pid_t pid;
        int pidfd;
        bool has_set;
        char *const *sidecars;
        char *const *env;
        bool has_linger;
        uint64_t linger_usec;
        Manifest **manifest; /* that comes with it, which hold_app() takes over; or NULL */
} HoldSpec;

/*
 * Whether it can be held so, app: NULL where there is none yet. -ENOENT: a sidecar of the set does
 * not exist, or there is no manifest in force; -EUSERS: there are HOLDS_MAX already; -ESHUTDOWN:
 * the daemon is ending; -EPERM: it is in safe mode; -EEXIST: it brings another manifest, and
 * something of the app is up; -ENOSPC: with that one there were more than APPS_MAX apps, or
 * SIDECARS_MAX sidecars. -EINVAL: a value that its manifest does not allow; *ret_entry is its
 * entry of env, and *ret_pattern what it has to match, NULL where nobody asks for it; both are
 * borrowed.
 */
int hold_check(const Supervisor *supervisor,
               const App *app,
               const HoldSpec *spec,
               const char **ret_entry,
               const char **ret_pattern);

/*
 * Holds, after hold_check(), or replaces the hold of that owner: what is wanted more is started,
 * what is wanted less is stopped, and nothing else is touched.
 */
int hold_app(App *app, const HoldSpec *spec);

/* The one that it would replace: of that connection, or of a process that knew us by another bus.
 */
Hold *hold_find_former(const App *app, const HoldSpec *spec);

/* Ends the owner's hold at once; without one it does nothing. */
void release_app(App *app, const char *owner);

/* The owner has left the bus: each of its holds ends, after its linger. */
void holds_owner_gone(Supervisor *supervisor, const char *owner);

bool app_is_held(const App *app);

/* Some hold of the app names that sidecar: it is wanted in any mode. */
bool app_is_named_by_hold(const App *app, const char *name);

typedef struct HoldRecord HoldRecord;

/* Takes up the hold of an earlier brain's life, and what is left of its linger. pidfd: borrowed.
 * Negative: it was not kept, and the name alone tells the holder's end. */
int hold_adopt(App *app, const HoldRecord *record, int pidfd);

/*
 * The bus is another one, on which the names of the holds mean nothing: from now on their
 * processes alone decide.
 */
void holds_void_names(Supervisor *supervisor);

/* For the end of the daemon. */
void holds_free(Supervisor *supervisor);
