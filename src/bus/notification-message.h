/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * NotificationMessage
 *
 * The calls of the Desktop Notifications Specification, version 1.2.
 */

#include <systemd/sd-bus.h>

#include "core/supervisor.h"

#define NOTIFICATIONS_NAME "org.freedesktop.Notifications"
#define NOTIFICATIONS_PATH "/org/freedesktop/Notifications"
#define NOTIFICATIONS_INTERFACE "org.freedesktop.Notifications"

#define ACTION_RESTART "restart"
#define ACTION_LOG "log"

/* What is there to show it, as found out before each round. */
typedef struct Desktop {
        char *server; /* unique name */
        bool has_actions;
        bool has_markup;
        bool has_viewer; /* for a log: see bus/show-log.h */
} Desktop;

/* Reads the reply to GetCapabilities. */
int desktop_take_capabilities(Desktop *desktop, sd_bus_message *reply);

/* Notify, of one sidecar that has failed, or of several that are named in one. */
int notification_new_failure(sd_bus_message **ret,
                             sd_bus *bus,
                             const Desktop *desktop,
                             const Sidecar *sidecar,
                             uint32_t replaces_id);
int notification_new_summary(sd_bus_message **ret,
                             sd_bus *bus,
                             const Desktop *desktop,
                             const App *app,
                             char *const *sidecars,
                             uint32_t replaces_id);

/* CloseNotification. No answer is asked for: it may have gone. */
void notification_close(sd_bus *bus, const char *server, uint32_t id);
