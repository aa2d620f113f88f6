/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Usage
 *
 * What sidecars use of the machine: time on the processors between two samples, and memory.
 */

#include <stddef.h>
#include <stdint.h>

typedef struct Usage {
        char *app, *name, *path;
        char *status;
        uint32_t pid;
        uint64_t cpu_nsec;     /* since it was started; UINT64_MAX: not known */
        uint64_t memory_bytes; /* UINT64_MAX: not known */
        double cpu_percent;    /* of one processor, since the sample before */
} Usage;

typedef struct Sample { /* all zero at first */
        Usage *items;
        size_t n_items;
        uint64_t taken_usec; /* CLOCK_MONOTONIC */
} Sample;

void sample_done(Sample *sample);

/* Sets cpu_percent of what was there before too; what is new or began anew has 0. */
void sample_compare(Sample *sample, const Sample *before);

/* Who uses most first: time on the processors, then memory, then by name. */
void sample_sort(Sample *sample);
