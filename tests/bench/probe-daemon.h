/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Probe daemon
 *
 * The brain that asks many sidecars each second, beside a bare loop of curl that asks the same
 * servers as often, in the same run.
 */

#include <curl/curl.h>
#include <stdint.h>

#define PROBE_PORTS 100
#define SIDECARS_MAX 1000
#define GAPS_MAX 120

/* What the server saw of one sidecar's probes; written by it alone. */
typedef struct Asked {
        uint64_t answered_usec; /* the last one; 0: none */
        uint32_t n;
        uint32_t gaps_usec[GAPS_MAX]; /* from an answer to the next question */
} Asked;

/* A request like that of a probe. */
CURL *bare_new(uint16_t port, const char *path);

/* Prints its figures. */
void probe_daemon_measure(CURLM *multi,
                          const uint16_t ports[static PROBE_PORTS],
                          Asked *asked,
                          unsigned n_sidecars,
                          unsigned seconds);
