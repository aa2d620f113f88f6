/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Supervisor
 *
 * All apps, and what their sidecars share: the loop, the keeper, the prober, the writer of logs.
 * What happens in here is told to one observer, which is the bus; nothing in core knows of it.
 */

#include <stdbool.h>

#include <systemd/sd-event.h>

#include "core/app.h"
#include "core/events.h"
#include "core/holds.h"
#include "io/keeper-client.h"
#include "io/log-file.h"
#include "io/probe.h"
#include "model/time-guard.h"

typedef struct Records Records;
typedef struct Summary Summary;
typedef struct TmpDirs TmpDirs;

/* Every call comes in the middle of a turn: to look and note, and to change nothing in core. */
typedef struct SupervisorObserver {
        void (*on_app_added)(App *app, void *userdata);
        void (*on_app_removed)(App *app, void *userdata); /* still there, for the last time */
        void (*on_sidecar_added)(Sidecar *sidecar, void *userdata);
        void (*on_sidecar_removed)(Sidecar *sidecar, void *userdata);
        /* Each change of Status or SubState, in order; seq is the number of its event. */
        void (*on_status)(Sidecar *sidecar, uint64_t seq, void *userdata);
        void (*on_event)(void *userdata);
        void (*on_mode)(App *app, void *userdata); /* a switch has come to its end */
        void (*on_holds)(void *userdata);          /* there is one more, or less */
        /* Ended by other means than its owner's release; still there, for the last time. */
        void (*on_hold_lost)(const Hold *hold, void *userdata);
        /* Something that can be read of it may have changed. */
        void (*on_sidecar_changed)(Sidecar *sidecar, void *userdata);
        void (*on_app_changed)(App *app, void *userdata);
        void (*on_log)(Sidecar *sidecar, void *userdata);
        /* Asks the user manager for the session's environment; false: there is none to ask. */
        bool (*on_environment_wanted)(void *userdata);
} SupervisorObserver;

struct Supervisor {
        sd_event *event;
        KeeperClient *keeper;
        Prober *prober;
        TimeGuard time_guard;
        LogWriter *writer;
        const SupervisorObserver *observer;
        void *observer_userdata;

        char *folder;      /* "sidecard", or "sidecard-HASH" on another bus (contract D6) */
        char *runtime_dir; /* $XDG_RUNTIME_DIR/FOLDER */
        char *state_dir;   /* $XDG_STATE_HOME/FOLDER */

        App **apps; /* sorted by id */
        size_t n_apps;
        Events *events;
        Hold **holds; /* in the order in which they came */
        size_t n_holds;
        Records *records;
        uint64_t log_base; /* number of the first line of whoever has not written any yet */
        TmpDirs *tmpdirs;
        Summary *summary;

        bool session_has_begun; /* what lives as long as the session was started */
        char **environment;     /* of the session, as the user manager said last; NULL: never */
        uint64_t environment_asked_at;      /* CLOCK_MONOTONIC, as is the next; 0: never */
        uint64_t environment_awaited_until; /* ... while there is no answer; 0: nobody waits */

        bool is_safe_mode; /* adopt, answer, stop; start nothing (contract D2) */
        bool shutting_down;
        uint64_t shutdown_until; /* CLOCK_MONOTONIC; 0: it goes on */
        sd_event_source *shutdown_timer;
        uint64_t bus_lost_at; /* CLOCK_MONOTONIC; 0: it is there */
        char *bus_id;         /* of the bus that the names of the holds are of; NULL: none yet */
        sd_event_source *collector; /* frees, after this turn, what went down undeclared */
};

/* keeper is borrowed and may come later, before the first start. */
int supervisor_new(Supervisor **ret, sd_event *event, const char *folder);
Supervisor *supervisor_free(Supervisor *supervisor);
DEFINE_CLEANUP(Supervisor, supervisor_free);

void supervisor_set_observer(Supervisor *supervisor,
                             const SupervisorObserver *observer,
                             void *userdata);

/*
 * Reads all manifests of $XDG_DATA_HOME and $XDG_DATA_DIRS (sidecard/apps/ID.json, the first one
 * found counts) and puts them in force. A broken one leaves the last good one in force and is
 * told in App::error; the call fails for lack of memory only.
 */
int supervisor_load(Supervisor *supervisor);

App *supervisor_find_app(const Supervisor *supervisor, const char *id);

/* Somebody has that port, or was promised it by a manifest; `except` does not count. */
bool supervisor_port_is_taken(const Supervisor *supervisor, uint16_t port, const Sidecar *except);

/* Who, other than `except`, is up with that port, whether it listens yet or not; or NULL. */
const Sidecar *
supervisor_find_port_user(const Supervisor *supervisor, uint16_t port, const Sidecar *except);

/* For core: another app, without a manifest yet. */
int supervisor_add_app(Supervisor *supervisor, const char *id, App **ret);
/* ... that no brain has known before: that is an event. */
int supervisor_add_new_app(Supervisor *supervisor, const char *id, App **ret);

/*
 * Leaves everything as it is to another brain, at once: the bus was lost, or what is on disk is
 * to take over (contract D4, D5). It is what a kill would do, but wished: the keeper is told so by
 * the exit code, EX_TEMPFAIL (75).
 */
_Noreturn void supervisor_leave(Supervisor *supervisor, bool is_upgrade);

/* What the bus says of itself: whether it is there, and which one it is (contract D5). */
void supervisor_note_bus_lost(Supervisor *supervisor);
void supervisor_note_bus_there(Supervisor *supervisor);
void supervisor_take_bus_id(Supervisor *supervisor, const char *id);

/* Stops everything in order and then ends the loop with 0 (contract D1). */
void supervisor_shut_down(Supervisor *supervisor);

/* -ESHUTDOWN: the daemon is ending; -EPERM: it is in safe mode; else starts are welcome. */
int supervisor_check_starts(const Supervisor *supervisor);

#define SAFE_MODE_SENTENCE                                                                      \
        "the supervisor is in safe mode, since it failed three times within a minute: nothing " \
        "is started before \"sidecarctl daemon upgrade\" or the next login"

/* Notes an event and tells the observer that there is one; answers its number. */
uint64_t supervisor_add_event(Supervisor *supervisor, const Event *event);

/* For core: a sidecar goes whose next line would have had that number. */
void supervisor_note_log_number(Supervisor *supervisor, uint64_t number);

/* For core: something may be left of an app, or of a sidecar, that nobody declares any more. */
void supervisor_collect_soon(Supervisor *supervisor);

/* For core: nothing is left of that sidecar's tree. */
void supervisor_note_gone(Supervisor *supervisor, const Sidecar *sidecar);
