/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Caller
 *
 * What kind of program a process is: unsandboxed, a Flatpak, a Snap, or something that cannot be
 * told and is a stranger (contract A4). The pid must be pinned by the caller of this, before and
 * after: see bus/sender.c.
 */

#include <sys/types.h>

typedef enum CallerKind {
        CALLER_HOST,
        CALLER_FLATPAK,
        CALLER_SNAP,
        CALLER_UNKNOWN,
} CallerKind;

/*
 * pid: to look at, pidfd: its pin, which must still be alive afterwards or the answer is
 * CALLER_UNKNOWN. security_label: what the bus took from the socket at connect, or NULL.
 */
CallerKind caller_identify(pid_t pid, int pidfd, const char *security_label);
