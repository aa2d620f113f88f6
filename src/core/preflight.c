/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Preflight
 *
 * What is looked for is what a start would look for (core/sidecar-start.c), with the PATH of who
 * called us. Whose a port is, is not judged: a sidecar that is up holds its own, and which those
 * are the daemon knows.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/preflight.h"
#include "core/program-search.h"
#include "io/ports.h"
#include "util/strv.h"

/* All places that were tried are a screenful; `sidecarctl why` has them. */
static void print_missing(const SidecarSpec *spec, const ProgramFault *fault) {
        const char *name = spec->command[0];

        (void) printf("program\t%s/%s\tmissing\t", spec->app_id, spec->name);
        if (!fault->is_missing)
                (void) printf("%s\n", fault->text ? fault->text : strerror(fault->error));
        else if (*name == '/')
                (void) printf("%s is not there\n", name);
        else
                (void) printf("%s is neither in the folders that go with its manifest nor on PATH "
                              "(%zu places)\n",
                              name, strv_length(fault->tried));
}

static int print_program(const SidecarSpec *spec) {
        _cleanup_(program_fault_done) ProgramFault fault = { 0 };
        _cleanup_free_ char *path = NULL;
        int r;

        if (strchr(spec->command[0], '{'))
                return 0;

        r = program_search(&path, spec, "program", spec->command[0], &fault);
        if (r < 0 && r != -ECANCELED)
                return r;

        if (path)
                (void) printf("program\t%s/%s\tfound\t%s\n", spec->app_id, spec->name, path);
        else
                print_missing(spec, &fault);
        return 0;
}

static void print_port(const SidecarSpec *spec, const PortSpec *port) {
        PortHolder holder = { 0 };

        if (port->number == 0 || port_find_listener(port->number, &holder) <= 0)
                return;

        (void) printf("port\t%s/%s\t%" PRIu16 "\t%d\t%s\t%s\n", spec->app_id, spec->name,
                      port->number, (int) holder.pid, holder.program,
                      port->reassign ? "reassign" : "fixed");
}

int preflight_print(const Manifest *manifest, const char *path) {
        int r = 0;

        (void) printf("manifest\t%s\t%s\n", manifest->id, path);
        for (size_t i = 0; r >= 0 && i < manifest->n_sidecars; i++) {
                const SidecarSpec *spec = manifest->sidecars[i];

                r = print_program(spec);
                for (size_t k = 0; k < spec->n_ports; k++)
                        print_port(spec, &spec->ports[k]);
        }

        return r;
}
