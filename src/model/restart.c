/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Restart
 *
 * delay * factor^(n-1), at most maxDelay, then the jitter on top: the order of Kubernetes and
 * of contract X3, so that a full house at maxDelay is still spread.
 */

#include <stdio.h>
#include <string.h>

#include "model/restart.h"
#include "util/duration.h"

#define DESCRIBED_MAX 8 /* pauses in a line */

uint64_t restart_delay(const RestartSpec *spec, uint32_t n, uint32_t roll) {
        double delay = (double) spec->delay_usec, limit = (double) spec->max_delay_usec;
        double position = (double) roll / (double) UINT32_MAX * 2 - 1; /* -1 ... 1 */

        for (uint32_t i = 1; i < n && delay < limit && spec->factor > 1; i++)
                delay *= spec->factor;

        if (delay > limit)
                delay = limit;

        return (uint64_t) (delay + delay * spec->jitter * position);
}

RestartVerdict restart_decide(const RestartSpec *spec, uint32_t n_before, bool ended_well) {
        if (spec->policy == RESTART_POLICY_NO ||
            (ended_well && spec->policy != RESTART_POLICY_ALWAYS))
                return RESTART_REFUSED;

        if (spec->attempts != RESTART_ATTEMPTS_UNLIMITED && n_before >= spec->attempts)
                return RESTART_CRASH_LOOP;

        return RESTART_RETRY;
}

/* The pauses until they repeat themselves or the line is long enough; answers how many. */
static uint32_t describe_pauses(FILE *out, const RestartSpec *spec) {
        RestartSpec even = *spec;
        char text[DURATION_TEXT_MAX];
        uint64_t pause, last = USEC_INFINITY;
        uint32_t n;

        even.jitter = 0;
        for (n = 0; n < spec->attempts && n < DESCRIBED_MAX; n++) {
                pause = restart_delay(&even, n + 1, 0);
                if (pause == last && spec->attempts > DESCRIBED_MAX)
                        break;
                (void) fprintf(out, "%s%s", n > 0 ? ", " : "", duration_format(text, pause));
                last = pause;
        }

        return n;
}

char *restart_describe(const RestartSpec *spec) {
        char *text = NULL;
        size_t size;
        uint32_t n;
        FILE *out;

        if (spec->policy == RESTART_POLICY_NO)
                return strdup("never restarted");

        out = open_memstream(&text, &size);
        if (!out)
                return NULL;

        n = describe_pauses(out, spec);
        if (n < spec->attempts)
                (void) fputs(" ...", out);
        if (spec->jitter > 0)
                (void) fprintf(out, " (+-%.3g%%)", spec->jitter * 100);
        if (spec->attempts == RESTART_ATTEMPTS_UNLIMITED)
                (void) fputs(", without end", out);
        else if (n < spec->attempts)
                (void) fprintf(out, ", %u in all, then Failed", spec->attempts);
        else
                (void) fputs(", then Failed", out);

        if (fclose(out) < 0) {
                free(text);
                return NULL;
        }
        return text;
}
