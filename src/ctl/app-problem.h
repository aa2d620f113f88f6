/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * AppProblem
 *
 * What is wrong with the manifest of an app, as its LoadError has it.
 */

#include <systemd/sd-bus.h>

#include "util/macro.h"

typedef struct AppProblem {
        sd_bus_message *reply; /* what pointer and message are borrowed from */
        const char *pointer;
        const char *message; /* empty where the manifest is in force as it stands */
} AppProblem;

int app_problem_read(AppProblem *ret, sd_bus *bus, const char *path);
void app_problem_done(AppProblem *problem);

/* In one line that a terminal can have; freed by the caller, NULL for lack of memory. */
char *app_problem_text(const AppProblem *problem);

/* For whom an app has nothing to show: whether that is why. 0: it is not. */
int app_problem_complain(sd_bus *bus, const char *app, const char *path);
