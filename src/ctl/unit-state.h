/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * UnitState
 *
 * How the unit of the daemon is, as org.freedesktop.systemd1(5) has it, and what to do about it.
 */

#include <systemd/sd-bus.h>

#include "ctl/findings.h"

#define UNIT_NAME "sidecard.service"

typedef struct UnitState {
        char *load;   /* LoadState */
        char *active; /* ActiveState */
        char *file;   /* UnitFileState; "" where there is no file */
} UnitState;

void unit_state_done(UnitState *state);
int unit_state_read(UnitState *ret, sd_bus *bus);

/* is_needed: the daemon is to be started by it, and is not there yet. */
void unit_state_judge(const UnitState *state, bool is_needed, Findings *findings);
