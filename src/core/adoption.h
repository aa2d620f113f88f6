/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Adoption
 *
 * What every brain begins with: it takes up whatever an earlier one has left, from the ledger and
 * the keeper's table. The first start is the same, with nothing to take up (contract D2).
 */

#include "core/supervisor.h"

/*
 * After keeper_client_read_table(), and before supervisor_load(). Apps, sidecars and holds are
 * there when it returns, with all that has happened meanwhile; what the keeper has and nobody
 * wants is being ended. Negative errno: not even an empty beginning is possible.
 */
int supervisor_adopt(Supervisor *supervisor);
