/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * CheckHealth
 *
 * A probe now, for whoever asks; it changes nothing of what the supervisor thinks of the sidecar.
 */

#include <systemd/sd-bus.h>

int method_check_health(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
