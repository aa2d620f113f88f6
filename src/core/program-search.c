/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ProgramSearch
 *
 * model/program.h has the places, io/program-file.h looks at what is there. What is there and
 * cannot be executed does not end the search, but is what is told if nothing better is found.
 */

#include <stdio.h>
#include <string.h>

#include "core/program-search.h"
#include "core/session.h"
#include "io/program-file.h"
#include "model/program.h"
#include "util/strv.h"
#include "util/utf8.h"

void program_fault_done(ProgramFault *fault) {
        free(fault->text);
        strv_free(fault->tried);
}

/* The list of places, for a sentence: at most a few lines on a terminal. */
static char *say_tried(const char *what, const char *name, char *const *tried) {
        _cleanup_(strv_freep) char **triples = NULL;
        char *text = NULL;
        size_t n_bytes;
        FILE *stream = open_memstream(&text, &n_bytes);

        if (!stream)
                return NULL;

        (void) fprintf(stream, "%s %s was not found; tried", what, name);
        STRV_FOREACH (path, tried)
                (void) fprintf(stream, "%s %s", path == tried ? "" : ",", *path);
        (void) program_file_list_triples(&triples, tried);
        STRV_FOREACH (path, triples) {
                _cleanup_free_ char *valid = utf8_make_valid(*path, strlen(*path));

                (void) fprintf(stream, "%s %s",
                               path == triples ? "; for other machines there is" : ",",
                               valid ? valid : "");
        }
        (void) fclose(stream);
        return text;
}

static int list_candidates(char ***ret, const Sidecar *s, const char *name) {
        _cleanup_(strv_freep) char **session = NULL;
        int r;

        r = session_copy_environment(s->supervisor, &session);
        return r < 0 ? r : program_candidates(ret, s->running, name, strv_env_get(session, "PATH"));
}

int program_search(
        char **ret, const Sidecar *s, const char *what, const char *name, ProgramFault *ret_fault) {
        _cleanup_(strv_freep) char **candidates = NULL;
        _cleanup_free_ char *advice = NULL;
        int error = 0, r;

        r = list_candidates(&candidates, s, name);
        if (r < 0)
                return r;

        STRV_FOREACH (path, candidates) {
                _cleanup_free_ char *fault = NULL;

                if (access(*path, F_OK) < 0)
                        continue;
                r = program_file_check(*path, &fault);
                if (r >= 0) {
                        char *found = strdup(*path);

                        if (!found)
                                return -ENOMEM;
                        *ret = found;
                        return 0;
                }
                if (r == -ENOMEM)
                        return r;
                if (!advice) {
                        error = -r;
                        advice = TAKE_PTR(fault);
                }
        }

        *ret_fault = (ProgramFault){
                .is_missing = error == 0,
                .error = error == 0 ? ENOENT : error,
                .text = error == 0 ? say_tried(what, name, candidates) : TAKE_PTR(advice),
                .tried = TAKE_PTR(candidates),
        };
        return -ECANCELED;
}
