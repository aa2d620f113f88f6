/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * JsonMessage
 *
 * What a D-Bus message says, as JSON: dictionaries are objects, arrays and structs are arrays, a
 * variant is what is in it.
 */

#include <systemd/sd-bus.h>

#include "ctl/json-writer.h"

/* Writes the next value of the message and moves behind it; 0: there was none. */
int json_message_value(JsonWriter *writer, sd_bus_message *message);

/* The entries of the next dictionary, into an object that the caller has opened. */
int json_message_members(JsonWriter *writer, sd_bus_message *message);
