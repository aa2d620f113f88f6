/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Record fields
 *
 * What of each thing is recorded, and under which tag. A tag is never used again for anything
 * else: an older brain may take over from a newer one.
 */

#include <stddef.h>

#include "core/records.h"

#define FIELD(tag, object, member, type) \
        { (tag), (type), offsetof(object, member), NULL }
#define STRUCT(tag, object, member, fields) \
        { (tag), FIELD_STRUCT, offsetof(object, member), (fields) }

const RecordField supervisor_fields[] = {
        FIELD(1, SupervisorRecord, shutdown_until, FIELD_U64),
        FIELD(2, SupervisorRecord, bus_lost_at, FIELD_U64),
        FIELD(3, SupervisorRecord, bus_id, FIELD_STRING),
        RECORD_END,
};

const RecordField manifest_fields[] = {
        FIELD(1, ManifestRecord, number, FIELD_U64),
        FIELD(2, ManifestRecord, path, FIELD_STRING),
        FIELD(3, ManifestRecord, text, FIELD_STRING),
        RECORD_END,
};

const RecordField app_fields[] = {
        FIELD(1, AppRecord, id, FIELD_STRING),
        FIELD(2, AppRecord, manifest, FIELD_U64),
        FIELD(3, AppRecord, mode, FIELD_STRING),
        FIELD(4, AppRecord, former_mode, FIELD_STRING),
        FIELD(5, AppRecord, mode_result, FIELD_INT),
        FIELD(6, AppRecord, mode_starts, FIELD_STRV),
        FIELD(7, AppRecord, server_url, FIELD_STRING),
        RECORD_END,
};

static const RecordField cause_fields[] = {
        FIELD(1, Cause, code, FIELD_INT),        FIELD(2, Cause, last, FIELD_INT),
        FIELD(3, Cause, exit_code, FIELD_INT),   FIELD(4, Cause, signal, FIELD_INT),
        FIELD(5, Cause, error, FIELD_INT),       FIELD(6, Cause, before_ready, FIELD_BOOL),
        FIELD(7, Cause, attempts, FIELD_U32),    FIELD(8, Cause, n_misses, FIELD_U32),
        FIELD(9, Cause, uptime_usec, FIELD_U64), RECORD_END,
};

/* Not `probing` and `probe_at`: a probe that was under way died with its brain. */
static const RecordField life_fields[] = {
        FIELD(1, Lifecycle, goal, FIELD_INT),
        FIELD(2, Lifecycle, restart, FIELD_BOOL),
        FIELD(3, Lifecycle, kill, FIELD_BOOL),
        FIELD(4, Lifecycle, stop_code, FIELD_INT),
        FIELD(5, Lifecycle, blocked, FIELD_BOOL),
        FIELD(6, Lifecycle, end_blocked, FIELD_BOOL),
        FIELD(7, Lifecycle, process, FIELD_INT),
        FIELD(8, Lifecycle, ready, FIELD_BOOL),
        FIELD(9, Lifecycle, n_misses, FIELD_U32),
        FIELD(10, Lifecycle, doomed, FIELD_BOOL),
        FIELD(11, Lifecycle, backoff, FIELD_BOOL),
        FIELD(12, Lifecycle, failed, FIELD_BOOL),
        FIELD(13, Lifecycle, exited, FIELD_BOOL),
        STRUCT(14, Lifecycle, cause, cause_fields),
        FIELD(15, Lifecycle, generation, FIELD_U64),
        FIELD(16, Lifecycle, next_generation, FIELD_U64),
        FIELD(17, Lifecycle, n_restarts, FIELD_U32),
        FIELD(18, Lifecycle, n_in_a_row, FIELD_U32),
        FIELD(19, Lifecycle, started_at, FIELD_U64),
        FIELD(20, Lifecycle, ready_at, FIELD_U64),
        FIELD(21, Lifecycle, retry_at, FIELD_U64),
        FIELD(22, Lifecycle, end_stage, FIELD_INT),
        FIELD(23, Lifecycle, end_stage_until, FIELD_U64),
        FIELD(24, Lifecycle, killed_at, FIELD_U64),
        FIELD(25, Lifecycle, status, FIELD_INT),
        FIELD(26, Lifecycle, sub_state, FIELD_INT),
        RECORD_END,
};

