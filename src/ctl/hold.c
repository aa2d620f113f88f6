/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl hold
 *
 * The connection is the hold: it lives as long as the command, and ends with us, however we end.
 * It is close-on-exec from birth (sd-bus sees to that), so that the command cannot keep it.
 */

#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>

#include "ctl/client.h"
#include "ctl/hold.h"
#include "ctl/listing.h"
#include "ctl/verbs.h"
#include "util/strv.h"

#define EXIT_NOT_EXECUTABLE 126 /* as shells and env(1) have it */
#define EXIT_NO_SUCH_PROGRAM 127
#define EXIT_SIGNAL 128

typedef struct Hold {
        const HoldRequest *request;
        sd_bus *bus;
        pid_t pid;
        int status; /* the exit status to end with */
} Hold;

static int append_variables(sd_bus_message *call, char *const *env) {
        int r;

        r = sd_bus_message_open_container(call, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", "env");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'v', "a{ss}");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{ss}");
        STRV_FOREACH (entry, env) {
                _cleanup_free_ char *name = strndup(*entry, strcspn(*entry, "="));

                if (!name)
                        return -ENOMEM;
                if (r >= 0)
                        r = sd_bus_message_append(call, "{ss}", name, *entry + strlen(name) + 1);
        }
        for (int depth = 0; r >= 0 && depth < 3; depth++)
                r = sd_bus_message_close_container(call);

        return r;
}

static int append_options(sd_bus_message *call, const HoldRequest *request) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0 && request->name)
                r = sd_bus_message_append(call, "{sv}", "sidecars", "as", 1, request->name);
        /* The next run may come with another text: nothing of this one is to linger. */
        if (r >= 0 && request->manifest)
                r = sd_bus_message_append(call, "{sv}{sv}{sv}", "manifest", "s", request->manifest,
                                          "base-dir", "s", request->base_dir, "linger-usec", "t",
                                          (uint64_t) 0);
        if (r >= 0 && request->env)
                r = append_variables(call, request->env);

        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int new_hold_call(const Hold *hold, sd_bus_message **ret) {
        const HoldRequest *request = hold->request;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_free_ char *reason = NULL;
        int r;

        if (asprintf(&reason, "sidecarctl %s: %.200s", request->arguments->verb->name,
                     request->command[0]) < 0)
                return -ENOMEM;

        r = client_new_call(hold->bus, &call, PATH_MANAGER, INTERFACE_MANAGER, "Hold");
        if (r >= 0)
                r = sd_bus_message_append(call, "ss", request->app, reason);
        if (r >= 0)
                r = append_options(call, request);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(call);
        return 0;
}

static int take_hold(const Hold *hold) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = new_hold_call(hold, &call);
        return r < 0 ? r : client_send(hold->bus, call, TIMEOUT_DEFAULT, NULL);
}

static int
on_held_again(sd_bus_message *reply, void *userdata _unused_, sd_bus_error *ret_error _unused_) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        if (error)
                (void) client_complain(error);
        return 1;
}

/*
 * Contract, section 4: when the name vanishes nothing is called, when it has a new owner it is
 * held again; the same life or a new one, that makes no difference here.
 */
static int
on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error _unused_) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        const char *name, *old_owner, *new_owner;
        Hold *hold = userdata;

        if (sd_bus_message_read(signal, "sss", &name, &old_owner, &new_owner) < 0 || !*new_owner)
                return 0;
        if (new_hold_call(hold, &call) >= 0)
                (void) sd_bus_call_async(hold->bus, NULL, call, on_held_again, NULL,
                                         TIMEOUT_DEFAULT);

        return 0;
}

static int
on_released(sd_bus_message *signal, void *userdata _unused_, sd_bus_error *ret_error _unused_) {
        const char *app, *reason;

        if (sd_bus_message_read(signal, "ss", &app, &reason) >= 0)
                remark("The hold on %s has ended: %s; the command goes on", app, reason);

        return 0;
}

