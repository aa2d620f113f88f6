/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Summary
 *
 * How many sidecars are Running and how many have Failed, for whoever started the keeper: it is
 * what `systemctl --user status sidecard` shows.
 */

#include "core/supervisor.h"

/* It is told once, soon, even if nothing happens: whoever was here before may have said more. */
int summary_new(Summary **ret, Supervisor *supervisor);
Summary *summary_free(Summary *summary);
DEFINE_CLEANUP(Summary, summary_free);

/* It may not be so any more. */
void summary_note(Summary *summary);
