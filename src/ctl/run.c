/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl run
 *
 * The developer's loop: a manifest of a work tree is in force while a command runs, with the folder
 * that it is in as the base and the variables of this terminal. The command begins when all that
 * the manifest starts is ready, and not at all if that comes to nothing. What is said of it goes to
 * standard error: standard output is the command's.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ctl/check.h"
#include "ctl/client.h"
#include "ctl/hold.h"
#include "ctl/progress.h"
#include "ctl/verbs.h"
#include "util/duration.h"
#include "util/strv.h"
#include "util/utf8.h"

#define EXTENSION ".json"
#define END_WAIT_USEC (10 * USEC_PER_SEC)
#define NAME_BYTES "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

/* What the hold is made of. */
typedef struct Run {
        char *path; /* absolute, links followed: what the daemon sees */
        char *app;
        char *base_dir;
        char *text;
        char **env;
} Run;

static void run_done(Run *run) {
        free(run->path);
        free(run->app);
        free(run->base_dir);
        free(run->text);
        strv_free(run->env);
}

/* The file's name is the app's id: so "check" has it. */
static int split_path(Run *run, const char *file) {
        const char *name;
        size_t n;

        run->path = realpath(file, NULL);
        if (!run->path)
                return complain(EXIT_FAILED, "%s: %s", file, strerror(errno));

        name = strrchr(run->path, '/') + 1;
        n = strlen(name);
        if (n > strlen(EXTENSION) && streq(name + n - strlen(EXTENSION), EXTENSION))
                n -= strlen(EXTENSION);
        run->app = strndup(name, n);
        run->base_dir = strndup(run->path, (size_t) (name - run->path));
        return run->app && run->base_dir ? 0 : -ENOMEM;
}

/* It was checked, and so is of a size that memory holds. */
static int read_text(Run *run) {
        FILE *file = fopen(run->path, "re");
        size_t size = 0;
        ssize_t n;

        if (!file)
                return complain(EXIT_FAILED, "%s: %s", run->path, strerror(errno));

        n = getdelim(&run->text, &size, '\0', file);
        (void) fclose(file);
        return n < 0 ? complain(EXIT_FAILED, "%s cannot be read", run->path) : 0;
}

/* What the bus cannot carry, or is no variable, such as a function of bash, stays here. */
static int list_variables(Run *run) {
        STRV_FOREACH (entry, environ) {
                size_t n = strcspn(*entry, "=");
                bool is_one = n > 0 && (*entry)[n] == '=' && strspn(*entry, NAME_BYTES) == n &&
                              strspn(*entry, "0123456789") == 0 &&
                              utf8_is_valid(*entry, strlen(*entry));
                int r = is_one ? strv_extend(&run->env, *entry) : 0;

                if (r < 0)
                        return r;
        }

        return 0;
}

/* At once: only the daemon knows which ones the hold wants. */
static int add_wanted(Progress *progress, const HoldRequest *request) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        r = sd_bus_path_encode(PATH_APPS, request->app, &path);
        if (r >= 0)
                r = client_call(progress->bus, &reply, path, INTERFACE_APP, "Wait", "st",
                                progress->condition, (uint64_t) 1);

        return r != 0 ? r : progress_take_app(progress, reply, request->app);
}

static int complain_of_failures(const Progress *progress) {
        int r = 0;

        for (size_t i = 0; i < progress->n_items; i++) {
                const Awaited *item = progress->items[i];

                if (item->status && streq(item->status, "Failed"))
                        r = complain(EXIT_FAILED,
                                     "%s/%s: %s (sidecarctl logs %s/%s shows what it wrote)",
                                     item->sidecar.app, item->sidecar.name,
                                     item->reason ? item->reason : "failed", item->sidecar.app,
                                     item->sidecar.name);
        }

        return r;
}

/* Settled, not ready: what has done its work is no reason to wait, nor to give up. */
static int await_ready(sd_bus *bus, const HoldRequest *request) {
        _cleanup_(progress_done) Progress progress = { 0 };
        int r;

        r = progress_begin(&progress, bus, request->arguments, "settled");
        if (r < 0)
                return r;

        progress.out = stderr;
        r = add_wanted(&progress, request);
        if (r == 0)
                r = progress_run(&progress);

        return r != 0 ? r : complain_of_failures(&progress);
}

/* After a logout it is not to be started again; and its errors are nobody's business any more. */
static int tell_quietly(sd_bus *bus, sd_bus_message *call) {
        int r = sd_bus_message_set_auto_start(call, false);

        return r < 0 ? r : sd_bus_call(bus, call, 0, NULL, NULL);
}

/* All is down when we are gone, so that the next run may come with another text. */
static void let_go(sd_bus *bus, const char *app) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *release = NULL, *wait = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        r = client_new_call(bus, &release, PATH_MANAGER, INTERFACE_MANAGER, "Release");
        if (r >= 0)
                r = sd_bus_message_append(release, "s", app);
        if (r >= 0)
                r = tell_quietly(bus, release);
        if (r >= 0)
                r = sd_bus_path_encode(PATH_APPS, app, &path);
        if (r >= 0)
                r = client_new_call(bus, &wait, path, INTERFACE_APP, "Wait");
        if (r >= 0)
                r = sd_bus_message_append(wait, "st", "settled", END_WAIT_USEC);
        if (r >= 0)
                (void) tell_quietly(bus, wait);
}

int verb_run(const Arguments *arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(run_done) Run run = { 0 };
        HoldRequest request = {
                .arguments = arguments,
                .command = arguments->names + 1,
                .prepare = await_ready,
        };
        int r;

        r = check_file(arguments->names[0]);
        if (r == 0)
                r = split_path(&run, arguments->names[0]);
        if (r == 0)
                r = read_text(&run);
        if (r == 0)
                r = list_variables(&run);
        if (r == 0)
                r = client_connect(&bus);
        if (r != 0)
                return r;

        request.app = run.app;
        request.manifest = run.text;
        request.base_dir = run.base_dir;
        request.env = run.env;
        r = hold_while_running(bus, &request);
        let_go(bus, run.app);
        return r;
}
