/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * UserManager
 *
 * Its name is watched rather than tried: where there is none no start is to wait for an answer.
 */

#include <string.h>

#include "bus/user-manager.h"
#include "core/session.h"
#include "util/log.h"
#include "util/strv.h"

#define NAME "org.freedesktop.systemd1"
#define PATH "/org/freedesktop/systemd1"
#define INTERFACE NAME ".Manager"

/* Whoever asks for a start is here by now, or comes later: what is known then is not too old. */
static void note_owner(Server *server, bool is_there) {
        server->has_user_manager = is_there;
        if (is_there)
                session_want_environment(server->supervisor);
        else
                session_take_environment(server->supervisor, NULL);
}

static int
on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error _unused_) {
        const char *name, *former, *present;

        if (sd_bus_message_read(signal, "sss", &name, &former, &present) >= 0)
                note_owner(userdata, *present != '\0');

        return 0;
}

static int
on_name_has_owner(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        int is_there;

        if (!sd_bus_message_is_method_error(reply, NULL) &&
            sd_bus_message_read(reply, "b", &is_there) >= 0 && is_there)
                note_owner(userdata, true);

        return 1;
}

int user_manager_watch(Server *server) {
        int r;

        server->has_user_manager = false;
        r = sd_bus_add_match_async(server->bus, NULL,
                                   "type='signal',sender='org.freedesktop.DBus',"
                                   "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                                   "member='NameOwnerChanged',arg0='" NAME "'",
                                   on_owner_changed, NULL, server);
        if (r < 0)
                return r;

        return sd_bus_call_method_async(server->bus, NULL, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                        "NameHasOwner", on_name_has_owner, server, "s", NAME);
}

/* What is no variable is left out: somebody else may have that name on this bus. */
static int read_environment(sd_bus_message *reply, char ***ret) {
        _cleanup_(strv_freep) char **env = NULL, **entries = NULL;
        int r;

        r = sd_bus_message_enter_container(reply, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_read_strv(reply, &entries);
        STRV_FOREACH (entry, entries)
                if (r >= 0 && strchr(*entry, '=') && **entry != '=')
                        r = strv_extend(&env, *entry);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(env);
        return 0;
}

/* However late it is: then it is for those that come later. */
static int on_environment(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        _cleanup_(strv_freep) char **env = NULL;
        const Server *server = userdata;

        if (error)
                log_debug("The user manager does not tell the session's environment: %s",
                          error->message);
        else if (read_environment(reply, &env) < 0)
                log_debug("What the user manager says of the session's environment is no list");

        session_take_environment(server->supervisor, env);
        return 1;
}

bool user_manager_ask(Server *server) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        if (!server->bus || !server->has_user_manager)
                return false;

        r = sd_bus_message_new_method_call(server->bus, &call, NAME, PATH,
                                           "org.freedesktop.DBus.Properties", "Get");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call, false);
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", INTERFACE, "Environment");
        if (r >= 0)
                r = sd_bus_call_async(server->bus, NULL, call, on_environment, server, 0);

        return r >= 0;
}
