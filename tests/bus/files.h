/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files
 *
 * What a packager and an administrator do: manifests, drop-ins and programs, written as they are
 * written by hand and by package managers. Paths are below the world's directory.
 */

#include "calls.h"

/* Text of JSON with ' for ", at once or by a file beside it and rename(2). */
void file_write_json(const World *w, const char *name, const char *format, ...) _printf_(3, 4);
void file_replace_json(const World *w, const char *name, const char *format, ...) _printf_(3, 4);

/* A program of that version, which shows it in its arguments; replaced by rename(2). */
void file_replace_program(const World *w, const char *name, unsigned int version);

void file_rename(const World *w, const char *from, const char *to);
void file_remove(const World *w, const char *name);
void file_mask(const World *w, const char *name);

/* Wakes WORLD_AWAIT() for each signal of the daemon. */
void files_listen(World *w);

bool needs_restart(World *w, const char *name);

/* "LoadState" of WORLD_APP; "" where there is no such app. Lives until the next call. */
const char *load_state(World *w);

/* The arguments of its main process, with spaces between. Freed by the caller. */
char *arguments_of(World *w, const char *name);

/* A variable in its environment; NULL: it has none. Freed by the caller. */
char *variable_of(World *w, const char *name, const char *variable);

/* How many events of a type there were of WORLD_APP. */
size_t count_events(World *w, const char *type);

void call_reload(World *w);
void restart_stale(World *w);
