/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * NextAction
 *
 * The words go by what the world was told, as everything that is shown beside them; the time is
 * that of the next step of the lifecycle.
 */

#include <signal.h>
#include <string.h>

#include "model/next-action.h"
#include "model/program.h"
#include "model/reason-code.h"
#include "util/duration.h"
#include "util/format.h"

/* What exits with success before it is ready has most likely left a daemon behind. */
#define REMEDY_FOR_DAEMONS                                                                         \
        "let the program stay in the foreground, for which most have an option; what only does a " \
        "piece of work is to have no \"port\" and no \"readiness\""

#define REMEDY_FOR_THE_MISSING "install what the reason says is missing, or correct \"command\""

#define REMEDY_FOR_THE_SILENT                                                                 \
        "remove the cause, which it did not write down: its documentation may say what this " \
        "code means"

static char *backoff_text(const Lifecycle *l) {
        const RestartSpec *restart = &l->spec->restart;

        /* Somebody has asked for it meanwhile: no restart by itself, it only keeps its time. */
        if (l->n_in_a_row == 0)
                return strdup("is started again");

        if (restart->attempts == RESTART_ATTEMPTS_UNLIMITED)
                return format_text("is started again (restart %u in a row)", l->n_in_a_row);

        return format_text("is started again (restart %u of %u in a row)", l->n_in_a_row,
                           restart->attempts);
}

static char *waiting_text(const char *waits_for) {
        return format_text("is started once %s is there",
                           waits_for ? waits_for : "what it depends on");
}

/* A restart, or a start that came in the midst of a stop, goes on with the next generation. */
static char *stopping_text(const Lifecycle *l) {
        if (l->end_stage == END_KILL)
                return strdup("is killed until nothing of it is left");
        if (l->goal == GOAL_UP)
                return strdup("is started again as soon as it has ended");

        return strdup("is killed if it does not end by itself");
}

static char *running_text(const Lifecycle *l) {
        if (l->spec->liveness.probe.kind == PROBE_NONE)
                return strdup("runs until it ends or is stopped");

        return strdup("is asked for its health");
}

static char *text_of(const Lifecycle *l, const char *waits_for) {
        switch (l->sub_state) {

        case SUB_STATE_WAITING:
                return waiting_text(waits_for);

        case SUB_STATE_SPAWNING:
                return strdup("is executed");

        case SUB_STATE_PROBING:
                return strdup("is asked whether it is ready, until its time is up");

        case SUB_STATE_BACKOFF:
                return backoff_text(l);

        case SUB_STATE_STOPPING:
                return stopping_text(l);

        case SUB_STATE_READY:
        case SUB_STATE_UNHEALTHY:
                return running_text(l);

        case SUB_STATE_FAILED:
                return strdup("stays as it is until somebody starts it, or its manifest or program "
                              "changes");

        default:
                return strdup("stays as it is until somebody starts it");
        }
}

char *next_action_text(const Lifecycle *l, const char *waits_for, uint64_t now, uint64_t *ret_at) {
        Step step = lifecycle_next(l, now);

        /* A leftover that is being ended has times of its own, which nobody waits for. */
        if (l->backoff)
                step.until = l->retry_at;
        *ret_at = (step.kind == STEP_WAIT || l->backoff) && step.until != USEC_INFINITY ? step.until
                                                                                        : 0;
        if (l->failed)
                *ret_at = 0;

        return text_of(l, waits_for);
}

/* Signals that the kernel sends for what a program did itself; it dumps core if that is allowed. */
static bool is_crash(int signal) {
        return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
               signal == SIGABRT || signal == SIGTRAP || signal == SIGSYS;
}

static const char *remedy_for_exit(const Lifecycle *l, bool has_last_words) {
        int code = l->cause.exit_code;

        if (l->cause.before_ready && restart_spec_is_success(&l->spec->restart, code))
                return REMEDY_FOR_DAEMONS;
        if (code == EXIT_NOT_EXECUTABLE || code == EXIT_NOT_FOUND)
                return REMEDY_FOR_THE_MISSING;

        return has_last_words ? reason_codes[REASON_EXIT_CODE].remedy : REMEDY_FOR_THE_SILENT;
}

const char *next_action_remedy(const Lifecycle *l, bool port_is_held, bool has_last_words) {
        ReasonCode code = lifecycle_reason_code(l);

        if (code == REASON_CRASH_LOOP)
                code = l->cause.last;
        if (code == REASON_EXIT_CODE && port_is_held)
                code = REASON_PORT_IN_USE;
        if (code == REASON_EXIT_CODE)
                return remedy_for_exit(l, has_last_words);
        if (code == REASON_SIGNAL && is_crash(l->cause.signal))
                code = REASON_CORE_DUMP;

        return reason_codes[code].remedy;
}
