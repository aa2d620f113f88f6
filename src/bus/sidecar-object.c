/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SidecarObject: methods
 *
 * Each reads its arguments, sets the wish in core and answers; what comes of the wish is told by
 * signals, or by Wait.
 */

#include <signal.h>

#include "bus/app-methods.h"
#include "bus/check-health.h"
#include "bus/error.h"
#include "bus/explain.h"
#include "bus/get-log.h"
#include "bus/open-log.h"
#include "bus/options.h"
#include "bus/path.h"
#include "bus/sidecar-object.h"
#include "bus/vtable.h"
#include "bus/waiter.h"
#include "bus/write-stdin.h"
#include "core/goals.h"
#include "core/supervisor.h"
#include "io/cmdline.h"
#include "model/passed.h"
#include "util/strv.h"

static Server *server_of(const Sidecar *sidecar) {
        return ((SidecarObject *) sidecar->userdata)->server;
}

static int reply_generation(sd_bus_message *message,
                            const Sidecar *s,
                            int result,
                            uint64_t generation,
                            sd_bus_error *ret_error) {
        _cleanup_free_ char *reason = NULL;

        if (result < 0)
                return app_explain(result, s->app, ret_error);
        if (!s->life.failed)
                return sd_bus_reply_method_return(message, "t", generation);

        /* It has already come to nothing, for a reason that is known: the truth is the answer. */
        reason = sidecar_reason(s);
        return sd_bus_error_setf(ret_error, ERROR_START_FAILED, "%s: %s", sidecar_name(s),
                                 reason ? reason : "failed");
}

/* Of a call that is not refused for anything else. */
static int
set_arguments(Sidecar *s, char *const *arguments, bool is_restart, sd_bus_error *ret_error) {
        _cleanup_free_ char *message = NULL;
        int r;

        if (passed_is_too_much(arguments))
                return sd_bus_error_setf(ret_error, ERROR_LIMITS_EXCEEDED,
                                         "Option args: at most %u, and %u bytes of them",
                                         PASSED_MAX, PASSED_BYTES_MAX);
        r = supervisor_check_starts(s->supervisor);
        if (r < 0)
                return app_explain(r, s->app, ret_error);

        r = sidecar_set_arguments(s, arguments, is_restart, &message);
        if (r == -EBUSY)
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Option args: %s is up with others; Restart takes them",
                                         sidecar_name(s));

        return r == -EACCES ? sd_bus_error_setf(ret_error, ERROR_ARGUMENT_NOT_ALLOWED, "%s: %s",
                                                sidecar_name(s), message)
                            : r;
}

static int method_start(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Sidecar *s = userdata;
        _cleanup_(strv_freep) char **arguments = NULL;
        bool has_arguments = false;
        uint64_t generation = 0;
        int no_deps = false, r;
        const Option options[] = { { "no-deps", "b", &no_deps, NULL },
                                   { "args", "as", &arguments, &has_arguments } };

        r = options_read(message, options, ELEMENTSOF(options), ret_error);
        if (r >= 0 && has_arguments)
                r = set_arguments(s, arguments, false, ret_error);
        if (r < 0)
                return r;
        if (!has_arguments)
                sidecar_forget_arguments(s);

        r = app_start_one(s->app, s, no_deps, &generation);
        return reply_generation(message, s, r, generation, ret_error);
}

static int method_restart(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Sidecar *s = userdata;
        _cleanup_(strv_freep) char **arguments = NULL;
        bool has_arguments = false;
        uint64_t generation = 0;
        const Option options[] = { { "args", "as", &arguments, &has_arguments } };
        int r;

        r = options_read(message, options, ELEMENTSOF(options), ret_error);
        if (r >= 0 && has_arguments)
                r = set_arguments(s, arguments, true, ret_error);
        if (r < 0)
                return r;

        r = app_start_dependencies(s->app, s);
        if (r >= 0)
                r = sidecar_restart(s, &generation);
        return reply_generation(message, s, r, generation, ret_error);
}

static int method_stop(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        int kill = false;
        const Option options[] = { { "kill", "b", &kill, NULL } };
        int r;

        r = options_read(message, options, ELEMENTSOF(options), ret_error);
        if (r < 0)
                return r;

        sidecar_stop(userdata, REASON_REQUESTED, kill);
        return sd_bus_reply_method_return(message, NULL);
}

static int method_kill(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        Sidecar *s = userdata;
        const char *whom;
        int number, r;

        r = sd_bus_message_read(message, "si", &whom, &number);
        if (r < 0)
                return r;
        if (number <= 0 || number > SIGRTMAX)
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                         "There is no signal %d", number);

        if (streq(whom, "main"))
                r = tree_signal_main(s->tree, number);
        else if (streq(whom, "all"))
                r = tree_signal_all(s->tree, number);
        else
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Whom must be main or all, not %s", whom);
        if (r == -ESRCH)
                return sd_bus_error_setf(ret_error, ERROR_NOT_RUNNING,
                                         "%s has no process to signal", sidecar_name(s));

        return r < 0 ? r : sd_bus_reply_method_return(message, NULL);
}

