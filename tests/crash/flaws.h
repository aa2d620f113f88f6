/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Flaws
 *
 * What a storm has found wrong. Each is told where it is seen, with all that is known of it, and
 * counted by its kind; the storm goes on, so that one run shows whether there is a pattern.
 */

#include <stddef.h>

#include "util/macro.h"

typedef enum FlawKind {
        FLAW_LOST,      /* wanted, and does not run */
        FLAW_RESTARTED, /* it ran, nobody asked, and it was ended or started */
        FLAW_STOP,      /* its signal never came */
        FLAW_DOUBLED,   /* two at a time, or two of one generation */
        FLAW_LINE_MISSING,
        FLAW_LINE_DISORDER, /* twice, out of order, torn */
        FLAW_LINE_INVENTED, /* told as lost, and never written */
        FLAW_EXIT_CODE,     /* wrong, untold, or told twice */
        FLAW_EVENT,         /* a gap, or another event of the same number */
        FLAW_HOLD,
        _FLAW_KIND_MAX,
} FlawKind;

_printf_(2, 3) void flaw(FlawKind kind, const char *format, ...);

size_t flaws_total(void);

/* A line for each kind. */
void flaws_print(void);
