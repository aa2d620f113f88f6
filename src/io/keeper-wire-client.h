/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * KeeperClient, as a Tree sees it
 *
 * Slots, and the messages of one slot. Nobody but io/tree.c includes this.
 */

#include <stddef.h>
#include <stdint.h>

#include "init/wire.h"
#include "io/keeper-client.h"

/* News of a slot; descriptor: what came with it, -1: nothing. It is taken over. */
typedef void (*keeper_news_handler_t)(const WireMessage *message, int descriptor, void *userdata);

/* -EUSERS: all slots are taken. */
int keeper_client_claim_slot(KeeperClient *client,
                             keeper_news_handler_t on_news,
                             void *userdata,
                             uint32_t *ret_slot);
void keeper_client_release_slot(KeeperClient *client, uint32_t slot);

/* Sends, or keeps message and copies of the descriptors until there is room: order stays. */
int keeper_client_send(KeeperClient *client,
                       const WireMessage *message,
                       const int *fds,
                       size_t n_fds);

sd_event *keeper_client_event(const KeeperClient *client);

/* The directory of all trees, -1 where guardians contain; and its path below the mount. */
int keeper_client_trees_fd(const KeeperClient *client);
const char *keeper_client_trees_cgroup(const KeeperClient *client);

/* The keeper had to use a guardian where a cgroup was asked for: none is of use any more. */
void keeper_client_drop_cgroups(KeeperClient *client);
