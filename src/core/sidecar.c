/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar
 *
 * News from the tree and the probe becomes facts; sidecar_converge() turns facts into steps. The
 * step that starts a process is long and has a file of its own, sidecar-start.c.
 */

#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "core/goals.h"
#include "core/message-ids.h"
#include "core/modes.h"
#include "core/records.h"
#include "core/session.h"
#include "core/sidecar-parts.h"
#include "core/supervisor.h"
#include "core/tmpdirs.h"
#include "io/guest.h"
#include "model/reason.h"
#include "util/clock.h"
#include "util/crashpoint.h"
#include "util/format.h"
#include "util/log.h"
#include "util/signal-name.h"
#include "util/strv.h"

#define TIMER_ACCURACY_USEC 1000

/* Only jitter hangs on it, so what the kernel is asked for is a seed: each step rolls once. */
uint32_t sidecar_roll(void) {
        static uint32_t number;

        if (number == 0)
                (void) !getrandom(&number, sizeof(number), GRND_NONBLOCK);
        number = number * 1664525 + 1013904223; /* a linear congruential generator */
        return number;
}

const char *sidecar_name(const Sidecar *s) {
        return s->spec->name;
}

bool sidecar_is_gone(const Sidecar *s) {
        return s->life.process == PROCESS_NONE;
}

char *sidecar_endpoint(const Sidecar *s) {
        if (s->n_ports == 0)
                return strdup("");

        return format_text("http://127.0.0.1:%u", s->ports[0]);
}

char *sidecar_reason(const Sidecar *s) {
        const char *detail = s->evidence.detail;

        if (lifecycle_reason_code(&s->life) == REASON_DEPENDENCY)
                detail = s->waits_for;
        if (lifecycle_reason_code(&s->life) == REASON_MODE)
                detail = s->app->mode;
        /* Until it is ended for it, which is told with more. */
        if (lifecycle_is_about_probes(&s->life) && !detail)
                detail = s->probe_error;

        return reason_text(s->running ? s->running : s->spec, &s->life, detail);
}

static void tell_changed(Sidecar *s) {
        s->supervisor->observer->on_sidecar_changed(s, s->supervisor->observer_userdata);
}

/* Status words of the log are those of the bus, so that one can search for either. */
static void log_status(const Sidecar *s, const Step *step) {
        bool is_loop = lifecycle_reason_code(&s->life) == REASON_CRASH_LOOP;
        LogSubject subject = sidecar_subject(s, is_loop ? MESSAGE_CRASH_LOOP : MESSAGE_FAILED);
        _cleanup_free_ char *reason = NULL;
        int level = step->status == STATUS_FAILED          ? LOG_ERR
                    : step->sub_state == SUB_STATE_BACKOFF ? LOG_WARNING
                                                           : LOG_DEBUG;

        if (level > log_get_max_level())
                return;

        if (step->status != STATUS_FAILED)
                subject.message_id = NULL;
        reason = sidecar_reason(s);
        log_about(&subject, level, 0, "[%s] %s/%s%s%s", sidecar_name(s),
                  status_to_string(step->status), sub_state_to_string(step->sub_state),
                  reason && *reason ? ": " : "", reason ? reason : "");
}

static EventExit describe_exit(const Sidecar *s) {
        return (EventExit){
                .exit_code = s->exit_code,
                .signal = s->exit_signal,
                .core_dumped = s->exit_dumped_core,
                .is_oom = lifecycle_reason_code(&s->life) == REASON_OOM ||
                          s->life.cause.last == REASON_OOM,
                .uptime_usec = s->exit_uptime_usec,
                .will_retry = s->life.backoff,
                .retry_at_usec = s->retry_at_usec,
                .attempt = s->life.n_in_a_row,
        };
}

