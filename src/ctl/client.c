/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Client
 *
 * One table turns names of errors into exit statuses; whatever is not in it is a plain failure.
 */

#include <stdarg.h>
#include <string.h>

#include "ctl/client.h"
#include "util/strv.h"

#define ERROR_PREFIX BUS_NAME ".Error."
#define STANDARD_PREFIX "org.freedesktop.DBus.Error."

static const struct {
        const char *name; /* ends in '*': all that begin so */
        ExitStatus status;
        const char *advice; /* NULL: the message says it all */
} meanings[] = {
        { ERROR_PREFIX "NoSuchApp", EXIT_NOT_FOUND, "sidecarctl list shows what there is" },
        { ERROR_PREFIX "NoSuchSidecar", EXIT_NOT_FOUND, "sidecarctl list shows what there is" },
        { ERROR_PREFIX "NoSuchMode", EXIT_NOT_FOUND, "sidecarctl mode APP shows its modes" },
        { ERROR_PREFIX "NotRunning", EXIT_NOT_RUNNING, NULL },
        { ERROR_PREFIX "InvalidManifest", EXIT_FAILED, "sidecarctl check FILE tells more" },
        { STANDARD_PREFIX "UnknownObject", EXIT_NOT_FOUND, "sidecarctl list shows what there is" },
        { STANDARD_PREFIX "InvalidArgs", EXIT_USAGE, NULL },
        { STANDARD_PREFIX "ServiceUnknown", EXIT_NO_DAEMON,
          "sidecard does not run and the bus does not know how to start it: is it installed? By "
          "hand: systemctl --user start sidecard" },
        { STANDARD_PREFIX "NameHasNoOwner", EXIT_NO_DAEMON,
          "sidecard does not run; sidecarctl daemon ping starts it" },
        { STANDARD_PREFIX "Spawn.*", EXIT_NO_DAEMON,
          "the bus could not start sidecard; systemctl --user status sidecard may say why" },
        { STANDARD_PREFIX "NoReply", EXIT_NO_DAEMON, "sidecard went away, or hangs; try again" },
        { STANDARD_PREFIX "TimedOut", EXIT_NO_DAEMON,
          "the bus could not start sidecard in time; systemctl --user status sidecard may say "
          "why" },
        { STANDARD_PREFIX "Timeout", EXIT_NO_DAEMON, "sidecard or the bus hangs; try again" },
        { STANDARD_PREFIX "Disconnected", EXIT_NO_DAEMON, "the session bus went away" },
        /* What sd-bus makes of the errno of a connection that is lost or was never there. */
        { "System.Error.*", EXIT_NO_DAEMON,
          "the session bus cannot be used; is DBUS_SESSION_BUS_ADDRESS right?" },
        { STANDARD_PREFIX "FileNotFound", EXIT_NO_DAEMON,
          "the session bus cannot be used; is DBUS_SESSION_BUS_ADDRESS right?" },
};

static bool means(const char *pattern, const char *name) {
        size_t length = strlen(pattern);

        return pattern[length - 1] == '*' ? strncmp(pattern, name, length - 1) == 0
                                          : streq(pattern, name);
}

int client_complain(const sd_bus_error *error) {
        const char *message = error->message ? error->message : error->name;

        for (size_t i = 0; i < ELEMENTSOF(meanings); i++) {
                if (!means(meanings[i].name, error->name))
                        continue;
                if (!meanings[i].advice)
                        return complain(meanings[i].status, "%s", message);
                return complain(meanings[i].status, "%s (%s)", message, meanings[i].advice);
        }

        return complain(EXIT_FAILED, "%s", message);
}

int client_connect(sd_bus **ret) {
        int r = sd_bus_open_user(ret);

        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return complain(EXIT_NO_DAEMON,
                                "There is no session bus here: %s (run this in the desktop "
                                "session, or set DBUS_SESSION_BUS_ADDRESS)",
                                strerror(-r));

        return 0;
}

int client_new_call(sd_bus *bus,
                    sd_bus_message **ret,
                    const char *path,
                    const char *interface,
                    const char *member) {
        return sd_bus_message_new_method_call(bus, ret, BUS_NAME, path, interface, member);
}

int client_send(sd_bus *bus, sd_bus_message *call, uint64_t timeout_usec, sd_bus_message **ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call(bus, call, timeout_usec, &error, ret);
        return r < 0 ? client_complain(&error) : 0;
}

int client_call(sd_bus *bus,
                sd_bus_message **ret_reply,
                const char *path,
                const char *interface,
                const char *member,
                const char *types,
                ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        va_list args;
        int r;

        r = client_new_call(bus, &call, path, interface, member);
        if (r >= 0 && types) {
                va_start(args, types);
                r = sd_bus_message_appendv(call, types, args);
                va_end(args);
        }

        return r < 0 ? r : client_send(bus, call, TIMEOUT_DEFAULT, ret_reply);
}

int client_get(sd_bus *bus,
               sd_bus_message **ret_reply,
               const char *path,
               const char *interface,
               const char *property) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = client_call(bus, &reply, path, "org.freedesktop.DBus.Properties", "Get", "ss",
                        interface, property);
        if (r != 0)
                return r;

        r = sd_bus_message_enter_container(reply, 'v', NULL);
        if (r < 0)
                return r;

        *ret_reply = TAKE_PTR(reply);
        return 0;
}
