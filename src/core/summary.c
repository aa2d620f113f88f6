/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Summary
 *
 * A service manager tells each status on to all who watch the unit. So what changes within a pause
 * is told once, at its end, and only if the figures are others.
 */

#include "core/summary.h"
#include "util/duration.h"

#define PAUSE_USEC (100 * USEC_PER_MSEC)

typedef struct Figures {
        size_t n_running;
        size_t n_failed;
} Figures;

struct Summary {
        const Supervisor *supervisor;
        sd_event_source *timer;
        Figures told;
};

static Figures count(const Supervisor *supervisor) {
        Figures figures = { 0 };

        for (size_t i = 0; i < supervisor->n_apps; i++) {
                const App *app = supervisor->apps[i];

                for (size_t k = 0; k < app->n_sidecars; k++) {
                        figures.n_running += app->sidecars[k]->life.status == STATUS_RUNNING;
                        figures.n_failed += app->sidecars[k]->life.status == STATUS_FAILED;
                }
        }
        return figures;
}

static int on_pause_end(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Summary *summary = userdata;
        Figures figures = count(summary->supervisor);

        if (figures.n_running == summary->told.n_running &&
            figures.n_failed == summary->told.n_failed)
                return 0;

        if (keeper_client_send_summary(summary->supervisor->keeper, figures.n_running,
                                       figures.n_failed) >= 0)
                summary->told = figures;
        return 0;
}

int summary_new(Summary **ret, Supervisor *supervisor) {
        _cleanup_(summary_freep) Summary *summary = NULL;
        int r;

        summary = calloc(1, sizeof(*summary));
        if (!summary)
                return -ENOMEM;

        summary->supervisor = supervisor;
        summary->told = (Figures){ SIZE_MAX, SIZE_MAX };
        r = sd_event_add_time_relative(supervisor->event, &summary->timer, CLOCK_MONOTONIC,
                                       PAUSE_USEC, 0, on_pause_end, summary);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(summary->timer, "summary");
        *ret = TAKE_PTR(summary);
        return 0;
}

Summary *summary_free(Summary *summary) {
        if (!summary)
                return NULL;

        sd_event_source_disable_unref(summary->timer);
        free(summary);
        return NULL;
}

void summary_note(Summary *summary) {
        /* The pause is not begun anew: it would never end in a flood. */
        if (sd_event_source_get_enabled(summary->timer, NULL) != 0)
                return;

        (void) sd_event_source_set_time_relative(summary->timer, PAUSE_USEC);
        (void) sd_event_source_set_enabled(summary->timer, SD_EVENT_ONESHOT);
}
