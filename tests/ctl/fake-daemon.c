/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * fake-daemon
 *
 * Answers on the bus as the contract has it, for an app org.fake.App with the sidecars one and two,
 * and tells on standard output what it was asked. It brings about what the real daemon does
 * rarely or not on demand: a switch that is rolled back, a hold that ends, lost lines.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "ctl/client.h"
#include "util/strv.h"

#define APP_PATH PATH_APPS "/org_2efake_2eApp"
#define ERROR(name) BUS_NAME ".Error." name

static char *mode_asked_for; /* a switch that is under way */

static void tell(const char *what, const char *detail) {
        (void) printf("%s %s\n", what, detail);
        (void) fflush(stdout);
}

static int method_get_app(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error) {
        const char *app;
        int r = sd_bus_message_read(m, "s", &app);

        if (r >= 0 && !streq(app, "org.fake.App"))
                return sd_bus_error_setf(error, ERROR("NoSuchApp"), "There is no app %s", app);

        return r < 0 ? r : sd_bus_reply_method_return(m, "o", APP_PATH);
}

static int
method_get_sidecar(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_) {
        const char *app, *name;
        int r = sd_bus_message_read(m, "ss", &app, &name);

        return r < 0 ? r
                     : sd_bus_reply_method_return(
                               m, "o", streq(name, "one") ? APP_PATH "/one" : APP_PATH "/two");
}

static int method_list(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_) {
        return sd_bus_reply_method_return(m, "a(ssssuo)", 2, "org.fake.App", "one", "Running",
                                          "ready", 1u, APP_PATH "/one", "org.fake.App", "two",
                                          "Stopped", "inactive", 0u, APP_PATH "/two");
}

static int
on_holder_left(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_) {
        const char *name, *before, *after;

        if (sd_bus_message_read(m, "sss", &name, &before, &after) >= 0 && !*after)
                tell("holder-left", "");
        return 0;
}

static int method_hold(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        sd_bus *bus = sd_bus_message_get_bus(m);
        const char *app, *reason;
        char match[256];
        int r;

        (void) snprintf(match, sizeof(match),
                        "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',"
                        "arg0='%s'",
                        sd_bus_message_get_sender(m));
        r = sd_bus_message_read(m, "ss", &app, &reason);
        if (r >= 0)
                r = sd_bus_add_match_async(bus, NULL, match, on_holder_left, NULL, NULL);
        if (r < 0)
                return r;

        tell("held", reason);
        r = sd_bus_message_new_signal(bus, &signal, PATH_MANAGER, INTERFACE_MANAGER,
                                      "HoldReleased");
        if (r >= 0)
                r = sd_bus_message_append(signal, "ss", app, "for the test");
        if (r >= 0)
                r = sd_bus_message_set_destination(signal, sd_bus_message_get_sender(m));
        if (r >= 0)
                r = sd_bus_reply_method_return(m, "o", APP_PATH);
        if (r >= 0)
                r = sd_bus_send(bus, signal, NULL);

        return r < 0 ? r : 1;
}

/* Two events that have been, one that comes at once, and then nothing for ever. */
static int
method_get_events(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_) {
        uint64_t after;
        int r = sd_bus_message_read(m, "t", &after);

        if (r < 0)
                return r;
        if (after == 0)
                return sd_bus_reply_method_return(
                        m, "aa{sv}t", 2, 4, "seq", "t", UINT64_C(1), "realtime-usec", "t",
                        UINT64_C(1000000), "type", "s", "app-added", "app", "s", "org.fake.App", 7,
                        "seq", "t", UINT64_C(2), "realtime-usec", "t", UINT64_C(2000000), "type",
                        "s", "status", "app", "s", "org.fake.App", "sidecar", "s", "one", "status",
                        "s", "Starting\033[5m", "will-retry", "b", 1, UINT64_C(2));
        if (after == 2)
                return sd_bus_reply_method_return(m, "aa{sv}t", 1, 3, "seq", "t", UINT64_C(3),
                                                  "type", "s", "notice", "app", "s", "org.fake.App",
                                                  UINT64_C(3));

        (void) sd_bus_message_ref(m);
        return 1;
}

static int method_start(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_) {
        tell(sd_bus_message_get_member(m), "app");
        return sd_bus_reply_method_return(m, "a{st}", 2, "one", UINT64_C(5), "two", UINT64_C(6));
}

static int method_stop(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_) {
        tell("Stop", "app");
        return sd_bus_reply_method_return(m, NULL);
}

static int
method_wait_app(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_) {
        return sd_bus_reply_method_return(m, "a{sa{sv}}", 2, "one", 2, "status", "s", "Running",
                                          "sub-state", "s", "ready", "two", 2, "status", "s",
                                          "Starting", "sub-state", "s", "probing");
}

static int method_wait(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error) {
        const char *condition, *path = sd_bus_message_get_path(m);
        uint64_t generation;
        bool stopped;
        int r = sd_bus_message_read(m, "st", &condition, &generation);

        if (r < 0)
                return r;
        if (generation == 7)
                return sd_bus_error_set(error, ERROR("StartFailed"), "one: it was not to be");

        stopped = streq(condition, "stopped");
        (void) sd_bus_emit_signal(sd_bus_message_get_bus(m), path, INTERFACE_SIDECAR,
                                  "StatusChanged", "tssst", UINT64_C(1), "Starting", "probing",
                                  "none", generation);
        return sd_bus_reply_method_return(m, "sa{sv}", stopped ? "Stopped" : "Running", 3, "status",
                                          "s", stopped ? "Stopped" : "Running", "sub-state", "s",
                                          stopped ? "stopped" : "ready", "url", "s",
                                          "http://127.0.0.1:1");
}

