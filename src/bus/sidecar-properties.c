/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SidecarObject: properties
 *
 * Each property is a line of a table with the function that appends its value; the one getter
 * looks the line up. Beside it the table of what can change, with where SidecarTold remembers it.
 */

#include <string.h>

#include "bus/path.h"
#include "bus/sidecar-object.h"
#include "util/fnv.h"
#include "util/strv.h"

typedef int (*append_t)(sd_bus_message *reply, const Sidecar *sidecar);

static int append_u64(sd_bus_message *reply, uint64_t value) {
        return sd_bus_message_append_basic(reply, 't', &value);
}

static int append_u32(sd_bus_message *reply, uint32_t value) {
        return sd_bus_message_append_basic(reply, 'u', &value);
}

static int append_i32(sd_bus_message *reply, int32_t value) {
        return sd_bus_message_append_basic(reply, 'i', &value);
}

static int append_string(sd_bus_message *reply, const char *value) {
        return sd_bus_message_append_basic(reply, 's', value ? value : "");
}

static int append_app_id(sd_bus_message *reply, const Sidecar *s) {
        return append_string(reply, s->app->id);
}

static int append_name(sd_bus_message *reply, const Sidecar *s) {
        return append_string(reply, sidecar_name(s));
}

static int append_description(sd_bus_message *reply, const Sidecar *s) {
        return append_string(reply, s->spec->description);
}

static int append_status(sd_bus_message *reply, const Sidecar *s) {
        return append_string(reply, status_to_string(s->life.status));
}

static int append_sub_state(sd_bus_message *reply, const Sidecar *s) {
        return append_string(reply, sub_state_to_string(s->life.sub_state));
}

static int append_reason_code(sd_bus_message *reply, const Sidecar *s) {
        return append_string(reply, reason_code_to_string(lifecycle_reason_code(&s->life)));
}

static int append_reason(sd_bus_message *reply, const Sidecar *s) {
        _cleanup_free_ char *reason = sidecar_reason(s);

        return reason ? append_string(reply, reason) : -ENOMEM;
}

static int append_generation(sd_bus_message *reply, const Sidecar *s) {
        return append_u64(reply, s->life.generation);
}

static int append_needs_restart(sd_bus_message *reply, const Sidecar *s) {
        int value = sidecar_needs_restart(s);

        return sd_bus_message_append_basic(reply, 'b', &value);
}

static int append_status_text(sd_bus_message *reply, const Sidecar *s) {
        return append_string(reply, s->status_text);
}

static int append_changed_at(sd_bus_message *reply, const Sidecar *s) {
        return append_u64(reply, s->changed_at_usec);
}

static int append_ready_at(sd_bus_message *reply, const Sidecar *s) {
        return append_u64(reply, s->ready_at_usec);
}

static int append_main_pid(sd_bus_message *reply, const Sidecar *s) {
        return append_u32(reply, (uint32_t) s->main_pid);
}

static int append_exit_code(sd_bus_message *reply, const Sidecar *s) {
        return append_i32(reply, s->exit_code);
}

static int append_exit_signal(sd_bus_message *reply, const Sidecar *s) {
        return append_i32(reply, s->exit_signal);
}

static int append_n_restarts(sd_bus_message *reply, const Sidecar *s) {
        return append_u32(reply, s->life.n_restarts);
}

static int append_retry_at(sd_bus_message *reply, const Sidecar *s) {
        return append_u64(reply, s->retry_at_usec);
}

static int append_endpoint(sd_bus_message *reply, const Sidecar *s) {
        _cleanup_free_ char *endpoint = sidecar_endpoint(s);

        return endpoint ? append_string(reply, endpoint) : -ENOMEM;
}

int sidecar_append_ports(sd_bus_message *reply, const Sidecar *s) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sq}");
        for (size_t i = 0; r >= 0 && i < s->n_ports; i++)
                r = sd_bus_message_append(reply, "{sq}", s->ports_spec->ports[i].name, s->ports[i]);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_cgroup(sd_bus_message *reply, const Sidecar *s) {
        return append_string(reply, tree_cgroup(s->tree));
}

static int append_memory(sd_bus_message *reply, const Sidecar *s) {
        uint64_t value = UINT64_MAX;

        (void) tree_memory_bytes(s->tree, &value);
        return append_u64(reply, value);
}

static int append_cpu(sd_bus_message *reply, const Sidecar *s) {
        uint64_t value = UINT64_MAX;

        (void) tree_cpu_nsec(s->tree, &value);
        return append_u64(reply, value);
}

