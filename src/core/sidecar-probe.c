/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: probes
 *
 * What is asked is filled in anew each time, since ports move; which path has answered once is
 * remembered, and from then on it is the only one asked (contract R2). An answer counts if it comes
 * from the tree (R3), a miss if there was time to answer (L2).
 */

#include <string.h>

#include "core/sidecar-parts.h"
#include "core/supervisor.h"
#include "io/pressure.h"
#include "model/template.h"
#include "util/clock.h"
#include "util/crashpoint.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/strv.h"

#define NOBODY_LISTENS "nobody listens there any more"

/* From here on a timer is late because we were not run, not because there was much to do. */
#define LATE_USEC (100 * USEC_PER_MSEC)

/* The texts of a target, while the probe is being started. */
typedef struct Texts {
        char *runtime_dir;
        char *state_dir;
        char **urls;
        char **paths;
        char **headers;
        char *token_path;
        char *unix_socket; /* or NULL */
        ProbeProgram program;
        TemplateValues values; /* borrows from the others */
} Texts;

static void texts_done(Texts *texts) {
        free(texts->runtime_dir);
        free(texts->state_dir);
        strv_free(texts->urls);
        strv_free(texts->paths);
        strv_free(texts->headers);
        free(texts->token_path);
        free(texts->unix_socket);
        probe_program_done(&texts->program);
}

/* Another process may answer elsewhere. */
static void forget_paths(Sidecar *s) {
        for (size_t i = 0; i < ELEMENTSOF(s->alive_paths); i++)
                s->alive_paths[i] = (free(s->alive_paths[i]), NULL);
}

void sidecar_forget_health(Sidecar *s) {
        forget_paths(s);
        s->probe_error = (free(s->probe_error), NULL);
        s->last_probe = (LastProbe){ 0 };
        s->pattern = log_pattern_free(s->pattern);
        s->pattern_is_hopeless = false;
        memset(s->owner_is_known, 0, sizeof(s->owner_is_known));
        starvation_end(&s->starvation);
        s->probe_was_late = false;
}

static const ProbeSpec *probe_spec(const Sidecar *s, bool is_liveness) {
        return is_liveness ? &s->running->liveness.probe : &s->running->readiness;
}

uint16_t sidecar_probe_port(const Sidecar *s, const ProbeSpec *spec) {
        for (size_t i = 0; spec->port_name && i < s->n_ports; i++)
                if (streq(s->ports_spec->ports[i].name, spec->port_name))
                        return s->ports[i];

        return spec->port_number;
}

/* The machine may be too busy to let it answer, for two minutes at most (contract L2). */
static bool is_starved(Sidecar *s, uint64_t now) {
        unsigned some = 0;

        (void) pressure_read_cpu(tree_cgroup_fd(s->tree), &some);
        return starvation_excuses_miss(&s->starvation, some, now);
}

static void note_miss(Sidecar *s, bool is_loading, const char *error) {
        uint64_t now = clock_monotonic_usec();

        s->owner_is_known[s->probes_liveness] = false;
        if (!s->probe_error || !streq(s->probe_error, error))
                (void) free_and_strdup(&s->probe_error, error);

        if (s->probes_liveness && is_starved(s, now))
                lifecycle_on_probe_dropped(&s->life,
                                           now + probe_spec(s, s->probes_liveness)->interval_usec);
        else if (is_loading)
                lifecycle_on_loading(&s->life, now);
        else
                lifecycle_on_probe(&s->life, false, now);
}

static void note_answer(Sidecar *s, int path_index) {
        char **alive_path = &s->alive_paths[s->probes_liveness];

        s->owner_is_known[s->probes_liveness] = true;
        s->probe_was_late = false;
        if (path_index >= 0 && !*alive_path)
                (void) free_and_strdup(alive_path,
                                       probe_spec(s, s->probes_liveness)->paths[path_index]);

        s->probe_error = (free(s->probe_error), NULL);
        starvation_end(&s->starvation);
        lifecycle_on_probe(&s->life, true, clock_monotonic_usec());
}

/* Somebody answered: the sidecar, if nobody else listens there. */
static PortOwner find_owner(const Sidecar *s, bool is_liveness, PortHolder *ret_stranger) {
        const ProbeSpec *spec = probe_spec(s, is_liveness);

        if (spec->kind == PROBE_EXEC || spec->any_owner || spec->unix_socket ||
            s->owner_is_known[is_liveness])
                return PORT_OWNER_TREE;

        return sidecar_find_port_owner(s, sidecar_probe_port(s, spec), ret_stranger);
}

