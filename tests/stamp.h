/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stamp
 *
 * What tests/children/stamp writes as the first act of its main(), and what the benches read: when
 * a process had come up. So a latency is the difference of two clock readings, and nobody's
 * polling is in it.
 */

#include <stdint.h>

typedef enum StampKind {
        STAMP_PAUSES,
        STAMP_EXITS,
} StampKind;

typedef struct Stamp {
        uint64_t nsec; /* CLOCK_MONOTONIC */
        uint32_t pid;
        uint16_t id; /* as it was told on its command line */
        uint16_t kind;
} Stamp;
