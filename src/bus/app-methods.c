/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * App: methods
 *
 * Each finds out which sidecars it is about, sets their goals in core, and answers with what
 * stands from then on (contract S7).
 */

#include <string.h>

#include "bus/app-methods.h"
#include "bus/app-object.h"
#include "bus/error.h"
#include "bus/options.h"
#include "bus/sidecar-object.h"
#include "bus/waiter.h"
#include "core/goals.h"
#include "core/modes.h"
#include "model/mode.h"
#include "util/strv.h"

/* It is written down with the app at each change, and has to fit in the file of its mode. */
#define SERVER_URL_BYTES_MAX 4096u

static Server *server_of(const App *app) {
        return ((AppObject *) app->userdata)->server;
}

int app_explain(int error, const App *app, sd_bus_error *ret_error) {
        _cleanup_free_ char *problem = NULL;

        if (error == -ESHUTDOWN)
                return sd_bus_error_set(ret_error, ERROR_SHUTTING_DOWN, "The daemon is ending");
        if (error == -EPERM)
                return sd_bus_error_setf(ret_error, ERROR_NOT_SUPPORTED, "Not now: %s",
                                         SAFE_MODE_SENTENCE);
        if (error != -ENOENT)
                return error;
        if (app->manifest)
                return sd_bus_error_setf(ret_error, ERROR_NO_SUCH_SIDECAR,
                                         "%s has no sidecar of such a name", app->id);

        problem = app_explain_problem(app);
        return problem ? sd_bus_error_set(ret_error, ERROR_INVALID_MANIFEST, problem) : -ENOMEM;
}

static int explain_unknown(const char *name, sd_bus_error *ret_error) {
        return sd_bus_error_setf(ret_error, ERROR_NO_SUCH_SIDECAR, "Unknown sidecar: %s", name);
}

int app_explain_set(int error,
                    const App *app,
                    const Manifest *manifest,
                    char *const *names,
                    sd_bus_error *ret_error) {
        if (error == -ENOENT && manifest)
                STRV_FOREACH (name, names)
                        if (!manifest_find_sidecar(manifest, *name))
                                return explain_unknown(*name, ret_error);

        return app_explain(error, app, ret_error);
}

/* Of those that are there, which may be more than the manifest has by now. */
static int explain_named(int error, const App *app, char *const *names, sd_bus_error *ret_error) {
        if (error == -ENOENT && app->manifest)
                STRV_FOREACH (name, names)
                        if (!app_find(app, *name))
                                return explain_unknown(*name, ret_error);

        return app_explain(error, app, ret_error);
}

