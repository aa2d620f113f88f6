/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Explanation
 *
 * What Explain says of a sidecar, and the two of its answers that status and why put into words
 * alike.
 */

#include <stdint.h>
#include <systemd/sd-bus.h>

#include "util/macro.h"

#define EXPLANATION_GENERATIONS_MAX 8
#define EXPLANATION_LIMITS_MAX 8

typedef struct ExplainedGeneration { /* strings are borrowed from the reply, as below */
        uint64_t number, started_at, ready_at, ended_at;
        const char *reason;
} ExplainedGeneration;

typedef struct ExplainedProbe {
        uint64_t at, latency_usec;
        int is_healthy;
        uint32_t status;
        const char *error;
} ExplainedProbe;

typedef struct Explanation {
        const char *status, *sub_state, *reason, *next_action, *unblocked_by;
        uint64_t since, next_action_at;
        const char *missing_limits[EXPLANATION_LIMITS_MAX];
        size_t n_missing_limits;
        ExplainedGeneration generations[EXPLANATION_GENERATIONS_MAX];
        size_t n_generations;
        ExplainedProbe last_probe;
} Explanation;

/* Strings are borrowed from the reply. */
int explanation_read(Explanation *ret, sd_bus_message *reply);

/* Freed by the caller, NULL for lack of memory; "" where nothing was asked. */
char *explanation_next(const Explanation *explanation);
char *explanation_last_probe(const Explanation *explanation);
