/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Progress
 *
 * What is waited for is told by Wait, one open call a sidecar, which knows of generations;
 * StatusChanged only feeds what is shown.
 */

#include <stdio.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/progress.h"
#include "ctl/progress-view.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/strv.h"

#define ASKED_MAX 32 /* the daemon lets 64 calls of a connection wait */
#define TURN_USEC (100 * USEC_PER_MSEC)
#define ASK_AGAIN_USEC USEC_PER_HOUR
#define GRACE_USEC (2 * USEC_PER_SEC) /* for the daemon's own answer to a timeout */

static Awaited *awaited_free(Awaited *item) {
        if (!item)
                return NULL;

        target_done(&item->sidecar);
        free(item->status);
        free(item->sub_state);
        free(item->reason_code);
        free(item->reason);
        free(item->url);
        free(item->complaint);
        free(item);
        return NULL;
}

DEFINE_CLEANUP(Awaited, awaited_free);

int progress_add(
        Progress *progress, const char *app, const char *name, uint64_t generation, Awaited **ret) {
        _cleanup_(awaited_freep) Awaited *item = calloc(1, sizeof(*item));
        Awaited **grown;

        if (!item)
                return -ENOMEM;
        item->progress = progress;
        item->generation = generation;
        item->sidecar = (Target){ strdup(app), strdup(name), path_of_sidecar(app, name) };
        if (!item->sidecar.app || !item->sidecar.name || !item->sidecar.path)
                return -ENOMEM;

        grown = reallocarray(progress->items, progress->n_items + 1, sizeof(Awaited *));
        if (!grown)
                return -ENOMEM;
        progress->items = grown;
        if (ret)
                *ret = item;
        grown[progress->n_items++] = TAKE_PTR(item);
        return 0;
}

void progress_done(Progress *progress) {
        sd_bus_slot_unref(progress->statuses);
        for (size_t i = 0; i < progress->n_items; i++)
                awaited_free(progress->items[i]);

        free(progress->items);
}

static Awaited *find_item(const Progress *progress, const char *path) {
        for (size_t i = 0; i < progress->n_items; i++)
                if (streq(progress->items[i]->sidecar.path, path))
                        return progress->items[i];

        return NULL;
}

bool awaited_is_satisfied(const Awaited *item) {
        const char *condition = item->progress->condition;

        if (!item->status || !item->sub_state)
                return false;
        if (streq(condition, "ready"))
                return streq(item->sub_state, "ready") || streq(item->sub_state, "unhealthy");
        if (streq(condition, "stopped"))
                return streq(item->status, "Stopped") || streq(item->status, "Failed");

        return !streq(item->status, "Starting") && !streq(item->sub_state, "stopping");
}

void awaited_finish(Awaited *item, int result, char *complaint) {
        item->done_usec = clock_monotonic_usec();
        item->result = result;
        item->complaint = complaint;
        progress_view_finished(item);
}

static int on_status(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error _unused_) {
        const char *status, *sub_state, *reason_code;
        Progress *progress = userdata;
        uint64_t number, generation;
        Awaited *item;
        int r;

        item = find_item(progress, sd_bus_message_get_path(signal));
        if (!item || item->done_usec > 0)
                return 0;

        r = sd_bus_message_read(signal, "tssst", &number, &status, &sub_state, &reason_code,
                                &generation);
        if (r >= 0)
                r = free_and_strdup(&item->status, status);
        if (r >= 0)
                r = free_and_strdup(&item->sub_state, sub_state);
        if (r >= 0)
                r = free_and_strdup(&item->reason_code, reason_code);
        if (r < 0) {
                progress->error = r;
                return 0;
        }

        progress_view_changed(item);
        return 0;
}

int progress_begin(Progress *progress,
                   sd_bus *bus,
                   const Arguments *arguments,
                   const char *condition) {
        uint64_t now = clock_monotonic_usec();

        progress->out = stdout;
        progress->bus = bus;
        progress->arguments = arguments;
        progress->condition = condition;
        progress->begun_usec = now;
        progress->deadline_usec =
                arguments->timeout_usec > 0 ? now + arguments->timeout_usec : USEC_INFINITY;

        return sd_bus_match_signal_async(bus, &progress->statuses, BUS_NAME, NULL,
                                         INTERFACE_SIDECAR, "StatusChanged", on_status, NULL,
                                         progress);
}

uint64_t progress_time_left(const Progress *progress) {
        uint64_t now = clock_monotonic_usec();

        if (progress->deadline_usec == USEC_INFINITY)
                return ASK_AGAIN_USEC;

        /* 0 would mean the default. */
        return progress->deadline_usec > now ? progress->deadline_usec - now : 1;
}

static int take_member(Awaited *item, sd_bus_message *reply, const char *key) {
        const struct {
                const char *key;
                char **target;
        } texts[] = {
                { "status", &item->status },
                { "sub-state", &item->sub_state },
                { "reason-code", &item->reason_code },
                { "reason", &item->reason },
                { "url", &item->url },
        };
        const char *text;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                if (!streq(texts[i].key, key))
                        continue;
                r = sd_bus_message_read(reply, "v", "s", &text);
                return r < 0 ? r : free_and_strdup(texts[i].target, text);
        }
        if (streq(key, "generation"))
                return sd_bus_message_read(reply, "v", "t", &item->generation);

        return sd_bus_message_skip(reply, "v");
}

