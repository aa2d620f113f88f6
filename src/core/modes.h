/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Modes
 *
 * The switch of an app from one mode to another (contract M1 to M4), as one transaction: when
 * something that the new mode adds fails for good, what was up before comes back. What is to be
 * done next says model/mode-switch; all that it goes by is in the ledger, so whichever brain there
 * is ends it. A switch that another supersedes is a part of that one: all of them have one end,
 * which is told once, and one set to go back to.
 */

#include "core/app.h"
#include "model/plan.h"

/* What a switch to that mode would do. -ENOENT: the manifest has no such mode. */
int app_plan_mode(const App *app, const char *mode, Plan **ret);

/* Does it. server_url: in place of the manifest's, or NULL. */
int app_set_mode(App *app, const char *mode, const char *server_url, const Plan *plan);

/* Some sidecar may have changed: the switch goes on, back, or comes to its end. */
void app_settle_mode(App *app);

/* Somebody wants that one down: no way back starts it again (contract X5). */
void app_note_stop_wish(App *app, const char *name);

/*
 * The mode to begin with, once there is a manifest: the one that is remembered (contract M2), or
 * the default. It stays unless the manifest has no such mode any more.
 */
int app_choose_mode(App *app);

/* URL of the external server of the current mode; "" where it has none. */
const char *app_server_url(const App *app);
