/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Explain
 *
 * All that is known of why a sidecar is as it is, and what comes next, in one reply.
 */

#include <systemd/sd-bus.h>

int method_explain(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