static int reply_state(sd_bus_message *call, const Sidecar *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", status_to_string(s->life.status));
        if (r >= 0)
                r = sidecar_append_details(reply, s);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);

        return r < 0 ? r : 1;
}

int sidecar_reply_impossible(sd_bus_message *call, const Sidecar *s, WaitVerdict verdict) {
        const char *name = verdict == WAIT_START_FAILED ? ERROR_START_FAILED : ERROR_NOT_RUNNING;
        _cleanup_free_ char *reason = sidecar_reason(s);
        bool has_reason = reason && *reason;
        int r;

        r = sd_bus_reply_method_errorf(call, name, "%s: %s", sidecar_name(s),
                                       has_reason ? reason : "nobody wants it up");
        return r < 0 ? r : 1;
}

static int answer_wait(Waiter *waiter, bool is_late) {
        const Sidecar *s = waiter->subject;
        WaitVerdict verdict = lifecycle_wait(&s->life, waiter->condition, waiter->generation);

        if (verdict == WAIT_START_FAILED || verdict == WAIT_NOT_RUNNING)
                return sidecar_reply_impossible(waiter->call, s, verdict);

        return verdict == WAIT_PENDING && !is_late ? 0 : reply_state(waiter->call, s);
}

/* Generation 0: the one wanted now, which is the next one while this one is being ended. */
static uint64_t generation_wanted_now(const Sidecar *s, WaitCondition condition) {
        return condition == WAIT_FOR_READY && s->life.goal == GOAL_UP
                       ? lifecycle_promised_generation(&s->life)
                       : 0;
}

static int method_wait(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const Sidecar *s = userdata;
        Waiter spec = { .subject = s, .answer = answer_wait };
        const char *condition;
        uint64_t timeout_usec;
        int r;

        r = sd_bus_message_read(message, "stt", &condition, &spec.generation, &timeout_usec);
        if (r < 0)
                return r;

        r = waiter_set_condition(&spec, condition, ret_error);
        if (r < 0)
                return r;

        if (spec.generation == 0)
                spec.generation = generation_wanted_now(s, spec.condition);
        return waiter_new(server_of(s), message, &spec, timeout_usec, ret_error);
}

static int append_process(sd_bus_message *reply, pid_t pid) {
        _cleanup_free_ char *cmdline = NULL;
        int r;

        r = process_cmdline(&cmdline, pid);
        if (r < 0)
                return r == -ENOMEM ? r : 0; /* it has ended meanwhile */

        return sd_bus_message_append(reply, "(us)", (uint32_t) pid, cmdline);
}

