/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Record fields
 *
 * What of each thing is recorded, and under which tag. A tag is never used again for anything
 * else: an older brain may take over from a newer one.
 */

#include <stddef.h>

#include "core/records.h"

const RecordField supervisor_fields[] = {
        RECORD_FIELD(1, SupervisorRecord, shutdown_until, FIELD_U64),
        RECORD_FIELD(2, SupervisorRecord, bus_lost_at, FIELD_U64),
        RECORD_FIELD(3, SupervisorRecord, bus_id, FIELD_STRING),
        RECORD_FIELD(4, SupervisorRecord, log_base, FIELD_U64),
        RECORD_FIELD(20, SupervisorRecord, session_has_begun, FIELD_BOOL),
        RECORD_FIELD(21, SupervisorRecord, environment, FIELD_STRV),
        RECORD_END,
};

const RecordField manifest_fields[] = {
        RECORD_FIELD(1, ManifestRecord, number, FIELD_U64),
        RECORD_FIELD(2, ManifestRecord, path, FIELD_STRING),
        RECORD_FIELD(3, ManifestRecord, text, FIELD_STRING),
        RECORD_FIELD(4, ManifestRecord, drop_ins, FIELD_STRV),
        RECORD_END,
};

const RecordField app_fields[] = {
        RECORD_FIELD(1, AppRecord, id, FIELD_STRING),
        RECORD_FIELD(2, AppRecord, manifest, FIELD_U64),
        RECORD_FIELD(3, AppRecord, mode, FIELD_STRING),
        RECORD_FIELD(4, AppRecord, former_mode, FIELD_STRING),
        RECORD_FIELD(5, AppRecord, mode_result, FIELD_INT),
        RECORD_FIELD(6, AppRecord, mode_starts, FIELD_STRV),
        RECORD_FIELD(7, AppRecord, server_url, FIELD_STRING),
        RECORD_FIELD(8, AppRecord, tried_mode, FIELD_STRING),
        RECORD_FIELD(9, AppRecord, former_up, FIELD_STRV),
        RECORD_FIELD(10, AppRecord, former_server_url, FIELD_STRING),
        RECORD_FIELD(11, AppRecord, mode_reason, FIELD_STRING),
        RECORD_FIELD(20, AppRecord, is_transient, FIELD_BOOL),
        RECORD_FIELD(21, AppRecord, told, FIELD_STRING),
        RECORD_END,
};

static const RecordField evidence_fields[] = {
        RECORD_FIELD(1, Evidence, detail, FIELD_STRING),
        RECORD_FIELD(2, Evidence, tried, FIELD_STRV),
        RECORD_FIELD(3, Evidence, port, FIELD_U16),
        RECORD_FIELD(4, Evidence, holder_pid, FIELD_INT),
        RECORD_FIELD(5, Evidence, holder, FIELD_STRING),
        RECORD_FIELD(10, Evidence, last_words, FIELD_STRING),
        RECORD_END,
};

static const RecordField identity_fields[] = {
        RECORD_FIELD(1, ProgramIdentity, device, FIELD_U64),
        RECORD_FIELD(2, ProgramIdentity, inode, FIELD_U64),
        RECORD_FIELD(3, ProgramIdentity, mtime_nsec, FIELD_U64),
        RECORD_FIELD(4, ProgramIdentity, size, FIELD_U64),
        RECORD_FIELD(5, ProgramIdentity, mode, FIELD_U32),
        RECORD_END,
};

static const RecordField generation_fields[] = {
        RECORD_FIELD(1, Generation, number, FIELD_U64),
        RECORD_FIELD(2, Generation, started_at_usec, FIELD_U64),
        RECORD_FIELD(3, Generation, ready_at_usec, FIELD_U64),
        RECORD_FIELD(4, Generation, ended_at_usec, FIELD_U64),
        RECORD_FIELD(5, Generation, reason_code, FIELD_INT),
        RECORD_FIELD(6, Generation, reason, FIELD_STRING),
        RECORD_FIELD(7, Generation, exit_code, FIELD_INT),
        RECORD_FIELD(8, Generation, exit_signal, FIELD_INT),
        RECORD_END,
};

static const RecordField popup_fields[] = {
        RECORD_FIELD(1, Popup, failed_at_usec, FIELD_U64),
        RECORD_FIELD(2, Popup, id, FIELD_U32),
        RECORD_FIELD(3, Popup, server, FIELD_STRING),
        RECORD_END,
};

