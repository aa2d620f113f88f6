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

int signals_attach(Supervisor *supervisor) {
        static const int signals[] = { SIGTERM, SIGINT };

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int r = sd_event_add_signal(supervisor->event, NULL,
                                            signals[i] | SD_EVENT_SIGNAL_PROCMASK, on_signal,
                                            supervisor);

                if (r < 0)
                        return r;
        }

        return 0;
}
