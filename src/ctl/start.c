/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl start, stop, restart, wait
 *
 * One way of working: say what is wanted of each, then wait for all together. One that is refused
 * keeps no other from being asked.
 */

#include <inttypes.h>

#include "ctl/client.h"
#include "ctl/progress.h"
#include "ctl/verbs.h"
#include "util/strv.h"

/* a{st}: what App.Start and App.Restart have set going. */
static int add_generations(Progress *progress, sd_bus_message *reply, const char *app) {
        uint64_t generation;
        const char *name;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{st}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_read(reply, "{st}", &name, &generation)) > 0) {
                r = progress_add(progress, app, name, generation, NULL);
                if (r < 0)
                        return r;
        }

        return r;
}

/* For --json, which tells of every sidecar named what has become of it. */
static int add_refused(Progress *progress, const Target *target, int result) {
        Awaited *item;
        int r;

        if (!progress->arguments->json || !target->name || result != EXIT_FAILED)
                return result;

        r = progress_add(progress, target->app, target->name, 0, &item);
        if (r < 0)
                return r;

        awaited_finish(item, result, NULL);
        return result;
}

static int start_target(Progress *progress, sd_bus *bus, const Target *target, const char *method) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t generation;
        int r;

        r = client_call(bus, &reply, target->path, target->name ? INTERFACE_SIDECAR : INTERFACE_APP,
                        method, "a{sv}", 0);
        if (r > 0)
                return add_refused(progress, target, r);
        if (r < 0)
                return r;
        if (!target->name)
                return add_generations(progress, reply, target->app);

        r = sd_bus_message_read(reply, "t", &generation);
        return r < 0 ? r : progress_add(progress, target->app, target->name, generation, NULL);
}

static int add_all_of(Progress *progress, sd_bus *bus, const char *app) {
        _cleanup_(listing_done) Listing listing = { 0 };
        int r;

        r = listing_read(&listing, bus, app);
        for (size_t i = 0; r == 0 && i < listing.n_items; i++)
                r = progress_add(progress, app, listing.items[i].name, 0, NULL);

        return r;
}

static int stop_target(Progress *progress, sd_bus *bus, const Target *target, const char *method) {
        int r;

        r = client_call(bus, NULL, target->path, target->name ? INTERFACE_SIDECAR : INTERFACE_APP,
                        method, "a{sv}", 0);
        if (r != 0)
                return r;

        return target->name ? progress_add(progress, target->app, target->name, 0, NULL)
                            : add_all_of(progress, bus, target->app);
}

/* Only the daemon knows which sidecars of an app are wanted up. */
static int wait_for_app(Progress *progress, sd_bus *bus, const Target *target) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        size_t n_before = progress->n_items;
        int r;

        r = client_new_call(bus, &call, target->path, INTERFACE_APP, "Wait");
        if (r >= 0)
                r = sd_bus_message_append(call, "st", progress->condition,
                                          progress_time_left(progress));
        if (r >= 0)
                r = client_send(bus, call, TIMEOUT_NEVER, &reply);
        if (r == 0)
                r = progress_take_app(progress, reply, target->app);
        if (r != 0)
                return r;

        if (progress->n_items == n_before && streq(progress->condition, "ready"))
                return complain(EXIT_NOT_RUNNING,
                                "No sidecar of %s is wanted up (sidecarctl start %s)", target->app,
                                target->app);

        return 0;
}

static int
await_target(Progress *progress, sd_bus *bus, const Target *target, const char *method _unused_) {
        return target->name ? progress_add(progress, target->app, target->name, 0, NULL)
                            : wait_for_app(progress, bus, target);
}

typedef int (*begin_t)(Progress *progress, sd_bus *bus, const Target *target, const char *method);

static void print_generations(const Progress *progress) {
        for (size_t i = 0; i < progress->n_items; i++) {
                const Awaited *item = progress->items[i];

                if (item->generation > 0)
                        (void) printf("%s/%s: generation %" PRIu64 "\n", item->sidecar.app,
                                      item->sidecar.name, item->generation);
        }
}

static int begin_and_wait(const Arguments *arguments,
                          const char *condition,
                          begin_t begin,
                          const char *method) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(progress_done) Progress progress = { 0 };
        _cleanup_(targets_done) Targets targets = { 0 };
        int r, refused = 0;

        r = client_connect(&bus);
        if (r == 0)
                r = targets_resolve(&targets, bus, arguments->names);
        if (r != 0)
                return r;

        r = progress_begin(&progress, bus, arguments, condition);
        for (size_t i = 0; r >= 0 && i < targets.n_items; i++) {
                r = begin(&progress, bus, &targets.items[i], method);
                if (r > 0 && refused == 0)
                        refused = r;
        }
        if (r < 0)
                return r;

        if (arguments->no_wait && !arguments->json)
                print_generations(&progress);
        r = progress_run(&progress);
        return r != 0 ? r : refused;
}

int verb_start(const Arguments *arguments) {
        return begin_and_wait(arguments, "ready", start_target, "Start");
}

int verb_restart(const Arguments *arguments) {
        return begin_and_wait(arguments, "ready", start_target, "Restart");
}

int verb_stop(const Arguments *arguments) {
        return begin_and_wait(arguments, "stopped", stop_target, "Stop");
}

int verb_wait(const Arguments *arguments) {
        return begin_and_wait(arguments, arguments->condition, await_target, NULL);
}
