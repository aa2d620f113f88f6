/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Check
 *
 * `sidecard --check FILE...`, which sidecarctl check executes: manifests are read as the daemon
 * would read them, those of its folders with the drop-ins over them, a drop-in with the manifest
 * below it, and what is wrong goes to standard output. No bus, no keeper, nothing started.
 */

#include <stdbool.h>

/*
 * A line for each problem, `FILE:LINE: /pointer: message`; with verbose also one for each sidecar
 * of what is right, its restart schedule. -EBADMSG: not all are good.
 */
int check_manifests(char *const *paths, bool verbose);
