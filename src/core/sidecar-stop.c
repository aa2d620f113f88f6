/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: asked to end
 *
 * The first step of an ending (contract T1): the request of "stop.http", where the manifest has
 * one, else the signal. A request that comes to nothing is followed by the signal at once; the
 * time until the next step runs from the request on. It is sent to the sidecar's own server alone:
 * a stranger on its port would be ended instead (T3).
 *
 * That one was sent is written down before it is, and that it was answered after. So where a brain
 * dies between the two its successor asks once more, and the server may be asked twice; but it is
 * never left unasked. A signal that waits for a guardian is written down likewise.
 */

#include "core/records.h"
#include "core/sidecar-parts.h"
#include "core/supervisor.h"
#include "util/clock.h"
#include "util/crashpoint.h"
#include "util/log.h"

static void signal_main(Sidecar *s) {
        int r = tree_signal_main(s->tree, s->running->stop_signal);

        if (r < 0 && r != -ESRCH)
                (void) log_warning_errno(r, "[%s] its stop signal failed", sidecar_name(s));

        s->stop_signal_waits = r > 0;
        s->stop_is_asked = s->stop_signal_waits;
}

void sidecar_note_forked(Sidecar *s) {
        if (!TAKE(s->stop_signal_waits, false))
                return;

        s->stop_is_asked = false;
        record_sidecar(s);
}

static void on_answer(const ProbeResult *result, void *userdata) {
        Sidecar *s = userdata;
        _cleanup_free_ char *error = sidecar_blank(s, result->error);
        bool is_alive = result->alive;

        CRASHPOINT("stop-answered");
        if (!is_alive)
                log_info("[%s] was asked to end and does not, so it gets its signal: %s",
                         sidecar_name(s), error ? error : "");

        s->stop_request = probe_free(s->stop_request);
        s->stop_is_asked = false;
        if (!is_alive)
                signal_main(s);
        record_sidecar(s);
        CRASHPOINT("stop-noted");
}

/* Before its program runs nobody of its own can listen. */
static bool is_there_to_ask(const Sidecar *s) {
        const ProbeSpec *spec = &s->running->stop_http;
        PortHolder stranger;
        PortOwner owner;

        if (spec->kind == PROBE_NONE || s->life.process != PROCESS_RUNNING)
                return false;
        if (spec->unix_socket || s->running->readiness.any_owner)
                return true;

        owner = sidecar_find_port_owner(s, sidecar_probe_port(s, spec), &stranger);
        return owner == PORT_OWNER_TREE || owner == PORT_OWNER_UNKNOWN;
}

void sidecar_ask_to_stop(Sidecar *s) {
        const Question question = {
                .spec = &s->running->stop_http,
                .deadline_usec = clock_monotonic_usec() + s->running->stop_http.timeout_usec,
        };
        int r = -ENOENT;

        if (is_there_to_ask(s)) {
                r = sidecar_ask(s, &question, on_answer, s, &s->stop_request);
                if (r < 0)
                        (void) log_warning_errno(r, "[%s] cannot be asked to end", sidecar_name(s));
        }
        if (r < 0)
                signal_main(s);
        else
                s->stop_is_asked = true; /* it is sent from the loop, and recorded before that */
}

void sidecar_resume_stop(Sidecar *s) {
        bool is_there = s->life.process == PROCESS_FORKED || s->life.process == PROCESS_RUNNING;
        bool is_under_way = is_there && s->life.end_stage == END_MAIN;

        if (TAKE(s->stop_is_asked, false) && is_under_way)
                sidecar_ask_to_stop(s);
}

void sidecar_forget_stop(Sidecar *s) {
        s->stop_request = probe_free(s->stop_request);
        s->stop_is_asked = false;
        s->stop_signal_waits = false;
}
