/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Usage
 *
 * Only cgroups count: without them nothing is known of anybody, and all is sorted by name. A new
 * cgroup begins at 0: less than before counts as nothing.
 */

#include <stdlib.h>
#include <string.h>

#include "ctl/usage.h"
#include "util/strv.h"

void sample_done(Sample *sample) {
        for (size_t i = 0; i < sample->n_items; i++) {
                free(sample->items[i].app);
                free(sample->items[i].name);
                free(sample->items[i].path);
                free(sample->items[i].status);
        }

        free(sample->items);
}

static const Usage *find(const Sample *sample, const Usage *wanted) {
        for (size_t i = 0; i < sample->n_items; i++)
                if (streq(sample->items[i].path, wanted->path))
                        return &sample->items[i];

        return NULL;
}

void sample_compare(Sample *sample, const Sample *before) {
        double nsec = (double) (sample->taken_usec - before->taken_usec) * 1000;

        for (size_t i = 0; i < sample->n_items; i++) {
                Usage *usage = &sample->items[i];
                const Usage *former = find(before, usage);

                usage->cpu_percent = 0;
                if (former && former->cpu_nsec != UINT64_MAX && usage->cpu_nsec != UINT64_MAX &&
                    usage->cpu_nsec > former->cpu_nsec && nsec > 0)
                        usage->cpu_percent =
                                (double) (usage->cpu_nsec - former->cpu_nsec) / nsec * 100;
        }
}

/* Memory that is not known is least. */
static int compare(const void *a, const void *b) {
        const Usage *left = a, *right = b;
        uint64_t left_bytes = left->memory_bytes + 1, right_bytes = right->memory_bytes + 1;
        int r;

        if (left->cpu_percent != right->cpu_percent)
                return left->cpu_percent < right->cpu_percent ? 1 : -1;
        if (left_bytes != right_bytes)
                return left_bytes < right_bytes ? 1 : -1;

        r = strcmp(left->app, right->app);
        return r != 0 ? r : strcmp(left->name, right->name);
}

void sample_sort(Sample *sample) {
        if (sample->n_items > 0)
                qsort(sample->items, sample->n_items, sizeof(*sample->items), compare);
}
