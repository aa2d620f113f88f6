/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * App: methods
 *
 * What a client may wish of all sidecars of an app at once.
 */

#include <systemd/sd-bus.h>

#include "core/app.h"

int method_app_start(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int method_app_stop(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int method_app_restart(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int method_app_set_mode(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int method_app_wait(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

/* An errno of core/goals and core/holds about an app, as the error of a method. */
int app_explain(int error, const App *app, sd_bus_error *ret_error);

/* The same of a set, of which -ENOENT names the one that the manifest does not have. */
int app_explain_set(int error,
                    const App *app,
                    const Manifest *manifest,
                    char *const *names,
                    sd_bus_error *ret_error);
