/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Payload
 *
 * What a child needs to exec, in the memfd that init/wire.h describes: the keeper passes it on
 * unread, and only the child maps it. So an environment may be of any size, a message not.
 */

#include "io/tree.h"

/* A sealed memfd: whoever maps it can rely on it. */
int payload_new(const SpawnSpec *spec, int *ret_fd);
