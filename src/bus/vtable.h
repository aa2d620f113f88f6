/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Vtable
 *
 * Short words for the rows of sd-bus vtables, and for getters, whose seven parameters nobody reads.
 */

#include <systemd/sd-bus.h>

#include "util/macro.h"

/* Who may call what is decided in sender.c and below; sd-bus's own notion of privilege is not. */
#define UNPRIVILEGED SD_BUS_VTABLE_UNPRIVILEGED

#define CONST SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define INVALIDATES SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION

/* `append` is an expression that appends the value of `object` to `reply`. */
#define DEFINE_GETTER(function, Type, object, append)                                      \
        static int function(sd_bus *bus _unused_, const char *path _unused_,               \
                            const char *interface _unused_, const char *property _unused_, \
                            sd_bus_message *reply, void *userdata,                         \
                            sd_bus_error *ret_error _unused_) {                            \
                const Type *object _unused_ = userdata;                                    \
                                                                                           \
                return (append);                                                           \
        }                                                                                  \
        struct getter_##function##_wants_a_semicolon
