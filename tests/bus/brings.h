/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Brings
 *
 * What a client says of a hold that brings something along, and what a sidecar then says of itself:
 * DUMPER is one that tells all that it was born with (children/envdump.c), and stays.
 */

#include "app-calls.h"
#include "log-lines.h"

#define DUMPER "'command': ['/bin/sh', '-c', '@CHILDREN@/envdump \\'$@\\'; exec sleep 1000', 'sh']"

typedef struct Brings {
        const char *app; /* NULL: WORLD_APP */
        const char *env; /* "NAME=VALUE NAME=VALUE"; NULL: the option is left out, as below */
        const char *manifest;
        const char *base_dir;
} Brings;

/* Negative errno with an error. */
int try_to_bring(sd_bus *bus, Brings brings, sd_bus_error *error);

void bring(sd_bus *bus, Brings brings);

/* It has to fail with that error, and to say this. */
void bring_in_vain(sd_bus *bus, Brings brings, const char *error_name, const char *says);

/* All that a DUMPER says in that generation, as lines of one text; freed by the caller. */
char *dump_of(World *w, const char *name, uint64_t generation);

/* A whole line of a dump. */
bool has_line(const char *dump, const char *line);

/* What the sidecar was born with that runs now. */
char *dump_now(World *w, const char *name);

bool was_born_with(World *w, const char *name, const char *line);
bool was_born_without(World *w, const char *name, const char *variable);

/* A client's Restart, until it is up again. */
void restart_it(World *w, const char *name);

/* Its main process is killed, and it is started again by itself. */
void crash_it(World *w, const char *name);

/* SIGKILL; goes on with the next. */
void kill_the_brain(World *w);
