/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Check
 *
 * `sidecard --check FILE...`, which sidecarctl check executes: manifests are read as the daemon
 * would read them, those of its folders with the drop-ins over them, a drop-in with the manifest
 * below it, and what is wrong goes to standard output. No bus, no keeper, nothing started.
 */

typedef enum CheckMore {
        CHECK_MORE_NOTHING,
        CHECK_MORE_SCHEDULES, /* a line for each sidecar of what is right, its restart schedule */
        CHECK_MORE_PREFLIGHT, /* see core/preflight.h */
} CheckMore;

/* A line for each problem, `FILE:LINE: /pointer: message`. -EBADMSG: not all are good. */
int check_manifests(char *const *paths, CheckMore more);
