/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Dump
 *
 * The whole state as JSON, for bug reports: what is to be found on the bus of every sidecar, in one
 * text. Nothing of a manifest is in there, and so no secret.
 */

#include <systemd/sd-bus.h>

int method_dump(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
