/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl show
 *
 * All properties of an app or a sidecar, for scripts: NAME=VALUE, a line each. Text is as it is,
 * numbers are, and what is more than that is JSON, on one line too.
 */

#include <stdio.h>

#include "ctl/client.h"
#include "ctl/json-message.h"
#include "ctl/show-each.h"
#include "ctl/verbs.h"
#include "util/visible.h"

/* Control characters would make more lines of it, or drive a terminal. */
static int print_text(sd_bus_message *reply) {
        _cleanup_free_ char *visible = NULL;
        const char *text;
        int r;

        r = sd_bus_message_read_basic(reply, 's', &text);
        if (r < 0)
                return r;
        visible = visible_make(text);
        if (!visible)
                return -ENOMEM;

        (void) puts(visible);
        return 0;
}

/* One variant. */
static int print_value(sd_bus_message *reply) {
        JsonWriter writer = { .stream = stdout };
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(reply, &type, &contents);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, type, contents);
        if (r < 0)
                return r;

        if (contents[0] == 's' && contents[1] == '\0')
                r = print_text(reply);
        else {
                r = json_message_value(&writer, reply);
                json_end(&writer);
        }

        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int print_properties(sd_bus_message *reply) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read_basic(reply, 's', &name);
                if (r < 0)
                        break;
                (void) printf("%s=", name);
                r = print_value(reply);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }

        return r < 0 ? r : 0;
}

static int show(const Arguments *arguments, JsonWriter *writer, sd_bus *bus, const Target *target) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = client_call(bus, &reply, target->path, "org.freedesktop.DBus.Properties", "GetAll", "s",
                        target->name ? INTERFACE_SIDECAR : INTERFACE_APP);
        if (r != 0)
                return r;
        if (!arguments->json)
                return print_properties(reply);

        r = json_message_value(writer, reply);
        return r < 0 ? r : 0;
}

int verb_show(const Arguments *arguments) {
        return show_each(arguments, targets_resolve, show);
}
