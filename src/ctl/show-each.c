/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ShowEach
 *
 * The array is closed after an error, too: what was written stays JSON.
 */

#include <stdio.h>

#include "ctl/client.h"
#include "ctl/show-each.h"

int show_each(const Arguments *arguments, resolve_t resolve, show_t show) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(targets_done) Targets targets = { 0 };
        JsonWriter writer = { .stream = stdout };
        int r;

        r = client_connect(&bus);
        if (r == 0)
                r = resolve(&targets, bus, arguments->names);
        if (r != 0)
                return r;

        if (arguments->json)
                json_open(&writer, '[');
        for (size_t i = 0; r == 0 && i < targets.n_items; i++) {
                if (!arguments->json && i > 0)
                        (void) putchar('\n');
                r = show(arguments, &writer, bus, &targets.items[i]);
        }
        if (arguments->json) {
                json_close(&writer, ']');
                json_end(&writer);
        }

        return r != 0 ? r : targets.told;
}
