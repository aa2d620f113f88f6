/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: its limits
 *
 * What it cannot be given does not keep it from starting, and is not passed over either: it is in
 * the log and in Explain. Looked at once, right after exec, before the program changes much itself.
 */

#include "core/sidecar-parts.h"
#include "io/kernel-limits.h"
#include "util/log.h"
#include "util/strv.h"

static int list_missing(const Sidecar *s, pid_t pid, char ***ret) {
        const Limits *limits = &s->running->limits;
        _cleanup_(strv_freep) char **missing = NULL;

        for (Limit i = 0; i < _LIMIT_MAX; i++) {
                _cleanup_free_ char *fault = NULL;
                int r;

                r = limit_find_fault(limits, i, tree_cgroup_fd(s->tree), pid, &fault);
                if (r >= 0 && fault)
                        r = strv_extendf(&missing, "%s: %s", limit_to_string(i), fault);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(missing);
        return 0;
}

void sidecar_note_limits(Sidecar *s) {
        char **missing = NULL;
        int r;

        r = list_missing(s, s->main_pid, &missing);
        /* Reaped by now, its pid may have been another's. */
        if (r >= 0 && !tree_main_is_there(s->tree)) {
                missing = strv_free(missing);
                r = list_missing(s, 0, &missing);
        }
        if (r < 0) {
                (void) log_warning_errno(r, "[%s] its limits cannot be looked at", sidecar_name(s));
                return;
        }

        /* Of a restart that finds things as they were nobody has to read again. */
        STRV_FOREACH (sentence, missing)
                if (!strv_contains(s->missing_limits, *sentence))
                        log_warning("[%s] limits: %s", sidecar_name(s), *sentence);

        strv_free(s->missing_limits);
        s->missing_limits = missing;
}
