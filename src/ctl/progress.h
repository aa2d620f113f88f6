/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Progress
 *
 * Waits for many sidecars at once and shows how far each has come: on a terminal a line each that
 * changes in place, elsewhere a plain line for each change, with --json nothing until the end.
 */

#include <stdio.h>

#include <systemd/sd-bus.h>

#include "ctl/arguments.h"
#include "ctl/listing.h"

typedef struct Progress Progress;

/* One sidecar that is waited for. */
typedef struct Awaited {
        Progress *progress;
        Target sidecar;
        uint64_t generation; /* 0: the one wanted now */

        char *status, *sub_state, *reason_code, *reason, *url; /* NULL: not known */
        char *complaint;    /* why it came to nothing; NULL: it did not */
        uint64_t done_usec; /* monotonic; 0: it is waited for still */
        int result;         /* then: the exit status */
        bool is_asked;
} Awaited;

struct Progress {
        const Arguments *arguments;
        FILE *out; /* where it is shown; in place only on standard output */
        sd_bus *bus;
        sd_bus_slot *statuses; /* the match for what is shown */
        const char *condition; /* "ready", "stopped", "settled" */
        Awaited **items;
        size_t n_items;
        size_t n_asked;      /* calls under way */
        uint64_t begun_usec; /* monotonic */
        uint64_t deadline_usec;
        unsigned n_drawn; /* lines on the terminal that are ours to change */
        unsigned n_turns; /* of the spinner */
        int error;        /* of a callback */
};

/* Before anything is asked of the daemon, so that no change goes unseen. */
int progress_begin(Progress *progress,
                   sd_bus *bus,
                   const Arguments *arguments,
                   const char *condition);

/* Copies the names. Answers the item, owned by progress, in ret where that is wanted. */
int progress_add(
        Progress *progress, const char *app, const char *name, uint64_t generation, Awaited **ret);

/* Waits for all, shows and tells what came of it. Answers the first exit status that is not 0. */
int progress_run(Progress *progress);
void progress_done(Progress *progress);

/* It is what was waited for. */
bool awaited_is_satisfied(const Awaited *item);

/* Adds all that App.Wait answers; what is there already is not waited for. */
int progress_take_app(Progress *progress, sd_bus_message *reply, const char *app);

/* It has come to an end. complaint is taken over; NULL: it has come true. */
void awaited_finish(Awaited *item, int result, char *complaint);

/* Microseconds left of --timeout; with none an hour, after which it is asked again. */
uint64_t progress_time_left(const Progress *progress);
