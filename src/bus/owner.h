/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Owner
 *
 * The names that hold apps, or wait to write, watched until they leave the bus (contract H2). Not
 * sd_bus_track, which asks the bus synchronously: a bus that is stopped for two seconds would stop
 * us, and a bus that is slow is no death (contract H3).
 */

#include "bus/server.h"

/* Watches the name; the second time it does nothing. When it goes core is told. */
int owner_watch(Server *server, const char *name);

/* Forgets the names that neither hold nor wait any more. */
void owners_prune(Server *server);

void owners_free(Server *server);
