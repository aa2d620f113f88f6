/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: adoption
 *
 * The facts come from the ledger, and what is told once more by the tree meets them as any news
 * does: what they know already changes nothing.
 */

#include <string.h>

#include "core/records.h"
#include "core/sidecar-parts.h"
#include "core/supervisor.h"
#include "util/clock.h"
#include "util/crashpoint.h"
#include "util/log.h"
#include "util/strv.h"

static int take_ports(Sidecar *s, const SidecarRecord *record, SidecarSpec *ports_spec) {
        size_t n = strv_length(record->ports);

        if (!ports_spec || n == 0 || n != ports_spec->n_ports)
                return 0;
        s->ports = calloc(n, sizeof(uint16_t));
        if (!s->ports)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++)
                s->ports[i] = (uint16_t) strtoul(record->ports[i], NULL, 10);
        s->n_ports = n;
        s->ports_spec = sidecar_spec_ref(ports_spec);
        return 0;
}

static int take_generations(Sidecar *s, const SidecarRecord *record) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < GENERATIONS_KEPT; i++) {
                s->generations[i] = record->generations[i];
                s->generations[i].reason = NULL;
                r = free_and_strdup(&s->generations[i].reason, record->generations[i].reason);
        }

        return r;
}

static int take_facts(Sidecar *s, const SidecarRecord *record, SidecarSpec *running) {
        int r;

        s->life = record->life;
        s->running = running ? sidecar_spec_ref(running) : NULL;
        lifecycle_on_adopted(&s->life, s->running ? s->running : s->spec, clock_monotonic_usec());
        s->ignores_dependencies = record->ignores_dependencies;
        /* A guardian tells it again, but not before somebody may have asked. */
        s->main_pid = record->main_pid;
        s->stop_is_asked = record->stop_is_asked;
        s->exit_is_news = record->exit_is_news;
        s->exit_dumped_core = record->exit_dumped_core;
        s->exit_code = record->exit_code;
        s->exit_signal = record->exit_signal;
        s->exit_uptime_usec = record->exit_uptime_usec;
        s->changed_at_usec = record->changed_at_usec;
        s->ready_at_usec = record->ready_at_usec;
        s->retry_at_usec = record->retry_at_usec;
        s->identity = record->identity;
        s->stdin_closed_in = record->stdin_closed_in;
        s->popup.failed_at_usec = record->popup.failed_at_usec;
        s->popup.id = record->popup.id;

        r = free_and_strdup(&s->waits_for, record->waits_for);
        if (r >= 0)
                r = free_and_strdup(&s->popup.server, record->popup.server);
        if (r >= 0)
                r = free_and_strdup(&s->alive_paths[0], record->readiness_path);
        if (r >= 0)
                r = free_and_strdup(&s->alive_paths[1], record->liveness_path);
        if (r >= 0)
                r = free_and_strdup(&s->token, record->token);
        if (r >= 0)
                r = strv_copy(&s->passed, record->passed);
        if (r >= 0)
                r = strv_copy(&s->arguments, record->arguments);
        if (r >= 0)
                r = free_and_strdup(&s->status_text, record->status_text);
        if (r >= 0)
                r = free_and_strdup(&s->program, record->program);
        if (r >= 0)
                r = free_and_strdup(&s->program_word, record->program_word);
        if (r >= 0)
                r = free_and_strdup(&s->probe_error, record->probe_error);
        STRV_FOREACH (sentence, record->missing_limits)
                if (r >= 0)
                        r = strv_extend(&s->missing_limits, *sentence);
        return r < 0 ? r : take_generations(s, record);
}

/* Each keeps its slot, which is the key of its record, unless something else is alive there. */
static int take_tree(Sidecar *s, uint32_t slot) {
        KeeperClient *keeper = s->supervisor->keeper;
        int r;

        r = tree_adopt(&s->tree, keeper, s->spec->name, slot, s->life.generation,
                       &sidecar_tree_observer, s);
        if (r == -ENOENT)
                r = tree_new_at(&s->tree, keeper, s->spec->name, slot, &sidecar_tree_observer, s);
        if (r == -EBUSY)
                r = tree_new(&s->tree, keeper, s->spec->name, &sidecar_tree_observer, s);

        return r;
}

int sidecar_adopt(Sidecar **ret,
                  App *app,
                  SidecarSpec *spec,
                  const SidecarRecord *record,
                  SidecarSpec *running,
                  SidecarSpec *ports_spec) {
        _cleanup_(sidecar_freep) Sidecar *s = NULL;
        int r;

        /* There is nothing by which its end could be judged. */
        if (!running && record->life.process != PROCESS_NONE)
                return -ENOENT;

        r = sidecar_make(&s, app, spec);
        if (r >= 0)
                r = take_facts(s, record, running);
        if (r >= 0)
                r = evidence_copy(&s->evidence, &record->evidence);
        if (r >= 0)
                r = take_ports(s, record, ports_spec);
        if (r >= 0)
                r = take_tree(s, record->slot);
        if (r < 0)
                return r;

        s->is_to_resume = true;
        if (tree_slot(s->tree) == record->slot)
                record_is_known(s);
        else
                records_rewrite(s->supervisor->records);
        *ret = TAKE_PTR(s);
        return 0;
}

/* The keeper knows nothing of this generation: its order was lost, or its end was taken. */
static void on_nothing_there(Sidecar *s) {
        lifecycle_on_never_spawned(&s->life);
        if (s->life.process == PROCESS_NONE)
                return;

        sidecar_tree_observer.on_exited(s, 0, 0);
        sidecar_tree_observer.on_emptied(s);
}

bool sidecar_resume(Sidecar *s) {
        uint64_t generation = s->life.generation;
        TreeKept kept;
        bool is_same;
        int r;

        s->is_to_resume = false;
        tree_take_kept(s->tree, &kept);
        r = output_adopt(s->output, generation, kept.memory_fd, kept.stdout_fd, kept.stderr_fd);
        if (r < 0)
                (void) log_warning_errno(r, "[%s] what it has written before is lost",
                                         sidecar_name(s));

        sidecar_adopt_notify(s, kept.notify_fd);
        sidecar_adopt_stdin(s, kept.stdin_fd);
        sidecar_adopt_sockets(s, kept.sockets_fd);
        CRASHPOINT("adopt-output-taken");
        /* Sockets may have been kept before a first generation was written down. */
        if (tree_resume(s->tree) == 0 && generation != 0)
                on_nothing_there(s);

        /* It may have said it, and nobody looked. */
        sidecar_match_lines(s, log_ring_first(s->ring));
        sidecar_resume_stop(s);
        is_same = !sidecar_is_gone(s) && s->life.generation == generation;
        sidecar_converge(s);
        return is_same;
}
