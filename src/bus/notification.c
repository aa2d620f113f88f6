/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Notifications
 *
 * Looked at as a whole at the end of a turn, so that what fails together is told together. A round
 * first asks what the desktop can do, and then speaks to the very server that has answered: its
 * numbers mean nothing to another one, which would replace or close somebody else's pop-up by them.
 *
 * That a failure is told is written down before it is: a brain that dies in between leaves it
 * untold, as one that dies before the answer leaves a pop-up whose buttons do nothing. Either is
 * better than to tell it twice. The count of an app and its summary die with the brain.
 */

#include "bus/app-object.h"
#include "bus/notification-message.h"
#include "bus/notification.h"
#include "bus/show-log.h"
#include "bus/sidecar-object.h"
#include "util/clock.h"
#include "util/crashpoint.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/strv.h"

#define PRIORITY_LOOK 20 /* after all else of a turn */
#define SUMMARY_PAUSE_USEC (2 * USEC_PER_SEC)

#define SETTING "SIDECARD_NOTIFICATIONS"

typedef struct Telling Telling;

/* A Notify that is not answered yet. What it is about may go meanwhile, so it is there by name. */
struct Telling {
        Notifications *notifications;
        Telling *next;
        sd_bus_slot *slot;
        char *app;
        char *sidecar; /* NULL: the app's summary */
        uint64_t failed_at_usec;
};

struct Notifications {
        Server *server;
        bool is_off;
        sd_event_source *looker;
        sd_bus_slot *question; /* of a round; NULL: there is none under way */
        Desktop desktop;       /* by its answer */
        Telling *tellings;     /* Telling::next */
};

static bool is_switched_off(void) {
        static const char *const words[] = { "no", "off", "false", "0" };
        const char *value = getenv(SETTING);

        for (size_t i = 0; value && i < ELEMENTSOF(words); i++)
                if (streq(value, words[i]))
                        return true;

        return false;
}

static Telling *telling_free(Telling *telling) {
        if (!telling)
                return NULL;

        for (Telling **link = &telling->notifications->tellings; *link; link = &(*link)->next)
                if (*link == telling) {
                        *link = telling->next;
                        break;
                }
        sd_bus_slot_unref(telling->slot);
        free(telling->app);
        free(telling->sidecar);
        free(telling);
        return NULL;
}

DEFINE_CLEANUP(Telling, telling_free);

/* sidecar: NULL for the summary. */
static int telling_new(Telling **ret, Notifications *n, const App *app, const Sidecar *s) {
        _cleanup_(telling_freep) Telling *telling = calloc(1, sizeof(*telling));

        if (!telling)
                return -ENOMEM;

        telling->notifications = n;
        telling->next = n->tellings;
        n->tellings = telling;
        if (free_and_strdup(&telling->app, app->id) < 0 ||
            free_and_strdup(&telling->sidecar, s ? sidecar_name(s) : NULL) < 0)
                return -ENOMEM;

        telling->failed_at_usec = s ? s->changed_at_usec : 0;
        *ret = TAKE_PTR(telling);
        return 0;
}

static bool is_due(const Notifications *n, const Sidecar *s) {
        return s->life.status == STATUS_FAILED && s->popup.failed_at_usec != s->changed_at_usec &&
               !s->spec->is_quiet && !n->is_off && !s->supervisor->shutting_down;
}

/* One that is being started again may fail again, and then the new pop-up takes its place. */
static bool is_over(const Sidecar *s) {
        return s->life.status == STATUS_RUNNING || s->life.status == STATUS_STOPPED;
}

static bool is_in_summary(const Sidecar *s) {
        const SidecarObject *object = s->userdata;

        return object && object->is_in_summary;
}

static void forget_summary(AppPopups *popups) {
        popups->summary_id = 0;
        popups->summary_server = (free(popups->summary_server), NULL);
}

static void withdraw(const Notifications *n, Sidecar *s) {
        SidecarObject *object = s->userdata;

        if (object)
                object->is_in_summary = false;
        if (s->popup.id == 0)
                return;

        notification_close(n->server->bus, s->popup.server, s->popup.id);
        sidecar_forget_popup(s);
}

static void withdraw_summary(const Notifications *n, AppPopups *popups) {
        notification_close(n->server->bus, popups->summary_server, popups->summary_id);
        forget_summary(popups);
}

static size_t count_in_summary(const App *app) {
        size_t n = 0;

        for (size_t i = 0; i < app->n_sidecars; i++)
                n += is_in_summary(app->sidecars[i]);

        return n;
}

/* 0: it is not shown by that one. */
static uint32_t shown_by(const Desktop *desktop, const char *server, uint32_t id) {
        return server && streq(server, desktop->server) ? id : 0;
}

