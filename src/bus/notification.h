/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Notifications
 *
 * The person at the desktop is told, by org.freedesktop.Notifications, of each sidecar that has
 * failed for good: in one pop-up a sidecar, by which it can be started again and its log be seen.
 * It goes when the sidecar runs or is stopped, and a new failure takes its place. An app gets five
 * a minute, and then one that sums the others up.
 *
 * Nobody is told of a backoff, or of a sidecar whose manifest says "x-notifications": false, or of
 * anything where the environment says SIDECARD_NOTIFICATIONS=no. A desktop without such a server is
 * no error.
 */

#include "bus/server.h"

#define POPUPS_PER_MINUTE 5

/* Of one app: how many there were, and the one that sums up. All zero at first. */
typedef struct AppPopups {
        uint64_t told_at[POPUPS_PER_MINUTE]; /* CLOCK_MONOTONIC; a ring */
        size_t n_told;
        sd_event_source *summary_timer; /* gathers what is to be summed up */
        bool summary_is_due;
        uint32_t summary_id; /* as Popup::id and Popup::server */
        char *summary_server;
} AppPopups;

void app_popups_done(AppPopups *popups);

int notifications_new(Notifications **ret, Server *server);
/* What is shown is taken away: nobody is there any more to hear what is clicked. */
Notifications *notifications_free(Notifications *notifications);
DEFINE_CLEANUP(Notifications, notifications_free);

/* Something may have changed, of that one or of all; looked at when this turn has ended. */
void notifications_note(const Notifications *notifications, const Sidecar *sidecar);
void notifications_note_all(const Notifications *notifications);

/* It goes. */
void notifications_forget(const Notifications *notifications, const Sidecar *sidecar);
void notifications_forget_app(const Notifications *notifications, const App *app);
