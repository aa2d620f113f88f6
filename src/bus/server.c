/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Server
 *
 * Core's observer: what happens is noted, and told once at the end of the loop's turn. Each change
 * of status is told, in order, so those are signals at once; they leave when the handler in which
 * they happened has returned, before anything else. In the midst of it the bus daemon, woken for
 * each, would take the processor from a restart that is under way.
 */

#include "bus/app-object.h"
#include "bus/hold-methods.h"
#include "bus/open-log.h"
#include "bus/owner.h"
#include "bus/path.h"
#include "bus/server.h"
#include "bus/sidecar-object.h"
#include "bus/user-manager.h"
#include "bus/waiter.h"
#include "bus/write-stdin.h"
#include "core/session.h"
#include "util/clock.h"
#include "util/crashpoint.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/strv.h"

#define PRIORITY_STATUS (-20) /* before what sidecars write, and before the bus */
#define PRIORITY_FLUSH 10

/* The bus is tried again in these steps, for that long (contract D5). */
#define RETRY_PAUSE_MIN_USEC (100 * USEC_PER_MSEC)
#define RETRY_PAUSE_MAX_USEC (2 * USEC_PER_SEC)
#define RETRY_LIMIT_USEC (10 * USEC_PER_SEC)

static void emit_added(const Server *server, char *path) {
        _cleanup_free_ char *owned = path;

        if (server->bus && owned)
                (void) sd_bus_emit_object_added(server->bus, owned);
}

/* While the object can still be looked up: else the signal lacks its interfaces. */
static void emit_removed(const Server *server, char *path) {
        _cleanup_free_ char *owned = path;

        if (server->bus && owned)
                (void) sd_bus_emit_object_removed(server->bus, owned);
}

static void on_app_added(App *app, void *userdata) {
        if (app_object_new(userdata, app) >= 0)
                emit_added(userdata, path_of_app(app));
}

static void on_app_removed(App *app, void *userdata) {
        waiters_dismiss(userdata, app);
        emit_removed(userdata, path_of_app(app));
        app_object_free(app->userdata);
}

static void on_sidecar_added(Sidecar *sidecar, void *userdata) {
        if (sidecar_object_new(userdata, sidecar) >= 0)
                emit_added(userdata, path_of_sidecar(sidecar));
}

static void on_sidecar_removed(Sidecar *sidecar, void *userdata) {
        waiters_dismiss(userdata, sidecar);
        log_pipes_dismiss(userdata, sidecar);
        emit_removed(userdata, path_of_sidecar(sidecar));
        sidecar_object_free(sidecar->userdata);
}

void server_tell_statuses(Server *server) {
        for (size_t i = 0; i < server->n_statuses; i++) {
                (void) sd_bus_send(server->bus, server->statuses[i], NULL);
                sd_bus_message_unref(server->statuses[i]);
        }

        server->statuses = (free(server->statuses), NULL);
        server->n_statuses = 0;
}

static int on_tell_statuses(sd_event_source *source _unused_, void *userdata) {
        Server *server = userdata;

        server_tell_statuses(server);
        waiters_wake(server, server->supervisor->events);
        return 0;
}

/* Takes the signal over. */
static int note_status(Server *server, sd_bus_message *signal) {
        sd_bus_message **grown =
                reallocarray(server->statuses, server->n_statuses + 1, sizeof(sd_bus_message *));

        if (!grown) {
                sd_bus_message_unref(signal);
                return -ENOMEM;
        }

        server->statuses = grown;
        server->statuses[server->n_statuses++] = signal;
        return sd_event_source_set_enabled(server->status_teller, SD_EVENT_ONESHOT);
}

static int make_status(sd_bus_message **ret, Server *server, const Sidecar *s, uint64_t seq) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        _cleanup_free_ char *path = path_of_sidecar(s);
        const Lifecycle *life = &s->life;
        int r;

        if (!path)
                return -ENOMEM;
        r = sd_bus_message_new_signal(server->bus, &signal, path, INTERFACE_SIDECAR,
                                      "StatusChanged");
        if (r >= 0)
                r = sd_bus_message_append(signal, "tssst", seq, status_to_string(life->status),
                                          sub_state_to_string(life->sub_state),
                                          reason_code_to_string(lifecycle_reason_code(life)),
                                          life->generation);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(signal);
        return 0;
}

