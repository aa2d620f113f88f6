/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * AppObject
 *
 * The properties of an app; its methods are in app-methods.c.
 */

#include "bus/app-methods.h"
#include "bus/app-object.h"
#include "bus/path.h"
#include "bus/vtable.h"
#include "core/modes.h"

static int append_string(sd_bus_message *reply, const char *value) {
        return sd_bus_message_append_basic(reply, 's', value ? value : "");
}

static const char *manifest_path(const App *app) {
        if (app->is_transient)
                return "";

        return app->manifest ? app->manifest->source->path : app->error.path;
}

/* Of the file, which is not in force while a hold's manifest is. */
static int append_load_error(sd_bus_message *reply, const App *app) {
        const ManifestError *error = &app->error;
        bool counts = error->message && !app->is_transient;

        return sd_bus_message_append(reply, "(ss)", counts ? error->pointer : "",
                                     counts ? error->message : "");
}

static int append_modes(sd_bus_message *reply, const App *app) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && app->manifest && i < app->manifest->n_modes; i++)
                r = append_string(reply, app->manifest->modes[i].name);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

DEFINE_GETTER(get_id, App, app, append_string(reply, app->id));
DEFINE_GETTER(get_name,
              App,
              app,
              append_string(reply, app->manifest ? app->manifest->name : app->id));
DEFINE_GETTER(get_manifest_path, App, app, append_string(reply, manifest_path(app)));
DEFINE_GETTER(get_load_state, App, app, append_string(reply, app_load_state(app)));
DEFINE_GETTER(get_load_error, App, app, append_load_error(reply, app));
DEFINE_GETTER(get_status, App, app, append_string(reply, status_to_string(app_status(app))));

DEFINE_GETTER(get_mode, App, app, append_string(reply, app->mode));
DEFINE_GETTER(get_modes, App, app, append_modes(reply, app));
DEFINE_GETTER(get_mode_result,
              App,
              app,
              append_string(reply, mode_result_to_string(app->mode_result)));
DEFINE_GETTER(get_server_url, App, app, append_string(reply, app_server_url(app)));

DEFINE_GETTER(get_transient, App, app, sd_bus_message_append(reply, "b", app->is_transient));

/* Drop-ins come in a later release. */
DEFINE_GETTER(get_drop_ins, App, app, sd_bus_message_append(reply, "as", 0));

static int append_sidecars(sd_bus_message *reply, const App *app) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "o");
        for (size_t i = 0; r >= 0 && i < app->n_sidecars; i++) {
                _cleanup_free_ char *path = path_of_sidecar(app->sidecars[i]);

                r = path ? sd_bus_message_append_basic(reply, 'o', path) : -ENOMEM;
        }

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

DEFINE_GETTER(get_sidecars, App, app, append_sidecars(reply, app));

/* clang-format off */

static const sd_bus_vtable app_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a{st}", generations), method_app_start, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_app_stop, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Restart", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a{st}", generations), method_app_restart, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetMode", SD_BUS_ARGS("s", mode, "a{sv}", options), SD_BUS_RESULT("a(sss)", plan), method_app_set_mode, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_ARGS("s", condition, "t", timeout_usec), SD_BUS_RESULT("a{sa{sv}}", sidecars), method_app_wait, UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("ModeChanged",
                                SD_BUS_ARGS("s", old_mode, "s", new_mode, "s", result), 0),

        SD_BUS_PROPERTY("Id", "s", get_id, 0, CONST),
        SD_BUS_PROPERTY("Name", "s", get_name, 0, CONST),
        SD_BUS_PROPERTY("Transient", "b", get_transient, 0, CHANGES),
        SD_BUS_PROPERTY("ManifestPath", "s", get_manifest_path, 0, INVALIDATES),
        SD_BUS_PROPERTY("DropInPaths", "as", get_drop_ins, 0, INVALIDATES),
        SD_BUS_PROPERTY("LoadState", "s", get_load_state, 0, CHANGES),
        SD_BUS_PROPERTY("LoadError", "(ss)", get_load_error, 0, INVALIDATES),
        SD_BUS_PROPERTY("Status", "s", get_status, 0, CHANGES),
        SD_BUS_PROPERTY("Mode", "s", get_mode, 0, CHANGES),
        SD_BUS_PROPERTY("Modes", "as", get_modes, 0, CHANGES),
        SD_BUS_PROPERTY("ModeResult", "s", get_mode_result, 0, CHANGES),
        SD_BUS_PROPERTY("ServerUrl", "s", get_server_url, 0, INVALIDATES),
        SD_BUS_PROPERTY("Sidecars", "ao", get_sidecars, 0, CHANGES),
        SD_BUS_VTABLE_END
};
/* clang-format on */

int app_object_new(Server *server, App *app) {
        AppObject *object = calloc(1, sizeof(*object));

        if (!object)
                return -ENOMEM;

        object->server = server;
        object->app = app;
        app->userdata = object;
        return 0;
}

AppObject *app_object_free(AppObject *object) {
        if (!object)
                return NULL;

        if (object->is_dirty)
                for (AppObject **link = &object->server->dirty_apps; *link;
                     link = &(*link)->next_dirty)
                        if (*link == object) {
                                *link = object->next_dirty;
                                break;
                        }

        object->app->userdata = NULL;
        free(object);
        return NULL;
}

void app_object_mark(AppObject *object) {
        if (object->is_dirty)
                return;

        object->is_dirty = true;
        object->next_dirty = object->server->dirty_apps;
        object->server->dirty_apps = object;
        (void) sd_event_source_set_enabled(object->server->flusher, SD_EVENT_ONESHOT);
}

void app_object_flush(AppObject *object) {
        _cleanup_free_ char *path = path_of_app(object->app);
        Status status = app_status(object->app);

        if (path && status != object->told_status)
                (void) sd_bus_emit_properties_changed(object->server->bus, path, INTERFACE_APP,
                                                      "Status", NULL);
        if (path && object->is_changed)
                (void) sd_bus_emit_properties_changed(object->server->bus, path, INTERFACE_APP,
                                                      "Transient", "ManifestPath", "LoadState",
                                                      "LoadError", "Sidecars", "Mode", "Modes",
                                                      "ModeResult", "ServerUrl", NULL);

        object->told_status = status;
        object->is_changed = false;
}

static int find_app(sd_bus *bus _unused_,
                    const char *path,
                    const char *interface _unused_,
                    void *userdata,
                    void **ret,
                    sd_bus_error *ret_error _unused_) {
        const Server *server = userdata;
        App *app = path_find_app(server->supervisor, path);

        if (!app)
                return 0;

        *ret = app;
        return 1;
}

int server_add_apps(Server *server) {
        return sd_bus_add_fallback_vtable(server->bus, NULL, PATH_APPS, INTERFACE_APP, app_vtable,
                                          find_app, server);
}
