/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ProgressView
 *
 * What is seen of a Progress: nothing in here waits or asks.
 */

#include "ctl/progress.h"

/* Its state is another one. Prints a line where lines do not change in place. */
void progress_view_changed(const Awaited *item);
void progress_view_finished(const Awaited *item);

/* Draws all lines anew, on a terminal that has room for them. */
void progress_view_draw(Progress *progress);

/* The complaints, or with --json all there is to say. */
int progress_view_end(Progress *progress);