/* What is shown by now, or not any more, is written down where it belongs. */
static int
take_id(const Notifications *n, const Telling *telling, const char *server, uint32_t id) {
        const App *app = supervisor_find_app(n->server->supervisor, telling->app);
        Sidecar *s = app && telling->sidecar ? app_find(app, telling->sidecar) : NULL;
        AppObject *object = app ? app->userdata : NULL;

        if (s && !is_over(s) && s->popup.failed_at_usec == telling->failed_at_usec)
                return sidecar_set_popup(s, telling->failed_at_usec, id, server);

        if (!telling->sidecar && object && count_in_summary(app) > 0) {
                object->popups.summary_id = id;
                return free_and_strdup(&object->popups.summary_server, server);
        }

        /* It has become untrue meanwhile, unless a later call has put the truth in its place. */
        if (!s || shown_by(&n->desktop, s->popup.server, s->popup.id) != id)
                notification_close(n->server->bus, server, id);
        return 0;
}

static int on_told(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        _cleanup_(telling_freep) Telling *telling = userdata;
        const char *server = sd_bus_message_get_sender(reply);
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        uint32_t id;
        int r;

        if (error) {
                log_debug("The desktop was not told of a failure: %s", error->message);
                return 1;
        }

        r = sd_bus_message_read(reply, "u", &id);
        if (r >= 0)
                r = take_id(telling->notifications, telling, server, id);
        if (r < 0)
                (void) log_warning_errno(r, "A pop-up on the desktop was lost sight of");

        return 1;
}

/* Takes the telling over. */
static int send_call(const Notifications *n, Telling *telling, sd_bus_message *call) {
        _cleanup_(telling_freep) Telling *owned = telling;
        int r;

        r = sd_bus_call_async(n->server->bus, &owned->slot, call, on_told, owned, 0);
        if (r < 0)
                return r;

        (void) TAKE_PTR(owned);
        return 0;
}

/* That it is told, before it is. */
static int note_told(Sidecar *s, uint32_t id, const char *server) {
        int r;

        CRASHPOINT("popup-decided");
        r = sidecar_set_popup(s, s->changed_at_usec, id, id != 0 ? server : NULL);
        CRASHPOINT("popup-recorded");
        return r;
}

static int tell(Notifications *n, Sidecar *s) {
        uint32_t former = shown_by(&n->desktop, s->popup.server, s->popup.id);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        Telling *telling;
        int r;

        r = note_told(s, former, n->desktop.server);
        if (r >= 0)
                r = notification_new_failure(&call, n->server->bus, &n->desktop, s, former);
        if (r >= 0)
                r = telling_new(&telling, n, s->app, s);

        return r < 0 ? r : send_call(n, telling, call);
}

static int list_summary(Notifications *n, const App *app, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < app->n_sidecars; i++) {
                Sidecar *s = app->sidecars[i];
                SidecarObject *object = s->userdata;

                if (object && is_due(n, s)) {
                        object->is_in_summary = true;
                        r = note_told(s, s->popup.id, s->popup.server);
                }
                if (r >= 0 && is_in_summary(s))
                        r = strv_extend(&names, sidecar_name(s));
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(names);
        return 0;
}

static int tell_summary(Notifications *n, const App *app, AppPopups *popups) {
        uint32_t former = shown_by(&n->desktop, popups->summary_server, popups->summary_id);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(strv_freep) char **names = NULL;
        Telling *telling;
        int r;

        r = list_summary(n, app, &names);
        if (r >= 0)
                r = notification_new_summary(&call, n->server->bus, &n->desktop, app, names,
                                             former);
        if (r >= 0)
                r = telling_new(&telling, n, app, NULL);

        return r < 0 ? r : send_call(n, telling, call);
}

static int on_summary(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        AppObject *object = userdata;

        object->popups.summary_timer = sd_event_source_disable_unref(object->popups.summary_timer);
        object->popups.summary_is_due = true;
        notifications_note_all(object->server->notifications);
        return 0;
}

/* Whether one more is within the minute's measure, of which it is then. */
static bool take_place(AppPopups *popups, uint64_t now) {
        uint64_t *oldest = &popups->told_at[popups->n_told % POPUPS_PER_MINUTE];

        if (popups->n_told >= POPUPS_PER_MINUTE && now < *oldest + USEC_PER_MINUTE)
                return false;

        *oldest = now;
        popups->n_told++;
        return true;
}

static int tell_rest(Notifications *n, AppObject *object) {
        AppPopups *popups = &object->popups;

        if (TAKE(popups->summary_is_due, false))
                return tell_summary(n, object->app, popups);
        if (popups->summary_timer)
                return 0;

        return sd_event_add_time_relative(object->server->supervisor->event, &popups->summary_timer,
                                          CLOCK_MONOTONIC, SUMMARY_PAUSE_USEC, 0, on_summary,
                                          object);
}

static void tell_app(Notifications *n, const App *app) {
        uint64_t now = clock_monotonic_usec();
        AppObject *object = app->userdata;
        bool is_too_much = false;
        int r = 0;

        for (size_t i = 0; object && i < app->n_sidecars; i++) {
                Sidecar *s = app->sidecars[i];

                if (!is_due(n, s))
                        continue;
                if (take_place(&object->popups, now))
                        r = tell(n, s);
                else
                        is_too_much = true;
        }
        if (is_too_much)
                r = tell_rest(n, object);
        if (r < 0)
                (void) log_warning_errno(r, "%s: the desktop cannot be told of a failure", app->id);
}

