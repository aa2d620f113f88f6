/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Records
 *
 * What core has decided, as it is written into the ledger the moment it is decided, so that a
 * brain that was killed at any instant has a successor that goes on (contract D2). Each record
 * says all that is known of one thing and takes the place of the former one of that thing.
 *
 * The rule, both ways: a start is in the ledger before the keeper is asked for it, an end before
 * it is acknowledged to the keeper, and a wish before it is answered.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/events.h"
#include "core/holds.h"
#include "core/supervisor.h"
#include "model/record.h"

typedef struct Records Records;

typedef enum RecordKind {
        RECORD_BATCH = 1, /* several, that hold together or not at all */
        RECORD_SUPERVISOR,
        RECORD_MANIFEST,
        RECORD_APP,
        RECORD_APP_GONE, /* of these the key alone is set */
        RECORD_SIDECAR,
        RECORD_SIDECAR_GONE,
        RECORD_HOLD,
        RECORD_HOLD_GONE,
        RECORD_EVENT,
} RecordKind;

/* The things as they are recorded. Strings are borrowed when written, owned when read. */

typedef struct SupervisorRecord {
        uint64_t shutdown_until; /* CLOCK_MONOTONIC, as all deadlines; 0: it goes on */
        uint64_t bus_lost_at;    /* 0: it is there */
        uint64_t log_base;
        char *bus_id; /* of the bus that the names of the holds are of; NULL: none yet */
        bool session_has_begun;
        char **environment; /* of the session; NULL: not known */
} SupervisorRecord;

typedef struct ManifestRecord {
        uint64_t number; /* the key; as ManifestSource::number */
        char *path;
        char *text;
        char **drop_ins;
} ManifestRecord;

typedef struct AppRecord {
        char *id; /* the key */
        uint64_t manifest;
        char *mode;
        char *former_mode;
        ModeResult mode_result;
        char **mode_starts;
        char *server_url;
        char *told;
        char *tried_mode;
        char **former_up;
        char *former_server_url;
        char *mode_reason;
        bool is_transient;
} AppRecord;

typedef struct SidecarRecord {
        uint32_t slot; /* the key */
        char *app;
        char *name;
        Lifecycle life;
        uint64_t running;    /* number of the manifest of this generation; 0: none yet */
        uint64_t ports_from; /* ... of which the ports were given */
        char **ports;        /* decimal numbers */
        bool ignores_dependencies;
        char *waits_for;
        Evidence evidence;
        char *program;
        char *program_word;
        ProgramIdentity identity;
        char **missing_limits;
        Generation generations[GENERATIONS_KEPT];
        char *readiness_path;
        char *liveness_path;
        pid_t main_pid;
        char *token;
        char **passed;
        char **arguments;
        char *status_text;
        char *probe_error;
        bool stop_is_asked;
        bool exit_is_news;
        bool exit_dumped_core;
        int exit_code;
        int exit_signal;
        uint64_t exit_uptime_usec;
        uint64_t changed_at_usec;
        uint64_t ready_at_usec;
        uint64_t retry_at_usec;
        uint64_t stdin_closed_in;
        Popup popup;
} SidecarRecord;

typedef struct HoldRecord {
        uint32_t place; /* the key; as Hold::place */
        char *app;
        char *owner;
        char *reason;
        pid_t pid;
        uint64_t since_usec;
        bool has_set;
        char **sidecars;
        uint64_t linger_usec;
        uint64_t linger_until; /* 0: its owner is there */
        char **env;
        bool brings_manifest;
        uint64_t order;
} HoldRecord;

extern const RecordField supervisor_fields[];
extern const RecordField manifest_fields[];
extern const RecordField app_fields[];
extern const RecordField sidecar_fields[];
extern const RecordField hold_fields[];
extern const RecordField event_fields[]; /* of Event */

/* Nothing is written before records_attach(). */
int records_new(Records **ret, Supervisor *supervisor);
Records *records_free(Records *records);
DEFINE_CLEANUP(Records, records_free);

typedef struct LedgerFile LedgerFile;

/* Takes the ledger over; newer numbers than that one are given to manifests. */
void records_attach(Records *records, LedgerFile *ledger, uint64_t last_manifest);

/* That manifest is in the ledger already, under that number. */
void records_know_manifest(const Records *records, ManifestSource *source, uint64_t number);

/*
 * What is recorded between the two is written at once, as one; they nest. records_flush() writes
 * what there is by now: negative errno, if it could not be written, and then it never will.
 */
void records_begin(Records *records);
void records_commit(Records *records);
int records_flush(Records *records);

/* What is in there of things that are no more goes, a moment later. */
void records_rewrite(const Records *records);

/* Each as it is now. One that has not changed costs nothing. */
void record_sidecar(Sidecar *sidecar);
/* The same; false: it has not changed, so far as is known. */
bool record_sidecar_news(Sidecar *sidecar);
/* The ledger has it just so: for what was read from there. */
void record_is_known(Sidecar *sidecar);
void record_sidecar_gone(const Sidecar *sidecar);
void record_app(const App *app);
void record_app_gone(const App *app);
void record_hold(const Hold *hold);
void record_hold_gone(const Hold *hold);
void record_event(Records *records, const Event *event);
void record_supervisor(const Supervisor *supervisor);
