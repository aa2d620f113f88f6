/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ServiceFile
 *
 * The file by which a bus knows how to start a name, as dbus-daemon(1) has it under "message bus
 * starting services".
 */

#include <stdbool.h>

typedef struct ServiceFile {
        char *path;    /* where it was found; NULL: nowhere */
        char *program; /* the first word of Exec=; NULL: it has none */
        bool has_unit; /* SystemdService= */
} ServiceFile;

void service_file_done(ServiceFile *file);

/* 1: text is a file for that name, and *ret all but its path; 0: it is not. */
int service_file_parse(ServiceFile *ret, const char *text, const char *name);

/* The first in the folders of a session bus; where there is none *ret stays. Negative errno or 0.
 */
int service_file_find(ServiceFile *ret, const char *name);
