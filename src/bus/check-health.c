/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * CheckHealth
 *
 * The probe belongs to the waiter that answers the call: it goes when the sidecar does, and counts
 * among the calls that a connection may have waiting.
 */

#include <string.h>

#include "bus/check-health.h"
#include "bus/options.h"
#include "bus/sidecar-object.h"
#include "bus/waiter.h"
#include "core/sidecar-parts.h"
#include "util/clock.h"

/* A round may go through several paths, each with a timeout of its own. */
#define ROUND_USEC (15 * USEC_PER_SEC)

static int reply_health(sd_bus_message *call, const Sidecar *s, const ProbeResult *result) {
        _cleanup_free_ char *endpoint = sidecar_endpoint(s),
                            *error = sidecar_blank(s, result->error);
        int r;

        if (!endpoint || !error)
                return -ENOMEM;

        r = sd_bus_reply_method_return(call, "a{sv}", 5, "healthy", "b", result->alive, "endpoint",
                                       "s", endpoint, "status", "u", result->status, "latency-usec",
                                       "t", result->latency_usec, "error", "s", error);
        return r < 0 ? r : 1;
}

static void on_probe(const ProbeResult *result, void *userdata) {
        Waiter *waiter = userdata;
        const Sidecar *s = waiter->subject;
        _cleanup_free_ char *doubt = result->alive ? sidecar_doubt_answer(s) : strdup("");
        ProbeResult judged = *result;
        int r;

        if (doubt && *doubt) {
                judged.alive = false;
                judged.error = doubt;
        }

        r = doubt ? reply_health(waiter->call, s, &judged) : -ENOMEM;
        if (r < 0)
                (void) sd_bus_reply_method_errno(waiter->call, r, NULL);
        waiter_end(waiter);
}

static int answer(Waiter *waiter, bool is_late) {
        static const ProbeResult late = { .error = "it did not answer in time" };
        const Sidecar *s = waiter->subject;

        if (is_late)
                return reply_health(waiter->call, s, &late);
        if (waiter->probe)
                return 0;

        return sidecar_ask_health(s, clock_monotonic_usec() + ROUND_USEC, on_probe, waiter,
                                  &waiter->probe);
}

int method_check_health(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const Sidecar *s = userdata;
        SidecarObject *object = s->userdata;
        Waiter spec = { .subject = s, .answer = answer };
        bool is_there = s->life.process == PROCESS_RUNNING;
        int r;

        r = options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        if (is_there && sidecar_can_be_asked(s))
                return waiter_new(object->server, message, &spec, 0, ret_error);

        /* All there is to know of one without a probe is whether it is there. */
        return reply_health(message, s,
                            &(ProbeResult){
                                    .alive = is_there && s->life.ready,
                                    .error = !is_there        ? "it does not run"
                                             : !s->life.ready ? "it is not ready yet"
                                                              : "",
                            });
}
