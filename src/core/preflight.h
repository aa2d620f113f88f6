/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Preflight
 *
 * `sidecard --check --preflight FILE...`, by which sidecarctl doctor learns what only a reader of
 * manifests can look at: no bus, no keeper, nothing started. Between the two of them alone.
 */

#include "model/manifest.h"

/*
 * To standard output, with tabs between:
 *
 *   manifest  APP       PATH
 *   program   APP/NAME  found    PATH
 *   program   APP/NAME  missing  what is wrong with it
 *   port      APP/NAME  NUMBER   PID      PROGRAM   fixed or reassign
 *
 * Of ports only those that are fixed and taken; PID 0: it cannot be seen whose they are. A program
 * with a template in its name is known at a start only, and left out.
 */
int preflight_print(const Manifest *manifest, const char *path);
