/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Manager
 *
 * The one object at /org/sidecard/Sidecars1: finding, listing, reading manifests again.
 */

#include "bus/dump.h"
#include "bus/error.h"
#include "bus/get-events.h"
#include "bus/hold-methods.h"
#include "bus/options.h"
#include "bus/path.h"
#include "bus/server.h"
#include "bus/vtable.h"
#include "config.h"
#include "io/keeper-wire-client.h"
#include "io/kernel-limits.h"
#include "util/journal.h"
#include "util/strv.h"

#define API_LEVEL 1

static int no_such_app(sd_bus_error *ret_error, const char *id) {
        return sd_bus_error_setf(
                ret_error, ERROR_NO_SUCH_APP,
                "There is no app %s: no manifest %s.json in the sidecard/apps folders", id, id);
}

static int reply_path(sd_bus_message *message, char *path) {
        _cleanup_free_ char *owned = path;

        return owned ? sd_bus_reply_method_return(message, "o", owned) : -ENOMEM;
}

static int method_get_app(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const Server *server = userdata;
        const char *id;
        const App *app;
        int r;

        r = sd_bus_message_read(message, "s", &id);
        if (r < 0)
                return r;

        app = supervisor_find_app(server->supervisor, id);
        return app ? reply_path(message, path_of_app(app)) : no_such_app(ret_error, id);
}

static int method_get_sidecar(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const Server *server = userdata;
        const char *id, *name;
        const Sidecar *sidecar;
        const App *app;
        int r;

        r = sd_bus_message_read(message, "ss", &id, &name);
        if (r < 0)
                return r;

        app = supervisor_find_app(server->supervisor, id);
        if (!app)
                return no_such_app(ret_error, id);

        sidecar = app_find(app, name);
        if (!sidecar)
                return sd_bus_error_setf(ret_error, ERROR_NO_SUCH_SIDECAR, "Unknown sidecar: %s",
                                         name);

        return reply_path(message, path_of_sidecar(sidecar));
}

static int append_listed(sd_bus_message *reply, const Sidecar *sidecar) {
        _cleanup_free_ char *path = path_of_sidecar(sidecar);

        if (!path)
                return -ENOMEM;

        return sd_bus_message_append(reply, "(ssssuo)", sidecar->app->id, sidecar_name(sidecar),
                                     status_to_string(sidecar->life.status),
                                     sub_state_to_string(sidecar->life.sub_state),
                                     (uint32_t) sidecar->main_pid, path);
}

static int append_list(sd_bus_message *reply,
                       const Supervisor *supervisor,
                       const char *app_id,
                       const char *status) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(ssssuo)");
        for (size_t i = 0; r >= 0 && i < supervisor->n_apps; i++) {
                const App *app = supervisor->apps[i];

                if (app_id && !streq(app_id, app->id))
                        continue;
                for (size_t k = 0; r >= 0 && k < app->n_sidecars; k++) {
                        Status is = app->sidecars[k]->life.status;

                        if (!status || streq(status, status_to_string(is)))
                                r = append_listed(reply, app->sidecars[k]);
                }
        }

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_list_sidecars(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Server *server = userdata;
        const char *app_id = NULL, *status = NULL;
        const Option options[] = { { "app", "s", &app_id, NULL },
                                   { "status", "s", &status, NULL } };
        int r;

        r = options_read(message, options, ELEMENTSOF(options), ret_error);
        if (r < 0)
                return r;
        if (status && status_from_string(status) < 0)
                return sd_bus_error_setf(
                        ret_error, SD_BUS_ERROR_INVALID_ARGS,
                        "Option status must be Starting, Running, Failed or Stopped, not %s",
                        status);

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = append_list(reply, server->supervisor, app_id, status);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int append_problems(sd_bus_message *reply, const Supervisor *supervisor) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < supervisor->n_apps; i++) {
                const ManifestError *error = &supervisor->apps[i]->error;

                if (!error->message)
                        continue;
                r = sd_bus_message_append(reply, "a{sv}", 4, "path", "s", error->path, "line", "u",
                                          error->line, "pointer", "s", error->pointer, "message",
                                          "s", error->message);
        }

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_reload(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Server *server = userdata;
        int r;

        /* It may be a manifest that the brains before this one died of. */
        if (server->supervisor->is_safe_mode)
                return sd_bus_error_setf(ret_error, ERROR_NOT_SUPPORTED, "Not now: %s",
                                         SAFE_MODE_SENTENCE);

        r = supervisor_load(server->supervisor);
        if (r >= 0)
                r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = append_problems(reply, server->supervisor);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static const char *containment(const Server *server) {
        return keeper_client_containment(server->supervisor->keeper);
}

/* Those that can be had as soon as a manifest asks for them. */
static int append_controllers(sd_bus_message *reply, const Server *server) {
        static const struct {
                const char *controller, *feature;
        } features[] = { { "memory", "memory-limit" },
                         { "cpu", "cpu-limit" },
                         { "pids", "tasks-limit" } };
        int trees_fd = keeper_client_trees_fd(server->supervisor->keeper), r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(features); i++)
                if (limits_have_controller(trees_fd, features[i].controller))
                        r = sd_bus_message_append(reply, "s", features[i].feature);

        return r;
}

