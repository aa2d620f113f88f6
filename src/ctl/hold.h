/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Hold
 *
 * Holds an app while a command runs: what "hold" and "run" share.
 */

#include <systemd/sd-bus.h>

#include "ctl/arguments.h"

typedef struct HoldRequest HoldRequest;

/* Borrowed, all of it. */
struct HoldRequest {
        const Arguments *arguments;
        char *const *command;
        const char *app;
        const char *name;     /* of the one sidecar that is wanted; NULL: those of the mode */
        const char *manifest; /* that the hold brings along, with the next two; or NULL */
        const char *base_dir;
        char *const *env;
        /* Once it is held, and before the command; not 0: there is none. Or NULL. */
        int (*prepare)(sd_bus *bus, const HoldRequest *request);
};

/* Answers the exit status of the command. */
int hold_while_running(sd_bus *bus, const HoldRequest *request);
