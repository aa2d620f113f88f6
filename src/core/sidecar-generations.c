/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sidecar: its last generations
 *
 * What became of the last few starts, for whoever asks why. It is written down with the rest of
 * the sidecar, so another brain that is told of the same spawn or the same end once more finds it
 * noted.
 */

#include <string.h>

#include "core/sidecar.h"
#include "util/clock.h"

void sidecar_note_spawn(Sidecar *s) {
        Generation *newest = &s->generations[0];

        /* The order of another brain may have come to nothing: then it is the same once more. */
        if (newest->number != s->life.generation) {
                free(s->generations[GENERATIONS_KEPT - 1].reason);
                memmove(newest + 1, newest, (GENERATIONS_KEPT - 1) * sizeof(Generation));
        } else
                free(newest->reason);

        *newest = (Generation){
                .number = s->life.generation,
                .started_at_usec = clock_realtime_usec(),
                .exit_code = -1,
        };
}

void sidecar_note_ready(Sidecar *s) {
        s->generations[0].ready_at_usec = s->ready_at_usec;
}

/* A failure is noted when it is told; what was stopped, or has done its work, when it is gone. */
void sidecar_note_end(Sidecar *s) {
        Generation *newest = &s->generations[0];

        bool has_failed = s->life.failed || s->life.backoff;

        if (newest->number == 0 || newest->number != s->life.generation ||
            newest->ended_at_usec != 0)
                return;

        newest->ended_at_usec = clock_realtime_usec();
        newest->reason_code = lifecycle_reason_code(&s->life);
        newest->reason = sidecar_reason(s);
        /* Of a failure that comes before the exit nobody knows yet what that will be. */
        newest->exit_code = has_failed ? s->life.cause.exit_code : s->exit_code;
        newest->exit_signal = has_failed ? s->life.cause.signal : s->exit_signal;
}
