/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Patient
 *
 * A client of a daemon that may die in the midst of any call. What only asks is asked again until
 * it is answered. What changes something is repeated as contract section 4 has it: first the
 * client looks what has become of it. The app is WORLD_APP, and the daemon that of "world".
 *
 * Every event is read, in order: a gap, or the same status twice, fails the test where it is met.
 */

#include "app-calls.h"

/* How it stands with a sidecar. */
typedef struct Standing {
        char state[64]; /* "Status/SubState" */
        char reason_code[32];
        int64_t exit_code, exit_signal, n_restarts, generation, main_pid;
} Standing;

/* One status event. */
typedef struct Told {
        uint64_t seq;
        char name[32];
        char state[64];
        uint64_t generation;
        bool has_exit;
        int32_t exit_code, exit_signal;
} Told;

/*
 * Calls once the daemon is there; false: it died meanwhile. Any other error fails the test.
 */
bool patient_call(const char *path,
                  const char *interface,
                  const char *method,
                  sd_bus_message **ret_reply,
                  const char *types,
                  ...);

Standing patient_look(const char *name);

/* Waits until it stands so, with so many restarts, in a generation above that one. */
void patient_await(const char *name, const char *state, int64_t n_restarts, int64_t above);

void patient_start(const char *name);
void patient_stop(const char *name);
void patient_restart(const char *name);
void patient_start_app(void);
void patient_reload(void);

/* Waits until the switch is done; or, if it is the first that is made, until it is rolled back. */
void patient_set_mode(const char *mode);
void patient_set_mode_in_vain(const char *mode);

/* How often the end of a switch was told so far. */
size_t patient_count_mode_ends(void);

/* On a connection that is not the world's; sidecars: as client_new_hold() takes it. */
void patient_hold(sd_bus *bus, const char *sidecars, uint64_t linger_usec);
/* With a manifest, and what only such a hold may pass on. */
void patient_bring(sd_bus *bus, const char *manifest);
void patient_release(sd_bus *bus);
Holder patient_start_holder(const HolderSpec *spec);
size_t patient_count_holds(void);

/* All lines so far, each with a newline; freed by the caller. */
char *patient_log(const char *name);
void patient_await_line(const char *name, const char *text);

/* Replaces the brain by a fresh one (contract D4), and waits for that. */
void patient_upgrade(void);

/* Reads what there is of events; answers all of the story so far, borrowed. */
const Told *patient_events(size_t *ret_n);
