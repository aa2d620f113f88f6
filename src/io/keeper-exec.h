/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * KeeperExec
 *
 * A brain that was started by hand becomes a keeper, which starts a brain of its own.
 */

/* Does not return if it works. */
int keeper_exec(void);
