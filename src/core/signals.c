/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Signals
 *
 * An order to stop comes from the keeper alone: it must know of it, should we die on the way. So
 * a signal that the brain gets is passed up, and comes back as an order.
 */

#include <signal.h>

#include "core/signals.h"

static int on_signal(sd_event_source *source _unused_,
                     const struct signalfd_siginfo *info _unused_,
                     void *userdata) {
        const Supervisor *supervisor = userdata;

        (void) keeper_client_send_terminate(supervisor->keeper);
        return 0;
}

static int on_hangup(sd_event_source *source _unused_,
                     const struct signalfd_siginfo *info _unused_,
                     void *userdata) {
        supervisor_leave(userdata, true);
}

int signals_attach(Supervisor *supervisor) {
        static const struct {
                int signal;
                sd_event_signal_handler_t handler;
        } signals[] = {
                { SIGTERM, on_signal },
                { SIGINT, on_signal },
                { SIGHUP, on_hangup },
        };

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int r = sd_event_add_signal(supervisor->event, NULL,
                                            signals[i].signal | SD_EVENT_SIGNAL_PROCMASK,
                                            signals[i].handler, supervisor);

                if (r < 0)
                        return r;
        }

        return 0;
}