static int append_features(sd_bus_message *reply, const Server *server) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        if (r >= 0 && streq(containment(server), "cgroup"))
                r = sd_bus_message_append(reply, "s", "cgroup-kill");
        if (r >= 0 && streq(containment(server), "cgroup"))
                r = append_controllers(reply, server);
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "keeper");
        if (r >= 0 && journal_is_there())
                r = sd_bus_message_append(reply, "s", "journal");
        if (r >= 0 && server->supervisor->is_safe_mode)
                r = sd_bus_message_append(reply, "s", "safe-mode");

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

DEFINE_GETTER(get_version, Server, server, sd_bus_message_append(reply, "s", SIDECARD_VERSION));
DEFINE_GETTER(get_api_level, Server, server, sd_bus_message_append(reply, "u", API_LEVEL));
DEFINE_GETTER(get_features, Server, server, append_features(reply, server));
DEFINE_GETTER(get_containment,
              Server,
              server,
              sd_bus_message_append(reply, "s", containment(server)));

DEFINE_GETTER(get_holds, Server, server, holds_append(reply, server->supervisor));

/* clang-format off */

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("GetApp", SD_BUS_ARGS("s", app_id), SD_BUS_RESULT("o", app), method_get_app, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetSidecar", SD_BUS_ARGS("s", app_id, "s", name), SD_BUS_RESULT("o", sidecar), method_get_sidecar, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListSidecars", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a(ssssuo)", sidecars), method_list_sidecars, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Hold", SD_BUS_ARGS("s", app_id, "s", reason, "a{sv}", options), SD_BUS_RESULT("o", app), method_hold, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("s", app_id), SD_BUS_NO_RESULT, method_release, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetEvents", SD_BUS_ARGS("t", after, "a{sv}", options), SD_BUS_RESULT("aa{sv}", events, "t", last), method_get_events, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", problems), method_reload, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Dump", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", state), method_dump, UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("HoldReleased", SD_BUS_ARGS("s", app_id, "s", reason), 0),

        SD_BUS_PROPERTY("Version", "s", get_version, 0, CONST),
        SD_BUS_PROPERTY("ApiLevel", "u", get_api_level, 0, CONST),
        SD_BUS_PROPERTY("Features", "as", get_features, 0, CHANGES),
        SD_BUS_PROPERTY("Containment", "s", get_containment, 0, CONST),
        SD_BUS_PROPERTY("Holds", "aa{sv}", get_holds, 0, INVALIDATES),
        SD_BUS_VTABLE_END
};
/* clang-format on */

int server_add_manager(Server *server) {
        return sd_bus_add_object_vtable(server->bus, NULL, PATH_MANAGER, INTERFACE_MANAGER,
                                        manager_vtable, server);
}
