/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ShowLog
 *
 * Has the desktop show a file to the person, by whatever it has for that. The brain starts no
 * program for it.
 */

#include <stdbool.h>

#include <systemd/sd-bus.h>

/* Of names that are there or can be activated: whether one of them could. */
bool show_log_is_possible(char *const *names);

/* Asks, and waits for nothing; what comes to nothing is logged. */
void show_log(sd_bus *bus, const char *path);
