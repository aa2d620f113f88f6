/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * NotificationClicks
 *
 * Told by signals that name a number, which is ours only if the server that counts so is the one
 * that says it.
 */

#include "bus/notification-clicks.h"
#include "bus/notification-message.h"
#include "bus/show-log.h"
#include "core/goals.h"
#include "util/log.h"
#include "util/strv.h"

/* The sidecar whose pop-up that is; NULL: it is somebody else's. */
static Sidecar *find_shown(const Supervisor *supervisor, const char *server, uint32_t id) {
        for (size_t i = 0; i < supervisor->n_apps; i++) {
                const App *app = supervisor->apps[i];

                for (size_t k = 0; k < app->n_sidecars; k++) {
                        const Popup *popup = &app->sidecars[k]->popup;

                        if (popup->id == id && id != 0 && streq(popup->server, server))
                                return app->sidecars[k];
                }
        }

        return NULL;
}

static void restart(Sidecar *s) {
        uint64_t generation;
        int r;

        /* Somebody was quicker. */
        if (s->life.status != STATUS_FAILED)
                return;

        log_info("[%s] is started again by a click on its pop-up", sidecar_name(s));
        r = app_start_one(s->app, s, false, &generation);
        if (r < 0)
                (void) log_warning_errno(r, "[%s] cannot be started", sidecar_name(s));
}

/* The sender is asked for too: anybody may send us a signal that says what a server would. */
static int on_action(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error _unused_) {
        const Server *server = userdata;
        const char *action;
        Sidecar *s = NULL;
        uint32_t id;

        if (sd_bus_message_read(signal, "us", &id, &action) >= 0)
                s = find_shown(server->supervisor, sd_bus_message_get_sender(signal), id);
        if (s && streq(action, ACTION_RESTART))
                restart(s);
        else if (s && streq(action, ACTION_LOG))
                show_log(server->bus, s->log_path);

        return 0;
}

static int on_closed(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error _unused_) {
        const Server *server = userdata;
        Sidecar *s = NULL;
        uint32_t id;

        if (sd_bus_message_read(signal, "uu", &id, NULL) >= 0)
                s = find_shown(server->supervisor, sd_bus_message_get_sender(signal), id);
        if (s)
                sidecar_forget_popup(s);

        return 0;
}

int notification_clicks_attach(Server *server) {
        int r;

        r = sd_bus_match_signal_async(server->bus, NULL, NOTIFICATIONS_NAME, NOTIFICATIONS_PATH,
                                      NOTIFICATIONS_INTERFACE, "ActionInvoked", on_action, NULL,
                                      server);
        if (r < 0)
                return r;

        return sd_bus_match_signal_async(server->bus, NULL, NOTIFICATIONS_NAME, NOTIFICATIONS_PATH,
                                         NOTIFICATIONS_INTERFACE, "NotificationClosed", on_closed,
                                         NULL, server);
}
