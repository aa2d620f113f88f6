/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * NotificationMessage
 *
 * The urgency is "normal": nothing is lost that hurries, and "critical" would break into what the
 * person does, and into "do not disturb". The category is one of our own, since the specification
 * has none for what runs on this machine.
 */

#include <unistd.h>

#include "bus/notification-message.h"
#include "io/desktop-file.h"
#include "model/notification-text.h"
#include "util/strv.h"

#define URGENCY_NORMAL 1
#define CATEGORY "x-sidecard.sidecar.failed"
#define EXPIRE_AS_THE_SERVER_LIKES (-1)

/* What Notify takes; borrowed. */
typedef struct Notification {
        const App *app;
        const char *summary;
        const char *body;
        bool can_restart;
        bool can_show_log;
} Notification;

int desktop_take_capabilities(Desktop *desktop, sd_bus_message *reply) {
        _cleanup_(strv_freep) char **capabilities = NULL;
        int r;

        r = sd_bus_message_read_strv(reply, &capabilities);
        if (r >= 0)
                r = free_and_strdup(&desktop->server, sd_bus_message_get_sender(reply));
        if (r < 0)
                return r;

        desktop->has_actions = strv_contains(capabilities, "actions");
        desktop->has_markup = strv_contains(capabilities, "body-markup");
        return 0;
}

static int append_actions(sd_bus_message *call, const Notification *notification) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "s");
        if (r >= 0 && notification->can_restart)
                r = sd_bus_message_append(call, "ss", ACTION_RESTART, "Restart");
        if (r >= 0 && notification->can_show_log)
                r = sd_bus_message_append(call, "ss", ACTION_LOG, "Show log");

        return r < 0 ? r : sd_bus_message_close_container(call);
}

static const char *name_of(const App *app) {
        return app->manifest ? app->manifest->name : app->id;
}

static int make_notify(sd_bus_message **ret,
                       sd_bus *bus,
                       const Desktop *desktop,
                       const Notification *notification,
                       uint32_t replaces_id) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_free_ char *icon = NULL;
        const App *app = notification->app;
        int r;

        if (!notification->summary || !notification->body)
                return -ENOMEM;

        (void) desktop_file_find_icon(app->id, &icon);
        /* To this very server: to another one the number would mean somebody else's. */
        r = sd_bus_message_new_method_call(bus, &call, desktop->server, NOTIFICATIONS_PATH,
                                           NOTIFICATIONS_INTERFACE, "Notify");
        if (r >= 0)
                r = sd_bus_message_append(call, "susss", name_of(app), replaces_id,
                                          icon ? icon : app->id, notification->summary,
                                          notification->body);
        if (r >= 0)
                r = append_actions(call, notification);
        if (r >= 0)
                r = sd_bus_message_append(call, "a{sv}i", 3, "desktop-entry", "s", app->id,
                                          "urgency", "y", URGENCY_NORMAL, "category", "s", CATEGORY,
                                          EXPIRE_AS_THE_SERVER_LIKES);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(call);
        return 0;
}

/* The file is written by another thread, and may be there a moment later than the lines. */
static bool has_log(const Sidecar *s) {
        return log_ring_first(s->ring) < log_ring_next(s->ring) || access(s->log_path, R_OK) == 0;
}

int notification_new_failure(sd_bus_message **ret,
                             sd_bus *bus,
                             const Desktop *desktop,
                             const Sidecar *s,
                             uint32_t replaces_id) {
        const char *what = *s->spec->description != '\0' ? s->spec->description : s->spec->name;
        _cleanup_free_ char *summary = notification_summary(name_of(s->app), what);
        _cleanup_free_ char *reason = sidecar_reason(s);
        _cleanup_free_ char *body = reason ? notification_body(reason, desktop->has_markup) : NULL;
        Notification notification = {
                .app = s->app,
                .summary = summary,
                .body = body,
                .can_restart = desktop->has_actions && supervisor_check_starts(s->supervisor) >= 0,
                .can_show_log = desktop->has_actions && desktop->has_viewer && has_log(s),
        };

        return make_notify(ret, bus, desktop, &notification, replaces_id);
}

int notification_new_summary(sd_bus_message **ret,
                             sd_bus *bus,
                             const Desktop *desktop,
                             const App *app,
                             char *const *sidecars,
                             uint32_t replaces_id) {
        _cleanup_free_ char *summary =
                notification_summary_of_more(name_of(app), strv_length(sidecars));
        _cleanup_free_ char *body = notification_body_of_more(sidecars, desktop->has_markup);
        Notification notification = { .app = app, .summary = summary, .body = body };

        return make_notify(ret, bus, desktop, &notification, replaces_id);
}

void notification_close(sd_bus *bus, const char *server, uint32_t id) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;

        if (!bus || !server || id == 0 ||
            sd_bus_message_new_method_call(bus, &call, server, NOTIFICATIONS_PATH,
                                           NOTIFICATIONS_INTERFACE, "CloseNotification") < 0)
                return;

        if (sd_bus_message_set_expect_reply(call, false) >= 0 &&
            sd_bus_message_append(call, "u", id) >= 0)
                (void) sd_bus_send(bus, call, NULL);
}