static void on_status(Sidecar *sidecar, uint64_t seq, void *userdata) {
        Server *server = userdata;
        sd_bus_message *signal;

        if (server->bus && make_status(&signal, server, sidecar, seq) >= 0)
                (void) note_status(server, signal);

        if (sidecar->app->userdata)
                app_object_mark(sidecar->app->userdata);
}

static void on_sidecar_changed(Sidecar *sidecar, void *userdata) {
        if (sidecar->userdata)
                sidecar_object_mark(sidecar->userdata);

        waiters_wake(userdata, sidecar);
        waiters_wake(userdata, sidecar->app);
}

static void on_app_changed(App *app, void *userdata _unused_) {
        AppObject *object = app->userdata;

        if (!object)
                return;

        object->is_changed = true;
        app_object_mark(object);
}

/* Not at once: it may be written down with other things, and is not told before that. */
static void on_event(void *userdata) {
        const Server *server = userdata;

        (void) sd_event_source_set_enabled(server->status_teller, SD_EVENT_ONESHOT);
}

static void on_mode(App *app, void *userdata) {
        Server *server = userdata;
        _cleanup_free_ char *path = path_of_app(app);

        if (server->bus && path)
                (void) sd_bus_emit_signal(server->bus, path, INTERFACE_APP, "ModeChanged", "sss",
                                          app->former_mode, app->tried_mode,
                                          mode_result_to_string(app->mode_result));
}

static void on_holds(void *userdata) {
        Server *server = userdata;

        owners_prune(server);
        if (server->bus)
                (void) sd_bus_emit_properties_changed(server->bus, PATH_MANAGER, INTERFACE_MANAGER,
                                                      "Holds", NULL);
}

static void on_hold_lost(const Hold *hold, void *userdata) {
        hold_tell_lost(userdata, hold);
}

static void on_log(Sidecar *sidecar, void *userdata) {
        log_pipes_wake(userdata, sidecar);
        waiters_wake(userdata, sidecar);
}

static bool on_environment_wanted(void *userdata) {
        return user_manager_ask(userdata);
}

static const SupervisorObserver observer = {
        .on_app_added = on_app_added,
        .on_app_removed = on_app_removed,
        .on_sidecar_added = on_sidecar_added,
        .on_sidecar_removed = on_sidecar_removed,
        .on_status = on_status,
        .on_sidecar_changed = on_sidecar_changed,
        .on_app_changed = on_app_changed,
        .on_event = on_event,
        .on_mode = on_mode,
        .on_holds = on_holds,
        .on_hold_lost = on_hold_lost,
        .on_log = on_log,
        .on_environment_wanted = on_environment_wanted,
};

static int on_flush(sd_event_source *source _unused_, void *userdata) {
        Server *server = userdata;

        while (server->dirty) {
                SidecarObject *object = server->dirty;

                server->dirty = object->next_dirty;
                object->is_dirty = false;
                if (server->bus)
                        sidecar_object_flush(object);
        }
        while (server->dirty_apps) {
                AppObject *object = server->dirty_apps;

                server->dirty_apps = object->next_dirty;
                object->is_dirty = false;
                if (server->bus)
                        app_object_flush(object);
        }

        return 0;
}