static uint64_t note_status(Sidecar *s) {
        Event event = {
                .type = EVENT_STATUS,
                .app = s->app->id,
                .sidecar = s->spec->name,
                .status = s->life.status,
                .sub_state = s->life.sub_state,
                .reason_code = lifecycle_reason_code(&s->life),
                .generation = s->life.generation,
                .has_exit = s->exit_is_news,
                .exit = describe_exit(s),
        };

        s->exit_is_news = false;
        return supervisor_add_event(s->supervisor, &event);
}

static void announce(Sidecar *s, const Step *step) {
        uint64_t now = clock_realtime_usec(), seq;

        s->changed_at_usec = now;
        if (step->sub_state == SUB_STATE_READY && step->status != s->life.status) {
                s->ready_at_usec = now;
                sidecar_note_ready(s);
        }
        s->retry_at_usec = 0;
        if (step->sub_state == SUB_STATE_BACKOFF)
                s->retry_at_usec = now + s->life.retry_at - clock_monotonic_usec();

        if (step->sub_state == SUB_STATE_BACKOFF || step->sub_state == SUB_STATE_FAILED) {
                sidecar_investigate(s);
                sidecar_note_program(s);
                sidecar_note_end(s);
        }
        log_status(s, step);
        lifecycle_did_announce(&s->life, step);

        /* That it was told and the event of it are one: a successor tells it once. */
        records_begin(s->supervisor->records);
        seq = note_status(s);
        record_sidecar(s);
        CRASHPOINT("status-decided");
        records_commit(s->supervisor->records);
        CRASHPOINT("status-recorded");
        s->supervisor->observer->on_status(s, seq, s->supervisor->observer_userdata);
}

/* An end that changed no status, as that of a restart, is told before another generation begins. */
static void tell_untold_exit(Sidecar *s) {
        if (!s->exit_is_news)
                return;

        records_begin(s->supervisor->records);
        (void) note_status(s);
        record_sidecar(s);
        records_commit(s->supervisor->records);
}

/* Its failure would have the words of the one before, and so nobody would hear of it. */
static void tell_untold_start(Sidecar *s) {
        Step step = lifecycle_next(&s->life, clock_monotonic_usec());

        if (s->life.sub_state == SUB_STATE_BACKOFF || s->life.sub_state == SUB_STATE_FAILED)
                announce(s, &step);
}

static void do_spawn(Sidecar *s) {
        Cause cause = { .exit_code = -1 };
        bool permanent = false;

        tell_untold_exit(s);
        CRASHPOINT("spawn-decided");
        sidecar_spec_unref(s->running);
        s->running = sidecar_spec_ref(s->spec);
        lifecycle_did_spawn(&s->life, s->running, clock_monotonic_usec());
        s->ready_at_usec = 0;
        s->exec_has_failed = false;
        sidecar_forget_health(s);
        sidecar_note_spawn(s);

        /* To find out may have taken longer than the next try is to wait. */
        if (sidecar_launch(s, &cause, &permanent) < 0) {
                sidecar_close_notify(s);
                sidecar_close_stdin(s);
                tell_untold_start(s);
                lifecycle_on_spawn_failed(&s->life, &cause, permanent, clock_monotonic_usec(),
                                          sidecar_roll());
        }
}

/* An ending that fails half way is no error: the next step of the ladder is stronger. */
static void do_end_step(Sidecar *s, StepKind kind) {
        int r = 0;

        s->probe = probe_free(s->probe);
        tree_end_guests(s->tree);
        sidecar_forget_stop(s);
        if (kind == STEP_SIGNAL_MAIN)
                sidecar_ask_to_stop(s);
        else if (kind == STEP_TERM_REST)
                r = tree_signal_all(s->tree, SIGTERM);
        else
                r = tree_kill(s->tree);
        if (r < 0 && r != -ESRCH)
                (void) log_warning_errno(r, "[%s] a step of ending it failed", sidecar_name(s));

        CRASHPOINT("end-step-done");
        lifecycle_did_end_step(&s->life, kind, clock_monotonic_usec());
        if (lifecycle_is_unkillable(&s->life, clock_monotonic_usec()) && !s->unkillable_was_told) {
                s->unkillable_was_told = true;
                log_error("[%s] cannot be killed: it hangs in the kernel. It is tried again once a "
                          "second, and not started until it is gone",
                          sidecar_name(s));
        }
}

