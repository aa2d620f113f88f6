/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: a program that asks
 *
 * It gets what the main process has got: program search, templates, folder, and environment, which
 * is kept for it as long as this brain lives. A brain that has taken the sidecar up makes it once
 * more, by the same rules; only INVOCATION_ID is another one then.
 */

#include "core/environment.h"
#include "core/sidecar-parts.h"
#include "core/tmpdirs.h"
#include "util/strv.h"
#include "util/xdg.h"

void probe_program_done(ProbeProgram *program) {
        free(program->path);
        strv_free(program->argv);
        strv_free(program->env);
        free(program->working_directory);
        program_fault_done(&program->fault);
}

void sidecar_keep_environment(Sidecar *s, char **env) {
        const SidecarSpec *spec = s->running;

        strv_free(s->environment);
        s->environment = NULL;
        if (spec->readiness.kind == PROBE_EXEC || spec->liveness.probe.kind == PROBE_EXEC)
                s->environment = env;
        else
                strv_free(env);
}

static int make_environment(ProbeProgram *program, const Sidecar *s, const TemplateValues *values) {
        int r;

        program->spec.envp = s->environment;
        if (s->environment)
                return 0;

        r = environment_make(&program->env, s, values);
        if (r >= 0)
                r = tmpdirs_set(s, &program->env);
        program->spec.envp = program->env;
        return r;
}

int probe_program_make(ProbeProgram *program,
                       const Sidecar *s,
                       const ProbeSpec *spec,
                       const TemplateValues *values) {
        const char *folder = s->running->working_directory;
        int r;

        r = sidecar_expand_all(&program->argv, spec->command, values);
        if (r >= 0)
                r = program_search(&program->path, s, "probe program", program->argv[0],
                                   &program->fault);
        if (r < 0)
                return r;

        r = folder ? template_expand(&program->working_directory, folder, values, NULL)
                   : xdg_home(&program->working_directory);
        if (r >= 0)
                r = make_environment(program, s, values);
        if (r < 0)
                return r;

        program->spec.path = program->path;
        program->spec.argv = program->argv;
        program->spec.working_directory = program->working_directory;
        return 0;
}
