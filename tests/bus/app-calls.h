/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * App calls
 *
 * An app as a whole: holds by clients that are connections, or processes, of their own, so that
 * each can go its own way, and what is asked of all sidecars at once. The app is WORLD_APP where
 * none is named. What goes wrong without being asked for fails the test.
 */

#include "calls.h"

/* Another connection of this process; closed with sd_bus_close_unref(). */
sd_bus *client_open(const World *w);

/* sidecars: names with commas between them, "" for the empty set, NULL: the option is left out. */
sd_bus_message *
client_new_hold(sd_bus *bus, const char *app, const char *sidecars, uint64_t linger_usec);

/* Negative errno with an error. */
int client_try_hold(sd_bus *bus, const char *app, const char *sidecars, sd_bus_error *error);

void client_hold(sd_bus *bus, const char *sidecars);
void client_release(sd_bus *bus);

/* Hold has to fail with that error; its text is freed by the caller. */
char *client_hold_in_vain(sd_bus *bus, const char *app, const char *error_name);

/* A process that holds until it is ended: see holder.c. */
typedef struct Holder {
        Process process;
        int output_fd;
} Holder;

typedef struct HolderSpec {
        const char *app;      /* NULL: WORLD_APP */
        const char *sidecars; /* as above */
        uint64_t linger_usec;
        bool leaves_socket; /* a child keeps its connection */
} HolderSpec;

Holder holder_spawn(const World *w, const HolderSpec *spec);

/* The next line that it says, which has to be this one. */
void holder_await_line(const Holder *holder, const char *line);

/* Spawns, and waits until the hold stands. */
Holder holder_start(const World *w, const HolderSpec *spec);

/* kill -9 */
void holder_kill(Holder *holder);

/* Of all apps; the second waits until there are so many. */
size_t app_count_holds(World *w);
void app_await_holds(World *w, size_t n);

/* A property of type s; freed by the caller. */
char *app_text(World *w, const char *property);

/* LoadError as "POINTER: MESSAGE"; freed by the caller. */
char *app_load_error(World *w);

/* WORLD_APP as sd_bus_path_encode(3) writes it. */
#define WORLD_APP_PATH WORLD_PATH "/app/org_2eexample_2eApp"

/* As world_call(), on the app. */
#define app_call(w, ...) world_call((w), WORLD_APP_PATH, "App", __VA_ARGS__)

/* Waits, as often as it takes; answers what the call answers, an error too. */
int app_wait(World *w, const char *condition, sd_bus_error *error);
void app_wait_ready(World *w);

void app_set_mode(World *w, const char *mode);
void app_stop(World *w);

/* Waits for the next change of mode: "OLD NEW RESULT", freed by the caller. */
void mode_listen(World *w);
char *mode_next(World *w);