static void note_stranger(Sidecar *s, const PortHolder *stranger) {
        uint16_t port = sidecar_probe_port(s, probe_spec(s, s->probes_liveness));

        free(s->evidence.detail);
        s->evidence.detail = evidence_note_holder(&s->evidence, port, stranger);
        if (s->evidence.detail)
                (void) free_and_strdup(&s->probe_error, s->evidence.detail);
        lifecycle_on_stranger(&s->life, clock_monotonic_usec(), sidecar_roll());
}

static void judge(Sidecar *s, const ProbeResult *result) {
        PortHolder stranger = { 0 };
        PortOwner owner = PORT_OWNER_NOBODY;

        if (result->alive)
                owner = find_owner(s, s->probes_liveness, &stranger);
        s->last_probe = (LastProbe){ clock_realtime_usec(), owner == PORT_OWNER_TREE,
                                     result->status, result->latency_usec };

        if (!result->alive)
                note_miss(s, result->is_loading, result->error);
        else if (owner == PORT_OWNER_NOBODY)
                note_miss(s, false, NOBODY_LISTENS);
        else if (owner == PORT_OWNER_STRANGER)
                note_stranger(s, &stranger);
        else
                note_answer(s, result->path_index);
}

/*
 * What was to be answered by then was perhaps not even sent: a connection is made by the kernel
 * while we do not run, a request is not. Not twice in a row, or a brain that is always late would
 * never find out.
 */
static bool had_no_time(Sidecar *s, const ProbeResult *result) {
        bool was_late = s->probe_was_late;

        s->probe_was_late = clock_monotonic_usec() > result->until_usec + LATE_USEC;
        return s->probe_was_late && !was_late;
}

static void judge_in_time(Sidecar *s, const ProbeResult *result) {
        if (!result->alive && had_no_time(s, result))
                lifecycle_on_probe_dropped(&s->life, clock_monotonic_usec());
        else
                judge(s, result);
}

static void on_probe(const ProbeResult *result, void *userdata) {
        Sidecar *s = userdata;
        uint64_t interval = probe_spec(s, s->probes_liveness)->interval_usec;
        /* A path may have been filled in with what is passed on. */
        _cleanup_free_ char *error = sidecar_blank(s, result->error);
        ProbeResult told = *result;

        told.error = error ? error : "";
        s->probe = probe_free(s->probe);
        log_debug("[%s] probe: %s", sidecar_name(s), told.alive ? "alive" : told.error);
        CRASHPOINT("probe-answered");
        if (told.alive || !supervisor_check_time(s->supervisor, told.until_usec, interval))
                judge_in_time(s, &told);
        sidecar_go_on(s);
        CRASHPOINT("probe-noted");
}

