/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hold and Release
 *
 * The two methods of Manager that bind an app's sidecars to the life of a caller, and the list of
 * who has done so.
 */

#include "bus/server.h"

int method_hold(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int method_release(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

/* Appends aa{sv}: Manager.Holds. */
int holds_append(sd_bus_message *reply, const Supervisor *supervisor);

/* HoldReleased, to its owner alone. */
void hold_tell_lost(const Server *server, const Hold *hold);
