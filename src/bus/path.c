/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Path
 *
 * /org/sidecard/Sidecars1/app/APP/NAME, both escaped as sd_bus_path_encode(3) does. Nothing is
 * registered for an object: a path is looked up when somebody asks for it.
 */

#include <string.h>

#include <systemd/sd-bus.h>

#include "bus/path.h"

char *path_of_app(const App *app) {
        char *path = NULL;

        return sd_bus_path_encode(PATH_APPS, app->id, &path) < 0 ? NULL : path;
}

char *path_of_sidecar(const Sidecar *sidecar) {
        _cleanup_free_ char *app = path_of_app(sidecar->app);
        char *path = NULL;

        if (!app || sd_bus_path_encode(app, sidecar_name(sidecar), &path) < 0)
                return NULL;

        return path;
}

App *path_find_app(const Supervisor *supervisor, const char *path) {
        _cleanup_free_ char *id = NULL;

        if (sd_bus_path_decode(path, PATH_APPS, &id) <= 0)
                return NULL;

        return supervisor_find_app(supervisor, id);
}

Sidecar *path_find_sidecar(const Supervisor *supervisor, const char *path) {
        _cleanup_free_ char *app_path = NULL, *name = NULL;
        const char *slash = strrchr(path, '/');
        const App *app;

        app_path = strndup(path, (size_t) (slash - path));
        app = app_path ? path_find_app(supervisor, app_path) : NULL;
        if (!app || sd_bus_path_decode(path, app_path, &name) <= 0)
                return NULL;

        return app_find(app, name);
}
