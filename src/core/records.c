/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Records
 *
 * A batch is one frame of the ledger, so a kill in the midst of writing it loses all of it or
 * nothing. What cannot be written at all (there is no memory) makes the ledger be written anew a
 * second later: until then a successor would know a little less.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/records.h"
#include "io/ledger-file.h"
#include "util/crashpoint.h"
#include "util/duration.h"
#include "util/fnv.h"
#include "util/log.h"
#include "util/strv.h"

#define REWRITE_RETRY_USEC USEC_PER_SEC
#define REWRITE_PIECE_BYTES (64u * 1024u)

struct Records {
        Supervisor *supervisor;
        LedgerFile *ledger; /* NULL: nothing is written */
        RecordBuffer batch;
        RecordBuffer scratch; /* one record, before it is known whether it is new */
        unsigned depth;
        uint64_t last_manifest;
        uint64_t epoch; /* of this ledger: which manifests it has */
        sd_event_source *rewriter;
        bool is_rewriting; /* how large it is may be asked once it is whole */
        bool is_lacking;   /* something since the last flush could not be put into the batch */
};

static int on_rewrite(sd_event_source *source, uint64_t usec, void *userdata);

int records_new(Records **ret, Supervisor *supervisor) {
        _cleanup_(records_freep) Records *records = calloc(1, sizeof(*records));
        int r;

        if (!records)
                return -ENOMEM;

        records->supervisor = supervisor;
        records->epoch = 1;
        r = sd_event_add_time_relative(supervisor->event, &records->rewriter, CLOCK_MONOTONIC, 0, 0,
                                       on_rewrite, records);
        if (r >= 0)
                r = sd_event_source_set_enabled(records->rewriter, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(records);
        return 0;
}

Records *records_free(Records *records) {
        if (!records)
                return NULL;

        sd_event_source_disable_unref(records->rewriter);
        record_buffer_done(&records->batch);
        record_buffer_done(&records->scratch);
        ledger_file_free(records->ledger);
        free(records);
        return NULL;
}

void records_attach(Records *records, LedgerFile *ledger, uint64_t last_manifest) {
        records->ledger = ledger;
        records->last_manifest = last_manifest;
}

void records_know_manifest(const Records *records, ManifestSource *source, uint64_t number) {
        source->number = number;
        source->recorded_in = records->epoch;
}

static void rewrite_in(const Records *records, uint64_t usec) {
        (void) sd_event_source_set_time_relative(records->rewriter, usec);
        (void) sd_event_source_set_enabled(records->rewriter, SD_EVENT_ONESHOT);
}

void records_rewrite(const Records *records) {
        rewrite_in(records, 0);
}

int records_flush(Records *records) {
        bool is_lacking = TAKE(records->is_lacking, false);
        int r;

        if (!records->ledger || records->batch.n_bytes == 0)
                return is_lacking ? -ENOMEM : 0;

        CRASHPOINT("record-unwritten");
        r = ledger_file_append(records->ledger, RECORD_BATCH, records->batch.bytes,
                               records->batch.n_bytes);
        CRASHPOINT("record-written");
        records->batch.n_bytes = 0;
        if (r < 0) {
                (void) log_warning_errno(r, "Cannot write down what was decided");
                rewrite_in(records, REWRITE_RETRY_USEC);
        } else if (!records->is_rewriting && ledger_file_is_overgrown(records->ledger))
                rewrite_in(records, 0);

        return is_lacking ? -ENOMEM : r;
}

void records_begin(Records *records) {
        records->depth++;
}

void records_commit(Records *records) {
        if (--records->depth == 0)
                (void) records_flush(records);
}

/* Of the one record that is there. */
static uint64_t scratch_checksum(const Records *records) {
        return fnv_hash(FNV_BEGIN, records->scratch.bytes, records->scratch.n_bytes);
}

/* What is not written now is when all is written anew. */
static void give_up(Records *records) {
        records->is_lacking = records->is_lacking || records->depth > 0;
        (void) log_warning_errno(-ENOMEM, "Cannot write down what was decided");
        rewrite_in(records, REWRITE_RETRY_USEC);
}

/* A batch that no frame can hold goes in two: better not as one than not at all. */
static void make_room(Records *records, size_t n_bytes) {
        if (records->batch.n_bytes + n_bytes > LEDGER_RECORD_BYTES_MAX &&
            records_flush(records) < 0)
                records->is_lacking = true;
}

/*
 * known: the checksum of the last record of that thing, or NULL. False: that one says the same, so
 * nothing is added.
 */
static bool add_news(Records *records,
                     RecordKind kind,
                     const RecordField *fields,
                     const void *object,
                     uint64_t *known) {
        uint32_t head[2] = { kind };
        uint64_t sum = 0;
        size_t n_before;

        if (!records->ledger)
                return true;

        records->scratch.n_bytes = 0;
        if (record_encode(&records->scratch, fields, object) < 0) {
                give_up(records);
                return true;
        }
        if (known)
                sum = scratch_checksum(records);
        if (known && *known == sum)
                return false;

        head[1] = (uint32_t) records->scratch.n_bytes;
        make_room(records, sizeof(head) + head[1]);
        n_before = records->batch.n_bytes;
        if (record_buffer_append(&records->batch, head, sizeof(head)) < 0 ||
            record_buffer_append(&records->batch, records->scratch.bytes, head[1]) < 0) {
                records->batch.n_bytes = n_before;
                give_up(records);
                return true;
        }
        if (known)
                *known = sum;
        if (records->depth == 0)
                (void) records_flush(records);
        return true;
}

static void add(Records *records, RecordKind kind, const RecordField *fields, const void *object) {
        (void) add_news(records, kind, fields, object, NULL);
}

/* Answers its number; writes it down first, if this ledger does not have it. */
static uint64_t record_manifest(Records *records, ManifestSource *source) {
        ManifestRecord record;

        if (!source || !records->ledger)
                return 0;

        if (source->number == 0)
                source->number = ++records->last_manifest;
        if (source->recorded_in != records->epoch) {
                source->recorded_in = records->epoch;
                record = (ManifestRecord){ source->number, source->path, source->text,
                                           source->drop_ins };
                add(records, RECORD_MANIFEST, manifest_fields, &record);
        }

        return source->number;
}

static int list_ports(const Sidecar *s, char ***ret) {
        _cleanup_(strv_freep) char **ports = NULL;

        for (size_t i = 0; i < s->n_ports; i++) {
                int r = strv_extendf(&ports, "%u", s->ports[i]);

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(ports);
        return 0;
}

/* The manifests that it speaks of are written first. */
static SidecarRecord make_sidecar_record(const Sidecar *s, char **ports) {
        Records *records = s->supervisor->records;
        SidecarRecord record = {
                .slot = tree_slot(s->tree),
                .app = s->app->id,
                .name = s->spec->name,
                .life = s->life,
                .running = s->running ? record_manifest(records, s->running->source) : 0,
                .ports_from = s->ports_spec ? record_manifest(records, s->ports_spec->source) : 0,
                .ports = ports,
                .ignores_dependencies = s->ignores_dependencies,
                .waits_for = s->waits_for,
                .evidence = s->evidence,
                .program = s->program,
                .program_word = s->program_word,
                .identity = s->identity,
                .missing_limits = s->missing_limits,
                .readiness_path = s->alive_paths[0],
                .liveness_path = s->alive_paths[1],
                .main_pid = s->main_pid,
                .token = s->token,
                .passed = s->passed,
                .arguments = s->arguments,
                .status_text = s->status_text,
                .probe_error = s->probe_error,
                .stop_is_asked = s->stop_is_asked,
                .exit_is_news = s->exit_is_news,
                .exit_dumped_core = s->exit_dumped_core,
                .exit_code = s->exit_code,
                .exit_signal = s->exit_signal,
                .exit_uptime_usec = s->exit_uptime_usec,
                .changed_at_usec = s->changed_at_usec,
                .ready_at_usec = s->ready_at_usec,
                .retry_at_usec = s->retry_at_usec,
                .stdin_closed_in = s->stdin_closed_in,
                .popup = s->popup,
        };

        memcpy(record.generations, s->generations, sizeof(record.generations));
        return record;
}

bool record_sidecar_news(Sidecar *s) {
        Records *records = s->supervisor->records;
        _cleanup_(strv_freep) char **ports = NULL;
        SidecarRecord record;
        bool is_new;

        if (list_ports(s, &ports) < 0) {
                give_up(records);
                return true;
        }

        records_begin(records);
        record = make_sidecar_record(s, ports);
        is_new = add_news(records, RECORD_SIDECAR, sidecar_fields, &record, &s->recorded);
        records_commit(records);
        return is_new;
}

void record_sidecar(Sidecar *s) {
        (void) record_sidecar_news(s);
}

void record_is_known(Sidecar *s) {
        Records *records = s->supervisor->records;
        _cleanup_(strv_freep) char **ports = NULL;
        SidecarRecord record;

        if (!records->ledger || list_ports(s, &ports) < 0)
                return;

        record = make_sidecar_record(s, ports);
        records->scratch.n_bytes = 0;
        if (record_encode(&records->scratch, sidecar_fields, &record) >= 0)
                s->recorded = scratch_checksum(records);
}

void record_sidecar_gone(const Sidecar *s) {
        SidecarRecord record = { .slot = tree_slot(s->tree) };

        add(s->supervisor->records, RECORD_SIDECAR_GONE, sidecar_fields, &record);
}

void record_app(const App *app) {
        Records *records = app->supervisor->records;
        AppRecord record = {
                .id = app->id,
                .mode = app->mode,
                .former_mode = app->former_mode,
                .mode_result = app->mode_result,
                .mode_starts = app->mode_starts,
                .server_url = app->server_url,
                .told = app->told,
                .tried_mode = app->tried_mode,
                .former_up = app->former_up,
                .former_server_url = app->former_server_url,
                .mode_reason = app->mode_reason,
                .is_transient = app->is_transient,
        };

        records_begin(records);
        if (app->manifest)
                record.manifest = record_manifest(records, app->manifest->source);
        add(records, RECORD_APP, app_fields, &record);
        records_commit(records);
}

void record_app_gone(const App *app) {
        AppRecord record = { .id = app->id };

        add(app->supervisor->records, RECORD_APP_GONE, app_fields, &record);
}

void record_hold(const Hold *hold) {
        HoldRecord record = {
                .place = hold->place,
                .app = hold->app->id,
                .owner = hold->owner,
                .reason = hold->reason,
                .pid = hold->pid,
                .since_usec = hold->since_usec,
                .has_set = hold->has_set,
                .sidecars = hold->sidecars,
                .linger_usec = hold->linger_usec,
                .linger_until = hold->linger_until,
                .env = hold->env,
                .brings_manifest = hold->brings_manifest,
                .order = hold->order,
        };

        add(hold->supervisor->records, RECORD_HOLD, hold_fields, &record);
}

void record_hold_gone(const Hold *hold) {
        HoldRecord record = { .place = hold->place };

        add(hold->supervisor->records, RECORD_HOLD_GONE, hold_fields, &record);
}

void record_event(Records *records, const Event *event) {
        add(records, RECORD_EVENT, event_fields, event);
}

void record_supervisor(const Supervisor *supervisor) {
        SupervisorRecord record = {
                .shutdown_until = supervisor->shutdown_until,
                .bus_lost_at = supervisor->bus_lost_at,
                .bus_id = supervisor->bus_id,
                .log_base = supervisor->log_base,
                .session_has_begun = supervisor->session_has_begun,
                .environment = supervisor->environment,
        };

        add(supervisor->records, RECORD_SUPERVISOR, supervisor_fields, &record);
}

static int record_all_of(const App *app) {
        Records *records = app->supervisor->records;

        record_app(app);
        for (size_t i = 0; i < app->n_sidecars; i++) {
                Sidecar *s = app->sidecars[i];
                uint64_t former = TAKE(s->recorded, 0);

                /* What has never done anything is as the manifest makes it. */
                if (former == 0)
                        continue;
                record_sidecar(s);
                /* It could not be: it is to be tried again, and not to be taken for such a one. */
                if (s->recorded == 0)
                        s->recorded = former;
        }

        return records->batch.n_bytes < REWRITE_PIECE_BYTES ? 0 : records_flush(records);
}

static int record_events(Records *records) {
        const Events *events = records->supervisor->events;
        uint64_t after = 0;
        const Event *event;
        int r = 0;

        while (r >= 0 && (event = events_next(events, after))) {
                record_event(records, event);
                after = event->seq;
                if (records->batch.n_bytes >= REWRITE_PIECE_BYTES)
                        r = records_flush(records);
        }

        return r;
}

static int write_all(LedgerFile *fresh, void *userdata) {
        Records *records = userdata;
        const Supervisor *supervisor = records->supervisor;
        LedgerFile *former = records->ledger;
        int r = 0;

        /* A ledger that lacks something does not take the place of one that has it. */
        records->is_lacking = false;
        records->ledger = fresh;
        records_begin(records);
        record_supervisor(supervisor);
        for (size_t i = 0; r >= 0 && i < supervisor->n_apps; i++)
                r = record_all_of(supervisor->apps[i]);
        for (size_t i = 0; i < supervisor->n_holds; i++)
                record_hold(supervisor->holds[i]);
        if (r >= 0)
                r = record_events(records);
        if (r >= 0)
                r = records_flush(records);
        records->batch.n_bytes = 0;
        records->depth--;
        records->ledger = former;
        return r;
}

static int keep(int fd, void *userdata) {
        const Records *records = userdata;

        CRASHPOINT("rewrite-written");
        return keeper_client_keep_ledger(records->supervisor->keeper, fd);
}

static int on_rewrite(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Records *records = userdata;
        int r;

        /* Either way what was recorded in the last epoch is not known to be in this one. */
        records->epoch++;
        records->batch.n_bytes = 0;
        records->is_rewriting = true;
        CRASHPOINT("rewrite-begun");
        r = ledger_file_rewrite(records->ledger, write_all, keep, records);
        records->is_rewriting = false;
        CRASHPOINT("rewrite-done");
        if (r >= 0)
                return 0;

        records->epoch++;
        (void) log_warning_errno(r, "Cannot write the ledger anew, trying again");
        rewrite_in(records, REWRITE_RETRY_USEC);
        return 0;
}