int sidecar_expand_all(char ***ret, char *const *texts, const TemplateValues *values) {
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

static int find_values(Texts *texts, const Sidecar *s) {
        TemplateValues *values = &texts->values;
        int r;

        texts->runtime_dir = sidecar_runtime_dir(s);
        texts->state_dir = sidecar_state_dir(s);
        texts->token_path = sidecar_token_path(s);
        if (!texts->runtime_dir || !texts->state_dir || !texts->token_path)
                return -ENOMEM;

        *values = (TemplateValues){
                .spec = s->running,
                .ports = s->ports,
                .token = s->token,
                .token_file = texts->token_path,
                .passed = s->passed,
                .runtime_dir = texts->runtime_dir,
                .state_dir = texts->state_dir,
        };
        r = sidecar_list_urls(s, &texts->urls);
        if (r < 0)
                return r;

        values->urls = texts->urls;
        return 0;
}

static bool any_has_brace(char *const *texts) {
        STRV_FOREACH (text, texts)
                if (strchr(*text, '{'))
                        return true;

        return false;
}

/* Most texts are plain, and what might be filled in costs more than to copy them. */
static bool wants_values(const ProbeSpec *spec) {
        return spec->kind == PROBE_EXEC || spec->unix_socket || any_has_brace(spec->paths) ||
               any_has_brace(spec->headers);
}

/* path: the only one to ask; NULL: all of the spec. */
static int fill_in(Texts *texts, const Sidecar *s, const ProbeSpec *spec, char *path) {
        char *only[] = { path, NULL };
        TemplateValues *values = &texts->values;
        int r;

        r = wants_values(spec) ? find_values(texts, s) : 0;
        if (r < 0)
                return r;

        if (spec->unix_socket)
                r = template_expand(&texts->unix_socket, spec->unix_socket, values, NULL);
        if (r < 0)
                return r;
        r = sidecar_expand_all(&texts->paths, only[0] ? only : spec->paths, values);
        return r < 0 ? r : sidecar_expand_all(&texts->headers, spec->headers, values);
}

/* One that cannot be run is an answer. */
static int set_program(ProbeTarget *target, Texts *texts, const Sidecar *s, const ProbeSpec *spec) {
        int r;

        target->tree = s->tree;
        r = probe_program_make(&texts->program, s, spec, &texts->values);
        if (r == -ECANCELED && texts->program.fault.text) {
                target->fault = texts->program.fault.text;
                return 0;
        }
        target->program = &texts->program.spec;
        return r;
}

int sidecar_ask(const Sidecar *s,
                const Question *question,
                probe_handler_t handler,
                void *userdata,
                Probe **ret) {
        const ProbeSpec *spec = question->spec;
        _cleanup_(texts_done) Texts texts = { 0 };
        ProbeTarget target = {
                .kind = spec->kind,
                .port = sidecar_probe_port(s, spec),
                .method = spec->method,
                .alive = spec->alive,
                .n_alive = spec->n_alive,
                .timeout_usec = spec->timeout_usec,
                .deadline_usec = question->deadline_usec,
        };
        int r;

        r = fill_in(&texts, s, spec, question->path);
        if (r < 0)
                return r;

        target.paths = texts.paths;
        target.headers = texts.headers;
        target.unix_path = texts.unix_socket;
        if (spec->kind == PROBE_EXEC) {
                r = set_program(&target, &texts, s, spec);
                if (r < 0)
                        return r;
        }
        return probe_start(ret, s->supervisor->prober, &target, handler, userdata);
}

static Question make_question(const Sidecar *s, bool is_liveness, uint64_t deadline_usec) {
        return (Question){
                .spec = probe_spec(s, is_liveness),
                .path = s->alive_paths[is_liveness],
                .deadline_usec = deadline_usec,
        };
}

/* Each path has a time of its own. */
static uint64_t round_end(const Question *question) {
        const ProbeSpec *spec = question->spec;
        uint64_t end = clock_monotonic_usec() +
                       spec->timeout_usec * (1 + (uint64_t) strv_length(spec->paths));

        return end < question->deadline_usec ? end : question->deadline_usec;
}

void sidecar_probe(Sidecar *s, const Step *step) {
        Question question = make_question(s, step->is_liveness, step->until);
        int r;

        /* The time of a program begins with its turn. */
        if (step->is_liveness && probe_spec(s, true)->kind == PROBE_EXEC)
                question.deadline_usec = USEC_INFINITY;

        s->probes_liveness = step->is_liveness;
        lifecycle_did_probe(&s->life);
        s->probe_until = round_end(&question);
        r = sidecar_ask(s, &question, on_probe, s, &s->probe);
        if (r < 0) {
                (void) log_warning_errno(r, "[%s] cannot be probed", sidecar_name(s));
                lifecycle_on_probe(&s->life, false, clock_monotonic_usec());
        }
}

int sidecar_unix_socket(const Sidecar *s, char **ret) {
        _cleanup_(texts_done) Texts texts = { 0 };
        int r;

        r = fill_in(&texts, s, &s->running->readiness, NULL);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(texts.unix_socket);
        return 0;
}

static bool asks_liveness(const Sidecar *s) {
        return probe_kind_is_asked(s->running->liveness.probe.kind);
}

bool sidecar_can_be_asked(const Sidecar *s) {
        return probe_kind_is_asked(s->running->readiness.kind) || asks_liveness(s);
}

int sidecar_ask_health(const Sidecar *s,
                       uint64_t deadline_usec,
                       probe_handler_t handler,
                       void *userdata,
                       Probe **ret) {
        const Question question = make_question(s, asks_liveness(s), deadline_usec);

        return sidecar_ask(s, &question, handler, userdata, ret);
}

char *sidecar_doubt_answer(const Sidecar *s) {
        _cleanup_(evidence_clear) Evidence evidence = { 0 };
        PortHolder stranger = { 0 };

        switch (find_owner(s, asks_liveness(s), &stranger)) {

        case PORT_OWNER_NOBODY:
                return strdup(NOBODY_LISTENS);

        case PORT_OWNER_STRANGER:
                return evidence_note_holder(&evidence,
                                            sidecar_probe_port(s, probe_spec(s, asks_liveness(s))),
                                            &stranger);

        default:
                return strdup("");
        }
}
