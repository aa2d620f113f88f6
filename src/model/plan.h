/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Plan
 *
 * What a mode switch will do, as steps that a person can read before they are done: the reply of
 * SetMode, and its dry run. Whoever does the steps sets goals in this order and leaves the waiting
 * to lifecycle_set_blocked() and lifecycle_set_end_blocked().
 */

#include "model/manifest.h"

typedef enum PlanAction {
        PLAN_KEEP,
        PLAN_START,
        PLAN_STOP,
        _PLAN_ACTION_MAX,
        _PLAN_ACTION_INVALID = -EINVAL,
} PlanAction;

typedef struct PlanRow {
        char *sidecar;
        PlanAction action;
        char *reason; /* one sentence */
} PlanRow;

/* Stops come first, dependents before what they need; then keeps; then starts, the other way. */
typedef struct Plan {
        PlanRow *rows;
        size_t n_rows;
} Plan;

/*
 * From the names that are wanted up now to those that a mode is to have up, to which all that they
 * depend on is added. What is up and unknown to the manifest is stopped first of all. -ENOENT: the
 * manifest lacks a name of `wanted`.
 */
int plan_make(Plan **ret,
              const Manifest *manifest,
              const ModeSpec *mode,
              char *const *up,
              char *const *wanted);
Plan *plan_free(Plan *plan);
DEFINE_CLEANUP(Plan, plan_free);

/* "keep", "start", "stop" */
const char *plan_action_to_string(PlanAction action);
