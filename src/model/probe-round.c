/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ProbeRound
 *
 * Three kinds of answers go on to the next path, and no other: a status that says "there is no
 * such endpoint here", no answer at all, and neither of them is remembered against a later path.
 * Everything else decides on the spot, so a 5xx cannot be outvoted: no later path is asked.
 */

#include "model/probe-round.h"

ProbeRound probe_round(size_t n_paths, const StatusRange *alive, size_t n_alive) {
        return (ProbeRound){
                .alive = alive,
                .n_alive = n_alive,
                .n_paths = n_paths,
                .path_index = -1,
        };
}

static bool status_is_alive(const ProbeRound *round, unsigned status) {
        for (size_t i = 0; i < round->n_alive; i++)
                if (status >= round->alive[i].low && status <= round->alive[i].high)
                        return true;

        return false;
}

static bool status_means_no_endpoint(unsigned status) {
        return status == 404 || status == 405 || status == 501;
}

static ProbeStep round_decide(ProbeRound *round, unsigned status, ProbeStep step) {
        round->path_index = (int) round->path;
        round->status = status;
        return step;
}

static ProbeStep round_go_on(ProbeRound *round) {
        if (round->path + 1 >= round->n_paths)
                return PROBE_STEP_DEAD;

        round->path++;
        return PROBE_STEP_ASK;
}

static ProbeStep round_note_status(ProbeRound *round, unsigned status) {
        /* First, since a manifest may take a 404 or a 503 for a sign of life. */
        if (status_is_alive(round, status))
                return round_decide(round, status, PROBE_STEP_ALIVE);

        if (status_means_no_endpoint(status)) {
                /* If nothing better comes, the first answer is what people are told of. */
                if (round->path_index < 0)
                        (void) round_decide(round, status, PROBE_STEP_ASK);
                return round_go_on(round);
        }

        return round_decide(round, status, status == 503 ? PROBE_STEP_LOADING : PROBE_STEP_DEAD);
}

ProbeStep probe_round_note(ProbeRound *round, ProbeAnswer answer, unsigned status) {
        switch (answer) {
        case PROBE_ANSWER_STATUS:
                return round_note_status(round, status);
        case PROBE_ANSWER_NONE:
                /* An endpoint that hangs or resets says nothing of the others: a /health may wait
                 * for a database while the server is up. The deadline bounds what that costs. */
                return round_go_on(round);
        default:
                /* Refused. What an earlier path said is history: nobody is there any more. */
                round->path_index = -1;
                round->status = 0;
                return PROBE_STEP_DEAD;
        }
}
