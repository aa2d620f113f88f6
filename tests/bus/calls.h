/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls
 *
 * What a client says to the daemon, and what it hears from it: methods, properties, and every
 * StatusChanged since the world began, in order. Sidecars are named without their app, which is
 * WORLD_APP. What goes wrong without being asked for fails the test.
 */

#include <systemd/sd-bus.h>

#include "world.h"

#define WORLD_ERROR "org.sidecard.Sidecars1.Error."

/* One StatusChanged. */
struct Change {
        char name[64];
        char state[48]; /* "Status/SubState" */
        char reason_code[32];
        uint64_t seq;
        uint64_t generation;
        uint64_t received_usec; /* monotonic */
        bool is_taken;
};

/* Listens to StatusChanged and to the owner of the daemon's name. */
void calls_listen(World *w);

/* Both are freed by the caller. */
char *app_path(const char *app);
char *sidecar_path(const char *name);

/* Calls INTERFACE, "Manager", "App" or "Sidecar"; the result is negative errno with an error. */
int world_call(World *w,
               const char *path,
               const char *interface,
               const char *method,
               sd_bus_error *error,
               sd_bus_message **ret_reply,
               const char *types,
               ...);

/* Answers the generation. */
uint64_t world_start(World *w, const char *name);

/* Start, then Wait until it is ready. */
uint64_t world_start_ready(World *w, const char *name);

/* Start or the Wait after it answers with an error; its text is freed by the caller. */
char *world_start_in_vain(World *w, const char *name, const char *error_name);

/* Stop, then Wait until nothing is left. */
void world_stop(World *w, const char *name);
void world_ask_to_stop(World *w, const char *name, bool with_kill);

/* Wait, as often as it takes; answers what the call answers, an error too. */
int world_wait(World *w, const char *name, const char *condition, sd_bus_error *error);
void world_wait_ready(World *w, const char *name);

/* One call of Wait, for this generation and as long as this; the status is freed by the caller. */
int world_wait_once(World *w,
                    const char *name,
                    const char *condition,
                    uint64_t generation,
                    uint64_t timeout_usec,
                    char **ret_status,
                    sd_bus_error *error);

char *world_get_text_at(World *w, const char *path, const char *interface, const char *property);
char *world_get_text(World *w, const char *name, const char *property);

/* Whether Features of the daemon has it. */
bool world_has_feature(World *w, const char *feature);

/* Of any number type. */
int64_t world_get_number(World *w, const char *name, const char *property);

/* A value of Ports. */
uint16_t world_get_port(World *w, const char *name, const char *port);

/* "Status/SubState" as it is now; lives until the next call. */
const char *world_state(World *w, const char *name);

/* Pidfd of the main process. */
int world_open_main(World *w, const char *name);

/* One of the facts of the reason as Wait tells them, in words; freed by the caller. */
char *world_fact(World *w, const char *name, const char *fact);

/* GetProcesses: pidfds of the whole tree; answers their number. */
size_t world_open_tree(World *w, const char *name, int *ret_pidfds, size_t max);

/* Waits for the next change of that sidecar to that state, after the one last taken. */
const Change *world_next(World *w, const char *name, const char *state);

/* How often the sidecar came to that state; what has arrived is looked at first. */
size_t world_count(World *w, const char *name, const char *state);
