/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Dependency
 *
 * What follows from "dependsOn" for a set of sidecars: who else has to be there, in which order,
 * and whether there is an order at all. What one sidecar's state means to another is
 * lifecycle_check_dependency().
 */

#include "model/manifest.h"

/* "started", "ready", "completed" */
const char *dependency_condition_to_string(DependencyCondition condition);
DependencyCondition dependency_condition_from_string(const char *text);

/* NULL where the sidecar does not depend on that one. */
const Dependency *sidecar_spec_find_dependency(const SidecarSpec *spec, const char *name);

/*
 * The names and all that they depend on, each once: dependencies first, and otherwise in the order
 * of names, then of the alphabet. Started in this order and stopped in the reverse none ever lacks
 * what it needs. -ENOENT: the manifest has no sidecar of one of these names.
 */
int dependency_close(char ***ret, const Manifest *manifest, char *const *names);

/* Names along a cycle, the first again as the last: "a", "b", "a"; or NULL: there is none. */
int dependency_find_cycle(char ***ret, const Manifest *manifest);
