/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * NotificationClicks
 *
 * What a person does with a pop-up: has the sidecar started again, has its log shown, or does it
 * away.
 */

#include "bus/server.h"

/* Listens to it, on Server::bus. */
int notification_clicks_attach(Server *server);
