/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogOptions
 *
 * What GetLog and OpenLog both take: which lines are asked for.
 */

#include "bus/options.h"
#include "model/log-query.h"

/* more: what only one of them takes. Negative: ret_error is set. */
int log_options_read(sd_bus_message *call,
                     const Option *more,
                     size_t n_more,
                     LogQuery *ret,
                     sd_bus_error *ret_error);
