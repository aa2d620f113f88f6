/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecard
 *
 * The brain: argv, assemble, run. It is started by sidecard-init, the keeper, which gives it a
 * socket and starts it again when it dies; started by hand it puts a keeper above itself first.
 * With --check it reads manifests, says what is wrong with them, and starts nothing.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "bus/address.h"
#include "bus/server.h"
#include "config.h"
#include "core/adoption.h"
#include "core/check.h"
#include "core/signals.h"
#include "core/supervisor.h"
#include "io/keeper-exec.h"
#include "util/log.h"

typedef struct Arguments {
        int keeper_fd; /* -1: no keeper above us yet */
        const char *folder;
        const char *trees;
        int check, check_more; /* of CheckMore */
        char **files;          /* of --check; borrowed from argv */
} Arguments;

static const char help[] =
        "sidecard [--version] [--help]\n"
        "sidecard --check [--verbose] FILE...\n"
        "\n"
        "Supervises the background processes (sidecars) of desktop apps, for the session\n"
        "bus that DBUS_SESSION_BUS_ADDRESS names. Started by hand it starts\n"
        "sidecard-init, which stays its parent. See sidecard(8).";

static int say(const char *text) {
        return puts(text) < 0 ? -EIO : 1;
}

/* Positive: all is said, exit with 0. */
static int parse_argv(int argc, char *argv[], Arguments *ret) {
        Arguments arguments = { .keeper_fd = -1, .folder = "sidecard" };
        const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                { "check", no_argument, &arguments.check, 1 },
                { "verbose", no_argument, &arguments.check_more, CHECK_MORE_SCHEDULES },
                /* For sidecarctl doctor alone. */
                { "preflight", no_argument, &arguments.check_more, CHECK_MORE_PREFLIGHT },
                /* Between the keeper and the brain alone. */
                { "keeper-fd", required_argument, NULL, 'k' },
                { "folder", required_argument, NULL, 'f' },
                { "trees", required_argument, NULL, 't' },
                { NULL, 0, NULL, 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (option) {

                case 'h':
                        return say(help);

                case 'v':
                        return say("sidecard " SIDECARD_VERSION);

                case 0: /* a flag, which is set by now */
                        break;

                case 'k':
                        arguments.keeper_fd = atoi(optarg);
                        break;

                case 'f':
                        arguments.folder = optarg;
                        break;

                case 't':
                        arguments.trees = optarg;
                        break;

                default:
                        return -EINVAL;
                }

        if ((optind < argc) != arguments.check)
                return log_error_errno(-EINVAL, "Files go with --check, and it with files");

        arguments.files = argv + optind;
        *ret = arguments;
        return 0;
}

static void on_terminate(void *userdata) {
        supervisor_shut_down(userdata);
}

/*
 * Crash-only: what it has is left as it is, for whoever comes next. An exit in order would give
 * it back to the keeper.
 */
static _Noreturn void fail(int error, const char *text) {
        (void) log_error_errno(error, "%s", text);
        _exit(EXIT_FAILURE);
}

/* Answers what to exit with. */
static int run(const Arguments *arguments) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(keeper_client_freep) KeeperClient *keeper = NULL;
        _cleanup_(supervisor_freep) Supervisor *supervisor = NULL;
        _cleanup_(server_freep) Server *server = NULL;
        int r;

        r = address_forget_guid();
        if (r >= 0)
                r = sd_event_new(&event);
        if (r >= 0)
                r = supervisor_new(&supervisor, event, arguments->folder);
        if (r >= 0)
                r = keeper_client_new(&keeper, event, arguments->keeper_fd, arguments->trees,
                                      on_terminate, supervisor);
        if (r < 0)
                fail(r, "Cannot begin");

        supervisor->keeper = keeper;
        r = signals_attach(supervisor);
        if (r >= 0)
                r = server_new(&server, supervisor);
        if (r >= 0)
                r = keeper_client_read_table(keeper);
        if (r >= 0)
                r = supervisor_adopt(supervisor);
        if (r < 0)
                fail(r, "Cannot take up what there was");

        r = supervisor->is_safe_mode ? 0 : supervisor_load(supervisor);
        if (r < 0)
                fail(r, "Cannot read the manifests");

        r = server_connect(server);
        if (r < 0)
                fail(r, "Cannot connect to the session bus");

        r = sd_event_loop(event);
        if (r < 0)
                fail(r, "The event loop has come to an end");
        return r;
}

int main(int argc, char *argv[]) {
        Arguments arguments = { 0 };
        int r;

        r = parse_argv(argc, argv, &arguments);
        if (r != 0)
                return r > 0 ? EXIT_SUCCESS : EXIT_FAILURE;

        /* As errors they are told and outlived: a limit of file sizes counts for memfds too. */
        (void) signal(SIGPIPE, SIG_IGN);
        (void) signal(SIGXFSZ, SIG_IGN);
        if (arguments.check)
                r = check_manifests(arguments.files, (CheckMore) arguments.check_more);
        else if (arguments.keeper_fd < 0)
                r = log_error_errno(keeper_exec(), "Cannot start sidecard-init");
        else
                r = run(&arguments);

        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
