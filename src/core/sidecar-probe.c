/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: probes
 *
 * What is asked is filled in anew each time, since ports move; which path has answered once is
 * remembered, and from then on it is the only one asked (contract R2).
 */

#include <string.h>

#include "core/sidecar.h"
#include "core/supervisor.h"
#include "model/template.h"
#include "util/clock.h"
#include "util/crashpoint.h"
#include "util/log.h"
#include "util/strv.h"

/* The texts of a target, while the probe is being started. */
typedef struct Texts {
        char *runtime_dir;
        char *state_dir;
        char **urls;
        char **paths;
        char **headers;
} Texts;

static void texts_done(Texts *texts) {
        free(texts->runtime_dir);
        free(texts->state_dir);
        strv_free(texts->urls);
        strv_free(texts->paths);
        strv_free(texts->headers);
}

static const ProbeSpec *probe_spec(const Sidecar *s, bool is_liveness) {
        return is_liveness ? &s->running->liveness.probe : &s->running->readiness;
}

static void on_probe(const ProbeResult *result, void *userdata) {
        Sidecar *s = userdata;
        char **alive_path = &s->alive_paths[s->probes_liveness];

        s->probe = probe_free(s->probe);
        if (result->alive && result->path_index >= 0 && !*alive_path)
                (void) free_and_strdup(
                        alive_path, probe_spec(s, s->probes_liveness)->paths[result->path_index]);

        if (!result->alive)
                (void) free_and_strdup(&s->probe_error, result->error);
        log_debug("[%s] probe: %s", sidecar_name(s), result->alive ? "alive" : result->error);
        CRASHPOINT("probe-answered");
        lifecycle_on_probe(&s->life, result->alive, clock_monotonic_usec());
        sidecar_converge(s);
        CRASHPOINT("probe-noted");
}

static int expand_all(char ***ret, char *const *texts, const TemplateValues *values) {
        _cleanup_(strv_freep) char **expanded = NULL;

        STRV_FOREACH (text, texts) {
                char *line = NULL;
                int r;

                r = template_expand(&line, *text, values, NULL);
                if (r >= 0)
                        r = strv_consume(&expanded, line);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(expanded);
        return 0;
}

static int fill_in(Texts *texts, const Sidecar *s, bool is_liveness) {
        const ProbeSpec *spec = probe_spec(s, is_liveness);
        char *only[] = { s->alive_paths[is_liveness], NULL };
        TemplateValues values = { .spec = s->running, .ports = s->ports };
        int r;

        texts->runtime_dir = sidecar_runtime_dir(s);
        texts->state_dir = sidecar_state_dir(s);
        if (!texts->runtime_dir || !texts->state_dir)
                return -ENOMEM;

        values.runtime_dir = texts->runtime_dir;
        r = sidecar_list_urls(s, &texts->urls);
        if (r < 0)
                return r;

        values.state_dir = texts->state_dir;
        values.urls = texts->urls;
        r = expand_all(&texts->paths, only[0] ? only : spec->paths, &values);
        return r < 0 ? r : expand_all(&texts->headers, spec->headers, &values);
}

static uint16_t probe_port(const Sidecar *s, const ProbeSpec *spec) {
        for (size_t i = 0; spec->port_name && i < s->n_ports; i++)
                if (streq(s->ports_spec->ports[i].name, spec->port_name))
                        return s->ports[i];

        return spec->port_number;
}

/* What a probe asks, and until when. */
typedef struct Question {
        bool is_liveness;
        uint64_t deadline_usec; /* CLOCK_MONOTONIC */
} Question;

static int start_probe(const Sidecar *s,
                       const Question *question,
                       probe_handler_t handler,
                       void *userdata,
                       Probe **ret) {
        const ProbeSpec *spec = probe_spec(s, question->is_liveness);
        _cleanup_(texts_done) Texts texts = { 0 };
        ProbeTarget target = {
                .kind = spec->kind,
                .port = probe_port(s, spec),
                .alive = spec->alive,
                .n_alive = spec->n_alive,
                .timeout_usec = spec->timeout_usec,
                .deadline_usec = question->deadline_usec,
        };
        int r;

        r = fill_in(&texts, s, question->is_liveness);
        if (r < 0)
                return r;

        target.paths = texts.paths;
        target.headers = texts.headers;
        return probe_start(ret, s->supervisor->prober, &target, handler, userdata);
}

void sidecar_probe(Sidecar *s, const Step *step) {
        const Question question = { step->is_liveness, step->until };
        int r;

        s->probes_liveness = step->is_liveness;
        lifecycle_did_probe(&s->life);
        r = start_probe(s, &question, on_probe, s, &s->probe);
        if (r < 0) {
                (void) log_warning_errno(r, "[%s] cannot be probed", sidecar_name(s));
                lifecycle_on_probe(&s->life, false, clock_monotonic_usec());
        }
}

static bool is_question(const ProbeSpec *spec) {
        return spec->kind == PROBE_HTTP || spec->kind == PROBE_TCP;
}

bool sidecar_can_be_asked(const Sidecar *s) {
        return is_question(&s->running->readiness) || is_question(&s->running->liveness.probe);
}

int sidecar_ask_health(const Sidecar *s,
                       uint64_t deadline_usec,
                       probe_handler_t handler,
                       void *userdata,
                       Probe **ret) {
        const Question question = { is_question(&s->running->liveness.probe), deadline_usec };

        return start_probe(s, &question, handler, userdata, ret);
}
