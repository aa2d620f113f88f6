/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Seed
 *
 * Random numbers that are the same again with the SEED that was printed.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sim/random.h"

static inline Random seed_take(void) {
        const char *given = getenv("SEED");
        uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t) time(NULL);

        printf("SEED=%" PRIu64 "\n", seed);
        fflush(stdout);
        return (Random){ .state = seed };
}
