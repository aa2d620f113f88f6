/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Limits
 *
 * What a manifest asks the kernel to hold a sidecar to. All zeroes: nothing. Who gives it, and
 * whether it can be had on this machine, is io/kernel-limits.h.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum Limit {
        LIMIT_MEMORY_MAX,       /* bytes, of all processes of the tree; as the next three */
        LIMIT_MEMORY_HIGH,      /* bytes */
        LIMIT_CPU_WEIGHT,       /* 100 is everybody's */
        LIMIT_TASKS_MAX,        /* threads count */
        LIMIT_OPEN_FILES,       /* of each process, inherited; as the next two */
        LIMIT_NICE,             /* -20 to 19 */
        LIMIT_OOM_SCORE_ADJUST, /* -1000 to 1000 */
        _LIMIT_MAX,
        _LIMIT_INVALID = -EINVAL,
} Limit;

typedef struct Limits {
        uint32_t asked;             /* bits of Limit */
        int64_t values[_LIMIT_MAX]; /* 0 where nothing is asked */
} Limits;

static inline bool limits_ask(const Limits *limits, Limit limit) {
        return limits->asked & (UINT32_C(1) << limit);
}

static inline void limits_set(Limits *limits, Limit limit, int64_t value) {
        limits->asked |= UINT32_C(1) << limit;
        limits->values[limit] = value;
}

/* Its key in a manifest (model/manifest-limits.c). */
const char *limit_to_string(Limit limit);