static int reply_generations(sd_bus_message *message, const App *app, char *const *names) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{st}");
        STRV_FOREACH (name, names) {
                const Sidecar *sidecar = app_find(app, *name);

                if (r >= 0 && sidecar)
                        r = sd_bus_message_append(reply, "{st}", *name,
                                                  sidecar_wanted_generation(sidecar));
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int method_app_start(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        App *app = userdata;
        _cleanup_(strv_freep) char **names = NULL, **selected = NULL;
        bool is_set = false;
        const Option options[] = { { "sidecars", "as", &names, &is_set } };
        int r;

        r = options_read(message, options, ELEMENTSOF(options), ret_error);
        if (r < 0)
                return r;

        if (!is_set || names)
                r = app_select(app, names, &selected);
        if (r >= 0)
                r = app_start(app, selected);

        return r < 0 ? app_explain_set(r, app, app->manifest, names, ret_error)
                     : reply_generations(message, app, selected);
}

/* Those that are named, all of which must exist; or all. */
static int list_named(const App *app, char *const *names, bool is_set, char ***ret) {
        _cleanup_(strv_freep) char **list = NULL;
        int r = 0;

        STRV_FOREACH (name, names)
                if (!app_find(app, *name))
                        return -ENOENT;

        for (size_t i = 0; r >= 0 && i < app->n_sidecars; i++) {
                const char *name = sidecar_name(app->sidecars[i]);

                if (!is_set || strv_contains(names, name))
                        r = strv_extend(&list, name);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(list);
        return 0;
}

int method_app_stop(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        App *app = userdata;
        _cleanup_(strv_freep) char **names = NULL, **list = NULL;
        bool is_set = false;
        int kill = false, r;
        const Option options[] = { { "sidecars", "as", &names, &is_set },
                                   { "kill", "b", &kill, NULL } };

        r = options_read(message, options, ELEMENTSOF(options), ret_error);
        if (r < 0)
                return r;

        r = list_named(app, names, is_set, &list);
        if (r < 0)
                return explain_named(r, app, names, ret_error);

        app_stop(app, list, REASON_REQUESTED, kill);
        return sd_bus_reply_method_return(message, NULL);
}

/* There is nothing newer than what is up where its manifest has gone. */
static bool is_to_restart(const Sidecar *sidecar, bool only_stale) {
        if (only_stale && (sidecar->spec_is_gone || !sidecar_needs_restart(sidecar)))
                return false;

        return sidecar->life.goal == GOAL_UP;
}

int method_app_restart(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        App *app = userdata;
        _cleanup_(strv_freep) char **names = NULL, **list = NULL, **restarted = NULL;
        bool is_set = false;
        int only_stale = false, r;
        const Option options[] = { { "sidecars", "as", &names, &is_set },
                                   { "only-stale", "b", &only_stale, NULL } };

        r = options_read(message, options, ELEMENTSOF(options), ret_error);
        if (r < 0)
                return r;

        r = list_named(app, names, is_set, &list);
        if (r >= 0 && !is_set && !list && !app->manifest)
                r = -ENOENT;
        STRV_FOREACH (name, list) {
                Sidecar *sidecar = app_find(app, *name);
                uint64_t generation;

                if (r < 0 || !is_to_restart(sidecar, only_stale))
                        continue;
                r = app_start_dependencies(app, sidecar);
                if (r >= 0)
                        r = sidecar_restart(sidecar, &generation);
                if (r >= 0)
                        r = strv_extend(&restarted, *name);
        }

        return r < 0 ? explain_named(r, app, names, ret_error)
                     : reply_generations(message, app, restarted);
}

static int reply_plan(sd_bus_message *message, const Plan *plan) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sss)");
        for (size_t i = 0; r >= 0 && i < plan->n_rows; i++)
                r = sd_bus_message_append(reply, "(sss)", plan->rows[i].sidecar,
                                          plan_action_to_string(plan->rows[i].action),
                                          plan->rows[i].reason);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int method_app_set_mode(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        App *app = userdata;
        _cleanup_(plan_freep) Plan *plan = NULL;
        const char *mode, *server_url = NULL, *wrong;
        int dry_run = false, r;
        const Option options[] = { { "server-url", "s", &server_url, NULL },
                                   { "dry-run", "b", &dry_run, NULL } };

        r = sd_bus_message_read(message, "s", &mode);
        if (r >= 0)
                r = options_read(message, options, ELEMENTSOF(options), ret_error);
        if (r < 0)
                return r;

        wrong = server_url ? mode_check_server_url(server_url) : NULL;
        if (server_url && strlen(server_url) > SERVER_URL_BYTES_MAX)
                wrong = "is longer than 4096 bytes: shorten it";
        /* Not quoted: there may be a password in it, and errors are kept by those who log them. */
        if (wrong)
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Option server-url %s", wrong);

        r = app_plan_mode(app, mode, &plan);
        if (r == -ENOENT && app->manifest)
                return sd_bus_error_setf(ret_error, ERROR_NO_SUCH_MODE, "%s has no mode %s",
                                         app->id, mode);
        if (r >= 0 && !dry_run)
                r = app_set_mode(app, mode, server_url, plan);

        return r < 0 ? app_explain(r, app, ret_error) : reply_plan(message, plan);
}

static int append_states(sd_bus_message *reply, const App *app, char *const *names) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sa{sv}}");
        STRV_FOREACH (name, names) {
                const Sidecar *sidecar = app_find(app, *name);

                if (r < 0 || !sidecar)
                        continue;
                r = sd_bus_message_open_container(reply, 'e', "sa{sv}");
                if (r >= 0)
                        r = sd_bus_message_append_basic(reply, 's', *name);
                if (r >= 0)
                        r = sidecar_append_details(reply, sidecar);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int reply_states(sd_bus_message *call, const App *app, char *const *names) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = append_states(reply, app, names);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);

        return r < 0 ? r : 1;
}

/* What has run to its end with success, or is gone from the manifest, keeps nobody waiting. */
static WaitVerdict judge(const Sidecar *sidecar, WaitCondition condition) {
        return !sidecar || sidecar->life.exited ? WAIT_HOLDS
                                                : lifecycle_wait(&sidecar->life, condition, 0);
}

/* The first of its sidecars that can no longer come to it decides. */
static int answer_wait(Waiter *waiter, bool is_late) {
        const App *app = waiter->subject;
        bool pending = false;

        STRV_FOREACH (name, waiter->names) {
                const Sidecar *sidecar = app_find(app, *name);
                WaitVerdict verdict = judge(sidecar, waiter->condition);

                if (verdict == WAIT_START_FAILED || verdict == WAIT_NOT_RUNNING)
                        return sidecar_reply_impossible(waiter->call, sidecar, verdict);
                pending = pending || verdict == WAIT_PENDING;
        }

        return pending && !is_late ? 0 : reply_states(waiter->call, app, waiter->names);
}

/* Those wanted up; for an end also those that are on their way down. */
static int list_waited_for(const App *app, WaitCondition condition, char ***ret) {
        _cleanup_(strv_freep) char **names = NULL;

        for (size_t i = 0; i < app->n_sidecars; i++) {
                const Sidecar *sidecar = app->sidecars[i];
                bool counts = sidecar->life.goal == GOAL_UP ||
                              (condition != WAIT_FOR_READY && !sidecar_is_gone(sidecar));
                int r = counts ? strv_extend(&names, sidecar_name(sidecar)) : 0;

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(names);
        return 0;
}

int method_app_wait(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const App *app = userdata;
        Waiter spec = { .subject = app, .answer = answer_wait };
        const char *condition;
        uint64_t timeout_usec;
        int r;

        r = sd_bus_message_read(message, "st", &condition, &timeout_usec);
        if (r < 0)
                return r;

        r = waiter_set_condition(&spec, condition, ret_error);
        if (r < 0)
                return r;

        r = list_waited_for(app, spec.condition, &spec.names);
        return r < 0 ? r : waiter_new(server_of(app), message, &spec, timeout_usec, ret_error);
}
