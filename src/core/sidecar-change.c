/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: what has changed since
 *
 * Manifest and program of what is up are compared with what a start would take now; what waits or
 * has failed is tried again with it (contract F3). Of what has failed the program counts as it was
 * at the failure: one that writes itself anew whenever it runs would be tried for ever.
 */

#include <string.h>

#include "core/program-search.h"
#include "core/records.h"
#include "core/sidecar-parts.h"
#include "core/supervisor.h"
#include "util/strv.h"

static bool has_failed(const Sidecar *s) {
        return s->life.failed || s->life.backoff;
}

bool sidecar_needs_restart(const Sidecar *s) {
        if (sidecar_is_gone(s) || s->life.goal != GOAL_UP || has_failed(s) || !s->running)
                return false;

        return s->spec_is_gone || s->program_is_other ||
               !streq(s->running->process_json, s->spec->process_json);
}

/* One that was stopped since keeps its failure until nothing of it is left, and stays down. */
bool sidecar_retry(Sidecar *s) {
        if (!has_failed(s) || s->life.goal != GOAL_UP)
                return false;

        lifecycle_restart(&s->life);
        record_sidecar(s);
        return true;
}

void sidecar_set_spec(Sidecar *s, SidecarSpec *spec) {
        bool is_other = !streq(s->spec->effective_json, spec->effective_json);

        sidecar_spec_unref(s->spec);
        s->spec = sidecar_spec_ref(spec);
        s->spec_is_gone = false;

        /* The policy of a start that is to come is the one in force (contract S1). */
        if (sidecar_is_gone(s))
                s->life.spec = s->spec;
        if (is_other)
                (void) sidecar_retry(s);
}

void sidecar_note_program(Sidecar *s) {
        _cleanup_(program_search_done) ProgramSearch search = { 0 };

        if (s->program_word &&
            program_search(&search, s->supervisor, s->spec, s->program_word) >= 0)
                s->identity = search.identity;
}

/* True: of what is up, that a start would execute another. */
static bool is_other(const Sidecar *s, const ProgramSearch *search) {
        return !search->path || !s->program || !streq(search->path, s->program) ||
               !program_identity_equal(&search->identity, &s->identity);
}

bool sidecar_check_program(Sidecar *s) {
        _cleanup_(program_search_done) ProgramSearch search = { 0 };
        bool was_other = s->program_is_other;

        if (!s->program_word || s->life.goal != GOAL_UP ||
            program_search(&search, s->supervisor, s->spec, s->program_word) < 0)
                return false;

        if (has_failed(s)) {
                if (program_identity_equal(&search.identity, &s->identity))
                        return false;
                s->identity = search.identity;
                return sidecar_retry(s);
        }

        s->program_is_other = !sidecar_is_gone(s) && is_other(s, &search);
        if (s->program_is_other != was_other)
                s->supervisor->observer->on_sidecar_changed(s, s->supervisor->observer_userdata);
        return false;
}

int sidecar_list_programs(const Sidecar *s, char ***ret) {
        _cleanup_(strv_freep) char **candidates = NULL;
        int r;

        if (!s->program_word || s->life.goal != GOAL_UP) {
                *ret = NULL;
                return 0;
        }

        r = program_list_places(&candidates, s->supervisor, s->spec, s->program_word);
        if (r < 0)
                return r;

        /* What comes behind the one that is there is of no interest as long as it is. */
        for (char **path = candidates; path && *path; path++)
                if (s->program && streq(*path, s->program) && access(*path, F_OK) >= 0) {
                        for (char **rest = path + 1; *rest; rest++)
                                *rest = (free(*rest), NULL);
                        break;
                }

        *ret = TAKE_PTR(candidates);
        return 0;
}