static int add_matches(Hold *hold) {
        int r;

        r = sd_bus_add_match_async(hold->bus, NULL,
                                   "type='signal',sender='org.freedesktop.DBus',"
                                   "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                   "arg0='" BUS_NAME "'",
                                   on_owner_changed, NULL, hold);
        if (r < 0)
                return r;

        return sd_bus_match_signal_async(hold->bus, NULL, BUS_NAME, PATH_MANAGER, INTERFACE_MANAGER,
                                         "HoldReleased", on_released, NULL, hold);
}

static int on_exit_of_command(sd_event_source *source, const siginfo_t *info, void *userdata) {
        Hold *hold = userdata;

        hold->status =
                info->si_code == CLD_EXITED ? info->si_status : EXIT_SIGNAL + info->si_status;
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* What the terminal sends it sends to the command as well: twice would be once too often. */
static int
on_signal(sd_event_source *source _unused_, const struct signalfd_siginfo *info, void *userdata) {
        const Hold *hold = userdata;

        /* Not reaped yet, or the loop would have ended: the pid is still the command's. */
        if (info->ssi_code != SI_KERNEL)
                (void) kill(hold->pid, (int) info->ssi_signo);

        return 0;
}

/* The command gets the signal mask that we were started with, which has none of ours. */
static int spawn(Hold *hold, const sigset_t *mask) {
        posix_spawnattr_t attributes;
        int r;

        r = posix_spawnattr_init(&attributes);
        if (r != 0)
                return -r;

        r = posix_spawnattr_setsigmask(&attributes, mask);
        if (r == 0)
                r = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        if (r == 0)
                r = posix_spawnp(&hold->pid, hold->request->command[0], NULL, &attributes,
                                 (char *const *) hold->request->command, environ);
        (void) posix_spawnattr_destroy(&attributes);
        if (r == 0)
                return 0;

        return complain(r == ENOENT ? (ExitStatus) EXIT_NO_SUCH_PROGRAM
                                    : (ExitStatus) EXIT_NOT_EXECUTABLE,
                        "Cannot run %s: %s", hold->request->command[0], strerror(r));
}

/* Before the command is started: its end, or a signal for it, must find us listening. */
static int block_signals(sigset_t *ret_former) {
        sigset_t ours;

        (void) sigemptyset(&ours);
        (void) sigaddset(&ours, SIGCHLD);
        (void) sigaddset(&ours, SIGINT);
        (void) sigaddset(&ours, SIGTERM);
        return sigprocmask(SIG_BLOCK, &ours, ret_former) < 0 ? -errno : 0;
}

static int run_command(Hold *hold, sd_event *event) {
        sigset_t mask;
        int r;

        r = block_signals(&mask);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, on_signal, hold);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGTERM, on_signal, hold);
        if (r < 0)
                return r;

        r = spawn(hold, &mask);
        if (r != 0)
                return r;

        r = sd_event_add_child(event, NULL, hold->pid, WEXITED, on_exit_of_command, hold);
        if (r >= 0)
                r = sd_event_loop(event);

        return r < 0 ? r : hold->status;
}

int hold_while_running(sd_bus *bus, const HoldRequest *request) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        Hold hold = { .request = request, .bus = bus };
        int r;

        r = add_matches(&hold);
        if (r >= 0)
                r = take_hold(&hold);
        if (r == 0 && request->prepare)
                r = request->prepare(bus, request);
        if (r != 0)
                return r;

        r = sd_event_new(&event);
        /* The end of the loop is not that of the hold: the caller may have something to say. */
        if (r >= 0)
                r = sd_bus_set_close_on_exit(bus, false);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);

        return r < 0 ? r : run_command(&hold, event);
}

int verb_hold(const Arguments *arguments) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(target_done) Target target = { 0 };
        HoldRequest request = { .arguments = arguments, .command = arguments->names + 1 };
        int r;

        r = client_connect(&bus);
        if (r == 0)
                r = target_resolve(&target, bus, arguments->names[0]);
        if (r != 0)
                return r;

        request.app = target.app;
        request.name = target.name;
        return hold_while_running(bus, &request);
}
