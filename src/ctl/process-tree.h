/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ProcessTree
 *
 * The processes of a sidecar as a tree. GetProcesses has pids and command lines; who is whose
 * parent is read from /proc, and where that is not to be had all stand side by side.
 */

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "ctl/json-writer.h"
#include "ctl/screen.h"

typedef struct Process {
        pid_t pid;
        pid_t parent;
        const char *command; /* borrowed from the reply */
} Process;

typedef struct ProcessTree {
        sd_bus_message *reply;
        Process *processes;
        size_t n_processes;
} ProcessTree;

int process_tree_read(ProcessTree *tree, sd_bus *bus, const char *path);

/* The first line goes on where the cursor is; those below begin with indent spaces. */
int process_tree_print(const ProcessTree *tree, const Screen *screen, unsigned indent);

/* An array of objects. */
void process_tree_write(const ProcessTree *tree, JsonWriter *writer);
void process_tree_done(ProcessTree *tree);
