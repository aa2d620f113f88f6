/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ProbeRound
 *
 * One round of HTTP paths (contract R2): which is asked next, and when the matter is settled.
 * Pure; io/probe.c does the asking. That the path which answered is the only one asked from then
 * on is up to who starts the rounds: such a round has one path.
 */

#include <stddef.h>

#include "model/manifest.h"

typedef enum ProbeAnswer {
        PROBE_ANSWER_STATUS,  /* a complete head, whatever became of the body */
        PROBE_ANSWER_REFUSED, /* nobody listens, on 127.0.0.1 and on ::1 */
        PROBE_ANSWER_NONE,    /* a timeout, a reset, something that is not HTTP */
        _PROBE_ANSWER_MAX,
        _PROBE_ANSWER_INVALID = -EINVAL,
} ProbeAnswer;

typedef enum ProbeStep {
        PROBE_STEP_ASK,     /* ProbeRound::path is next */
        PROBE_STEP_ALIVE,   /* all from here on: the round is over */
        PROBE_STEP_LOADING, /* 503: it is there, and not ready yet */
        PROBE_STEP_DEAD,
        _PROBE_STEP_MAX,
        _PROBE_STEP_INVALID = -EINVAL,
} ProbeStep;

typedef struct ProbeRound {
        const StatusRange *alive; /* borrowed */
        size_t n_alive;
        size_t n_paths;
        size_t path;     /* index of the one to ask now */
        int path_index;  /* of the one that decides as things stand; -1: none answered */
        unsigned status; /* what it answered; 0: none did */
} ProbeRound;

/* n_paths is at least 1, and the first path is to be asked. */
ProbeRound probe_round(size_t n_paths, const StatusRange *alive, size_t n_alive);

/* Takes the answer of the path that was asked; status counts with PROBE_ANSWER_STATUS alone. */
ProbeStep probe_round_note(ProbeRound *round, ProbeAnswer answer, unsigned status);
