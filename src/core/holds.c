/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Holds
 *
 * Every change is seen as before and after: the names that all holds of the app want together.
 * What is new is started, what is no longer there is stopped, and what is in both is left alone,
 * even if a user has stopped it (contract H4).
 */

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/goals.h"
#include "core/holds.h"
#include "core/records.h"
#include "core/session.h"
#include "core/supervisor.h"
#include "util/clock.h"
#include "util/crashpoint.h"
#include "util/log.h"
#include "util/strv.h"

static Hold *hold_free(Hold *hold) {
        if (!hold)
                return NULL;

        sd_event_source_disable_unref(hold->death);
        sd_event_source_disable_unref(hold->linger);
        safe_close(hold->pidfd);
        strv_free(hold->sidecars);
        strv_free(hold->env);
        free(hold->owner);
        free(hold->reason);
        free(hold);
        return NULL;
}

DEFINE_CLEANUP(Hold, hold_free);

static Hold *find_hold(const App *app, const char *owner) {
        const Supervisor *supervisor = app->supervisor;

        for (size_t i = 0; i < supervisor->n_holds; i++)
                if (supervisor->holds[i]->app == app && streq(supervisor->holds[i]->owner, owner))
                        return supervisor->holds[i];

        return NULL;
}

bool app_is_held(const App *app) {
        for (size_t i = 0; i < app->supervisor->n_holds; i++)
                if (app->supervisor->holds[i]->app == app)
                        return true;

        return false;
}

bool app_is_named_by_hold(const App *app, const char *name) {
        for (size_t i = 0; i < app->supervisor->n_holds; i++) {
                const Hold *hold = app->supervisor->holds[i];

                if (hold->app == app && hold->has_set && strv_contains(hold->sidecars, name))
                        return true;
        }

        return false;
}

static int add_names(char ***names, char *const *more) {
        STRV_FOREACH (name, more) {
                int r = strv_contains(*names, *name) ? 0 : strv_extend(names, *name);

                if (r < 0)
                        return r;
        }

        return 0;
}

