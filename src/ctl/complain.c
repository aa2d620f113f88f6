/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Complain
 *
 * Half of what is said here was written by others, a sidecar's last words or a name from the
 * command line: nothing of it may drive the terminal.
 */

#include <stdarg.h>
#include <stdio.h>

#include "ctl/complain.h"
#include "util/visible.h"

static _printf_(1, 0) void print_line(const char *format, va_list args) {
        _cleanup_free_ char *text = NULL, *visible = NULL;

        if (vasprintf(&text, format, args) < 0) {
                text = NULL;
                return;
        }
        visible = visible_make(text);
        if (visible) {
                /* What was printed before is to be seen before. */
                (void) fflush(stdout);
                (void) fprintf(stderr, "sidecarctl: %s\n", visible);
        }
}

int complain(ExitStatus status, const char *format, ...) {
        va_list args;

        va_start(args, format);
        print_line(format, args);
        va_end(args);
        return (int) status;
}

void remark(const char *format, ...) {
        va_list args;

        va_start(args, format);
        print_line(format, args);
        va_end(args);
}
