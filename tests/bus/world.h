/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * World
 *
 * A session of its own for one test: a directory that holds all, a private bus, manifests, the
 * daemon as it is installed (sidecard-init of the build tree, nothing inside it), and a client.
 * The daemon is a black box: what a test knows of it came over the bus, from its log, or from
 * the kernel. Its end is part of every test: SIGTERM, exit 0, nothing left.
 *
 * Nothing sleeps: WORLD_AWAIT() goes on when the bus or the log has said something.
 */

#include <stdio.h>

#include <systemd/sd-bus.h>

#include "process.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/macro.h"
#include "util/strv.h"

#define WORLD_APP "org.example.App"
#define WORLD_BUS_NAME "org.sidecard.Sidecars1"
#define WORLD_PATH "/org/sidecard/Sidecars1"

/* So long that a machine which does something else is no reason; every wait ends by an event. */
#define WORLD_PATIENCE (60 * USEC_PER_SEC)

/* For what is dead already, and on its way through exit: a guardian, or a program that was killed.
 */
#define WORLD_LAST_BREATH (20 * USEC_PER_SEC)

typedef struct Change Change;

typedef struct World {
        char *dir;
        char *home;     /* where its sidecars run; no other world's do */
        bool is_second; /* the directory belongs to the first world */
        char *bus_address;
        char *open_address; /* the same bus, where another user may come in */
        char *mark;         /* a variable in the environment of the daemon, and so of all trees */
        char **environment; /* of the daemon */
        Process bus_daemon;
        Process keeper;
        char *cgroup; /* of the daemon, made by itself; NULL: it is in that of the test */
        sd_bus *bus;
        char *owner; /* unique name of the brain; empty while there is none */
        int log_fd;  /* the daemon's stderr */
        char *log;   /* what came from it */
        size_t log_size;
        Change *changes; /* calls.h */
        size_t n_changes;
} World;

/* The world of the fixture. The daemon is not there yet: manifests come first. */
extern World *world;
void world_setup(void);
void world_teardown(void);

World *world_new(void);

/* Kills the bus and starts another at the same address; the client connects anew. */
void world_restart_bus(World *w);

/* A second bus, in the same session: same directories, other socket. */
World *world_new_beside(const World *first);

/* Ends what runs, checks the end, and takes the directory away. */
World *world_free(World *w);

/*
 * Text of JSON with ' for " and with @CHILDREN@, @EXAMPLES@ and @DIR@ replaced. The first writes
 * a manifest of WORLD_APP with these sidecars, the second any app's whole text.
 */
void world_write_sidecars(const World *w, const char *format, ...) _printf_(2, 3);
void world_write_manifest(const World *w, const char *app, const char *text);

/* A file below the world's directory, its folders made, mode as given. */
void world_write_file(const World *w, const char *name, unsigned int mode, const char *text);
char *world_read_file(const World *w, const char *name);
bool world_has_file(const World *w, const char *name);

/* Sets NAME=VALUE for the daemon to come. */
void world_set_environment(World *w, const char *name, const char *value);

/* Starts the daemon, and waits until its name is on the bus. */
void world_run(World *w);
Process world_spawn_daemon(const World *w, int error_fd);

/* SIGTERM, and all the checks of an orderly end. */
void world_end(World *w);

/* Waits for an end that the test has brought about; answers waitpid(2)'s status. */
int world_await_end(World *w);

/* Nothing of keeper, brain and trees is left, now or after some time. */
void world_assert_empty(const World *w, uint64_t timeout_usec);

/* Pid of the brain, as the bus knows it. */
pid_t world_brain(World *w);

/* SIGKILL for the brain; returns when the next one has the name. */
void world_kill_brain(World *w);

/* One event of the bus or of the log; fails the test at the deadline, with the words given. */
void world_turn(World *w, uint64_t deadline, const char *what);

#define WORLD_AWAIT(w, condition)                                             \
        do {                                                                  \
                uint64_t deadline_ = clock_monotonic_usec() + WORLD_PATIENCE; \
                                                                              \
                while (!(condition))                                          \
                        world_turn(w, deadline_, #condition);                 \
        } while (0)

/* What the daemon has written so far has this text in it. */
bool world_has_logged(World *w, const char *text);

/* A port of 127.0.0.1 that was free a moment ago. */
uint16_t world_free_port(void);
