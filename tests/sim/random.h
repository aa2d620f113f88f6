/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Random
 *
 * splitmix64: small, fast, and the same numbers on every machine, so that a seed is a history.
 */

#include <stdbool.h>
#include <stdint.h>

typedef struct Random {
        uint64_t state;
} Random;

static inline uint64_t random_next(Random *random) {
        uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

/* 0 ... n - 1 */
static inline uint64_t random_below(Random *random, uint64_t n) {
        return random_next(random) % n;
}

static inline bool random_chance(Random *random, unsigned percent) {
        return random_below(random, 100) < percent;
}

/* Below `limit`, short spans as likely as long ones: what is interesting happens at all scales. */
static inline uint64_t random_span(Random *random, uint64_t limit) {
        while (limit > 1 && random_chance(random, 50))
                limit /= 4;

        return random_below(random, limit + 1);
}
