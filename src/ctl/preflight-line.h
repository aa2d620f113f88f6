/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * PreflightLine
 *
 * A line of `sidecard --check --preflight`, taken apart.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum PreflightKind {
        PREFLIGHT_PROBLEM, /* what is wrong with a manifest, as `sidecard --check` says it */
        PREFLIGHT_MANIFEST,
        PREFLIGHT_PROGRAM_FOUND,
        PREFLIGHT_PROGRAM_MISSING,
        PREFLIGHT_PORT, /* which is taken */
} PreflightKind;

typedef struct PreflightLine {
        PreflightKind kind;
        const char *name; /* APP, or APP/NAME */
        const char *text; /* a path, or what is wrong */
        unsigned port;
        pid_t pid; /* 0: cannot be seen */
        const char *program;
        bool is_reassigned; /* the sidecar takes another port then */
} PreflightLine;

/* Changes line, and borrows from it. */
PreflightLine preflight_line_parse(char *line);