/* All that the holds of an app want, dependencies included and first. */
static int list_held(const App *app, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;
        int r;

        for (size_t i = 0; i < app->supervisor->n_holds; i++) {
                const Hold *hold = app->supervisor->holds[i];
                _cleanup_(strv_freep) char **mine = NULL;

                if (hold->app != app || (hold->has_set && !hold->sidecars))
                        continue;
                r = app_select(app, hold->has_set ? hold->sidecars : NULL, &mine);
                if (r == -ENOENT)
                        continue; /* the manifest it was made for has changed */
                if (r >= 0)
                        r = add_names(&names, mine);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(names);
        return 0;
}

static int subtract(char *const *from, char *const *names, char ***ret) {
        _cleanup_(strv_freep) char **rest = NULL;

        STRV_FOREACH (name, from) {
                int r = strv_contains(names, *name) ? 0 : strv_extend(&rest, *name);

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(rest);
        return 0;
}

/* What no hold wants any more, and the session does not keep either (contract H5). */
static int list_dropped(const App *app, char *const *before, char *const *after, char ***ret) {
        _cleanup_(strv_freep) char **kept = NULL, **dropped = NULL;
        int r;

        r = subtract(before, after, &dropped);
        if (r >= 0 && dropped && session_keeps(app))
                r = app_select(app, NULL, &kept);

        return r < 0 ? r : subtract(dropped, kept, ret);
}

/* From what was held before to what is held now. */
static int follow_holds(App *app, char *const *before) {
        _cleanup_(strv_freep) char **after = NULL, **added = NULL, **dropped = NULL;
        int r;

        r = list_held(app, &after);
        if (r >= 0)
                r = subtract(after, before, &added);
        if (r >= 0)
                r = list_dropped(app, before, after, &dropped);

        return r < 0 ? r : app_change(app, added, dropped, REASON_OWNER_GONE);
}

static void note(const Hold *hold, EventType type) {
        Event event = { .type = type, .app = hold->app->id, .text = hold->reason };

        (void) supervisor_add_event(hold->supervisor, &event);
        hold->supervisor->observer->on_holds(hold->supervisor->observer_userdata);
}

static void unlink_hold(const Hold *hold) {
        Supervisor *supervisor = hold->supervisor;

        for (size_t i = 0; i < supervisor->n_holds; i++)
                if (supervisor->holds[i] == hold) {
                        memmove(supervisor->holds + i, supervisor->holds + i + 1,
                                (--supervisor->n_holds - i) * sizeof(Hold *));
                        return;
                }
}

static void forget_hold(const Hold *hold) {
        unlink_hold(hold);
        record_hold_gone(hold);
}

/* Takes the hold over. */
static void end_hold(Hold *hold) {
        _cleanup_(strv_freep) char **before = NULL;
        App *app = hold->app;
        const Supervisor *supervisor = app->supervisor;
        Records *records = supervisor->records;
        uint32_t place = hold->place;
        int r;

        r = list_held(app, &before);
        records_begin(records);
        forget_hold(hold);
        CRASHPOINT("hold-forgotten");
        note(hold, EVENT_RELEASED);
        hold_free(hold);

        /* Once nobody has the app in use all of it goes, what was started by hand too. */
        if (!app_is_held(app) && !session_keeps(app))
                app_stop_all(app, REASON_OWNER_GONE, false);
        else if (r >= 0)
                r = follow_holds(app, before);
        CRASHPOINT("hold-followed");
        if (!app_is_held(app))
                app_uncover(app);
        records_commit(records);

        /* Not before that is written: a successor would find a hold, and nobody who has it. */
        keeper_client_drop_holder(supervisor->keeper, place);
        if (r < 0)
                (void) log_error_errno(r, "%s: cannot end all that its hold wanted", app->id);
}

static void lose_hold(Hold *hold) {
        const Supervisor *supervisor = hold->supervisor;

        supervisor->observer->on_hold_lost(hold, supervisor->observer_userdata);
        end_hold(hold);
}

static int
on_linger_over(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        lose_hold(userdata);
        return 0;
}

/* The owner has gone: at once, or once the promise to come back has run out. */
static void expire(Hold *hold) {
        if (hold->linger)
                return;

        hold->death = sd_event_source_disable_unref(hold->death);
        if (hold->linger_until == 0 && hold->linger_usec > 0) {
                hold->linger_until = clock_monotonic_usec() + hold->linger_usec;
                record_hold(hold);
                CRASHPOINT("linger-recorded");
        }
        if (hold->linger_until == 0 ||
            sd_event_add_time(hold->supervisor->event, &hold->linger, CLOCK_MONOTONIC,
                              hold->linger_until, 0, on_linger_over, hold) < 0)
                lose_hold(hold);
}

/* A pidfd is readable when its process has ended, be it reaped or not: pidfd_open(2). */
static int on_death(sd_event_source *source _unused_,
                    int fd _unused_,
                    uint32_t events _unused_,
                    void *userdata) {
        expire(userdata);
        return 0;
}

static int find_place(const Supervisor *supervisor, uint32_t *ret) {
        bool taken[HOLDS_MAX] = { false };

        for (size_t i = 0; i < supervisor->n_holds; i++)
                taken[supervisor->holds[i]->place] = true;

        for (uint32_t place = 0; place < HOLDS_MAX; place++)
                if (!taken[place]) {
                        *ret = place;
                        return 0;
                }

        return -EUSERS;
}

static uint64_t next_order(const Supervisor *supervisor) {
        size_t n = supervisor->n_holds;

        return n > 0 ? supervisor->holds[n - 1]->order + 1 : 1;
}

/* The caller sets place and order. */
static int new_hold(Hold **ret, App *app, const HoldSpec *spec) {
        _cleanup_(hold_freep) Hold *hold = NULL;
        int r;

        hold = calloc(1, sizeof(*hold));
        if (!hold)
                return -ENOMEM;

        hold->supervisor = app->supervisor;
        hold->app = app;
        hold->pidfd = spec->pidfd < 0 ? -1 : fcntl(spec->pidfd, F_DUPFD_CLOEXEC, 3);
        if (hold->pidfd < 0 && spec->pidfd >= 0)
                return -errno;
        hold->pid = spec->pid;
        hold->since_usec = clock_realtime_usec();
        hold->has_set = spec->has_set;
        hold->linger_usec = spec->linger_usec;
        hold->brings_manifest = spec->manifest;
        r = free_and_strdup(&hold->owner, spec->owner);
        if (r >= 0)
                r = free_and_strdup(&hold->reason, spec->reason);
        if (r >= 0)
                r = add_names(&hold->sidecars, spec->sidecars);
        if (r >= 0)
                r = strv_copy(&hold->env, spec->env);
        if (r >= 0 && hold->pidfd >= 0)
                r = sd_event_add_io(hold->supervisor->event, &hold->death, hold->pidfd, EPOLLIN,
                                    on_death, hold);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(hold);
        return 0;
}

/* Who holds now has come back, or stands in for who was waited for. */
static void end_lingering(App *app) {
        Supervisor *supervisor = app->supervisor;

        for (size_t i = supervisor->n_holds; i-- > 0;)
                if (i < supervisor->n_holds && supervisor->holds[i]->app == app &&
                    supervisor->holds[i]->linger)
                        end_hold(supervisor->holds[i]);
}

static int reserve_hold(Supervisor *supervisor) {
        Hold **grown = reallocarray(supervisor->holds, supervisor->n_holds + 1, sizeof(Hold *));

        if (!grown)
                return -ENOMEM;

        supervisor->holds = grown;
        return 0;
}

Hold *hold_find_former(const App *app, const HoldSpec *spec) {
        const Supervisor *supervisor = app->supervisor;
        Hold *former = find_hold(app, spec->owner);

        for (size_t i = 0; !former && i < supervisor->n_holds; i++) {
                Hold *hold = supervisor->holds[i];

                if (hold->app == app && hold->pid == spec->pid && *hold->owner == '\0')
                        former = hold;
        }

        return former;
}

/* In the same place, so that there is no moment at which the keeper has neither of the two. */
static void replace_hold(Hold *former, Hold *hold) {
        hold->since_usec = former->since_usec;
        hold->place = former->place;
        forget_hold(former);
        hold_free(former);
}

/* The manifest comes first: what the hold wants is in there. */
static int put_in_force(App *app, const HoldSpec *spec, Hold *hold) {
        int r = spec->manifest ? app_cover(app, TAKE_PTR(*spec->manifest)) : 0;

        if (!spec->has_linger)
                hold->linger_usec = app->manifest->linger_usec;
        return r;
}

int hold_app(App *app, const HoldSpec *spec) {
        _cleanup_(hold_freep) Hold *hold = NULL;
        _cleanup_(strv_freep) char **before = NULL;
        Supervisor *supervisor = app->supervisor;
        Hold *former = hold_find_former(app, spec);
        int r;

        r = list_held(app, &before);
        if (r >= 0)
                r = new_hold(&hold, app, spec);
        if (r >= 0)
                r = reserve_hold(supervisor);
        if (r < 0)
                return r;

        records_begin(supervisor->records);
        hold->order = next_order(supervisor);
        if (former)
                replace_hold(former, hold);
        else
                r = find_place(supervisor, &hold->place);
        if (r >= 0)
                r = keeper_client_keep_holder(supervisor->keeper, hold->place, spec->pidfd);
        if (r < 0)
                (void) log_warning_errno(r, "%s: its hold would not survive this daemon", app->id);

        CRASHPOINT("hold-kept");
        r = put_in_force(app, spec, hold);
        if (r < 0)
                (void) log_error_errno(r, "%s: not all of its manifest is in force", app->id);
        supervisor->holds[supervisor->n_holds++] = hold;
        record_hold(hold);
        note(TAKE_PTR(hold), EVENT_HELD);
        r = follow_holds(app, before);
        records_commit(supervisor->records);
        CRASHPOINT("hold-done");
        end_lingering(app);
        return r;
}

static int compare_orders(const void *a, const void *b) {
        uint64_t first = (*(Hold *const *) a)->order, second = (*(Hold *const *) b)->order;

        return first < second ? -1 : first > second;
}

int hold_adopt(App *app, const HoldRecord *record, int pidfd) {
        const HoldSpec spec = {
                .owner = record->owner,
                .reason = record->reason,
                .pid = record->pid,
                .pidfd = pidfd,
                .has_set = record->has_set,
                .sidecars = record->sidecars,
                .env = record->env,
                .linger_usec = record->linger_usec,
        };
        Hold *hold;
        int r;

        r = reserve_hold(app->supervisor);
        if (r >= 0)
                r = new_hold(&hold, app, &spec);
        if (r < 0)
                return r;

        hold->place = record->place;
        hold->since_usec = record->since_usec;
        hold->linger_until = record->linger_until;
        hold->brings_manifest = record->brings_manifest;
        hold->order = record->order;
        app->supervisor->holds[app->supervisor->n_holds++] = hold;
        qsort(app->supervisor->holds, app->supervisor->n_holds, sizeof(Hold *), compare_orders);
        /* Whose end nobody would notice is no owner any more. */
        if (hold->linger_until != 0 || (pidfd < 0 && *hold->owner == '\0'))
                expire(hold);
        return 0;
}

void holds_void_names(Supervisor *supervisor) {
        for (size_t i = supervisor->n_holds; i-- > 0;) {
                Hold *hold = i < supervisor->n_holds ? supervisor->holds[i] : NULL;

                if (!hold)
                        continue;
                *hold->owner = '\0';
                record_hold(hold);
                if (hold->pidfd < 0)
                        expire(hold);
        }
}

void release_app(App *app, const char *owner) {
        Hold *hold = find_hold(app, owner);

        if (hold)
                end_hold(hold);
}

void holds_owner_gone(Supervisor *supervisor, const char *owner) {
        for (size_t i = supervisor->n_holds; i-- > 0;)
                if (i < supervisor->n_holds && streq(supervisor->holds[i]->owner, owner))
                        expire(supervisor->holds[i]);
}

void holds_free(Supervisor *supervisor) {
        for (size_t i = 0; i < supervisor->n_holds; i++)
                hold_free(supervisor->holds[i]);

        supervisor->n_holds = 0;
        free(supervisor->holds);
}
