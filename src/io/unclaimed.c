/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Unclaimed
 *
 * A Tree each, whose name nobody knows. A round kills what is there still and frees what has
 * become empty since the last one; most are empty after the first, so the pause begins short.
 */

#include "io/keeper-wire-client.h"
#include "io/tree.h"
#include "io/unclaimed.h"
#include "util/log.h"

#define PAUSE_USEC 1000
#define PAUSE_MAX_USEC 50000
#define ACCURACY_USEC 1

typedef struct Remnant {
        Tree *tree; /* NULL: over */
        bool is_empty;
} Remnant;

struct Unclaimed {
        sd_event_source *timer;
        uint64_t pause_usec;
        Remnant *remnants;
        size_t n_remnants;
};

static void on_forked(_unused_ void *userdata, _unused_ pid_t pid) {
}

static void on_exec(_unused_ void *userdata, _unused_ int error) {
}

static void on_exited(_unused_ void *userdata, _unused_ int code, _unused_ int status) {
}

static void on_emptied(void *userdata) {
        ((Remnant *) userdata)->is_empty = true;
}

static void on_fork_failed(void *userdata, _unused_ int error) {
        on_emptied(userdata);
}

static const TreeObserver observer = {
        .on_forked = on_forked,
        .on_fork_failed = on_fork_failed,
        .on_exec = on_exec,
        .on_exited = on_exited,
        .on_emptied = on_emptied,
};

static int on_round(sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Unclaimed *unclaimed = userdata;
        size_t n_there = 0;

        for (size_t i = 0; i < unclaimed->n_remnants; i++) {
                Remnant *remnant = &unclaimed->remnants[i];

                if (remnant->is_empty)
                        remnant->tree = tree_free(remnant->tree);
                if (!remnant->tree)
                        continue;
                (void) tree_kill(remnant->tree);
                n_there++;
        }
        if (n_there == 0)
                return 0;
        (void) sd_event_source_set_time_relative(source, unclaimed->pause_usec);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        unclaimed->pause_usec *= 2;
        if (unclaimed->pause_usec > PAUSE_MAX_USEC)
                unclaimed->pause_usec = PAUSE_MAX_USEC;
        return 0;
}

/* What cannot be taken up now stays with the keeper, for the next brain. */
static void take_up(Unclaimed *unclaimed, KeeperClient *client, uint32_t slot) {
        Remnant *remnant = &unclaimed->remnants[unclaimed->n_remnants];
        uint64_t generation;
        KeptSlot *kept;
        int r;

        if (keeper_client_find_kept_slot(client, slot, &kept) < 0)
                return;
        generation = kept->entry.generation;
        r = tree_adopt(&remnant->tree, client, NULL, slot, generation, &observer, remnant);
        if (r < 0) {
                log_debug("slot %u cannot be ended: errno %d", slot, -r);
                return;
        }
        unclaimed->n_remnants++;
        if (tree_resume(remnant->tree) == 0)
                remnant->is_empty = true;
}

static size_t count(const KeeperClient *client) {
        KeptSlot *kept;
        size_t n = 0;

        for (uint32_t slot = 0; slot < WIRE_SLOTS_MAX; slot++)
                n += keeper_client_find_kept_slot(client, slot, &kept) >= 0;

        return n;
}

int unclaimed_new(Unclaimed **ret, KeeperClient *client) {
        _cleanup_(unclaimed_freep) Unclaimed *unclaimed = calloc(1, sizeof(*unclaimed));
        int r;

        if (!unclaimed)
                return -ENOMEM;
        unclaimed->pause_usec = PAUSE_USEC;
        unclaimed->remnants = calloc(count(client) + 1, sizeof(Remnant));
        if (!unclaimed->remnants)
                return -ENOMEM;
        r = sd_event_add_time_relative(keeper_client_event(client), &unclaimed->timer,
                                       CLOCK_MONOTONIC, 0, ACCURACY_USEC, on_round, unclaimed);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(unclaimed->timer, "unclaimed");
        for (uint32_t slot = 0; slot < WIRE_SLOTS_MAX; slot++)
                take_up(unclaimed, client, slot);
        *ret = TAKE_PTR(unclaimed);
        return 0;
}

Unclaimed *unclaimed_free(Unclaimed *unclaimed) {
        if (!unclaimed)
                return NULL;

        sd_event_source_disable_unref(unclaimed->timer);
        for (size_t i = 0; i < unclaimed->n_remnants; i++)
                (void) tree_free(unclaimed->remnants[i].tree);
        free(unclaimed->remnants);
        free(unclaimed);
        return NULL;
}
