/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reason
 *
 * A sentence is the words of a cause (a crash loop has those of its last failure), then what is
 * tried next. No sentence names a sidecar but the one that would lack a subject:
 * whoever reads it sees the name beside it.
 */

#include <inttypes.h>
#include <string.h>

#include "model/reason.h"
#include "util/duration.h"
#include "util/format.h"
#include "util/signal-name.h"
#include "util/strv.h"

static char *exit_words(const SidecarSpec *spec, const Cause *cause) {
        char uptime[DURATION_TEXT_MAX];

        /* A success that is none: most likely a daemon that forks, and whose parent leaves. */
        if (cause->before_ready && restart_spec_is_success(&spec->restart, cause->exit_code))
                return format_text("exited with code %d before it was ready: "
                                   "does it go to the background?",
                                   cause->exit_code);

        return format_text("exited with code %d after %s", cause->exit_code,
                           duration_say(uptime, cause->uptime_usec));
}

/* What stood in the way of a start: the detail knows best, else the errno. */
static char *start_words(const Cause *cause, const char *detail) {
        const char *why = detail              ? detail
                          : cause->error != 0 ? strerrordesc_np(cause->error)
                                              : NULL;

        return why ? format_text("could not be started: %s", why) : strdup("could not be started");
}

static char *oom_words(const Cause *cause) {
        char uptime[DURATION_TEXT_MAX];

        duration_say(uptime, cause->uptime_usec);
        if (cause->oom_limit == UINT64_MAX)
                return format_text("killed by the kernel after %s, because memory ran out", uptime);

        return format_text("killed by the kernel after %s, because it needs more memory than its "
                           "limit of %" PRIu64 " MiB",
                           uptime, cause->oom_limit >> 20);
}

static char *misses_words(uint32_t n_misses) {
        return format_text("missed %u health check%s in a row", n_misses, n_misses == 1 ? "" : "s");
}

static char *timeout_words(const SidecarSpec *spec, const Cause *cause) {
        char within[DURATION_TEXT_MAX];

        /* As the manifest has it; any other time has come about, and is rounded. */
        if (cause->within_usec == 0 || cause->within_usec == spec->start_timeout_usec)
                duration_format(within, spec->start_timeout_usec);
        else if (cause->within_usec == spec->load_timeout_usec)
                duration_format(within, spec->load_timeout_usec);
        else
                duration_say(within, cause->within_usec);

        return format_text("%s did not become ready within %s", spec->name, within);
}

static char *watchdog_words(const Cause *cause) {
        char within[DURATION_TEXT_MAX];

        return cause->within_usec > 0 ? format_text("said nothing to its watchdog within %s",
                                                    duration_say(within, cause->within_usec))
                                      : strdup("said of itself that it hangs (WATCHDOG=trigger)");
}

/* Its own start was refused, or somebody else answers in its place. */
static char *port_words(const Cause *cause, const char *detail) {
        if (cause->uptime_usec == 0)
                return start_words(cause, detail);

        return format_text("who answers in its place is none of its processes: %s",
                           detail ? detail : "its port is held by another program");
}

/* How a process that was there came to its end. */
static char *end_words(const SidecarSpec *spec, const Cause *cause, ReasonCode code) {
        char uptime[DURATION_TEXT_MAX];

        duration_say(uptime, cause->uptime_usec);
        switch (code) {

        case REASON_EXIT_CODE:
                return exit_words(spec, cause);

        case REASON_SIGNAL:
                return format_text("killed by %s after %s", signal_to_name(cause->signal), uptime);

        case REASON_CORE_DUMP:
                return format_text("dumped core (%s) after %s", signal_to_name(cause->signal),
                                   uptime);

        case REASON_START_TIMEOUT:
                return timeout_words(spec, cause);

        case REASON_OOM:
                return oom_words(cause);

        case REASON_UNHEALTHY:
                return misses_words(cause->n_misses);

        case REASON_WATCHDOG:
                return watchdog_words(cause);

        case REASON_LOST:
                return format_text("ended after %s, nobody saw how", uptime);

        default:
                return strdup("");
        }
}

/* Of an exit code its last words are the cause; of other ends the detail says what they are. */
static const char *leads_over(const char *words, ReasonCode code) {
        if (words[strlen(words) - 1] == '?')
                return " Its last words: ";

        switch (code) {

        case REASON_SIGNAL:
        case REASON_CORE_DUMP:
        case REASON_OOM:
        case REASON_LOST:
                return "; ";

        default:
                return ": ";
        }
}

static char *
cause_words(const SidecarSpec *spec, const Cause *cause, ReasonCode code, const char *detail) {
        _cleanup_free_ char *words = NULL;

        switch (code) {

        case REASON_EXEC_FAILED:
        case REASON_BINARY_MISSING:
        case REASON_RESOURCES:
        case REASON_DENIED:
                return start_words(cause, detail);

        case REASON_PORT_IN_USE:
                return port_words(cause, detail);

        default:
                words = end_words(spec, cause, code);
                return words && detail
                               ? format_text("%s%s%s", words, leads_over(words, code), detail)
                               : TAKE_PTR(words);
        }
}

static char *crash_loop_words(const SidecarSpec *spec, const Cause *cause, const char *detail) {
        _cleanup_free_ char *last = cause_words(spec, cause, cause->last, detail);

        if (!last)
                return NULL;

        return format_text("gave up after %u restart%s in a row: %s", cause->attempts,
                           cause->attempts == 1 ? "" : "s", last);
}

static char *failure_text(const SidecarSpec *spec, const Lifecycle *l, const char *detail) {
        const Cause *cause = &l->cause;
        bool is_retried = cause->code == REASON_RESOURCES && l->backoff;
        _cleanup_free_ char *words = cause->code == REASON_CRASH_LOOP
                                             ? crash_loop_words(spec, cause, detail)
                                             : cause_words(spec, cause, cause->code, detail);

        if (!words)
                return NULL;

        return is_retried ? format_text("%s, it is tried again", words) : TAKE_PTR(words);
}

/* Running, and not well. */
static char *sick_text(const Lifecycle *l, const char *detail) {
        _cleanup_free_ char *words = misses_words(l->n_misses);

        return words && detail ? format_text("%s: %s", words, detail) : TAKE_PTR(words);
}

/* Waiting, or Failed; who it is about others know. */
static char *dependency_text(const Lifecycle *l, const char *name) {
        if (!l->failed)
                return name ? format_text("waits for %s", name) : strdup("waits for a dependency");

        return name ? format_text("its dependency %s has failed", name)
                    : strdup("a dependency has failed");
}

char *reason_text(const SidecarSpec *spec, const Lifecycle *l, const char *detail) {
        switch (lifecycle_reason_code(l)) {

        case REASON_NONE:
                return l->exited ? end_words(spec, &l->cause, REASON_EXIT_CODE) : strdup("");

        case REASON_REQUESTED:
                return strdup("stopped on request");

        case REASON_SHUTDOWN:
                return strdup("stopped because the session or the daemon ends");

        case REASON_OWNER_GONE:
                return strdup("stopped because no app holds it any more");

        case REASON_MODE:
                return detail ? format_text("stopped because mode %s does not want it", detail)
                              : strdup("stopped because the mode does not want it");

        case REASON_DEPENDENCY:
                return dependency_text(l, detail);

        case REASON_UNHEALTHY:
                return l->failed || l->backoff ? failure_text(spec, l, detail)
                                               : sick_text(l, detail);

        default:
                return failure_text(spec, l, detail);
        }
}
