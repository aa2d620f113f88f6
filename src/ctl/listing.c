/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Listing
 *
 * APP/NAME costs one question. A bare word is looked for in the list of all: an app of that id
 * goes before sidecars of that name.
 */

#include <string.h>

#include "ctl/app-problem.h"
#include "ctl/client.h"
#include "ctl/listing.h"
#include "util/strv.h"

static int listed_copy(Listed *ret, const Listed *borrowed) {
        *ret = (Listed){ .app = strdup(borrowed->app),
                         .name = strdup(borrowed->name),
                         .status = strdup(borrowed->status),
                         .sub_state = strdup(borrowed->sub_state),
                         .main_pid = borrowed->main_pid,
                         .path = strdup(borrowed->path) };

        return ret->app && ret->name && ret->status && ret->sub_state && ret->path ? 0 : -ENOMEM;
}

static int read_items(Listing *listing, sd_bus_message *reply) {
        const char *app, *name, *status, *sub_state, *path;
        Listed *grown;
        uint32_t pid;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "(ssssuo)");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_read(reply, "(ssssuo)", &app, &name, &status, &sub_state, &pid,
                                        &path)) > 0) {
                /* Lists do not change owners' names: these are borrowed, and only read. */
                const Listed borrowed = { (char *) app,       (char *) name, (char *) status,
                                          (char *) sub_state, pid,           (char *) path };

                grown = reallocarray(listing->items, listing->n_items + 1, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                listing->items = grown;
                r = listed_copy(&grown[listing->n_items++], &borrowed);
                if (r < 0)
                        return r;
        }

        return r;
}

int listing_read(Listing *listing, sd_bus *bus, const char *app_id) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = app_id ? client_call(bus, &reply, PATH_MANAGER, INTERFACE_MANAGER, "ListSidecars",
                                 "a{sv}", 1, "app", "s", app_id)
                   : client_call(bus, &reply, PATH_MANAGER, INTERFACE_MANAGER, "ListSidecars",
                                 "a{sv}", 0);

        return r != 0 ? r : read_items(listing, reply);
}

void listing_done(Listing *listing) {
        for (size_t i = 0; i < listing->n_items; i++) {
                free(listing->items[i].app);
                free(listing->items[i].name);
                free(listing->items[i].status);
                free(listing->items[i].sub_state);
                free(listing->items[i].path);
        }

        free(listing->items);
}

static int target_new(Target *ret, const char *app, const char *name, const char *path) {
        Target target = { .app = strdup(app),
                          .name = name ? strdup(name) : NULL,
                          .path = strdup(path) };

        if (!target.app || (name && !target.name) || !target.path) {
                target_done(&target);
                return -ENOMEM;
        }

        *ret = target;
        return 0;
}

void target_done(Target *target) {
        free(target->app);
        free(target->name);
        free(target->path);
}

static int resolve_sidecar(Target *ret, sd_bus *bus, const char *app, const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path;
        int r;

        r = client_call(bus, &reply, PATH_MANAGER, INTERFACE_MANAGER, "GetSidecar", "ss", app,
                        name);
        if (r != 0)
                return r;

        r = sd_bus_message_read(reply, "o", &path);
        return r < 0 ? r : target_new(ret, app, name, path);
}

static int resolve_app(Target *ret, sd_bus *bus, const char *app) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *path;
        int r;

        r = client_new_call(bus, &call, PATH_MANAGER, INTERFACE_MANAGER, "GetApp");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", app);
        if (r < 0)
                return r;

        r = sd_bus_call(bus, call, TIMEOUT_DEFAULT, &error, &reply);
        if (sd_bus_error_has_name(&error, BUS_NAME ".Error.NoSuchApp"))
                return complain(EXIT_NOT_FOUND,
                                "There is no app or sidecar %s (sidecarctl list shows what there "
                                "is)",
                                app);
        if (r < 0)
                return client_complain(&error);

        r = sd_bus_message_read(reply, "o", &path);
        return r < 0 ? r : target_new(ret, app, NULL, path);
}

static int complain_ambiguous(const Listing *listing, const char *name) {
        _cleanup_free_ char *all = NULL;

        for (size_t i = 0; i < listing->n_items; i++) {
                char *longer;

                if (!streq(listing->items[i].name, name))
                        continue;
                if (asprintf(&longer, "%s%s%s/%s", all ? all : "", all ? ", " : "",
                             listing->items[i].app, name) < 0)
                        return -ENOMEM;
                free(all);
                all = longer;
        }

        return complain(EXIT_USAGE, "%s is in more than one app; say which: %s", name, all);
}

