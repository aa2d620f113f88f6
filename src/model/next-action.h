/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * NextAction
 *
 * What the supervisor does next about a sidecar, and what somebody else could do about it: the
 * two questions that follow on "why".
 */

#include "model/lifecycle.h"

/*
 * One clause without a subject ("is started again"), a new string; NULL where memory is out.
 * *ret_at: when, CLOCK_MONOTONIC; 0: no time is set. waits_for: the dependency it waits for, or
 * NULL.
 */
char *next_action_text(const Lifecycle *l, const char *waits_for, uint64_t now, uint64_t *ret_at);

/*
 * What would change it for the better, from the table of ReasonCodes; "" where nothing has to.
 * port_is_held: it ended because somebody has a port that it wants. has_last_words: what it wrote
 * says why it ended.
 */
const char *next_action_remedy(const Lifecycle *l, bool port_is_held, bool has_last_words);
