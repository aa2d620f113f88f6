/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Owner
 *
 * A match on NameOwnerChanged for each name, and, once the bus has it, one question whether the
 * name is still there: else one that left before the match was in place would be missed.
 */

#include <stdio.h>
#include <string.h>

#include "bus/owner.h"
#include "bus/write-stdin.h"
#include "core/holds.h"
#include "util/log.h"
#include "util/strv.h"

struct Owner {
        Server *server;
        char *name;
        sd_bus_slot *match;
        sd_bus_slot *question;
        Owner *next;
};

static Owner *owner_free(Owner *owner) {
        if (!owner)
                return NULL;

        sd_bus_slot_unref(owner->match);
        sd_bus_slot_unref(owner->question);
        free(owner->name);
        free(owner);
        return NULL;
}

DEFINE_CLEANUP(Owner, owner_free);

/* The owner itself goes when what it has is gone: owners_prune(). */
static void owner_has_gone(Owner *owner) {
        Server *server = owner->server;
        _cleanup_free_ char *name = strdup(owner->name);

        if (!name)
                return;
        stdin_calls_drop_of(server, name);
        holds_owner_gone(server->supervisor, name);
        owners_prune(server);
}

static int
on_name_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error _unused_) {
        const char *name, *former, *present;

        if (sd_bus_message_read(signal, "sss", &name, &former, &present) >= 0 && *present == '\0')
                owner_has_gone(userdata);

        return 0;
}

/* An error is no death: the pidfd will tell. */
static int
on_name_has_owner(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        int has_owner;

        if (!sd_bus_message_is_method_error(reply, NULL) &&
            sd_bus_message_read(reply, "b", &has_owner) >= 0 && !has_owner)
                owner_has_gone(userdata);

        return 1;
}

static int on_match_installed(sd_bus_message *reply _unused_,
                              void *userdata,
                              sd_bus_error *ret_error _unused_) {
        Owner *owner = userdata;
        int r;

        r = sd_bus_call_method_async(owner->server->bus, &owner->question, "org.freedesktop.DBus",
                                     "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                     "NameHasOwner", on_name_has_owner, owner, "s", owner->name);
        if (r < 0)
                (void) log_warning_errno(r, "Cannot ask after %s", owner->name);

        return 1;
}

static Owner *find_owner(const Server *server, const char *name) {
        for (Owner *owner = server->owners; owner; owner = owner->next)
                if (streq(owner->name, name))
                        return owner;

        return NULL;
}

int owner_watch(Server *server, const char *name) {
        _cleanup_(owner_freep) Owner *owner = NULL;
        _cleanup_free_ char *match = NULL;
        int r;

        if (find_owner(server, name))
                return 0;

        owner = calloc(1, sizeof(*owner));
        if (!owner || asprintf(&match,
                               "type='signal',sender='org.freedesktop.DBus',"
                               "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                               "member='NameOwnerChanged',arg0='%s'",
                               name) < 0)
                return -ENOMEM;

        owner->server = server;
        r = free_and_strdup(&owner->name, name);
        if (r >= 0)
                r = sd_bus_add_match_async(server->bus, &owner->match, match, on_name_owner_changed,
                                           on_match_installed, owner);
        if (r < 0)
                return r;

        owner->next = server->owners;
        server->owners = TAKE_PTR(owner);
        return 0;
}

static bool holds_something(const Server *server, const char *name) {
        for (size_t i = 0; i < server->supervisor->n_holds; i++)
                if (streq(server->supervisor->holds[i]->owner, name))
                        return true;

        return stdin_calls_has_of(server, name);
}

void owners_prune(Server *server) {
        for (Owner **link = &server->owners; *link;) {
                Owner *owner = *link;

                if (holds_something(server, owner->name)) {
                        link = &owner->next;
                        continue;
                }
                *link = owner->next;
                owner_free(owner);
        }
}

void owners_free(Server *server) {
        while (server->owners) {
                Owner *owner = server->owners;

                server->owners = owner->next;
                owner_free(owner);
        }
}
