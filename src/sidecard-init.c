/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecard-init
 *
 * What the session starts: takes the lock, finds out how sidecars can be contained, and runs the
 * keeper over a brain from the folder that this program is in.
 */

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "init/instance.h"
#include "init/keeper.h"
#include "init/wire.h"

#define BRAIN_NAME "sidecard"

/* The command line of every brain, made once: the keeper allocates nothing later. */
typedef struct BrainCommand {
        char path[PATH_MAX];
        char keeper_fd[32];
        char folder[INSTANCE_FOLDER_MAX + 16];
        char trees[PATH_MAX + 16];
        char *argv[5];
} BrainCommand;

static int find_brain(char ret[static PATH_MAX]) {
        char path[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(BRAIN_NAME));
        char *slash;

        if (n < 0)
                return -errno;
        path[n] = '\0';
        slash = strrchr(path, '/');
        if (!slash)
                return -ENOENT;
        (void) strcpy(slash + 1, BRAIN_NAME);
        (void) strcpy(ret, path);
        return 0;
}

static int
make_brain_command(BrainCommand *ret, const Instance *instance, const Containment *containment) {
        char **argument = ret->argv;
        int r;

        r = find_brain(ret->path);
        if (r < 0)
                return r;
        *argument++ = ret->path;
        (void) snprintf(ret->keeper_fd, sizeof(ret->keeper_fd), "--keeper-fd=%d", WIRE_BRAIN_FD);
        *argument++ = ret->keeper_fd;
        (void) snprintf(ret->folder, sizeof(ret->folder), "--folder=%s", instance->folder);
        *argument++ = ret->folder;
        if (containment) {
                (void) snprintf(ret->trees, sizeof(ret->trees), "--trees=%s", containment->trees);
                *argument++ = ret->trees;
        }
        *argument = NULL;
        return 0;
}

static int leave_to(pid_t holder, const Instance *instance, const char *notify_socket) {
        if (holder > 0)
                say("pid %d supervises already, it has the lock of %s", (int) holder,
                    instance->directory);
        else
                say("another process supervises already, it has the lock of %s",
                    instance->directory);
        notify_send(notify_socket, "READY=1");
        return EXIT_SUCCESS;
}

static int run(const Instance *instance, const Session *session, const char *notify_socket) {
        static BrainCommand command;
        static Containment containment = CONTAINMENT_NONE;
        static char record[PATH_MAX + 16];
        KeeperSetup setup = {
                .session = session,
                .brain_argv = command.argv,
                .notify_socket = notify_socket,
        };
        int r;

        (void) snprintf(record, sizeof(record), "%s/containment", instance->directory);
        r = containment_sweep(record, instance->mark);
        if (r < 0)
                say("cannot end what a former keeper has left: %s", strerror(-r));
        if (containment_open(&containment, record, instance->mark) >= 0)
                setup.containment = &containment;
        r = make_brain_command(&command, instance, setup.containment);
        if (r < 0) {
                say("cannot find where %s is: %s", BRAIN_NAME, strerror(-r));
                return EXIT_FAILURE;
        }
        r = keeper_run(&setup);
        containment_close(&containment, record);
        return r;
}

int main(int argc, char **argv) {
        const char *runtime_directory = getenv("XDG_RUNTIME_DIR");
        const char *notify_socket = getenv("NOTIFY_SOCKET");
        Instance instance;
        Session session;
        pid_t holder;
        int r;

        if (argc > 1) {
                say("takes no arguments, but got %s", argv[1]);
                return 2;
        }
        if (!runtime_directory || runtime_directory[0] != '/') {
                say("XDG_RUNTIME_DIR is not set to an absolute path: is this a user's session?");
                return EXIT_FAILURE;
        }

        r = session_take(&session);
        if (r < 0) {
                say("cannot open /dev/null: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        r = instance_open(&instance, runtime_directory, getenv("DBUS_SESSION_BUS_ADDRESS"),
                          &holder);
        if (r < 0) {
                say("cannot use %s as this supervisor's own folder: %s", instance.directory,
                    strerror(-r));
                return EXIT_FAILURE;
        }
        if (r > 0)
                return leave_to(holder, &instance, notify_socket);

        /* Only we speak to whoever started us. */
        (void) unsetenv("NOTIFY_SOCKET");
        return run(&instance, &session, notify_socket);
}