const RecordField sidecar_fields[] = {
        RECORD_FIELD(1, SidecarRecord, slot, FIELD_U32),
        RECORD_FIELD(2, SidecarRecord, app, FIELD_STRING),
        RECORD_FIELD(3, SidecarRecord, name, FIELD_STRING),
        RECORD_STRUCT(4, SidecarRecord, life, lifecycle_fields),
        RECORD_FIELD(5, SidecarRecord, running, FIELD_U64),
        RECORD_FIELD(6, SidecarRecord, ports_from, FIELD_U64),
        RECORD_FIELD(7, SidecarRecord, ports, FIELD_STRV),
        RECORD_FIELD(8, SidecarRecord, ignores_dependencies, FIELD_BOOL),
        RECORD_FIELD(9, SidecarRecord, waits_for, FIELD_STRING),
        RECORD_STRUCT(10, SidecarRecord, evidence, evidence_fields),
        RECORD_FIELD(11, SidecarRecord, readiness_path, FIELD_STRING),
        RECORD_FIELD(12, SidecarRecord, liveness_path, FIELD_STRING),
        RECORD_FIELD(13, SidecarRecord, exit_is_news, FIELD_BOOL),
        RECORD_FIELD(14, SidecarRecord, exit_dumped_core, FIELD_BOOL),
        RECORD_FIELD(15, SidecarRecord, exit_code, FIELD_INT),
        RECORD_FIELD(16, SidecarRecord, exit_signal, FIELD_INT),
        RECORD_FIELD(47, SidecarRecord, exit_uptime_usec, FIELD_U64),
        RECORD_FIELD(17, SidecarRecord, changed_at_usec, FIELD_U64),
        RECORD_FIELD(18, SidecarRecord, ready_at_usec, FIELD_U64),
        RECORD_FIELD(19, SidecarRecord, retry_at_usec, FIELD_U64),
        RECORD_FIELD(20, SidecarRecord, main_pid, FIELD_INT),
        RECORD_FIELD(30, SidecarRecord, token, FIELD_STRING),
        RECORD_FIELD(35, SidecarRecord, passed, FIELD_STRV),
        RECORD_FIELD(36, SidecarRecord, arguments, FIELD_STRV),
        RECORD_FIELD(31, SidecarRecord, status_text, FIELD_STRING),
        RECORD_FIELD(32, SidecarRecord, probe_error, FIELD_STRING),
        RECORD_FIELD(40, SidecarRecord, program, FIELD_STRING),
        RECORD_FIELD(41, SidecarRecord, program_word, FIELD_STRING),
        RECORD_STRUCT(45, SidecarRecord, identity, identity_fields),
        RECORD_FIELD(33, SidecarRecord, stop_is_asked, FIELD_BOOL),
        RECORD_FIELD(37, SidecarRecord, missing_limits, FIELD_STRV),
        RECORD_STRUCT(42, SidecarRecord, generations[0], generation_fields),
        RECORD_STRUCT(43, SidecarRecord, generations[1], generation_fields),
        RECORD_STRUCT(44, SidecarRecord, generations[2], generation_fields),
        RECORD_STRUCT(46, SidecarRecord, popup, popup_fields),
        RECORD_FIELD(34, SidecarRecord, stdin_closed_in, FIELD_U64),
        RECORD_END,
};

const RecordField hold_fields[] = {
        RECORD_FIELD(1, HoldRecord, place, FIELD_U32),
        RECORD_FIELD(2, HoldRecord, app, FIELD_STRING),
        RECORD_FIELD(3, HoldRecord, owner, FIELD_STRING),
        RECORD_FIELD(4, HoldRecord, reason, FIELD_STRING),
        RECORD_FIELD(5, HoldRecord, pid, FIELD_INT),
        RECORD_FIELD(6, HoldRecord, since_usec, FIELD_U64),
        RECORD_FIELD(7, HoldRecord, has_set, FIELD_BOOL),
        RECORD_FIELD(8, HoldRecord, sidecars, FIELD_STRV),
        RECORD_FIELD(9, HoldRecord, linger_usec, FIELD_U64),
        RECORD_FIELD(10, HoldRecord, linger_until, FIELD_U64),
        RECORD_FIELD(20, HoldRecord, env, FIELD_STRV),
        RECORD_FIELD(21, HoldRecord, brings_manifest, FIELD_BOOL),
        RECORD_FIELD(22, HoldRecord, order, FIELD_U64),
        RECORD_END,
};

static const RecordField exit_fields[] = {
        RECORD_FIELD(1, EventExit, exit_code, FIELD_INT),
        RECORD_FIELD(2, EventExit, signal, FIELD_INT),
        RECORD_FIELD(3, EventExit, core_dumped, FIELD_BOOL),
        RECORD_FIELD(4, EventExit, will_retry, FIELD_BOOL),
        RECORD_FIELD(5, EventExit, uptime_usec, FIELD_U64),
        RECORD_FIELD(6, EventExit, retry_at_usec, FIELD_U64),
        RECORD_FIELD(7, EventExit, attempt, FIELD_U32),
        RECORD_FIELD(8, EventExit, is_oom, FIELD_BOOL),
        RECORD_END,
};

const RecordField event_fields[] = {
        RECORD_FIELD(1, Event, seq, FIELD_U64),
        RECORD_FIELD(2, Event, realtime_usec, FIELD_U64),
        RECORD_FIELD(3, Event, type, FIELD_INT),
        RECORD_FIELD(4, Event, app, FIELD_STRING),
        RECORD_FIELD(5, Event, sidecar, FIELD_STRING),
        RECORD_FIELD(6, Event, text, FIELD_STRING),
        RECORD_FIELD(7, Event, status, FIELD_INT),
        RECORD_FIELD(8, Event, sub_state, FIELD_INT),
        RECORD_FIELD(9, Event, reason_code, FIELD_INT),
        RECORD_FIELD(10, Event, generation, FIELD_U64),
        RECORD_FIELD(11, Event, has_exit, FIELD_BOOL),
        RECORD_STRUCT(12, Event, exit, exit_fields),
        RECORD_END,
};
