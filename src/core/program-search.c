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

void program_search_done(ProgramSearch *search) {
        strv_free(search->candidates);
        free(search->path);
        free(search->advice);
}

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

int program_list_places(char ***ret,
                        const Supervisor *supervisor,
                        const SidecarSpec *spec,
                        const char *name) {
        _cleanup_(strv_freep) char **session = NULL;
        int r;

        r = session_copy_environment(supervisor, &session);
        return r < 0 ? r : program_candidates(ret, spec, name, strv_env_get(session, "PATH"));
}

/* The first that can be executed, else the first that cannot says why. */
static int look_at_places(ProgramSearch *search) {
        STRV_FOREACH (path, search->candidates) {
                _cleanup_free_ char *advice = NULL;
                /* Before it is looked into: what changes meanwhile is another one. */
                ProgramIdentity identity = program_identify(*path);
                int r;

                if (identity.mode == 0)
                        continue;
                r = program_file_check(*path, &advice);
                if (r == -ENOMEM)
                        return r;
                if (r < 0 && search->error != 0)
                        continue;
                search->identity = identity;
                if (r >= 0)
                        return free_and_strdup(&search->path, *path);
                search->error = -r;
                search->advice = TAKE_PTR(advice);
        }

        return 0;
}

int program_search(ProgramSearch *search,
                   const Supervisor *supervisor,
                   const SidecarSpec *spec,
                   const char *name) {
        int r = program_list_places(&search->candidates, supervisor, spec, name);

        return r < 0 ? r : look_at_places(search);
}

int program_search_along(ProgramSearch *search,
                         const SidecarSpec *spec,
                         const char *name,
                         const char *path) {
        int r = program_candidates(&search->candidates, spec, name, path);

        return r < 0 ? r : look_at_places(search);
}

int program_require(ProgramSearch *search,
                    const Sidecar *s,
                    const char *what,
                    const char *name,
                    ProgramFault *ret_fault) {
        bool is_missing;
        int r;

        r = program_search(search, s->supervisor, s->running, name);
        if (r < 0 || search->path)
                return r;

        is_missing = search->error == 0;
        *ret_fault = (ProgramFault){
                .is_missing = is_missing,
                .error = is_missing ? ENOENT : search->error,
                .text = is_missing ? say_tried(what, name, search->candidates)
                                   : TAKE_PTR(search->advice),
                .tried = TAKE_PTR(search->candidates),
        };
        return -ECANCELED;
}