int server_new(Server **ret, Supervisor *supervisor) {
        _cleanup_(server_freep) Server *server = NULL;
        int r;

        server = calloc(1, sizeof(*server));
        if (!server)
                return -ENOMEM;

        server->supervisor = supervisor;
        r = sd_event_add_defer(supervisor->event, &server->flusher, on_flush, server);
        if (r >= 0)
                r = sd_event_source_set_priority(server->flusher, PRIORITY_FLUSH);
        if (r >= 0)
                r = sd_event_source_set_enabled(server->flusher, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(supervisor->event, &server->status_teller, on_tell_statuses,
                                       server);
        if (r >= 0)
                r = sd_event_source_set_priority(server->status_teller, PRIORITY_STATUS);
        if (r >= 0)
                r = sd_event_source_set_enabled(server->status_teller, SD_EVENT_OFF);
        if (r < 0)
                return r;

        supervisor_set_observer(supervisor, &observer, server);
        *ret = TAKE_PTR(server);
        return 0;
}

static void free_objects(const Supervisor *supervisor) {
        for (size_t i = 0; i < supervisor->n_apps; i++) {
                App *app = supervisor->apps[i];

                for (size_t k = 0; k < app->n_sidecars; k++)
                        sidecar_object_free(app->sidecars[k]->userdata);
                app_object_free(app->userdata);
        }
}

Server *server_free(Server *server) {
        if (!server)
                return NULL;

        /* Of the end, after which there is no turn. */
        (void) on_tell_statuses(NULL, server);
        waiters_free(server);
        stdin_calls_free(server);
        log_pipes_free(server);
        owners_free(server);
        free_objects(server->supervisor);
        sd_event_source_disable_unref(server->watcher);
        sd_event_source_disable_unref(server->retry);
        sd_event_source_disable_unref(server->flusher);
        sd_event_source_disable_unref(server->status_teller);
        sender_filter_free(server->senders);
        /* To flush what has not even begun is to wait until it has: for ever, on a stopped bus. */
        if (server->bus && sd_bus_is_ready(server->bus) > 0)
                (void) sd_bus_flush(server->bus);
        sd_bus_close_unref(server->bus);
        free(server);
        return NULL;
}

static bool is_lost_for_good(const Supervisor *supervisor) {
        return supervisor->bus_lost_at != 0 &&
               clock_monotonic_usec() >= supervisor->bus_lost_at + RETRY_LIMIT_USEC;
}

static void give_bus_up(Supervisor *supervisor) {
        log_error("The session bus has not come back for ten seconds");
        supervisor_shut_down(supervisor);
}

/* An end that is under way needs no bus. */
static void leave_lost_bus(const Server *server) {
        Supervisor *supervisor = server->supervisor;

        if (supervisor->shutting_down)
                return;

        /* Each brain gets a connection, and loses it: that would go on for ever. */
        if (is_lost_for_good(supervisor)) {
                give_bus_up(supervisor);
                return;
        }

        log_notice("The session bus has gone, or has cut us off");
        supervisor_note_bus_lost(supervisor);
        supervisor_leave(supervisor, false);
}

static void on_name_is_ours(Server *server) {
        if (server->has_name)
                return;

        server->has_name = true;
        CRASHPOINT("name-ours");
        log_info("Ready, as %s on the session bus", BUS_NAME);
        (void) keeper_client_send_ready(server->supervisor->keeper);
        session_begin(server->supervisor);
}

static int
on_name_requested(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        const Server *server = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        uint32_t answer = 0;

        /* By us, for a connection that has ended or a bus that says nothing: that is no refusal. */
        if (error && sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY)) {
                leave_lost_bus(server);
                return 1;
        }
        if (error) {
                log_error("The bus refuses the name %s: %s", BUS_NAME, error->message);
                return sd_event_exit(sd_bus_get_event(sd_bus_message_get_bus(reply)), -EACCES);
        }

        /* It answers, so it is back: not before, since it may take us and drop us at once. */
        supervisor_note_bus_there(server->supervisor);

        /* DBUS_REQUEST_NAME_REPLY_: 1 it is ours, 2 we are queued behind who has it. */
        if (sd_bus_message_read(reply, "u", &answer) >= 0 && answer == 2)
                log_notice("Somebody has the name %s; waiting for it", BUS_NAME);
        else
                on_name_is_ours(userdata);

        return 1;
}

static int
on_name_acquired(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error _unused_) {
        const char *name;

        if (sd_bus_message_read(signal, "s", &name) >= 0 && streq(name, BUS_NAME))
                on_name_is_ours(userdata);

        return 0;
}

static int
on_disconnected(sd_bus_message *signal _unused_, void *userdata, sd_bus_error *ret_error _unused_) {
        leave_lost_bus(userdata);
        return 0;
}

/*
 * A message of 128 MiB, which anybody may send, makes libsystemd 252 close the connection in the
 * midst of reading, without a word to anybody.
 */
static int on_any_event(sd_event_source *source _unused_, void *userdata) {
        const Server *server = userdata;

        if (server->bus && sd_bus_is_open(server->bus) <= 0)
                leave_lost_bus(server);

        return 0;
}

