/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Hold and Release
 *
 * The caller is who the bus says that it is: its process was pinned when it first called.
 */

#include <string.h>

#include "bus/app-methods.h"
#include "bus/error.h"
#include "bus/hold-methods.h"
#include "bus/options.h"
#include "bus/owner.h"
#include "bus/path.h"
#include "core/holds.h"
#include "util/duration.h"
#include "util/strv.h"

#define REASON_BYTES_MAX 1024
#define LINGER_MAX_USEC (10 * USEC_PER_MINUTE)

static int read_spec(sd_bus_message *message,
                     const char **ret_id,
                     HoldSpec *spec,
                     char ***sidecars,
                     sd_bus_error *ret_error) {
        const Option options[] = {
                { "sidecars", "as", sidecars, &spec->has_set },
                { "linger-usec", "t", &spec->linger_usec, NULL },
        };
        int r;

        r = sd_bus_message_read(message, "ss", ret_id, &spec->reason);
        if (r >= 0)
                r = options_read(message, options, ELEMENTSOF(options), ret_error);
        if (r < 0)
                return r;

        if (strlen(spec->reason) > REASON_BYTES_MAX)
                return sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                         "A reason has at most %d bytes", REASON_BYTES_MAX);
        if (spec->linger_usec > LINGER_MAX_USEC)
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                        "Option linger-usec is at most ten minutes");

        spec->sidecars = *sidecars;
        spec->owner = sd_bus_message_get_sender(message);
        return 0;
}

static int explain(int error, const App *app, sd_bus_error *ret_error) {
        return error == -EUSERS ? sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                                    "There are %d holds already", HOLDS_MAX)
                                : app_explain(error, app, ret_error);
}

int method_hold(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Server *server = userdata;
        _cleanup_(strv_freep) char **sidecars = NULL;
        _cleanup_free_ char *path = NULL;
        HoldSpec spec = { .pidfd = -1 };
        _cleanup_close_ int pidfd = -1;
        const char *id;
        App *app;
        int r;

        r = read_spec(message, &id, &spec, &sidecars, ret_error);
        if (r < 0)
                return r;

        app = supervisor_find_app(server->supervisor, id);
        if (!app)
                return sd_bus_error_setf(ret_error, ERROR_NO_SUCH_APP, "There is no app %s", id);

        r = sender_filter_pin(server->senders, spec.owner, &spec.pid, &pidfd);
        if (r >= 0)
                r = owner_watch(server, spec.owner);
        if (r < 0)
                return r;

        spec.pidfd = pidfd;
        r = hold_app(app, &spec);
        if (r < 0) {
                owners_prune(server);
                return explain(r, app, ret_error);
        }

        path = path_of_app(app);
        return path ? sd_bus_reply_method_return(message, "o", path) : -ENOMEM;
}

int method_release(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const Server *server = userdata;
        const char *id;
        App *app;
        int r;

        r = sd_bus_message_read(message, "s", &id);
        if (r < 0)
                return r;

        app = supervisor_find_app(server->supervisor, id);
        if (!app)
                return sd_bus_error_setf(ret_error, ERROR_NO_SUCH_APP, "There is no app %s", id);

        release_app(app, sd_bus_message_get_sender(message));
        return sd_bus_reply_method_return(message, NULL);
}

int holds_append(sd_bus_message *reply, const Supervisor *supervisor) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < supervisor->n_holds; i++) {
                const Hold *hold = supervisor->holds[i];

                r = sd_bus_message_append(reply, "a{sv}", 5, "app", "s", hold->app->id, "owner",
                                          "s", hold->owner, "pid", "u", (uint32_t) hold->pid,
                                          "reason", "s", hold->reason, "since", "t",
                                          hold->since_usec);
        }

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

void hold_tell_lost(const Server *server, const Hold *hold) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        int r;

        if (!server->bus || *hold->owner == '\0')
                return;

        r = sd_bus_message_new_signal(server->bus, &signal, PATH_MANAGER, INTERFACE_MANAGER,
                                      "HoldReleased");
        if (r >= 0)
                r = sd_bus_message_set_destination(signal, hold->owner);
        if (r >= 0)
                r = sd_bus_message_append(signal, "ss", hold->app->id,
                                          "the process that held it has ended");
        if (r >= 0)
                (void) sd_bus_send(server->bus, signal, NULL);
}