static int append_log_path(sd_bus_message *reply, const Sidecar *s) {
        return append_string(reply, s->log_path);
}

static int append_manifest(sd_bus_message *reply, const Sidecar *s) {
        return append_string(reply, s->spec->effective_json);
}

static const struct {
        const char *property;
        append_t append;
} getters[] = {
        { "AppId", append_app_id },
        { "Name", append_name },
        { "Description", append_description },
        { "Status", append_status },
        { "SubState", append_sub_state },
        { "ReasonCode", append_reason_code },
        { "Reason", append_reason },
        { "Generation", append_generation },
        { "NeedsRestart", append_needs_restart },
        { "StatusText", append_status_text },
        { "StateChangeTimestamp", append_changed_at },
        { "ReadyTimestamp", append_ready_at },
        { "MainPID", append_main_pid },
        { "ExitCode", append_exit_code },
        { "ExitSignal", append_exit_signal },
        { "NRestarts", append_n_restarts },
        { "NextRestartTimestamp", append_retry_at },
        { "Endpoint", append_endpoint },
        { "Ports", sidecar_append_ports },
        { "ControlGroup", append_cgroup },
        { "MemoryCurrent", append_memory },
        { "CPUUsageNSec", append_cpu },
        { "LogPath", append_log_path },
        { "EffectiveManifest", append_manifest },
};

int property_get_sidecar(sd_bus *bus _unused_,
                         const char *path _unused_,
                         const char *interface _unused_,
                         const char *property,
                         sd_bus_message *reply,
                         void *userdata,
                         sd_bus_error *ret_error) {
        for (size_t i = 0; i < ELEMENTSOF(getters); i++)
                if (streq(getters[i].property, property))
                        return getters[i].append(reply, userdata);

        return sd_bus_error_set(ret_error, SD_BUS_ERROR_UNKNOWN_PROPERTY, property);
}

#define MEMBER(m) offsetof(SidecarTold, m)

static const struct {
        const char *property;
        size_t offset;
} told_members[] = {
        { "Description", MEMBER(description_hash) },
        { "Status", MEMBER(status) },
        { "SubState", MEMBER(sub_state) },
        { "ReasonCode", MEMBER(reason_code) },
        { "Reason", MEMBER(reason_hash) },
        { "Generation", MEMBER(generation) },
        { "NeedsRestart", MEMBER(needs_restart) },
        { "StatusText", MEMBER(status_text_hash) },
        { "StateChangeTimestamp", MEMBER(changed_at_usec) },
        { "ReadyTimestamp", MEMBER(ready_at_usec) },
        { "MainPID", MEMBER(main_pid) },
        { "ExitCode", MEMBER(exit_code) },
        { "ExitSignal", MEMBER(exit_signal) },
        { "NRestarts", MEMBER(n_restarts) },
        { "NextRestartTimestamp", MEMBER(retry_at_usec) },
        { "Endpoint", MEMBER(ports_hash) },
        { "Ports", MEMBER(ports_hash) },
        { "ControlGroup", MEMBER(cgroup_hash) },
};

static uint64_t hash_text(const char *text) {
        return text ? fnv_hash(FNV_BEGIN, text, strlen(text)) : 0;
}

static SidecarTold told_now(const Sidecar *s) {
        _cleanup_free_ char *reason = sidecar_reason(s);

        return (SidecarTold){
                .description_hash = hash_text(s->spec->description),
                .status = s->life.status,
                .sub_state = s->life.sub_state,
                .reason_code = lifecycle_reason_code(&s->life),
                .reason_hash = hash_text(reason),
                .generation = s->life.generation,
                .needs_restart = sidecar_needs_restart(s),
                .status_text_hash = hash_text(s->status_text),
                .changed_at_usec = s->changed_at_usec,
                .ready_at_usec = s->ready_at_usec,
                .main_pid = (uint64_t) s->main_pid,
                .exit_code = (uint64_t) s->exit_code,
                .exit_signal = (uint64_t) s->exit_signal,
                .n_restarts = s->life.n_restarts,
                .retry_at_usec = s->retry_at_usec,
                .ports_hash = fnv_hash(FNV_BEGIN, s->ports, s->n_ports * sizeof(uint16_t)),
                .cgroup_hash = hash_text(tree_cgroup(s->tree)),
        };
}

