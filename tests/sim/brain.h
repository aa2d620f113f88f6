/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Brain
 *
 * What core does with a Lifecycle, and in the same order: news and wishes become facts, facts
 * become steps, and each is written down where core/sidecar*.c do so. Between any two of these it
 * may die, as by SIGKILL: what was in its head is gone, what got out is not.
 */

#include "sim/history.h"

/* The first one, or the next one, which takes up what is in the ledger. It may die of it. */
void brain_start(History *history);

/* Whether it just died. */
bool brain_dies(History *history);

/* Does whatever is to be done by now; then history->until says when it is to be called again. */
void brain_converge(History *history);

void brain_take_news(History *history, const News *news);

/* Answers whether the one who wished has heard that it is in force. */
bool brain_take_wish(History *history, WishKind wish);

/* Others of the app have come to something. */
void brain_take_others(History *history);
void brain_take_failed_dependency(History *history);
