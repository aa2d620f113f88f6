/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Format
 *
 * Of no limited length: what is in a text was limited where it was read.
 */

#include <stdarg.h>
#include <stdio.h>

#include "util/format.h"

char *format_text(const char *format, ...) {
        char *text;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&text, format, args);
        va_end(args);

        return n < 0 ? NULL : text;
}

int fail_with(char **ret_message, int error, char *message) {
        if (!message)
                return -ENOMEM;

        *ret_message = message;
        return error;
}
