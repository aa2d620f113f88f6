/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: what a failure is told with
 *
 * Its last words, who has the port that it could not get, what is wrong with its program, what the
 * last probe got: whatever the machine knows of a failure, gathered once, when it happens. Nobody
 * is asked who could keep us waiting, but the disk that the program is on, and that only after an
 * exec that failed.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/app.h"
#include "core/environment.h"
#include "core/sidecar-parts.h"
#include "io/ports.h"
#include "io/program-file.h"
#include "model/last-words.h"
#include "model/port-in-words.h"
#include "model/program.h"
#include "model/template.h"
#include "util/duration.h"
#include "util/format.h"
#include "util/strv.h"
#include "util/utf8.h"

#define LAST_WORDS_ARE "its last words: "
#define LAST_LINE_IS "the last that it wrote: "

void evidence_clear(Evidence *evidence) {
        free(evidence->detail);
        free(evidence->last_words);
        strv_free(evidence->tried);
        free(evidence->holder);
        *evidence = (Evidence){ 0 };
}

int evidence_copy(Evidence *into, const Evidence *from) {
        int r;

        r = free_and_strdup(&into->detail, from->detail);
        if (r >= 0)
                r = free_and_strdup(&into->last_words, from->last_words);
        if (r >= 0)
                r = free_and_strdup(&into->holder, from->holder);
        STRV_FOREACH (path, from->tried)
                if (r >= 0)
                        r = strv_extend(&into->tried, *path);

        into->port = from->port;
        into->holder_pid = from->holder_pid;
        return r;
}

char *evidence_note_holder(Evidence *evidence, uint16_t port, const PortHolder *holder) {
        evidence->port = port;
        evidence->holder_pid = holder->pid;
        free(evidence->holder);
        evidence->holder = utf8_make_valid(holder->program, strlen(holder->program));
        if (holder->pid > 0 && evidence->holder)
                return format_text("port %u is held by %s, pid %d", port, evidence->holder,
                                   (int) holder->pid);

        return format_text("port %u is held by a program of another user", port);
}

char *evidence_note_sidecar(Evidence *evidence, uint16_t port, const Sidecar *holder) {
        evidence->port = port;
        evidence->holder_pid = holder->main_pid;
        free(evidence->holder);
        evidence->holder = format_text("%s/%s", holder->app->id, sidecar_name(holder));
        if (!evidence->holder)
                return NULL;

        /* The keeper may not have said yet who it is. */
        if (holder->main_pid > 0)
                return format_text("port %u is held by %s, pid %d", port, evidence->holder,
                                   (int) holder->main_pid);

        return format_text("port %u is held by %s", port, evidence->holder);
}

char *evidence_take_holder(Evidence *evidence, uint16_t port) {
        PortHolder holder = { 0 };

        if (port == 0 || port_find_listener(port, &holder) <= 0)
                return NULL;

        return evidence_note_holder(evidence, port, &holder);
}

static char *find_last_words(const Sidecar *s) {
        LogLine lines[2 * LAST_WORDS_LINES_MAX];
        _cleanup_(strv_freep) char **secrets = NULL;

        if (sidecar_list_secrets(s, &secrets) < 0)
                return NULL;

        return last_words(lines, last_words_collect(lines, s->ring, s->life.generation), secrets);
}

static bool is_handed_over(const Sidecar *s, uint16_t port) {
        for (size_t i = 0; i < s->n_ports; i++)
                if (s->ports[i] == port)
                        return s->ports_spec->ports[i].is_socket;

        return false;
}

/* Whom to end, which is evidence; or that nobody else has it, which is only told. */
static char *tell_holder(Sidecar *s, uint16_t port, bool may_be_its_own) {
        PortHolder holder = { 0 };
        _cleanup_free_ char *program = NULL;

        if (port == 0)
                return NULL;
        if (sidecar_find_port_owner(s, port, &holder) == PORT_OWNER_STRANGER)
                return evidence_note_holder(&s->evidence, port, &holder);
        if (may_be_its_own && is_handed_over(s, port))
                return format_text("port %u is handed over to it, as LISTEN_FDS", port);
        if (!may_be_its_own || port_find_listener(port, &holder) <= 0 || holder.pid == 0)
                return NULL;

        program = utf8_make_valid(holder.program, strlen(holder.program));
        return program ? format_text("port %u is held by %s, pid %d, one of its own processes",
                                     port, program, (int) holder.pid)
                       : NULL;
}

/*
 * The port that the words name is the one that they are about; its own ports come next, since not
 * all words name one, and some are misread. Of one that was not named nothing is told but that a
 * stranger has it. NULL: nobody has it any more, or the words are of something else.
 */
static char *find_port_holder(Sidecar *s, const char *words) {
        uint16_t named = words_find_port(words);
        char *text;

        if (!words_say_port_in_use(words))
                return NULL;

        text = tell_holder(s, named, true);
        for (size_t i = 0; !text && i < s->n_ports; i++)
                text = tell_holder(s, s->ports[i], named == 0);

        return text;
}

