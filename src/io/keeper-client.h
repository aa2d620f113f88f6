/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * KeeperClient
 *
 * The brain's end of the one socket to sidecard-init: orders go out, news comes in and is given
 * to the Tree whose slot it names. What core has kept over its death is sent here, too.
 */

#include <stdbool.h>
#include <stdint.h>

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

/*
 * Reads what the keeper has kept over the death of the last brain: before the loop runs, and it
 * waits for it, ten seconds at most. From then on kept slots can be claimed (by Trees), ledger and
 * holders taken. -EPROTONOSUPPORT: a keeper of an unknown version.
 */
int keeper_client_read_table(KeeperClient *client);

bool keeper_client_is_first(const KeeperClient *client); /* no brain was ready before us */
bool keeper_client_is_safe_mode(const KeeperClient *client);

/* The ledger's memfd, the caller's now; -EBADF: there is none (an old keeper). */
int keeper_client_take_ledger(KeeperClient *client);
/* From now on the keeper keeps this one; borrowed. -EAGAIN: no room, it keeps the former. */
int keeper_client_keep_ledger(KeeperClient *client, int fd);

/* The pidfd that was kept at that place, the caller's now; -EBADF: none. */
int keeper_client_take_holder(KeeperClient *client, uint32_t index);
int keeper_client_keep_holder(KeeperClient *client, uint32_t index, int pidfd); /* borrowed */
void keeper_client_drop_holder(KeeperClient *client, uint32_t index);

/*
 * After all that is wanted was claimed: slots that nobody claimed are ended and given back, in the
 * background, holders that nobody took are dropped.
 */
void keeper_client_end_unclaimed(KeeperClient *client);

/* It is about to be freed: all that is given back from now on stays, for the next brain. */
void keeper_client_leave_all(KeeperClient *client);

/* A SIGHUP reached the brain: the keeper replaces it by what is on disk now. */
int keeper_client_send_upgrade(KeeperClient *client);

/* "cgroup" or "reaper". */
const char *keeper_client_containment(const KeeperClient *client);

/* Tells the keeper that the bus name is ours: it says READY=1 to whom it may concern. */
int keeper_client_send_ready(KeeperClient *client);

/* ... and this, in words, as often as it is called. */
int keeper_client_send_summary(KeeperClient *client, size_t n_running, size_t n_failed);

/* Hands a SIGTERM that reached the brain up; the answer is on_terminate. */
int keeper_client_send_terminate(KeeperClient *client);