/* Takes a dictionary as Wait answers it, and judges whether it is what was waited for. */
static int awaited_take_details(Awaited *item, sd_bus_message *reply) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read_basic(reply, 's', &key);
                if (r >= 0)
                        r = take_member(item, reply, key);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
        }

        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

int progress_take_app(Progress *progress, sd_bus_message *reply, const char *app) {
        const char *name;
        Awaited *item;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "{sa{sv}}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(reply, 'e', "sa{sv}")) > 0) {
                r = sd_bus_message_read_basic(reply, 's', &name);
                if (r >= 0)
                        r = progress_add(progress, app, name, 0, &item);
                if (r >= 0)
                        r = awaited_take_details(item, reply);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        return r;
                /* One that is not there yet is waited for by itself, with what time is left. */
                if (awaited_is_satisfied(item))
                        awaited_finish(item, 0, NULL);
        }

        return r;
}

static void finish_with_error(Awaited *item, const sd_bus_error *error) {
        bool has_failed = sd_bus_error_has_name(error, BUS_NAME ".Error.StartFailed");
        bool is_down = sd_bus_error_has_name(error, BUS_NAME ".Error.NotRunning");
        char *complaint = NULL;

        if (!has_failed && !is_down) {
                awaited_finish(item, client_complain(error), NULL);
                return;
        }

        /* The message begins with the sidecar's name. */
        if (asprintf(&complaint, "%s/%s (sidecarctl logs %s/%s shows what it wrote)",
                     item->sidecar.app, error->message, item->sidecar.app, item->sidecar.name) < 0)
                complaint = NULL;
        awaited_finish(item, has_failed ? EXIT_FAILED : EXIT_NOT_RUNNING, complaint);
}

static void finish_late(Awaited *item) {
        char *complaint = NULL;

        if (asprintf(&complaint, "%s/%s is not %s yet: %s (%s)", item->sidecar.app,
                     item->sidecar.name, item->progress->condition,
                     item->status ? item->status : "no news",
                     item->sub_state ? item->sub_state : "-") < 0)
                complaint = NULL;
        awaited_finish(item, EXIT_TIMED_OUT, complaint);
}

/* The call that waits has come back. */
static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        Awaited *item = userdata;
        Progress *progress = item->progress;
        int r;

        item->is_asked = false;
        progress->n_asked--;
        if (item->done_usec > 0)
                return 1;
        if (error) {
                finish_with_error(item, error);
                return 1;
        }

        r = sd_bus_message_skip(reply, "s"); /* the details have it, too */
        if (r >= 0)
                r = awaited_take_details(item, reply);
        if (r < 0)
                progress->error = r;
        else if (awaited_is_satisfied(item))
                awaited_finish(item, 0, NULL);
        else if (progress->deadline_usec != USEC_INFINITY)
                finish_late(item);

        return 1;
}

static int ask(Awaited *item) {
        const Progress *progress = item->progress;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = client_new_call(progress->bus, &call, item->sidecar.path, INTERFACE_SIDECAR, "Wait");
        if (r >= 0)
                r = sd_bus_message_append(call, "stt", progress->condition, item->generation,
                                          progress_time_left(progress));
        if (r >= 0)
                r = sd_bus_call_async(progress->bus, NULL, call, on_reply, item, TIMEOUT_NEVER);
        if (r < 0)
                return r;

        item->is_asked = true;
        return 0;
}

/* Answers how many are waited for still. */
static int ask_all(Progress *progress) {
        int n_waiting = 0, r;

        for (size_t i = 0; i < progress->n_items; i++) {
                Awaited *item = progress->items[i];

                if (item->done_usec > 0)
                        continue;
                n_waiting++;
                if (item->is_asked || progress->n_asked >= ASKED_MAX)
                        continue;
                r = ask(item);
                if (r < 0)
                        return r;
                progress->n_asked++;
        }

        return n_waiting;
}

/* A daemon that hangs must not make us late. */
static void finish_overdue(const Progress *progress) {
        if (progress->deadline_usec == USEC_INFINITY ||
            clock_monotonic_usec() < progress->deadline_usec + GRACE_USEC)
                return;

        for (size_t i = 0; i < progress->n_items; i++)
                if (progress->items[i]->done_usec == 0)
                        finish_late(progress->items[i]);
}

static int process_until_quiet(Progress *progress) {
        int r;

        do
                r = sd_bus_process(progress->bus, NULL);
        while (r > 0);

        if (r == -ENOTCONN || r == -ECONNRESET)
                return complain(EXIT_NO_DAEMON, "The session bus went away");

        return r < 0 ? r : progress->error;
}

static int wait_for_all(Progress *progress) {
        int r, n_waiting;

        while ((n_waiting = ask_all(progress)) > 0) {
                progress_view_draw(progress);
                r = sd_bus_wait(progress->bus, TURN_USEC);
                if (r < 0 && r != -EINTR)
                        return r;
                r = process_until_quiet(progress);
                if (r != 0)
                        return r;
                finish_overdue(progress);
        }

        return n_waiting;
}

int progress_run(Progress *progress) {
        int r = 0;

        if (!progress->arguments->no_wait) {
                r = wait_for_all(progress);
                progress_view_draw(progress);
        }
        if (r == 0)
                r = progress_view_end(progress);

        for (size_t i = 0; r == 0 && i < progress->n_items; i++)
                r = progress->items[i]->result;

        return r;
}
