/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Goals
 *
 * What is wanted of all sidecars of an app at once: starts and stops in the order of their
 * dependencies. Setting a goal never waits; the order is kept by what each sidecar is told of the
 * others (app_settle()).
 */

#include "core/app.h"
#include "model/plan.h"

/*
 * The sidecars a call is about: `names` with all that they depend on, dependencies first; NULL
 * names: those that the current mode starts. -ENOENT: there is none of some name.
 */
int app_select(const App *app, char *const *names, char ***ret);

/*
 * Wants them up, or down. What is not there is left out. Errors of supervisor_check_starts(), if
 * any is to be up. app_change() does both at once, so that no brain dies between the two.
 */
int app_start(App *app, char *const *names);
int app_change(App *app, char *const *up, char *const *down, ReasonCode on_whose_account);
/* For core/modes: back to an earlier set. Each comes back as it was started then. */
void app_change_back(App *app, char *const *up, char *const *down);
/*
 * The same for one of them: what it depends on comes first, unless that is there already or, with
 * no_deps, is not to be asked for. *ret: the generation it gets.
 */
int app_start_one(App *app, Sidecar *sidecar, bool no_deps, uint64_t *ret);
void app_stop(App *app, char *const *names, ReasonCode on_whose_account, bool kill);
void app_stop_all(App *app, ReasonCode on_whose_account, bool kill);

/* Wants up what it depends on and is not there; a migration that has been done stays done. */
int app_start_dependencies(App *app, const Sidecar *sidecar);

/* Names of the sidecars that are wanted up now. */
int app_list_up(const App *app, char ***ret);

/*
 * Tells every sidecar what those that it depends on, and that depend on it, have come to, until
 * nothing changes any more; then whether a mode switch has come to its end. Called after each
 * change of any of them.
 */
void app_settle(App *app);

/*
 * While it holds still what one of its sidecars comes to moves none of the others. Each begins
 * with what the others are at that moment, and all go on together at the end.
 */
void app_hold_still(App *app, bool still);
