/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Error
 *
 * What is promised by the interfaces and not built yet is said plainly.
 */

#include "bus/error.h"
#include "util/macro.h"

int method_not_supported(sd_bus_message *message,
                         void *userdata _unused_,
                         sd_bus_error *ret_error) {
        return sd_bus_error_setf(ret_error, ERROR_NOT_SUPPORTED,
                                 "%s is not supported yet by this version of sidecard",
                                 sd_bus_message_get_member(message));
}
