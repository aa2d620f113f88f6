/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Flaws
 *
 * One mistake may show in each line that follows it, so of each kind only the first ones are
 * told in words.
 */

#include <stdarg.h>
#include <stdio.h>

#include "flaws.h"

#define TOLD_OF_EACH_KIND 8

static const char *const names[_FLAW_KIND_MAX] = {
        [FLAW_LOST] = "sidecars lost",
        [FLAW_RESTARTED] = "sidecars restarted or ended",
        [FLAW_STOP] = "stops whose signal was lost",
        [FLAW_DOUBLED] = "sidecars doubled",
        [FLAW_LINE_MISSING] = "lines missing",
        [FLAW_LINE_DISORDER] = "lines twice or out of order",
        [FLAW_LINE_INVENTED] = "sidecars with lost lines that never were",
        [FLAW_EXIT_CODE] = "exit codes wrong, untold or twice",
        [FLAW_EVENT] = "gaps and changes in the events",
        [FLAW_HOLD] = "holds lost or invented",
};

static size_t counts[_FLAW_KIND_MAX];

void flaw(FlawKind kind, const char *format, ...) {
        va_list arguments;

        if (counts[kind]++ >= TOLD_OF_EACH_KIND)
                return;

        fprintf(stderr, "FLAW (%s): ", names[kind]);
        va_start(arguments, format);
        (void) vfprintf(stderr, format, arguments);
        va_end(arguments);
        fprintf(stderr, "\n");
}

size_t flaws_total(void) {
        size_t total = 0;

        for (size_t i = 0; i < _FLAW_KIND_MAX; i++)
                total += counts[i];
        return total;
}

void flaws_print(void) {
        for (size_t i = 0; i < _FLAW_KIND_MAX; i++)
                printf("  %-42s %8zu\n", names[i], counts[i]);
}
