/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Unclaimed
 *
 * The slots that an earlier brain filled and that no record of this one wants: each tree is
 * killed until it is proven empty, then its slot is given back. In the background, in rounds.
 */

#include "io/keeper-client.h"

typedef struct Unclaimed Unclaimed;

/* Takes up every kept slot that nobody has claimed by now. */
int unclaimed_new(Unclaimed **ret, KeeperClient *client);
Unclaimed *unclaimed_free(Unclaimed *unclaimed);
DEFINE_CLEANUP(Unclaimed, unclaimed_free);
