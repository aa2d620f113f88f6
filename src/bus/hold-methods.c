/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Hold and Release
 *
 * The caller is who the bus says that it is: its process was pinned when it first called.
 */

#include <limits.h>
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

/* All that a call says; what it points to is its own, or of the message. */
typedef struct HoldCall {
        const char *id;
        const char *text; /* of the manifest; NULL: none comes with it */
        const char *base_dir;
        char **sidecars;
        char **env;
        Manifest *manifest;
        HoldSpec spec;
} HoldCall;

static void hold_call_done(HoldCall *call) {
        strv_free(call->sidecars);
        strv_free(call->env);
        manifest_free(call->manifest);
}

static int check_call(const HoldCall *call, sd_bus_error *ret_error) {
        const char *wrong = NULL;

        if (strlen(call->spec.reason) > REASON_BYTES_MAX)
                return sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                         "A reason has at most %d bytes", REASON_BYTES_MAX);

        if (call->spec.linger_usec > LINGER_MAX_USEC)
                wrong = "Option linger-usec is at most ten minutes";
        else if (call->base_dir && !call->text)
                wrong = "Option base-dir goes with manifest";
        else if (call->base_dir && call->base_dir[0] != '/')
                wrong = "Option base-dir is an absolute path";
        else if (call->base_dir && strlen(call->base_dir) >= PATH_MAX)
                wrong = "Option base-dir is longer than any path may be";

        return wrong ? sd_bus_error_set(ret_error, SD_BUS_ERROR_INVALID_ARGS, wrong) : 0;
}

static int read_call(sd_bus_message *message, HoldCall *call, sd_bus_error *ret_error) {
        HoldSpec *spec = &call->spec;
        const Option options[] = {
                { "sidecars", "as", &call->sidecars, &spec->has_set },
                { "linger-usec", "t", &spec->linger_usec, &spec->has_linger },
                { "env", "a{ss}", &call->env, NULL },
                { "manifest", "s", &call->text, NULL },
                { "base-dir", "s", &call->base_dir, NULL },
        };
        int r;

        r = sd_bus_message_read(message, "ss", &call->id, &spec->reason);
        if (r >= 0)
                r = options_read(message, options, ELEMENTSOF(options), ret_error);
        if (r >= 0)
                r = check_call(call, ret_error);
        if (r < 0)
                return r;

        spec->sidecars = call->sidecars;
        spec->env = call->env;
        spec->owner = sd_bus_message_get_sender(message);
        return 0;
}

static int invalid_manifest(const ManifestError *error, sd_bus_error *ret_error) {
        return sd_bus_error_setf(ret_error, ERROR_INVALID_MANIFEST, "%s%s%s", error->pointer,
                                 *error->pointer ? ": " : "", error->message);
}

/* As if it lay in its base folder under the name that it has to have there. */
static int parse_manifest(HoldCall *call, sd_bus_error *ret_error) {
        _cleanup_(manifest_error_done) ManifestError error = { 0 };
        const char *folder = call->base_dir ? call->base_dir : "";
        size_t n_folder = strlen(folder), n_bytes = strlen(call->text);
        _cleanup_free_ char *path = NULL;
        int r;

        if (n_bytes > MANIFEST_BYTES_MAX)
                return sd_bus_error_setf(ret_error, ERROR_INVALID_MANIFEST,
                                         "%zu bytes, of at most %u: make it smaller", n_bytes,
                                         MANIFEST_BYTES_MAX);
        while (n_folder > 0 && folder[n_folder - 1] == '/')
                n_folder--;
        if (asprintf(&path, "%.*s/%s.json", (int) n_folder, folder, call->id) < 0)
                return -ENOMEM;

        r = manifest_parse(&call->manifest, path, call->text, n_bytes, &error);
        if (r == -EBADMSG)
                return invalid_manifest(&error, ret_error);
        if (r < 0)
                return r;
        /* With a slash in it the id is not what the path ends with. */
        if (!streq(call->manifest->id, call->id))
                return sd_bus_error_setf(ret_error, ERROR_INVALID_MANIFEST,
                                         "/id: the id is \"%s\", the hold is on \"%s\"",
                                         call->manifest->id, call->id);

        call->spec.manifest = &call->manifest;
        return 0;
}

static int explain_value(const char *entry, const char *pattern, sd_bus_error *ret_error) {
        int n = (int) strcspn(entry, "=");

        if (!pattern)
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Option env: %.*s is in no \"passEnv\" of the manifest", n,
                                         entry);

        return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                 "Option env: the value of %.*s does not match %s", n, entry,
                                 pattern);
}

static int explain(int error, const App *app, sd_bus_error *ret_error) {
        switch (error) {

        case -EUSERS:
                return sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                         "There are %d holds already", HOLDS_MAX);

        case -ENOSPC:
                return sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                         "There are at most %d apps, and %d sidecars of them",
                                         APPS_MAX, SIDECARS_MAX);

        case -EEXIST:
                return sd_bus_error_setf(ret_error, ERROR_APP_EXISTS,
                                         "Something of %s is up, by another manifest", app->id);

        default:
                return app_explain(error, app, ret_error);
        }
}

static int
check_hold(const Server *server, const HoldCall *call, App *app, sd_bus_error *ret_error) {
        const Manifest *manifest = call->manifest ? call->manifest : app->manifest;
        const char *entry, *pattern;
        int r;

        r = hold_check(server->supervisor, app, &call->spec, &entry, &pattern);
        if (r == -EINVAL)
                return explain_value(entry, pattern, ret_error);
        if (r == -ENOENT)
                return app_explain_set(r, app, manifest, call->spec.sidecars, ret_error);

        return r < 0 ? explain(r, app, ret_error) : 0;
}

static int hold(Server *server, const HoldCall *call, App **app, sd_bus_error *ret_error) {
        int r;

        r = *app ? 0 : supervisor_add_new_app(server->supervisor, call->id, app);
        if (r >= 0)
                r = owner_watch(server, call->spec.owner);
        if (r >= 0)
                r = hold_app(*app, &call->spec);
        if (r >= 0)
                return 0;

        owners_prune(server);
        supervisor_collect_soon(server->supervisor);
        return explain(r, *app, ret_error);
}

int method_hold(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Server *server = userdata;
        _cleanup_(hold_call_done) HoldCall call = { .spec.pidfd = -1 };
        _cleanup_close_ int pidfd = -1;
        _cleanup_free_ char *path = NULL;
        App *app;
        int r;

        r = read_call(message, &call, ret_error);
        if (r < 0)
                return r;

        app = supervisor_find_app(server->supervisor, call.id);
        if (!app && !call.text)
                return sd_bus_error_setf(ret_error, ERROR_NO_SUCH_APP, "There is no app %s",
                                         call.id);

        /* Not in safe mode: it may be a manifest that the brains before this one died of. */
        r = supervisor_check_starts(server->supervisor);
        if (r < 0)
                return explain(r, app, ret_error);
        r = call.text ? parse_manifest(&call, ret_error) : 0;
        if (r >= 0)
                r = check_hold(server, &call, app, ret_error);
        if (r >= 0)
                r = sender_filter_pin(server->senders, call.spec.owner, &call.spec.pid, &pidfd);
        call.spec.pidfd = pidfd;
        if (r >= 0)
                r = hold(server, &call, &app, ret_error);
        if (r < 0)
                return r;

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
