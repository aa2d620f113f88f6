/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Options
 *
 * The a{sv} that nearly every method ends with. An option that is not known, or of the wrong
 * type is InvalidArgs, with its name (contract, Manager.xml).
 */

#include <stdbool.h>

#include <systemd/sd-bus.h>

#include "util/macro.h"

typedef struct Option {
        const char *name;
        /*
         * "b" into an int, "t", "u", "s" borrowed from the message, "as" into a new strv, "a{ss}"
         * into a new one of NAME=VALUE
         */
        const char *type;
        void *value; /* written only if the option is given */
        bool *given; /* or NULL */
} Option;

/* Negative: ret_error is set. */
int options_read(sd_bus_message *message,
                 const Option *options,
                 size_t n_options,
                 sd_bus_error *ret_error);