/* On the bus on which they were made the names of the holds are watched again. */
static int on_bus_id(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        Server *server = userdata;
        Supervisor *supervisor = server->supervisor;
        const char *id;

        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "s", &id) < 0)
                return 1;

        supervisor_take_bus_id(supervisor, id);
        for (size_t i = 0; i < supervisor->n_holds; i++) {
                const char *owner = supervisor->holds[i]->owner;
                int r = *owner != '\0' ? owner_watch(server, owner) : 0;

                if (r < 0)
                        (void) log_warning_errno(r, "Cannot watch %s", owner);
        }

        return 1;
}

static int add_matches(Server *server) {
        int r;

        r = sd_bus_match_signal_async(server->bus, NULL, "org.freedesktop.DBus",
                                      "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                      "NameAcquired", on_name_acquired, NULL, server);
        if (r < 0)
                return r;

        /* sd-bus makes this signal itself, for us alone. */
        return sd_bus_match_signal_async(
                server->bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, NULL, server);
}

static int export_all(Server *server) {
        int r;

        r = sender_filter_new(&server->senders, server->bus);
        if (r >= 0)
                r = sd_bus_add_object_manager(server->bus, NULL, PATH_MANAGER);
        if (r >= 0)
                r = server_add_manager(server);
        if (r >= 0)
                r = server_add_apps(server);
        if (r >= 0)
                r = server_add_sidecars(server);
        if (r >= 0)
                r = server_add_log_control(server);

        return r;
}

static int ask_bus(Server *server) {
        int r;

        /*
         * In this order: by the time somebody finds us, it is known whom to ask for the session's
         * environment, and the names of old holds are judged.
         */
        r = user_manager_watch(server);
        if (r < 0)
                return r;
        r = sd_bus_call_method_async(server->bus, NULL, "org.freedesktop.DBus",
                                     "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId",
                                     on_bus_id, server, "");
        if (r >= 0)
                r = sd_bus_request_name_async(server->bus, NULL, BUS_NAME, SD_BUS_NAME_QUEUE,
                                              on_name_requested, server);

        return r;
}

static int close_bus(Server *server, int error) {
        server->senders = sender_filter_free(server->senders);
        server->bus = sd_bus_close_unref(server->bus);
        return error;
}

static int open_bus(Server *server) {
        int r;

        /* Nobody knows us there: what has changed so far is news to none. */
        (void) on_flush(NULL, server);

        r = sd_bus_open_user(&server->bus);
        if (r < 0)
                return r;

        /* server_free() does, when all is told; sd-event would before that, and wait for it. */
        r = sd_bus_set_close_on_exit(server->bus, false);
        if (r >= 0)
                r = sd_bus_attach_event(server->bus, server->supervisor->event,
                                        SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = export_all(server);
        if (r >= 0)
                r = add_matches(server);
        if (r >= 0)
                r = ask_bus(server);

        return r < 0 ? close_bus(server, r) : 0;
}

static void retry_later(Server *server);

static int on_retry(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Server *server = userdata;
        Supervisor *supervisor = server->supervisor;

        server->retry = sd_event_source_disable_unref(server->retry);
        if (supervisor->shutting_down || open_bus(server) >= 0)
                return 0;

        if (is_lost_for_good(supervisor))
                give_bus_up(supervisor);
        else
                retry_later(server);

        return 0;
}

static void retry_later(Server *server) {
        uint64_t pause = server->retry_pause_usec * 2;

        if (pause < RETRY_PAUSE_MIN_USEC)
                pause = RETRY_PAUSE_MIN_USEC;
        if (pause > RETRY_PAUSE_MAX_USEC)
                pause = RETRY_PAUSE_MAX_USEC;
        server->retry_pause_usec = pause;
        if (sd_event_add_time_relative(server->supervisor->event, &server->retry, CLOCK_MONOTONIC,
                                       pause, 0, on_retry, server) < 0)
                supervisor_shut_down(server->supervisor);
}

int server_connect(Server *server) {
        Supervisor *supervisor = server->supervisor;
        int r;

        r = sd_event_add_post(supervisor->event, &server->watcher, on_any_event, server);
        if (r >= 0)
                r = open_bus(server);
        if (r >= 0 || supervisor->shutting_down)
                return 0;

        /* Nobody was ever served: whoever started us is to know. */
        if (keeper_client_is_first(supervisor->keeper) && supervisor->bus_lost_at == 0)
                return r;

        supervisor_note_bus_lost(supervisor);
        retry_later(server);
        return 0;
}
