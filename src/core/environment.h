/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Environment
 *
 * What a sidecar finds in its environment (contract S5): the session's (core/session.h), plus the
 * manifest's, what holds pass on, and a few of ours.
 */

#include "core/sidecar.h"
#include "model/template.h"

/* For the generation that Sidecar::running and Lifecycle::generation describe. */
int environment_make(char ***ret, const Sidecar *sidecar, const TemplateValues *values);
