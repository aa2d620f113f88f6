/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * SidecarObject
 *
 * What the bus keeps of a sidecar: what it was last told, so that PropertiesChanged names what is
 * new and no more.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bus/server.h"
#include "core/sidecar.h"

/* A member a property that can change: compared byte by byte, so zeroed before it is filled. */
typedef struct SidecarTold {
        uint64_t description_hash;
        uint64_t status;
        uint64_t sub_state;
        uint64_t reason_code;
        uint64_t reason_hash;
        uint64_t generation;
        uint64_t needs_restart;
        uint64_t changed_at_usec;
        uint64_t status_text_hash;
        uint64_t ready_at_usec;
        uint64_t main_pid;
        uint64_t exit_code;
        uint64_t exit_signal;
        uint64_t n_restarts;
        uint64_t retry_at_usec;
        uint64_t ports_hash;
        uint64_t cgroup_hash;
} SidecarTold;

struct SidecarObject {
        Server *server;
        Sidecar *sidecar;
        SidecarTold told;
        bool is_dirty;
        SidecarObject *next_dirty;
        bool is_in_summary; /* its failure is one of those that the app's summary tells of */
};

/* Sidecar::userdata of every sidecar that there is. */
int sidecar_object_new(Server *server, Sidecar *sidecar);
SidecarObject *sidecar_object_free(SidecarObject *object);
DEFINE_CLEANUP(SidecarObject, sidecar_object_free);

/* Has the end of this turn look at it. */
void sidecar_object_mark(SidecarObject *object);
/* Emits PropertiesChanged for what is not as it was told. */
void sidecar_object_flush(SidecarObject *object);

/* Getters by the name of the property: bus/sidecar-properties.c. */
int property_get_sidecar(sd_bus *bus,
                         const char *path,
                         const char *interface,
                         const char *property,
                         sd_bus_message *reply,
                         void *userdata,
                         sd_bus_error *ret_error);

/* Appends a{sv}: what Wait tells of a sidecar. */
int sidecar_append_details(sd_bus_message *reply, const Sidecar *sidecar);

/* Answers a Wait that can no longer come true, with the reason. Positive, or an error. */
int sidecar_reply_impossible(sd_bus_message *call, const Sidecar *sidecar, WaitVerdict verdict);

/* Appends a{sv}: the facts of its reason (contract section 2). */
int sidecar_append_facts(sd_bus_message *reply, const Sidecar *sidecar);

/* Appends a{sq}: named ports in force. */
int sidecar_append_ports(sd_bus_message *reply, const Sidecar *sidecar);
