/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecard
 *
 * The brain: argv, assemble, run. It is started by sidecard-init, the keeper, which gives it a
 * socket and starts it again when it dies; started by hand it puts a keeper above itself first.
 */

#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bus/server.h"
#include "config.h"
#include "core/supervisor.h"
#include "util/log.h"
#include "util/strv.h"

typedef struct Arguments {
        int keeper_fd; /* -1: no keeper above us yet */
        const char *folder;
        const char *trees;
} Arguments;

static int print_help(void) {
        (void) puts(
                "sidecard [--version] [--help]\n"
                "\n"
                "Supervises the background processes (sidecars) of desktop apps, for the session\n"
                "bus that DBUS_SESSION_BUS_ADDRESS names. Started by hand it starts\n"
                "sidecard-init, which stays its parent. See sidecard(8).");
        return 0;
}

/* Positive: all is said, exit with 0. */
static int parse_argv(int argc, char *argv[], Arguments *ret) {
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'v' },
                /* Between the keeper and the brain alone. */
                { "keeper-fd", required_argument, NULL, 'k' },
                { "folder", required_argument, NULL, 'f' },
                { "trees", required_argument, NULL, 't' },
                { NULL, 0, NULL, 0 },
        };
        Arguments arguments = { .keeper_fd = -1, .folder = "sidecard" };
        int option;

        while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (option) {

                case 'h':
                        (void) print_help();
                        return 1;

                case 'v':
                        (void) puts("sidecard " SIDECARD_VERSION);
                        return 1;

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

        if (optind < argc)
                return log_error_errno(-EINVAL, "sidecard takes no argument, not %s", argv[optind]);

        *ret = arguments;
        return 0;
}

/* The keeper lies beside us, in a build tree as where it is installed. Does not return if it works.
 */
static int exec_keeper(void) {
        char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
        char *slash;

        if (n < 0)
                return log_error_errno(-errno, "Cannot find out where sidecard is");

        path[n] = '\0';
        slash = strrchr(path, '/');
        if ((size_t) (slash + 1 - path) + sizeof("sidecard-init") > sizeof(path))
                return log_error_errno(-ENAMETOOLONG, "Cannot start sidecard-init");

        (void) strcpy(slash + 1, "sidecard-init");
        (void) execl(path, path, (char *) NULL);
        return log_error_errno(-errno, "Cannot start %s", path);
}

static void on_terminate(void *userdata) {
        supervisor_shut_down(userdata);
}

/* An order to stop comes from the keeper alone: it must know of it, should we die on the way. */
static int on_signal(sd_event_source *source _unused_,
                     const struct signalfd_siginfo *info _unused_,
                     void *userdata) {
        const Supervisor *supervisor = userdata;

        (void) keeper_client_send_terminate(supervisor->keeper);
        return 0;
}

static int add_signals(sd_event *event, Supervisor *supervisor) {
        static const int signals[] = { SIGTERM, SIGINT };

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int r = sd_event_add_signal(event, NULL, signals[i] | SD_EVENT_SIGNAL_PROCMASK,
                                            on_signal, supervisor);

                if (r < 0)
                        return r;
        }

        return 0;
}

static int run(const Arguments *arguments) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(keeper_client_freep) KeeperClient *keeper = NULL;
        _cleanup_(supervisor_freep) Supervisor *supervisor = NULL;
        _cleanup_(server_freep) Server *server = NULL;
        int r;

        r = sd_event_new(&event);
        if (r >= 0)
                r = supervisor_new(&supervisor, event, arguments->folder);
        if (r >= 0)
                r = keeper_client_new(&keeper, event, arguments->keeper_fd, arguments->trees,
                                      on_terminate, supervisor);
        if (r < 0)
                return log_error_errno(r, "Cannot begin");

        supervisor->keeper = keeper;
        r = add_signals(event, supervisor);
        if (r >= 0)
                r = server_new(&server, supervisor);
        if (r >= 0)
                r = supervisor_load(supervisor);
        if (r < 0)
                return log_error_errno(r, "Cannot read the manifests");

        r = server_connect(server);
        if (r < 0)
                return log_error_errno(r, "Cannot connect to the session bus");

        return sd_event_loop(event);
}

int main(int argc, char *argv[]) {
        Arguments arguments = { 0 };
        int r;

        r = parse_argv(argc, argv, &arguments);
        if (r != 0)
                return r > 0 ? EXIT_SUCCESS : EXIT_FAILURE;

        (void) signal(SIGPIPE, SIG_IGN);
        if (arguments.keeper_fd < 0)
                r = exec_keeper();
        else
                r = run(&arguments);

        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
