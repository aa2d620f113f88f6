/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * KeeperClient
 *
 * The brain's end of the one socket to sidecard-init: orders go out, news comes in and is given
 * to the Tree whose slot it names. Only io/tree.c and main talk to it.
 */

#include <stdbool.h>

#include <systemd/sd-event.h>

#include "util/macro.h"

typedef struct KeeperClient KeeperClient;

/* The keeper was asked to end (SIGTERM, the session's end): everything is to be stopped, in order.
 */
typedef void (*keeper_terminate_handler_t)(void *userdata);

/*
 * socket_fd: as inherited, taken over on success. trees_path: the cgroup directory under which
 * every sidecar gets its leaf, NULL where the keeper found none writable (reaper containment).
 */
int keeper_client_new(KeeperClient **ret,
                      sd_event *event,
                      int socket_fd,
                      const char *trees_path,
                      keeper_terminate_handler_t on_terminate,
                      void *userdata);
KeeperClient *keeper_client_free(KeeperClient *client);
DEFINE_CLEANUP(KeeperClient, keeper_client_free);

/* "cgroup" or "reaper". */
const char *keeper_client_containment(const KeeperClient *client);

/* Tells the keeper that the bus name is ours: it says READY=1 to whom it may concern. */
int keeper_client_send_ready(KeeperClient *client);

/* Hands a SIGTERM that reached the brain up; the answer is on_terminate. */
int keeper_client_send_terminate(KeeperClient *client);