/* What status shows, and where the end is. */
static int
method_get_log(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_) {
        return sd_bus_reply_method_return(m, "a(tttss)tt", 1, UINT64_C(10), UINT64_MAX / 2,
                                          UINT64_C(1), "stdout", "hello", UINT64_C(10),
                                          UINT64_C(0));
}

static int wants_to_follow(sd_bus_message *m) {
        int follow = false, r;
        const char *option;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                r = sd_bus_message_read(m, "s", &option);
                if (r >= 0)
                        r = streq(option, "follow") ? sd_bus_message_read(m, "v", "b", &follow)
                                                    : sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }

        return r < 0 ? r : follow;
}

/* There is one line, with members that nobody knows; who follows has missed three. */
static int
method_open_log(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error _unused_) {
        static const char line[] = "{\"seq\":10,\"realtime-usec\":4611686018427387904,"
                                   "\"app\":\"org.fake.App\",\"sidecar\":\"one\",\"colour\":"
                                   "\"\\\"\",\"weight\":7,\"stream\":\"stdout\","
                                   "\"text\":\"hello\\t\\u00e9\\u20ac\\\\\"}\n";
        static const char lost[] = "{\"app\":\"org.fake.App\",\"sidecar\":\"one\",\"lost\":3}\n";
        int follow = wants_to_follow(m), ends[2];

        if (follow < 0)
                return follow;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;

        (void) !write(ends[1], follow ? lost : line, strlen(follow ? lost : line));
        /* Who follows is told nothing more, until we end. */
        if (!follow)
                (void) close(ends[1]);
        return sd_bus_reply_method_return(m, "h", ends[0]);
}

static int method_set_mode(sd_bus_message *m, void *userdata _unused_, sd_bus_error *error) {
        const char *mode;
        int r = sd_bus_message_read(m, "s", &mode);

        if (r < 0)
                return r;
        if (streq(mode, "unknown"))
                return sd_bus_error_set(error, ERROR("NoSuchMode"), "There is no mode unknown");

        r = free_and_strdup(&mode_asked_for, mode);
        return r < 0 ? r
                     : sd_bus_reply_method_return(m, "a(sss)", 2, "one", "keep", "wanted by both",
                                                  "two", "start", "wanted by the mode");
}

/* The switch ends while somebody looks: what is answered is old when it arrives. */
static int get_mode_result(sd_bus *bus,
                           const char *path,
                           const char *interface,
                           const char *property _unused_,
                           sd_bus_message *reply,
                           void *userdata _unused_,
                           sd_bus_error *error _unused_) {
        int r;

        if (!mode_asked_for || streq(mode_asked_for, "instant"))
                return sd_bus_message_append(reply, "s", "done");

        r = sd_bus_message_append(reply, "s", "switching");
        if (r >= 0 && !streq(mode_asked_for, "endless"))
                r = sd_bus_emit_signal(bus, path, interface, "ModeChanged", "sss", "old",
                                       mode_asked_for,
                                       streq(mode_asked_for, "bad") ? "rolled-back" : "done");
        return r;
}

static int get_mode(sd_bus *bus _unused_,
                    const char *path _unused_,
                    const char *interface _unused_,
                    const char *property,
                    sd_bus_message *reply,
                    void *userdata _unused_,
                    sd_bus_error *error _unused_) {
        return streq(property, "Mode") ? sd_bus_message_append(reply, "s", "good")
                                       : sd_bus_message_append(reply, "as", 2, "bad", "good");
}

/* clang-format off */

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("GetApp", "s", "o", method_get_app, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetSidecar", "ss", "o", method_get_sidecar, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListSidecars", "a{sv}", "a(ssssuo)", method_list, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Hold", "ssa{sv}", "o", method_hold, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetEvents", "ta{sv}", "aa{sv}t", method_get_events, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END
};

static const sd_bus_vtable app_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Start", "a{sv}", "a{st}", method_start, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Restart", "a{sv}", "a{st}", method_start, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Stop", "a{sv}", NULL, method_stop, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Wait", "st", "a{sa{sv}}", method_wait_app, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("SetMode", "sa{sv}", "a(sss)", method_set_mode, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("ModeChanged", "sss", 0),
        SD_BUS_PROPERTY("Mode", "s", get_mode, 0, 0),
        SD_BUS_PROPERTY("Modes", "as", get_mode, 0, 0),
        SD_BUS_PROPERTY("ModeResult", "s", get_mode_result, 0, 0),
        SD_BUS_VTABLE_END
};

static const sd_bus_vtable sidecar_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Wait", "stt", "sa{sv}", method_wait, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetLog", "a{sv}", "a(tttss)tt", method_get_log, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("OpenLog", "a{sv}", "h", method_open_log, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("StatusChanged", "tssst", 0),
        SD_BUS_VTABLE_END
};
/* clang-format on */

static int export(sd_bus *bus) {
        int r;

        r = sd_bus_add_object_vtable(bus, NULL, PATH_MANAGER, INTERFACE_MANAGER, manager_vtable,
                                     NULL);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, APP_PATH, INTERFACE_APP, app_vtable, NULL);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, APP_PATH "/one", INTERFACE_SIDECAR,
                                             sidecar_vtable, NULL);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, APP_PATH "/two", INTERFACE_SIDECAR,
                                             sidecar_vtable, NULL);

        return r < 0 ? r : sd_bus_request_name(bus, BUS_NAME, 0);
}

int main(void) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_event_new(&event);
        if (r >= 0)
                r = sd_bus_open_user(&bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = export(bus);
        if (r >= 0)
                r = sd_event_loop(event);

        return r < 0;
}
