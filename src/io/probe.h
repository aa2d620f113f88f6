/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Probe
 *
 * One question to a sidecar: are you alive? Asked on 127.0.0.1, then on ::1, or at a socket that
 * has a name in the file system, never elsewhere; no redirect is followed, no proxy used, no name
 * resolved, no body kept. Or a program is asked that runs in its tree: io/guest.h. HTTP goes
 * through libcurl's multi interface on sd-event; libcurl comes in by dlopen(3) at the first HTTP
 * probe, since linking it costs 5 MiB and 5 ms that a daemon without probes need not pay.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "io/tree.h"
#include "model/manifest.h"

typedef struct Prober Prober; /* what all probes share */
typedef struct Probe Probe;   /* one that is under way */

int prober_new(Prober **ret, sd_event *event);
/* After the last of its probes. */
Prober *prober_free(Prober *prober);
DEFINE_CLEANUP(Prober, prober_free);

/* Everything is borrowed, and only while probe_start() runs. */
typedef struct ProbeTarget {
        ProbeKind kind;
        uint16_t port;
        const char *unix_path; /* filled in; instead of the port, or NULL */
        const char *method;    /* http: a constant, as in HttpTarget; NULL: "GET" */
        char *const *paths;    /* filled in; http: asked in order as contract R2 says */
        char *const *headers;  /* filled in, "Name: value" */
        const StatusRange *alive;
        size_t n_alive;
        Tree *tree;               /* exec: where the program runs */
        const SpawnSpec *program; /* exec: as of guest_start() */
        const char *fault;        /* exec: what keeps it from being run, the answer then; or NULL */
        uint64_t timeout_usec;    /* of each request */
        uint64_t deadline_usec;   /* CLOCK_MONOTONIC, of the whole round */
} ProbeTarget;

typedef struct ProbeResult {
        bool alive;
        bool is_loading; /* answered 503: it says that it is there, and not yet ready */
        int path_index;  /* of ProbeTarget::paths, the one that decided; -1: none answered */
        unsigned status; /* HTTP; 0: none */
        uint64_t latency_usec;
        uint64_t until_usec; /* CLOCK_MONOTONIC: when it would have been over without an answer */
        const char *error;   /* why not alive, for people, borrowed during the call; "" if alive */
} ProbeResult;

/* Called once, from the event loop, never from within probe_start(). It may free the probe. */
typedef void (*probe_handler_t)(const ProbeResult *result, void *userdata);

/*
 * -EINVAL: a kind that is not asked, http without a path, a path without its slash, control
 * characters in a header, or a socket's path that is relative or longer than 107 bytes; -ENOTSUP:
 * http on a machine without libcurl; of exec, what guest_start() answers. Everything else is an
 * answer.
 */
int probe_start(Probe **ret,
                Prober *prober,
                const ProbeTarget *target,
                probe_handler_t handler,
                void *userdata);
/* At any moment. Before its answer: there will be none. */
Probe *probe_free(Probe *probe);
DEFINE_CLEANUP(Probe, probe_free);
