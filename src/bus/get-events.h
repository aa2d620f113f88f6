/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * GetEvents
 *
 * Events of the ring as a reply, at once or, with "wait-usec", when there are some.
 */

#include <systemd/sd-bus.h>

int method_get_events(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
