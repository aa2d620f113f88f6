/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SenderFilter
 *
 * Who calls, before anything is answered. sd-bus answers Properties, Introspectable and
 * ObjectManager by itself, so a filter in front of everything parks each call of a sender that is
 * not identified yet, asks the bus for its credentials, and hands the call back once it is known.
 * A sender that may not be served gets AccessDenied, for everything.
 *
 * Nothing in here waits: every question to the bus is asynchronous.
 */

#include <sys/types.h>

#include <systemd/sd-bus.h>

#include "util/macro.h"

typedef struct SenderFilter SenderFilter;

int sender_filter_new(SenderFilter **ret, sd_bus *bus);
SenderFilter *sender_filter_free(SenderFilter *filter);
DEFINE_CLEANUP(SenderFilter, sender_filter_free);

/* The process behind a name that has called: its pid, and a new pidfd. -ESRCH: not known. */
int sender_filter_pin(SenderFilter *filter, const char *name, pid_t *ret_pid, int *ret_pidfd);
