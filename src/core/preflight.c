/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Preflight
 *
 * Programs are looked for as a start would look for them (core/program-search.c), with the PATH of
 * who called us. Whose a port is, is not judged: a sidecar that is up holds its own, and which
 * those are the daemon knows.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/preflight.h"
#include "core/program-search.h"
#include "io/ports.h"
#include "util/strv.h"

/* All places that were tried are a screenful; `sidecarctl why` has them. */
static void print_missing(const SidecarSpec *spec, const char *advice, size_t n_places) {
        const char *name = spec->command[0];

        (void) printf("program\t%s/%s\tmissing\t", spec->app_id, spec->name);
        if (advice)
                (void) printf("%s\n", advice);
        else if (*name == '/')
                (void) printf("%s is not there\n", name);
        else
                (void) printf("%s is neither in the folders that go with its manifest nor on PATH "
                              "(%zu places)\n",
                              name, n_places);
}

static int print_program(const SidecarSpec *spec) {
        _cleanup_(program_search_done) ProgramSearch search = { 0 };
        int r;

        if (strchr(spec->command[0], '{'))
                return 0;

        r = program_search_along(&search, spec, spec->command[0], getenv("PATH"));
        if (r < 0)
                return r;

        if (search.path)
                (void) printf("program\t%s/%s\tfound\t%s\n", spec->app_id, spec->name, search.path);
        else
                print_missing(spec, search.advice, strv_length(search.candidates));
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
