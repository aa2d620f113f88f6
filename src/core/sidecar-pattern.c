/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: the line that says that it is ready
 *
 * Each line of the generation is looked at until one matches, and none after that. A pattern that
 * turns out to be too much work is not asked again: then nothing but its start timeout is left,
 * and that says why.
 */

#include <string.h>

#include "core/sidecar-parts.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/strv.h"

static bool is_waited_for(const Sidecar *s) {
        return s->running && s->running->readiness.kind == PROBE_LOG && !s->life.ready &&
               !s->life.said_ready && !sidecar_is_gone(s) && !s->pattern_is_hopeless;
}

static void give_up(Sidecar *s) {
        s->pattern = log_pattern_free(s->pattern);
        s->pattern_is_hopeless = true;
        (void) free_and_strdup(&s->probe_error,
                               "its log pattern takes too long on one of its lines, and is not "
                               "asked again: make it simpler");
        log_warning("[%s] %s", sidecar_name(s), s->probe_error ? s->probe_error : "");
}

static bool is_of_stream(const LogLine *line, LogChoice choice) {
        return line->stream == LOG_STDOUT   ? choice != LOG_CHOICE_STDERR
               : line->stream == LOG_STDERR ? choice != LOG_CHOICE_STDOUT
                                            : false;
}

/* 1: this is the one. */
static int match(Sidecar *s, const LogLine *line) {
        if (line->generation != s->life.generation ||
            !is_of_stream(line, s->running->readiness.log_stream))
                return 0;

        return log_pattern_match(s->pattern, line->bytes, line->n_bytes);
}

static int find(Sidecar *s, uint64_t first) {
        LogLine line;
        int r = 0;

        for (uint64_t n = first; r == 0 && log_ring_get(s->ring, n, &line); n = line.number + 1)
                r = match(s, &line);

        return r;
}

void sidecar_match_lines(Sidecar *s, uint64_t first) {
        _cleanup_free_ char *message = NULL;
        int r = 0;

        if (!is_waited_for(s))
                return;

        if (!s->pattern)
                r = log_pattern_new(&s->pattern, s->running->readiness.log_pattern, &message);
        if (r >= 0)
                r = find(s, first);
        if (r == -EOVERFLOW)
                give_up(s);
        else if (r < 0)
                (void) log_warning_errno(r, "[%s] a line could not be looked at", sidecar_name(s));
        if (r <= 0)
                return;

        s->pattern = log_pattern_free(s->pattern);
        lifecycle_on_said_ready(&s->life, clock_monotonic_usec());
        sidecar_converge(s);
}
