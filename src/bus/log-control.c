/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LogControl1
 *
 * What `systemctl --user service-log-level` talks to: org.freedesktop.LogControl1(5).
 */

#include "bus/server.h"
#include "bus/vtable.h"
#include "util/log.h"
#include "util/strv.h"

DEFINE_GETTER(get_level,
              Server,
              server,
              sd_bus_message_append(reply, "s", log_level_to_string(log_get_max_level())));

static int set_level(sd_bus *bus _unused_,
                     const char *path _unused_,
                     const char *interface _unused_,
                     const char *property _unused_,
                     sd_bus_message *value,
                     void *userdata _unused_,
                     sd_bus_error *ret_error) {
        const char *text;
        int r;

        r = sd_bus_message_read(value, "s", &text);
        if (r < 0)
                return r;

        r = log_level_from_string(text);
        if (r < 0)
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                         "There is no log level %s: emerg, alert, crit, err, "
                                         "warning, notice, info or debug",
                                         text);

        log_set_max_level(r);
        return 0;
}

DEFINE_GETTER(get_target, Server, server, sd_bus_message_append(reply, "s", "console"));

static int set_target(sd_bus *bus _unused_,
                      const char *path _unused_,
                      const char *interface _unused_,
                      const char *property _unused_,
                      sd_bus_message *value,
                      void *userdata _unused_,
                      sd_bus_error *ret_error) {
        const char *text;
        int r;

        r = sd_bus_message_read(value, "s", &text);
        if (r < 0)
                return r;

        return streq(text, "console") || streq(text, "auto")
                       ? 0
                       : sd_bus_error_set(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                          "The log goes to standard error: target console");
}

DEFINE_GETTER(get_identifier, Server, server, sd_bus_message_append(reply, "s", "sidecard"));

/* clang-format off */
static const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, UNPRIVILEGED),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, 0),
        SD_BUS_VTABLE_END
};
/* clang-format on */

int server_add_log_control(Server *server) {
        return sd_bus_add_object_vtable(server->bus, NULL, "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", log_control_vtable, server);
}
