/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Dump
 *
 * Properties have the names that they have on the bus. json-c says that it has no memory by NULL,
 * which as a value is null: a dump that lacks something is better than none.
 */

#include <json-c/json.h>

#include "bus/dump.h"
#include "bus/server.h"
#include "config.h"
#include "core/sidecar-parts.h"
#include "model/next-action.h"
#include "util/clock.h"

static void add_text(json_object *object, const char *key, const char *text) {
        (void) json_object_object_add(object, key, text ? json_object_new_string(text) : NULL);
}

static void add_number(json_object *object, const char *key, uint64_t number) {
        (void) json_object_object_add(object, key, json_object_new_uint64(number));
}

/* Owned by the object; NULL where memory is out, and then nothing is added to it. */
static json_object *add_list(json_object *object, const char *key) {
        json_object *list = json_object_new_array();

        (void) json_object_object_add(object, key, list);
        return list;
}

static json_object *add_item(json_object *list) {
        json_object *item = list ? json_object_new_object() : NULL;

        if (item)
                (void) json_object_array_add(list, item);
        return item;
}

static void add_generations(json_object *object, const Sidecar *s) {
        json_object *list = add_list(object, "Generations");

        for (size_t i = 0; i < GENERATIONS_KEPT; i++) {
                const Generation *generation = &s->generations[i];
                json_object *item = generation->number != 0 ? add_item(list) : NULL;

                if (!item)
                        continue;
                add_number(item, "Generation", generation->number);
                add_number(item, "StartedAt", generation->started_at_usec);
                add_number(item, "ReadyAt", generation->ready_at_usec);
                add_number(item, "EndedAt", generation->ended_at_usec);
                add_text(item, "ReasonCode", reason_code_to_string(generation->reason_code));
                add_text(item, "Reason", generation->reason);
        }
}

static void add_ports(json_object *object, const Sidecar *s) {
        json_object *ports = json_object_new_object();

        for (size_t i = 0; ports && i < s->n_ports; i++)
                add_number(ports, s->ports_spec->ports[i].name, s->ports[i]);
        (void) json_object_object_add(object, "Ports", ports);
}

static void add_sidecar(json_object *list, const Sidecar *s) {
        uint64_t now = clock_monotonic_usec(), at;
        _cleanup_free_ char *reason = sidecar_reason(s), *program = sidecar_blank(s, s->program);
        _cleanup_free_ char *next = next_action_text(&s->life, s->waits_for, now, &at);
        json_object *object = add_item(list);

        if (!object)
                return;

        add_text(object, "Name", sidecar_name(s));
        add_text(object, "Status", status_to_string(s->life.status));
        add_text(object, "SubState", sub_state_to_string(s->life.sub_state));
        add_text(object, "ReasonCode", reason_code_to_string(lifecycle_reason_code(&s->life)));
        add_text(object, "Reason", reason);
        add_text(object, "NextAction", next);
        add_number(object, "StateChangeTimestamp", s->changed_at_usec);
        add_number(object, "MainPID", (uint64_t) s->main_pid);
        add_number(object, "NRestarts", s->life.n_restarts);
        add_text(object, "Program", program);
        add_text(object, "ControlGroup", tree_cgroup(s->tree));
        add_text(object, "LogPath", s->log_path);
        add_ports(object, s);
        add_generations(object, s);
}

static void add_app(json_object *list, const App *app) {
        json_object *object = add_item(list), *sidecars;

        if (!object)
                return;

        add_text(object, "AppId", app->id);
        add_text(object, "Mode", app->mode);
        add_text(object, "ModeResult", mode_result_to_string(app->mode_result));
        add_text(object, "ModeReason", app->mode_reason);
        add_text(object, "LoadError", app->error.message);
        sidecars = add_list(object, "Sidecars");
        for (size_t i = 0; i < app->n_sidecars; i++)
                add_sidecar(sidecars, app->sidecars[i]);
}

static void add_hold(json_object *list, const Hold *hold) {
        json_object *object = add_item(list);

        if (!object)
                return;

        add_text(object, "AppId", hold->app->id);
        add_text(object, "Owner", hold->owner);
        add_text(object, "Reason", hold->reason);
        add_number(object, "Pid", (uint64_t) hold->pid);
        add_number(object, "Since", hold->since_usec);
}

static json_object *make_dump(const Supervisor *supervisor) {
        json_object *dump = json_object_new_object(), *apps, *holds;

        if (!dump)
                return NULL;

        add_text(dump, "Version", SIDECARD_VERSION);
        add_text(dump, "Containment", keeper_client_containment(supervisor->keeper));
        (void) json_object_object_add(dump, "SafeMode",
                                      json_object_new_boolean(supervisor->is_safe_mode));
        add_number(dump, "LastEvent", events_last(supervisor->events));
        apps = add_list(dump, "Apps");
        for (size_t i = 0; i < supervisor->n_apps; i++)
                add_app(apps, supervisor->apps[i]);
        holds = add_list(dump, "Holds");
        for (size_t i = 0; i < supervisor->n_holds; i++)
                add_hold(holds, supervisor->holds[i]);
        return dump;
}

int method_dump(sd_bus_message *message, void *userdata, sd_bus_error *ret_error _unused_) {
        const Server *server = userdata;
        json_object *dump = make_dump(server->supervisor);
        const char *text;
        int r;

        text = dump ? json_object_to_json_string_ext(dump, JSON_C_TO_STRING_PRETTY) : NULL;
        r = text ? sd_bus_reply_method_return(message, "s", text) : -ENOMEM;
        (void) json_object_put(dump);
        return r;
}
