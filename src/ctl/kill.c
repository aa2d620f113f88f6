/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl kill
 *
 * A signal and nothing more: what is wanted stays as it is, so that a sidecar killed is started
 * again. For a single sidecar at a time, since a signal to a whole app is hardly ever meant.
 */

#include "ctl/client.h"
#include "ctl/json-writer.h"
#include "ctl/listing.h"
#include "ctl/verbs.h"
#include "util/signal-name.h"

static int kill_sidecar(const Arguments *arguments, sd_bus *bus, const Target *target) {
        JsonWriter writer = { .stream = stdout };
        int r;

        if (!target->name)
                return complain(EXIT_USAGE, "kill takes APP/NAME, and %s is an app", target->app);

        r = client_call(bus, NULL, target->path, INTERFACE_SIDECAR, "Kill", "si", arguments->whom,
                        arguments->signal);
        if (r != 0 || !arguments->json)
                return r;

        json_open(&writer, '{');
        json_member(&writer, "AppId", target->app);
        json_member(&writer, "Name", target->name);
        json_member(&writer, "whom", arguments->whom);
        json_member(&writer, "signal", signal_to_name(arguments->signal));
        json_close(&writer, '}');
        json_end(&writer);
        return 0;
}

int verb_kill(const Arguments *arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(targets_done) Targets targets = { 0 };
        int r, refused = 0;

        r = client_connect(&bus);
        if (r == 0)
                r = targets_resolve(&targets, bus, arguments->names);
        if (r != 0)
                return r;

        for (size_t i = 0; r >= 0 && i < targets.n_items; i++) {
                r = kill_sidecar(arguments, bus, &targets.items[i]);
                if (r > 0 && refused == 0)
                        refused = r;
        }

        return r < 0 ? r : refused;
}