static int
method_get_processes(sd_bus_message *message, void *userdata, sd_bus_error *ret_error _unused_) {
        const Sidecar *s = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ pid_t *pids = NULL;
        int n_pids, r;

        n_pids = tree_list_pids(s->tree, &pids);
        if (n_pids < 0)
                return n_pids;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(us)");
        for (int i = 0; r >= 0 && i < n_pids; i++)
                r = append_process(reply, pids[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int append_endpoint(sd_bus_message *reply, const Sidecar *s) {
        _cleanup_free_ char *url = sidecar_endpoint(s), *unix_socket = NULL;
        int r;

        if (!url)
                return -ENOMEM;
        r = sidecar_unix_socket(s, &unix_socket);
        if (r < 0)
                return r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}{sv}", "generation", "t", s->life.generation,
                                          "url", "s", url);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(reply, 's', "ports");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "a{sq}");
        if (r >= 0)
                r = sidecar_append_ports(reply, s);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0 && unix_socket)
                r = sd_bus_message_append(reply, "{sv}", "unix-socket", "s", unix_socket);
        if (r >= 0 && s->token)
                r = sd_bus_message_append(reply, "{sv}", "token", "s", s->token);

        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_get_endpoint(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        const Sidecar *s = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        if (s->life.process == PROCESS_NONE)
                return sd_bus_error_setf(ret_error, ERROR_NOT_RUNNING,
                                         "%s does not run, so it has no endpoint", sidecar_name(s));

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = sd_bus_message_sensitive(reply);
        if (r >= 0)
                r = append_endpoint(reply, s);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* clang-format off */

static const sd_bus_vtable sidecar_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Start", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("t", generation), method_start, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Stop", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_stop, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Restart", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("t", generation), method_restart, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Kill", SD_BUS_ARGS("s", whom, "i", signal), SD_BUS_NO_RESULT, method_kill, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Wait", SD_BUS_ARGS("s", condition, "t", generation, "t", timeout_usec), SD_BUS_RESULT("s", status, "a{sv}", details), method_wait, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CheckHealth", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a{sv}", details), method_check_health, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetProcesses", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(us)", processes), method_get_processes, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetLog", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a(tttss)", lines, "t", next, "t", lost), method_get_log, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenLog", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", fd), method_open_log, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("WriteStdin", SD_BUS_ARGS("t", generation, "ay", data, "b", close), SD_BUS_NO_RESULT, method_write_stdin, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetEndpoint", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", endpoint), method_get_endpoint, UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", why), method_explain, UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("StatusChanged",
                                SD_BUS_ARGS("t", seq, "s", status, "s", sub_state, "s", reason_code,
                                            "t", generation), 0),

        SD_BUS_PROPERTY("AppId", "s", property_get_sidecar, 0, CONST),
        SD_BUS_PROPERTY("Name", "s", property_get_sidecar, 0, CONST),
        SD_BUS_PROPERTY("Description", "s", property_get_sidecar, 0, INVALIDATES),
        SD_BUS_PROPERTY("Status", "s", property_get_sidecar, 0, CHANGES),
        SD_BUS_PROPERTY("SubState", "s", property_get_sidecar, 0, CHANGES),
        SD_BUS_PROPERTY("ReasonCode", "s", property_get_sidecar, 0, CHANGES),
        SD_BUS_PROPERTY("Reason", "s", property_get_sidecar, 0, INVALIDATES),
        SD_BUS_PROPERTY("Generation", "t", property_get_sidecar, 0, CHANGES),
        SD_BUS_PROPERTY("NeedsRestart", "b", property_get_sidecar, 0, CHANGES),
        SD_BUS_PROPERTY("StatusText", "s", property_get_sidecar, 0, INVALIDATES),
        SD_BUS_PROPERTY("StateChangeTimestamp", "t", property_get_sidecar, 0, CHANGES),
        SD_BUS_PROPERTY("ReadyTimestamp", "t", property_get_sidecar, 0, CHANGES),
        SD_BUS_PROPERTY("MainPID", "u", property_get_sidecar, 0, INVALIDATES),
        SD_BUS_PROPERTY("ExitCode", "i", property_get_sidecar, 0, INVALIDATES),
        SD_BUS_PROPERTY("ExitSignal", "i", property_get_sidecar, 0, INVALIDATES),
        SD_BUS_PROPERTY("NRestarts", "u", property_get_sidecar, 0, CHANGES),
        SD_BUS_PROPERTY("NextRestartTimestamp", "t", property_get_sidecar, 0, CHANGES),
        SD_BUS_PROPERTY("Endpoint", "s", property_get_sidecar, 0, INVALIDATES),
        SD_BUS_PROPERTY("Ports", "a{sq}", property_get_sidecar, 0, INVALIDATES),
        SD_BUS_PROPERTY("ControlGroup", "s", property_get_sidecar, 0, INVALIDATES),
        SD_BUS_PROPERTY("MemoryCurrent", "t", property_get_sidecar, 0, 0),
        SD_BUS_PROPERTY("CPUUsageNSec", "t", property_get_sidecar, 0, 0),
        SD_BUS_PROPERTY("LogPath", "s", property_get_sidecar, 0, INVALIDATES),
        SD_BUS_PROPERTY("EffectiveManifest", "s", property_get_sidecar, 0, SD_BUS_VTABLE_PROPERTY_EXPLICIT),
        SD_BUS_VTABLE_END
};
/* clang-format on */

static int find_sidecar(sd_bus *bus _unused_,
                        const char *path,
                        const char *interface _unused_,
                        void *userdata,
                        void **ret,
                        sd_bus_error *ret_error _unused_) {
        const Server *server = userdata;
        Sidecar *sidecar = path_find_sidecar(server->supervisor, path);

        if (!sidecar)
                return 0;

        *ret = sidecar;
        return 1;
}

static int add_paths(char ***paths, const App *app) {
        int r;

        r = strv_consume(paths, path_of_app(app));
        for (size_t i = 0; r >= 0 && i < app->n_sidecars; i++)
                r = strv_consume(paths, path_of_sidecar(app->sidecars[i]));

        return r;
}

/* Every object there is, for introspection and GetManagedObjects. */
static int enumerate(sd_bus *bus _unused_,
                     const char *prefix _unused_,
                     void *userdata,
                     char ***ret,
                     sd_bus_error *ret_error _unused_) {
        const Server *server = userdata;
        _cleanup_(strv_freep) char **paths = NULL;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < server->supervisor->n_apps; i++)
                r = add_paths(&paths, server->supervisor->apps[i]);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(paths);
        return 0;
}

int server_add_sidecars(Server *server) {
        int r;

        r = sd_bus_add_node_enumerator(server->bus, NULL, PATH_APPS, enumerate, server);
        if (r < 0)
                return r;

        return sd_bus_add_fallback_vtable(server->bus, NULL, PATH_APPS, INTERFACE_SIDECAR,
                                          sidecar_vtable, find_sidecar, server);
}