/* Without a server nobody is told, and nobody later: it is old by then. */
static void tell_nobody(const Notifications *n, const App *app) {
        for (size_t i = 0; i < app->n_sidecars; i++)
                if (is_due(n, app->sidecars[i]))
                        (void) note_told(app->sidecars[i], 0, NULL);
}

static int
on_capabilities(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        Notifications *n = userdata;
        const Supervisor *supervisor = n->server->supervisor;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        bool is_there = !error && desktop_take_capabilities(&n->desktop, reply) >= 0;

        n->question = sd_bus_slot_unref(n->question);
        if (!is_there)
                log_debug("The desktop is not told of failures: %s",
                          error && error->message ? error->message : "no answer that makes sense");

        for (size_t i = 0; i < supervisor->n_apps; i++)
                if (is_there)
                        tell_app(n, supervisor->apps[i]);
                else
                        tell_nobody(n, supervisor->apps[i]);

        return 1;
}

static int on_names(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error _unused_) {
        Notifications *n = userdata;
        _cleanup_(strv_freep) char **names = NULL;
        int r;

        if (!sd_bus_message_is_method_error(reply, NULL))
                (void) sd_bus_message_read_strv(reply, &names);

        n->desktop.has_viewer = show_log_is_possible(names);
        n->question = sd_bus_slot_unref(n->question);
        r = sd_bus_call_method_async(n->server->bus, &n->question, NOTIFICATIONS_NAME,
                                     NOTIFICATIONS_PATH, NOTIFICATIONS_INTERFACE, "GetCapabilities",
                                     on_capabilities, n, "");
        if (r < 0)
                (void) log_warning_errno(r, "The desktop cannot be told of failures");

        return 1;
}

static int ask_desktop(Notifications *n) {
        if (n->question)
                return 0;

        return sd_bus_call_method_async(n->server->bus, &n->question, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                        "ListActivatableNames", on_names, n, "");
}

/* Answers whether something is to be told that does not wait for the summary. */
static bool look_at_app(const Notifications *n, const App *app) {
        AppObject *object = app->userdata;
        bool is_any_due = false;

        for (size_t i = 0; i < app->n_sidecars; i++) {
                Sidecar *s = app->sidecars[i];

                if (is_over(s))
                        withdraw(n, s);
                is_any_due = is_any_due || is_due(n, s);
        }
        if (object && object->popups.summary_id != 0 && count_in_summary(app) == 0)
                withdraw_summary(n, &object->popups);

        return is_any_due && !(object && object->popups.summary_timer);
}

static int on_look(sd_event_source *source _unused_, void *userdata) {
        Notifications *n = userdata;
        const Supervisor *supervisor = n->server->supervisor;
        bool is_any_due = false;
        int r;

        if (!n->server->has_name)
                return 0;

        for (size_t i = 0; i < supervisor->n_apps; i++)
                if (look_at_app(n, supervisor->apps[i]))
                        is_any_due = true;

        r = is_any_due ? ask_desktop(n) : 0;
        if (r < 0)
                (void) log_warning_errno(r, "The desktop cannot be told of failures");
        return 0;
}

int notifications_new(Notifications **ret, Server *server) {
        _cleanup_(notifications_freep) Notifications *n = calloc(1, sizeof(*n));
        int r;

        if (!n)
                return -ENOMEM;

        n->server = server;
        n->is_off = is_switched_off();
        r = sd_event_add_defer(server->supervisor->event, &n->looker, on_look, n);
        if (r >= 0)
                r = sd_event_source_set_priority(n->looker, PRIORITY_LOOK);
        if (r >= 0)
                r = sd_event_source_set_enabled(n->looker, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(n);
        return 0;
}

Notifications *notifications_free(Notifications *n) {
        const Supervisor *supervisor;

        if (!n)
                return NULL;

        supervisor = n->server->supervisor;
        for (size_t i = 0; i < supervisor->n_apps; i++) {
                const App *app = supervisor->apps[i];

                for (size_t k = 0; k < app->n_sidecars; k++)
                        notifications_forget(n, app->sidecars[k]);
                notifications_forget_app(n, app);
        }

        while (n->tellings)
                telling_free(n->tellings);
        sd_bus_slot_unref(n->question);
        sd_event_source_disable_unref(n->looker);
        free(n->desktop.server);
        free(n);
        return NULL;
}

void notifications_note_all(const Notifications *n) {
        (void) sd_event_source_set_enabled(n->looker, SD_EVENT_ONESHOT);
}

void notifications_note(const Notifications *n, const Sidecar *s) {
        if (is_due(n, s) || s->popup.id != 0 || is_in_summary(s))
                notifications_note_all(n);
}

void notifications_forget(const Notifications *n, const Sidecar *s) {
        notification_close(n->server->bus, s->popup.server, s->popup.id);
}

void notifications_forget_app(const Notifications *n, const App *app) {
        const AppObject *object = app->userdata;

        if (object)
                notification_close(n->server->bus, object->popups.summary_server,
                                   object->popups.summary_id);
}

void app_popups_done(AppPopups *popups) {
        sd_event_source_disable_unref(popups->summary_timer);
        free(popups->summary_server);
}