static int resolve_word(Target *ret, sd_bus *bus, const char *word) {
        _cleanup_(listing_done) Listing listing = { 0 };
        const Listed *found = NULL;
        size_t n_found = 0;
        int r;

        r = listing_read(&listing, bus, NULL);
        if (r != 0)
                return r;

        for (size_t i = 0; i < listing.n_items; i++) {
                if (streq(listing.items[i].app, word))
                        return resolve_app(ret, bus, word);
                if (streq(listing.items[i].name, word)) {
                        found = &listing.items[i];
                        n_found++;
                }
        }

        if (n_found == 0) /* or an app without sidecars */
                return resolve_app(ret, bus, word);
        if (n_found > 1)
                return complain_ambiguous(&listing, word);

        return target_new(ret, found->app, found->name, found->path);
}

int target_resolve(Target *ret, sd_bus *bus, const char *text) {
        const char *slash = strchr(text, '/');
        _cleanup_free_ char *app = NULL;

        if (!slash)
                return resolve_word(ret, bus, text);

        app = strndup(text, (size_t) (slash - text));
        return app ? resolve_sidecar(ret, bus, app, slash + 1) : -ENOMEM;
}

/* Takes the target over, also on failure. */
static int targets_take(Targets *targets, Target *target) {
        Target *grown = reallocarray(targets->items, targets->n_items + 1, sizeof(*grown));

        if (!grown) {
                target_done(target);
                return -ENOMEM;
        }

        targets->items = grown;
        grown[targets->n_items++] = *target;
        return 0;
}

static int targets_add(Targets *targets, const char *app, const char *name, const char *path) {
        Target target;
        int r;

        r = target_new(&target, app, name, path);
        return r < 0 ? r : targets_take(targets, &target);
}

int targets_resolve(Targets *targets, sd_bus *bus, char *const *texts) {
        Target target;
        int r;

        STRV_FOREACH (text, texts) {
                r = target_resolve(&target, bus, *text);
                if (r == 0)
                        r = targets_take(targets, &target);
                if (r != 0)
                        return r;
        }

        return 0;
}

static int complain_empty(sd_bus *bus, const Target *app) {
        int r;

        r = app_problem_complain(bus, app->app, app->path);
        if (r != 0)
                return r;

        return complain(
                EXIT_FAILED,
                "%s has no sidecars: its manifest has none, or is masked (sidecarctl cat %s)",
                app->app, app->app);
}

/* app NULL: of all apps. */
static int add_sidecars(Targets *targets, sd_bus *bus, const Target *app) {
        _cleanup_(listing_done) Listing listing = { 0 };
        int r;

        r = listing_read(&listing, bus, app ? app->app : NULL);
        if (r == 0 && app && listing.n_items == 0)
                r = complain_empty(bus, app);
        for (size_t i = 0; r == 0 && i < listing.n_items; i++)
                r = targets_add(targets, listing.items[i].app, listing.items[i].name,
                                listing.items[i].path);

        return r;
}

int targets_resolve_sidecars(Targets *targets, sd_bus *bus, char *const *texts) {
        _cleanup_(targets_done) Targets named = { 0 };
        int r;

        if (!*texts)
                return add_sidecars(targets, bus, NULL);

        r = targets_resolve(&named, bus, texts);
        for (size_t i = 0; r == 0 && i < named.n_items; i++) {
                const Target *target = &named.items[i];

                r = target->name ? targets_add(targets, target->app, target->name, target->path)
                                 : add_sidecars(targets, bus, target);
                if (r > 0) {
                        targets->told = r;
                        r = 0;
                }
        }

        return r == 0 && targets->n_items == 0 ? targets->told : r;
}

void targets_done(Targets *targets) {
        for (size_t i = 0; i < targets->n_items; i++)
                target_done(&targets->items[i]);

        free(targets->items);
}

char *path_of_sidecar(const char *app, const char *name) {
        char *path;

        return sd_bus_path_encode_many(&path, PATH_APPS "/%/%", app, name) < 0 ? NULL : path;
}