/* What its program lacks, where exec or a shell says that it could not be executed. */
static char *find_fault_of_program(const Sidecar *s) {
        _cleanup_free_ char *runtime_dir = sidecar_runtime_dir(s),
                            *state_dir = sidecar_state_dir(s), *token_path = sidecar_token_path(s);
        _cleanup_(strv_freep) char **urls = NULL, **env = NULL;
        TemplateValues values = {
                .spec = s->running,
                .ports = s->ports,
                .runtime_dir = runtime_dir,
                .state_dir = state_dir,
                .token = s->token,
                .token_file = token_path,
                .passed = s->passed,
        };

        if (!s->program || !runtime_dir || !state_dir || !token_path ||
            sidecar_list_urls(s, &urls) < 0)
                return NULL;

        values.urls = urls;
        return environment_make(&env, s, &values) < 0 ? NULL
                                                      : program_file_explain(s->program, env);
}

/* The parts that are there, each behind what leads over to it; words are led in by `before`. */
static char *tell(const char *before, const char *words, const char *holder, const char *fault) {
        char *text = NULL;
        size_t n_bytes;
        FILE *stream;

        if (!words && !fault)
                return NULL;
        stream = open_memstream(&text, &n_bytes);
        if (!stream)
                return NULL;

        if (words)
                (void) fprintf(stream, "%s%s", before, words);
        if (words && holder)
                (void) fprintf(stream, " (%s)", holder);
        if (fault)
                (void) fprintf(stream, "%s%s", words ? "; " : "", fault);
        (void) fclose(stream);
        return text;
}

/*
 * A shell or env(1) says so; or the kernel, which kills what turns out to be damaged when there is
 * no way back from exec: it then has not said a word.
 */
static bool looks_like_failed_exec(const Cause *cause, const char *words) {
        bool is_killed_at_once = !words && cause->uptime_usec < USEC_PER_SEC &&
                                 (cause->signal == SIGSEGV || cause->signal == SIGKILL);

        return cause->exit_code == EXIT_NOT_EXECUTABLE || cause->exit_code == EXIT_NOT_FOUND ||
               is_killed_at_once;
}

static char *explain_end(Sidecar *s, const Cause *cause) {
        const char *words = s->evidence.last_words;
        _cleanup_free_ char *holder = words ? find_port_holder(s, words) : NULL, *fault = NULL;

        if (looks_like_failed_exec(cause, words))
                fault = find_fault_of_program(s);

        return tell(cause->exit_code >= 0 ? "" : LAST_WORDS_ARE, words, holder, fault);
}

/* What the last probe got; or, where nobody asks, what it was to say of itself. */
static const char *find_silence(const Sidecar *s, ReasonCode code) {
        if (s->probe_error || code != REASON_START_TIMEOUT)
                return s->probe_error;

        switch (s->running->readiness.kind) {

        case PROBE_NOTIFY:
                return "it never said READY=1";

        case PROBE_LOG:
                return "it never wrote the line that \"readiness\" waits for";

        default:
                return NULL;
        }
}

/* It is there and does not answer: the probe knows more of that than its output. */
static char *explain_silence(Sidecar *s, ReasonCode code) {
        const char *words = s->evidence.last_words, *silence = find_silence(s, code);
        _cleanup_free_ char *holder = words ? find_port_holder(s, words) : NULL, *said = NULL;

        said = tell(LAST_LINE_IS, words, holder, NULL);
        if (!silence || !said)
                return silence ? strdup(silence) : TAKE_PTR(said);

        return format_text("%s; %s", silence, said);
}

/* Somebody writes it just now; what is merely short says so in the words of strerror(3). */
static char *explain_shortage(const Sidecar *s, int error) {
        if (error != ETXTBSY || !s->program)
                return NULL;

        return format_text("%s is being written by another program", s->program);
}

static char *explain(Sidecar *s, ReasonCode code) {
        const Cause *cause = &s->life.cause;

        switch (code) {

        case REASON_EXIT_CODE:
        case REASON_SIGNAL:
        case REASON_CORE_DUMP:
        case REASON_OOM:
        case REASON_LOST:
                return explain_end(s, cause);

        case REASON_START_TIMEOUT:
        case REASON_UNHEALTHY:
        case REASON_WATCHDOG:
                return explain_silence(s, code);

        case REASON_EXEC_FAILED:
                return find_fault_of_program(s);

        case REASON_RESOURCES:
                return explain_shortage(s, cause->error);

        default:
                return NULL;
        }
}

void sidecar_investigate(Sidecar *s) {
        const Cause *cause = &s->life.cause;

        /* Nothing was started: what is known of an earlier failure is not about this one. */
        if (cause->code == REASON_DEPENDENCY) {
                evidence_clear(&s->evidence);
                return;
        }

        /* After an exit this was done; of what still runs the newest lines may be in the pipe. */
        if (s->life.process == PROCESS_RUNNING)
                output_drain(s->output);
        if (!s->evidence.last_words)
                s->evidence.last_words = find_last_words(s);
        if (!s->evidence.detail) {
                _cleanup_free_ char *detail =
                        explain(s, cause->code == REASON_CRASH_LOOP ? cause->last : cause->code);

                s->evidence.detail = sidecar_blank(s, detail);
        }
}
