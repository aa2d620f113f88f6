/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * PreflightLine
 *
 * What is not of one of the known forms is a problem, to be shown: so nothing is lost.
 */

#include <stdlib.h>
#include <string.h>

#include "ctl/preflight-line.h"
#include "util/macro.h"
#include "util/strv.h"

#define FIELDS_MAX 6u

/* Only the last field may have tabs of its own. */
static size_t split(char *line, char *fields[static FIELDS_MAX]) {
        size_t n = 0;

        do
                fields[n++] = strsep(&line, "\t");
        while (line && n < FIELDS_MAX);

        return n;
}

PreflightLine preflight_line_parse(char *line) {
        static const struct {
                const char *word, *result; /* result NULL: any */
                size_t n_fields;
                PreflightKind kind;
        } forms[] = {
                { "manifest", NULL, 3, PREFLIGHT_MANIFEST },
                { "program", "found", 4, PREFLIGHT_PROGRAM_FOUND },
                { "program", "missing", 4, PREFLIGHT_PROGRAM_MISSING },
                { "port", NULL, 6, PREFLIGHT_PORT },
        };
        char *fields[FIELDS_MAX];
        size_t n;

        if (!strchr(line, '\t'))
                return (PreflightLine){ .kind = PREFLIGHT_PROBLEM, .text = line };

        n = split(line, fields);
        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                if (n != forms[i].n_fields || !streq(forms[i].word, fields[0]) ||
                    (forms[i].result && !streq(forms[i].result, fields[2])))
                        continue;
                if (forms[i].kind == PREFLIGHT_PORT)
                        return (PreflightLine){ .kind = PREFLIGHT_PORT,
                                                .name = fields[1],
                                                .port = (unsigned) atoi(fields[2]),
                                                .pid = (pid_t) atoi(fields[3]),
                                                .program = fields[4],
                                                .is_reassigned = streq(fields[5], "reassign") };
                return (PreflightLine){ .kind = forms[i].kind,
                                        .name = fields[1],
                                        .text = fields[n - 1] };
        }

        return (PreflightLine){ .kind = PREFLIGHT_PROBLEM, .text = line };
}