static void do_step(Sidecar *s, const Step *step) {
        switch (step->kind) {

        case STEP_ANNOUNCE:
                announce(s, step);
                break;

        case STEP_SPAWN:
                do_spawn(s);
                break;

        case STEP_PROBE:
                sidecar_probe(s, step);
                break;

        default:
                do_end_step(s, step->kind);
        }
}

static int on_timer(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Sidecar *s = userdata;
        uint64_t deadline = s->timer_until;

        /* What is older tells better how late it is. */
        if (s->probe && s->probe_until < deadline)
                deadline = s->probe_until;
        (void) supervisor_check_time(s->supervisor, deadline, 0);
        sidecar_go_on(s);
        return 0;
}

static int arm_timer(Sidecar *s, uint64_t until) {
        s->timer_until = until;
        if (until == UINT64_MAX)
                return s->timer ? sd_event_source_set_enabled(s->timer, SD_EVENT_OFF) : 0;

        if (!s->timer)
                return sd_event_add_time(s->supervisor->event, &s->timer, CLOCK_MONOTONIC, until,
                                         TIMER_ACCURACY_USEC, on_timer, s);

        (void) sd_event_source_set_time(s->timer, until);
        return sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

/* Answers whether there was more to do than to probe. */
static bool take_steps(Sidecar *s) {
        bool is_more = false;
        Step step;
        int r;

        for (;;) {
                uint64_t now = clock_monotonic_usec();

                lifecycle_on_time(&s->life, now, sidecar_roll());
                sidecar_settle_sockets(s);
                step = lifecycle_next(&s->life, now);
                if (step.kind == STEP_WAIT)
                        break;
                if (step.kind == STEP_SPAWN && session_holds_start_up(s, now, &step.until))
                        break;
                do_step(s, &step);
                is_more = is_more || step.kind != STEP_PROBE;
        }

        r = arm_timer(s, step.until);
        if (r < 0)
                (void) log_error_errno(r, "[%s] cannot be timed", sidecar_name(s));
        return is_more;
}

static void tell_others(Sidecar *s) {
        tell_changed(s);
        app_settle(s->app);
        if (sidecar_is_gone(s))
                supervisor_note_gone(s->supervisor, s);
}

void sidecar_converge(Sidecar *s) {
        /* What it waits for may be told first; it would be started then, and once more later. */
        if (s->is_to_resume)
                return;

        (void) take_steps(s);
        record_sidecar(s);
        tell_others(s);
}

/* All that others go by is in its record. */
void sidecar_go_on(Sidecar *s) {
        bool is_more, is_new;

        if (s->is_to_resume)
                return;

        is_more = take_steps(s);
        is_new = record_sidecar_news(s);
        if (is_more || is_new)
                tell_others(s);
}

static void on_forked(void *userdata, pid_t pid) {
        Sidecar *s = userdata;

        CRASHPOINT("forked-told");
        s->main_pid = pid;
        sidecar_hear_notify(s);
        sidecar_note_forked(s);
        /* An earlier brain has had this: its end may be known too, and is about to be told. */
        if (s->life.process != PROCESS_REQUESTED)
                return;

        lifecycle_on_forked(&s->life, clock_monotonic_usec());
        sidecar_converge(s);
}

/* Memory, processes or descriptors may come back: such a start is tried again (contract S4). */
static bool error_may_pass(int error) {
        return error == EAGAIN || error == ENOMEM || error == ETXTBSY || error == EMFILE ||
               error == ENFILE || error == EBUSY || error == ENOSPC;
}

static void on_no_start(Sidecar *s, int error) {
        Cause cause = {
                .code = error_may_pass(error) ? REASON_RESOURCES : REASON_EXEC_FAILED,
                .error = error,
                .exit_code = -1,
        };

        lifecycle_on_spawn_failed(&s->life, &cause, !error_may_pass(error), clock_monotonic_usec(),
                                  sidecar_roll());
        sidecar_converge(s);
}

static void on_fork_failed(void *userdata, int error) {
        Sidecar *s = userdata;

        output_close(s->output);
        sidecar_close_notify(s);
        sidecar_close_stdin(s);
        on_no_start(s, error);
}

static void on_exec(void *userdata, int error) {
        Sidecar *s = userdata;

        /* An earlier brain has had this. */
        if (s->life.process != PROCESS_FORKED)
                return;

        s->exec_has_failed = error != 0;
        if (error != 0) {
                on_no_start(s, error);
                return;
        }

        CRASHPOINT("exec-told");
        sidecar_note_limits(s);
        lifecycle_on_exec(&s->life, clock_monotonic_usec());
        sidecar_converge(s);
        CRASHPOINT("exec-noted");
}

/* The line and its form are promised (contract G5). */
static void log_exit(const Sidecar *s, int code, int status) {
        LogSubject subject = sidecar_subject(s, NULL);

        if (code == CLD_EXITED)
                log_about(&subject, LOG_INFO, 0, "[%s] terminated (exit code: %d)", sidecar_name(s),
                          status);
        else if (code == CLD_KILLED || code == CLD_DUMPED)
                log_about(&subject, LOG_INFO, 0, "[%s] terminated (signal: %s)", sidecar_name(s),
                          signal_to_name(status));
        else
                log_about(&subject, LOG_INFO, 0, "[%s] terminated (exit code: not known)",
                          sidecar_name(s));
}

static void note_exit(Sidecar *s, int code, int status, uint64_t now) {
        log_exit(s, code, status);
        s->exit_is_news = true;
        s->exit_uptime_usec = now - s->life.started_at;
        s->exit_dumped_core = code == CLD_DUMPED;
        s->exit_code = code == CLD_EXITED ? status : -1;
        s->exit_signal = code == CLD_KILLED || code == CLD_DUMPED ? status : 0;
}

static void on_exited(void *userdata, int code, int status) {
        Sidecar *s = userdata;
        uint64_t now = clock_monotonic_usec(), oom_limit;

        /* An earlier brain has had this end. */
        if (s->life.process == PROCESS_GONE || s->life.process == PROCESS_NONE) {
                s->main_pid = 0;
                return;
        }

        /* Its last words come first: what it wrote before its end is read before that is told. */
        CRASHPOINT("exit-told");
        sidecar_drain_notify(s);
        sidecar_close_stdin(s);
        s->main_pid = 0;
        output_drain(s->output);
        CRASHPOINT("exit-drained");
        s->probe = probe_free(s->probe);
        sidecar_forget_stop(s);
        /* Else it is not the program that ended, but the fork that was to become it. */
        if (!s->exec_has_failed)
                note_exit(s, code, status, now);
        if (tree_ran_out_of_memory(s->tree, &oom_limit))
                lifecycle_on_oom(&s->life, oom_limit);
        lifecycle_on_exit(&s->life, code, status, now, sidecar_roll());
        sidecar_converge(s);
        CRASHPOINT("exit-noted");
}

static void on_emptied(void *userdata) {
        Sidecar *s = userdata;

        CRASHPOINT("empty-told");
        output_close(s->output);
        sidecar_end_journal(s);
        sidecar_close_notify(s);
        sidecar_remove_token_file(s);
        s->unkillable_was_told = false;
        sidecar_note_end(s);
        lifecycle_on_empty(&s->life);
        tmpdirs_sweep(s->supervisor->tmpdirs);
        sidecar_converge(s);
        CRASHPOINT("empty-noted");
}

const TreeObserver sidecar_tree_observer = {
        .on_forked = on_forked,
        .on_fork_failed = on_fork_failed,
        .on_exec = on_exec,
        .on_exited = on_exited,
        .on_emptied = on_emptied,
};

int sidecar_make(Sidecar **ret, App *app, SidecarSpec *spec) {
        _cleanup_(sidecar_freep) Sidecar *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;

        s->supervisor = app->supervisor;
        s->app = app;
        s->spec = sidecar_spec_ref(spec);
        s->exit_code = s->sockets_fd = -1;
        s->changed_at_usec = clock_realtime_usec();
        lifecycle_init(&s->life, s->spec, s->changed_at_usec);

        r = sidecar_open_logs(s);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

int sidecar_new(Sidecar **ret, App *app, SidecarSpec *spec) {
        _cleanup_(sidecar_freep) Sidecar *s = NULL;
        int r;

        r = sidecar_make(&s, app, spec);
        if (r >= 0)
                r = tree_new(&s->tree, app->supervisor->keeper, spec->name, &sidecar_tree_observer,
                             s);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

Sidecar *sidecar_free(Sidecar *s) {
        if (!s)
                return NULL;

        sd_event_source_disable_unref(s->timer);
        sd_event_source_disable_unref(s->status_timer);
        notify_socket_free(s->notify);
        probe_free(s->probe);
        probe_free(s->stop_request);
        tree_free(s->tree);
        output_free(s->output);
        input_free(s->input);
        safe_close(s->sockets_fd);
        secrets_free(s->secrets);
        sd_event_source_disable_unref(s->journal_timer);
        log_file_free(s->file);
        log_ring_free(s->ring);
        evidence_clear(&s->evidence);
        for (size_t i = 0; i < GENERATIONS_KEPT; i++)
                free(s->generations[i].reason);
        free(s->program);
        free(s->program_word);
        strv_free(s->missing_limits);
        strv_free(s->environment);
        sidecar_spec_unref(s->running);
        sidecar_spec_unref(s->spec);
        sidecar_spec_unref(s->ports_spec);
        free(s->ports);
        sidecar_forget_health(s);
        free(s->status_text);
        free(s->popup.server);
        free(s->token);
        strv_free(s->passed);
        strv_free(s->arguments);
        free(s->waits_for);
        free(s->log_path);
        free(s);
        return NULL;
}

void sidecar_want_up(Sidecar *s) {
        session_want_environment(s->supervisor);
        lifecycle_start(&s->life);
        CRASHPOINT("wish-made");
        record_sidecar(s);
        CRASHPOINT("wish-recorded");
}

void sidecar_want_down(Sidecar *s, ReasonCode on_whose_account, bool kill) {
        lifecycle_stop(&s->life, on_whose_account, kill);
        if (on_whose_account != REASON_MODE)
                app_note_stop_wish(s->app, sidecar_name(s));
        record_sidecar(s);
}

int sidecar_start(Sidecar *s, uint64_t *ret) {
        int r;

        r = supervisor_check_starts(s->supervisor);
        if (r < 0)
                return r;

        sidecar_want_up(s);
        *ret = lifecycle_promised_generation(&s->life);
        sidecar_converge(s);
        return 0;
}

int sidecar_restart(Sidecar *s, uint64_t *ret) {
        int r;

        r = supervisor_check_starts(s->supervisor);
        if (r < 0)
                return r;

        session_want_environment(s->supervisor);
        lifecycle_restart(&s->life);
        *ret = lifecycle_promised_generation(&s->life);
        sidecar_converge(s);
        return 0;
}

/* A start that has already come to nothing had a generation as well. */
uint64_t sidecar_wanted_generation(const Sidecar *s) {
        return s->life.failed && s->life.generation != 0 ? s->life.generation
                                                         : lifecycle_promised_generation(&s->life);
}

void sidecar_stop(Sidecar *s, ReasonCode on_whose_account, bool kill) {
        sidecar_want_down(s, on_whose_account, kill);
        sidecar_converge(s);
}
