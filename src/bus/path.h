/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Path
 *
 * Object paths of apps and sidecars, and back.
 */

#include "core/supervisor.h"

#define BUS_NAME "org.sidecard.Sidecars1"
#define PATH_MANAGER "/org/sidecard/Sidecars1"
#define PATH_APPS PATH_MANAGER "/app"
#define INTERFACE_MANAGER BUS_NAME ".Manager"
#define INTERFACE_APP BUS_NAME ".App"
#define INTERFACE_SIDECAR BUS_NAME ".Sidecar"

/* New strings, NULL for lack of memory. */
char *path_of_app(const App *app);
char *path_of_sidecar(const Sidecar *sidecar);

/* NULL: the path is of no such object that there is. */
App *path_find_app(const Supervisor *supervisor, const char *path);
Sidecar *path_find_sidecar(const Supervisor *supervisor, const char *path);
