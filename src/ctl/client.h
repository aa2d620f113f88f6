/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Client
 *
 * The connection to sidecard, and what its errors mean to a shell. Answers are those of
 * complain.h: what the daemon or the bus refused has been told when a call comes back.
 */

#include <systemd/sd-bus.h>

#include "ctl/complain.h"

#define BUS_NAME "org.sidecard.Sidecars1"
#define PATH_MANAGER "/org/sidecard/Sidecars1"
#define PATH_APPS PATH_MANAGER "/app"
#define INTERFACE_MANAGER BUS_NAME ".Manager"
#define INTERFACE_APP BUS_NAME ".App"
#define INTERFACE_SIDECAR BUS_NAME ".Sidecar"

#define TIMEOUT_DEFAULT 0 /* sd-bus's own, 25 s */
#define TIMEOUT_NEVER UINT64_MAX

int client_connect(sd_bus **ret);

/* A call that the caller fills in and client_send() sends. Negative errno alone. */
int client_new_call(sd_bus *bus,
                    sd_bus_message **ret,
                    const char *path,
                    const char *interface,
                    const char *member);
int client_send(sd_bus *bus, sd_bus_message *call, uint64_t timeout_usec, sd_bus_message **ret);

/* Both at once. types may be NULL. */
int client_call(sd_bus *bus,
                sd_bus_message **ret_reply,
                const char *path,
                const char *interface,
                const char *member,
                const char *types,
                ...);

/* A property; the message is inside of its variant. */
int client_get(sd_bus *bus,
               sd_bus_message **ret_reply,
               const char *path,
               const char *interface,
               const char *property);

/* Tells an error of the bus or the daemon, and answers the exit status that it is. */
int client_complain(const sd_bus_error *error);