static const RecordField evidence_fields[] = {
        FIELD(1, Evidence, detail, FIELD_STRING), FIELD(2, Evidence, tried, FIELD_STRV),
        FIELD(3, Evidence, port, FIELD_U16),      FIELD(4, Evidence, holder_pid, FIELD_INT),
        FIELD(5, Evidence, holder, FIELD_STRING), RECORD_END,
};

const RecordField sidecar_fields[] = {
        FIELD(1, SidecarRecord, slot, FIELD_U32),
        FIELD(2, SidecarRecord, app, FIELD_STRING),
        FIELD(3, SidecarRecord, name, FIELD_STRING),
        STRUCT(4, SidecarRecord, life, life_fields),
        FIELD(5, SidecarRecord, running, FIELD_U64),
        FIELD(6, SidecarRecord, ports_from, FIELD_U64),
        FIELD(7, SidecarRecord, ports, FIELD_STRV),
        FIELD(8, SidecarRecord, ignores_dependencies, FIELD_BOOL),
        FIELD(9, SidecarRecord, waits_for, FIELD_STRING),
        STRUCT(10, SidecarRecord, evidence, evidence_fields),
        FIELD(11, SidecarRecord, readiness_path, FIELD_STRING),
        FIELD(12, SidecarRecord, liveness_path, FIELD_STRING),
        FIELD(13, SidecarRecord, exit_is_news, FIELD_BOOL),
        FIELD(14, SidecarRecord, exit_dumped_core, FIELD_BOOL),
        FIELD(15, SidecarRecord, exit_code, FIELD_INT),
        FIELD(16, SidecarRecord, exit_signal, FIELD_INT),
        FIELD(17, SidecarRecord, changed_at_usec, FIELD_U64),
        FIELD(18, SidecarRecord, ready_at_usec, FIELD_U64),
        FIELD(19, SidecarRecord, retry_at_usec, FIELD_U64),
        RECORD_END,
};

const RecordField hold_fields[] = {
        FIELD(1, HoldRecord, place, FIELD_U32),
        FIELD(2, HoldRecord, app, FIELD_STRING),
        FIELD(3, HoldRecord, owner, FIELD_STRING),
        FIELD(4, HoldRecord, reason, FIELD_STRING),
        FIELD(5, HoldRecord, pid, FIELD_INT),
        FIELD(6, HoldRecord, since_usec, FIELD_U64),
        FIELD(7, HoldRecord, has_set, FIELD_BOOL),
        FIELD(8, HoldRecord, sidecars, FIELD_STRV),
        FIELD(9, HoldRecord, linger_usec, FIELD_U64),
        FIELD(10, HoldRecord, linger_until, FIELD_U64),
        RECORD_END,
};

static const RecordField exit_fields[] = {
        FIELD(1, EventExit, exit_code, FIELD_INT),    FIELD(2, EventExit, signal, FIELD_INT),
        FIELD(3, EventExit, core_dumped, FIELD_BOOL), FIELD(4, EventExit, will_retry, FIELD_BOOL),
        FIELD(5, EventExit, uptime_usec, FIELD_U64),  FIELD(6, EventExit, retry_at_usec, FIELD_U64),
        FIELD(7, EventExit, attempt, FIELD_U32),      RECORD_END,
};

const RecordField event_fields[] = {
        FIELD(1, Event, seq, FIELD_U64),
        FIELD(2, Event, realtime_usec, FIELD_U64),
        FIELD(3, Event, type, FIELD_INT),
        FIELD(4, Event, app, FIELD_STRING),
        FIELD(5, Event, sidecar, FIELD_STRING),
        FIELD(6, Event, text, FIELD_STRING),
        FIELD(7, Event, status, FIELD_INT),
        FIELD(8, Event, sub_state, FIELD_INT),
        FIELD(9, Event, reason_code, FIELD_INT),
        FIELD(10, Event, generation, FIELD_U64),
        FIELD(11, Event, has_exit, FIELD_BOOL),
        STRUCT(12, Event, exit, exit_fields),
        RECORD_END,
};