int sidecar_object_new(Server *server, Sidecar *sidecar) {
        SidecarObject *object = calloc(1, sizeof(*object));

        if (!object)
                return -ENOMEM;

        object->server = server;
        object->sidecar = sidecar;
        object->told = told_now(sidecar);
        sidecar->userdata = object;
        return 0;
}

SidecarObject *sidecar_object_free(SidecarObject *object) {
        if (!object)
                return NULL;

        if (object->is_dirty)
                for (SidecarObject **link = &object->server->dirty; *link;
                     link = &(*link)->next_dirty)
                        if (*link == object) {
                                *link = object->next_dirty;
                                break;
                        }

        object->sidecar->userdata = NULL;
        free(object);
        return NULL;
}

void sidecar_object_mark(SidecarObject *object) {
        if (object->is_dirty)
                return;

        object->is_dirty = true;
        object->next_dirty = object->server->dirty;
        object->server->dirty = object;
        (void) sd_event_source_set_enabled(object->server->flusher, SD_EVENT_ONESHOT);
}

void sidecar_object_flush(SidecarObject *object) {
        char *names[ELEMENTSOF(told_members) + 1] = { NULL };
        _cleanup_free_ char *path = path_of_sidecar(object->sidecar);
        SidecarTold now = told_now(object->sidecar);
        size_t n_names = 0;

        for (size_t i = 0; i < ELEMENTSOF(told_members); i++) {
                size_t offset = told_members[i].offset;

                if (memcmp((char *) &now + offset, (char *) &object->told + offset,
                           sizeof(uint64_t)) != 0)
                        names[n_names++] = (char *) told_members[i].property;
        }

        object->told = now;
        if (n_names > 0 && path)
                (void) sd_bus_emit_properties_changed_strv(object->server->bus, path,
                                                           INTERFACE_SIDECAR, names);
}

static int append_entry(sd_bus_message *reply,
                        const char *key,
                        const char *contents,
                        append_t append,
                        const Sidecar *s) {
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(reply, 's', key);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', contents);
        if (r >= 0)
                r = append(reply, s);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_tried(sd_bus_message *reply, const Sidecar *s) {
        return sd_bus_message_append_strv(reply, s->evidence.tried);
}

int sidecar_append_facts(sd_bus_message *reply, const Sidecar *s) {
        const Cause *cause = &s->life.cause;
        bool applies = s->life.failed || s->life.backoff;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0 && applies && cause->exit_code >= 0)
                r = sd_bus_message_append(reply, "{sv}", "code", "i", cause->exit_code);
        if (r >= 0 && applies && cause->signal != 0)
                r = sd_bus_message_append(reply, "{sv}", "signal", "i", cause->signal);
        if (r >= 0 && applies && cause->attempts != 0)
                r = sd_bus_message_append(reply, "{sv}", "attempts", "u", cause->attempts);
        if (r >= 0 && lifecycle_reason_code(&s->life) == REASON_DEPENDENCY && s->waits_for)
                r = sd_bus_message_append(reply, "{sv}", "name", "s", s->waits_for);
        if (r >= 0 && applies && s->evidence.port != 0)
                r = sd_bus_message_append(reply, "{sv}{sv}{sv}", "port", "q", s->evidence.port,
                                          "pid", "u", (uint32_t) s->evidence.holder_pid, "holder",
                                          "s", s->evidence.holder ? s->evidence.holder : "");
        if (r >= 0 && applies && cause->oom_limit != 0)
                r = sd_bus_message_append(reply, "{sv}", "limit", "t", cause->oom_limit);
        if (r >= 0 && applies && s->evidence.tried)
                r = append_entry(reply, "tried", "as", append_tried, s);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_path(sd_bus_message *reply, const Sidecar *s) {
        _cleanup_free_ char *path = path_of_sidecar(s);

        return path ? sd_bus_message_append_basic(reply, 'o', path) : -ENOMEM;
}

int sidecar_append_details(sd_bus_message *reply, const Sidecar *s) {
        static const struct {
                const char *key, *contents;
                append_t append;
        } entries[] = {
                { "status", "s", append_status },
                { "sub-state", "s", append_sub_state },
                { "reason-code", "s", append_reason_code },
                { "reason", "s", append_reason },
                { "generation", "t", append_generation },
                { "url", "s", append_endpoint },
                { "ports", "a{sq}", sidecar_append_ports },
                { "facts", "a{sv}", sidecar_append_facts },
                { "path", "o", append_path },
        };
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(entries); i++)
                r = append_entry(reply, entries[i].key, entries[i].contents, entries[i].append, s);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}
