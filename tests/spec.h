/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Spec
 *
 * A SidecarSpec by hand, for tests of what comes after the parser: the defaults of the schema, a
 * tcp probe, and no string that anybody would have to free.
 */

#include <signal.h>

#include "model/manifest.h"
#include "util/duration.h"

static inline void spec_succeed_on(SidecarSpec *spec, unsigned exit_code) {
        spec->restart.success_exit_codes[exit_code / 8] |= (uint8_t) (1u << (exit_code % 8));
}

static inline SidecarSpec spec_make(void) {
        SidecarSpec spec = {
                .n_ref = 1,
                .app_id = (char *) "ai.xgen.App",
                .name = (char *) "web",
                .readiness = {
                        .kind = PROBE_TCP,
                        .port_number = 8001,
                        .timeout_usec = 2 * USEC_PER_SEC,
                        .interval_usec = 500 * USEC_PER_MSEC,
                },
                .restart = {
                        .policy = RESTART_POLICY_ON_FAILURE,
                        .delay_usec = 500 * USEC_PER_MSEC,
                        .factor = 2,
                        .max_delay_usec = 30 * USEC_PER_SEC,
                        .jitter = 0.1,
                        .reset_after_usec = USEC_PER_MINUTE,
                        .attempts = 5,
                },
                .stop_signal = SIGTERM,
                .stop_timeout_usec = 5 * USEC_PER_SEC,
                .start_timeout_usec = 30 * USEC_PER_SEC,
        };

        spec_succeed_on(&spec, 0);
        return spec;
}

/* A health check by tcp, with the schema's times. */
static inline LivenessSpec liveness_make(uint32_t failures, bool restart) {
        LivenessSpec liveness = {
                .probe = {
                        .kind = PROBE_TCP,
                        .port_number = 8001,
                        .timeout_usec = 2 * USEC_PER_SEC,
                        .interval_usec = 10 * USEC_PER_SEC,
                },
                .failures = failures,
                .restart = restart,
        };

        return liveness;
}
