/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl daemon ping, daemon upgrade
 *
 * To ping is to ask for the version: the bus starts the daemon for that if it is not there, and so
 * sessions without systemd bring it up (units/org.sidecard.Sidecars1.desktop.in).
 *
 * To upgrade is a SIGHUP to whoever has the name on the bus: sidecards leave all that runs to the
 * next one, which is made from what is on disk by then. That one has come when the name has a new
 * owner.
 */

#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "ctl/client.h"
#include "ctl/json-writer.h"
#include "ctl/verbs.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/strv.h"

#define PATIENCE_USEC (30 * USEC_PER_SEC)

static int ask_bus(sd_bus *bus, sd_bus_message **ret, const char *member) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", member, &error, ret, "s", BUS_NAME);
        return r < 0 ? client_complain(&error) : 0;
}

static int get_pid(sd_bus *bus, pid_t *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t pid;
        int r;

        r = ask_bus(bus, &reply, "GetConnectionUnixProcessID");
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "u", &pid);
        if (r < 0)
                return r;

        *ret = (pid_t) pid;
        return 0;
}

/* Asked again once it is pinned: only then that pid is still theirs. */
static int pin_daemon(sd_bus *bus, int *ret_pidfd) {
        _cleanup_close_ int pidfd = -1;
        pid_t pid = 0, again = 0;
        int r;

        while (pid == 0 || pid != again) {
                safe_close(pidfd);
                r = get_pid(bus, &pid);
                if (r != 0)
                        return r;
                pidfd = pidfd_open(pid, 0);
                r = get_pid(bus, &again);
                if (r != 0)
                        return r;
        }
        if (pidfd < 0)
                return complain(EXIT_NO_DAEMON, "sidecard is gone; try again");

        *ret_pidfd = TAKE_FD(pidfd);
        return 0;
}

static int on_owner(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error _unused_) {
        bool *has_owner = userdata;
        const char *name, *former, *present;

        if (sd_bus_message_read(signal, "sss", &name, &former, &present) >= 0)
                *has_owner = *present != '\0';

        return 0;
}

static int wait_for(sd_bus *bus, const bool *has_owner, uint64_t until) {
        uint64_t now = clock_monotonic_usec();

        while (!*has_owner && now < until) {
                int r = sd_bus_process(bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(bus, until - now);
                if (r < 0)
                        return r;
                now = clock_monotonic_usec();
        }

        return *has_owner ? 0
                          : complain(EXIT_TIMED_OUT, "The new sidecard has not come up in time; "
                                                     "its log may say why");
}

static int tell(const Arguments *arguments, sd_bus *bus, const char *what) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        JsonWriter writer = { .stream = stdout };
        const char *version;
        int r;

        r = client_get(bus, &reply, PATH_MANAGER, INTERFACE_MANAGER, "Version");
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "s", &version);
        if (r < 0)
                return r;

        if (!arguments->json) {
                (void) printf("sidecard %s %s\n", version, what);
                return 0;
        }
        json_open(&writer, '{');
        json_member(&writer, "Version", version);
        json_close(&writer, '}');
        json_end(&writer);
        return 0;
}

static int upgrade(const Arguments *arguments) {
        uint64_t patience = arguments->timeout_usec > 0 ? arguments->timeout_usec : PATIENCE_USEC;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_close_ int pidfd = -1;
        bool has_owner = false;
        int r;

        r = client_connect(&bus);
        if (r == 0)
                r = pin_daemon(bus, &pidfd);
        if (r != 0)
                return r;

        r = sd_bus_add_match(bus, NULL,
                             "type='signal',sender='org.freedesktop.DBus',"
                             "member='NameOwnerChanged',arg0='" BUS_NAME "'",
                             on_owner, &has_owner);
        if (r < 0)
                return r;
        if (pidfd_send_signal(pidfd, SIGHUP, NULL, 0) < 0)
                return complain(EXIT_FAILED, "sidecard cannot be told: %s", strerror(errno));

        r = wait_for(bus, &has_owner, clock_monotonic_usec() + patience);
        return r != 0 ? r : tell(arguments, bus, "has taken over");
}

static int ping(const Arguments *arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = client_connect(&bus);
        return r != 0 ? r : tell(arguments, bus, "is there");
}

int verb_daemon(const Arguments *arguments) {
        const char *what = arguments->names[0];

        if (streq(what, "ping"))
                return ping(arguments);
        if (streq(what, "upgrade"))
                return upgrade(arguments);

        return complain(EXIT_USAGE, "daemon takes \"ping\" or \"upgrade\", not \"%s\"", what);
}
