/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * KeeperClient, as a Tree sees it
 *
 * Slots, and the messages of one slot. Only Trees and io/unclaimed.c include this.
 */

#include <stddef.h>
#include <stdint.h>

#include "init/wire.h"
#include "io/keeper-client.h"
#include "io/kept-slot.h"

/* News of a slot; descriptor: what came with it, -1: nothing. It is taken over. */
typedef void (*keeper_news_handler_t)(const WireMessage *message, int descriptor, void *userdata);

/* One of which nothing was kept. -EUSERS: as many sidecars have one as there may be. */
int keeper_client_claim_slot(KeeperClient *client,
                             keeper_news_handler_t on_news,
                             void *userdata,
                             uint32_t *ret_slot);
/* ... for what runs beside the main of a sidecar, which has one of its own. */
int keeper_client_claim_guest_slot(KeeperClient *client,
                                   keeper_news_handler_t on_news,
                                   void *userdata,
                                   uint32_t *ret_slot);
/* Gives it back: nobody is in it, and nothing of it is needed by a later brain. */
void keeper_client_release_slot(KeeperClient *client, uint32_t slot);
/* Only stops to listen: what is in it stays, for the next brain. */
void keeper_client_leave_slot(KeeperClient *client, uint32_t slot);

/* *ret, borrowed: what was kept of a slot. -ENOENT: nothing, -EBUSY: it has been claimed. */
int keeper_client_find_kept_slot(const KeeperClient *client, uint32_t slot, KeptSlot **ret);
/* Claims what was just found. News is added to the KeptSlot until that is taken. */
void keeper_client_claim_kept_slot(KeeperClient *client,
                                   uint32_t slot,
                                   keeper_news_handler_t on_news,
                                   void *userdata);
/* Of a slot that is claimed; borrowed, NULL: nothing was kept, or it was taken. */
KeptSlot *keeper_client_kept_slot(const KeeperClient *client, uint32_t slot);
/* The same, the caller's now; from here on news goes to on_news. */
KeptSlot *keeper_client_take_kept_slot(KeeperClient *client, uint32_t slot);

/* False: a keeper of version 1, which keeps nothing, and knows no order of version 2. */
bool keeper_client_has_table(const KeeperClient *client);

/* Sends, or keeps message and copies of the descriptors until there is room: order stays. */
int keeper_client_send(KeeperClient *client,
                       const WireMessage *message,
                       const int *fds,
                       size_t n_fds);

sd_event *keeper_client_event(const KeeperClient *client);

/* The directory of all trees, -1: there is none; and its path below the mount. */
int keeper_client_trees_fd(const KeeperClient *client);
const char *keeper_client_trees_cgroup(const KeeperClient *client);
/* Else guardians contain what is spawned from now on. */
bool keeper_client_uses_cgroups(const KeeperClient *client);

/* The keeper had to use a guardian where a cgroup was asked for: none is of use any more. */
void keeper_client_drop_cgroups(KeeperClient *client);
