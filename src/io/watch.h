/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Watch
 *
 * Tells that something may have changed at one of a set of paths, whether something is there now
 * or not. What it was has to be looked at, by whoever is told: changes that undo each other are
 * told too. On network file systems only what this machine does is seen.
 */

#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct Watch Watch;

typedef void (*watch_handler_t)(void *userdata);

int watch_new(Watch **ret, sd_event *event, watch_handler_t handler, void *userdata);
Watch *watch_free(Watch *watch);
DEFINE_CLEANUP(Watch, watch_free);

/*
 * From now on these paths, all absolute, and no others. "FOLDER/ *SUFFIX", without the space, is
 * whatever ends so in a folder. To be called again after each notice, before looking: what lies
 * above a path may be another folder by now. Negative: not all of them are watched.
 */
int watch_set(Watch *watch, char *const *paths);
