/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * AppObject
 *
 * What the bus keeps of an app: whether its changes are still to be told, and what the desktop was.
 */

#include <stdbool.h>

#include "bus/notification.h"
#include "bus/server.h"

struct AppObject {
        Server *server;
        App *app;
        Status told_status;
        bool is_changed; /* more than Status */
        bool is_dirty;
        AppObject *next_dirty;
        AppPopups popups;
};

/* App::userdata of every app that there is. */
int app_object_new(Server *server, App *app);
AppObject *app_object_free(AppObject *object);
DEFINE_CLEANUP(AppObject, app_object_free);

void app_object_mark(AppObject *object);
void app_object_flush(AppObject *object);
