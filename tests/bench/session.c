/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Session
 *
 * PR_SET_PDEATHSIG ties what is started to this process; sidecard-init takes its SIGTERM for an
 * order to stop all sidecars.
 */

#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/bench/machine.h"
#include "tests/bench/session.h"

#define CONTROL_FD 3

static _Noreturn void run_child(const char *const argv[], const char *log, int control_fd) {
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        /* As services are; and the scheduler gives each session its own share: sched(7). */
        (void) setsid();
        if (dup2(null_fd, STDIN_FILENO) >= 0 && dup2(log_fd, STDOUT_FILENO) >= 0 &&
            dup2(log_fd, STDERR_FILENO) >= 0 &&
            (control_fd < 0 || (control_fd == CONTROL_FD ? fcntl(control_fd, F_SETFD, 0)
                                                         : dup2(control_fd, CONTROL_FD)) >= 0))
                (void) execv(argv[0], (char *const *) (uintptr_t) argv);
        _exit(127);
}

pid_t session_run(const Session *session, const char *const argv[], int control_fd) {
        char log[PATH_MAX];
        pid_t pid;

        (void) snprintf(log, sizeof(log), "%s/log", session->folder);
        pid = fork();
        if (pid < 0)
                fail("cannot fork");
        if (pid == 0)
                run_child(argv, log, control_fd);

        return pid;
}

static void make_folder(const Session *session, const char *variable, const char *name) {
        char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/%s", session->folder, name);
        if (mkdir(path, 0700) < 0)
                fail("cannot make %s", path);
        (void) setenv(variable, path, 1);
}

static void find_programs(Session *session, const char *daemon) {
        char self[PATH_MAX] = "";
        const char *folder;

        if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
                fail("cannot find out where this program is");
        folder = dirname(self);
        (void) snprintf(session->bare, PATH_MAX, "%.3000s/bare", folder);
        (void) snprintf(session->stamp, PATH_MAX, "%.3000s/../children/stamp", folder);
        if (!daemon)
                (void) snprintf(session->keeper, PATH_MAX, "%.3000s/../../src/sidecard-init",
                                folder);
        else if (!realpath(daemon, session->keeper))
                fail("there is no %s", daemon);
}

/* Waits until it has said its address: then it listens. */
static void start_bus(Session *session) {
        char address[PATH_MAX], print[32], line[PATH_MAX];
        const char *argv[] = {
                "/usr/bin/dbus-daemon", "--session", "--nofork", address, print, NULL
        };
        int said[2];

        (void) snprintf(address, sizeof(address), "--address=unix:path=%s/run/bus",
                        session->folder);
        (void) snprintf(print, sizeof(print), "--print-address=%d", CONTROL_FD);
        if (pipe2(said, O_CLOEXEC) < 0)
                fail("cannot make a pipe");
        session->bus_pid = session_run(session, argv, said[1]);
        (void) close(said[1]);
        if (read(said[0], line, sizeof(line)) <= 0)
                fail("dbus-daemon does not start; see %s/log", session->folder);
        (void) close(said[0]);

        (void) setenv("DBUS_SESSION_BUS_ADDRESS", address + strlen("--address="), 1);
}

void session_open(Session *ret, const char *daemon) {
        find_programs(ret, daemon);
        (void) strcpy(ret->folder, "/dev/shm/sidecard-bench-XXXXXX");
        if (!mkdtemp(ret->folder))
                fail("cannot make %s", ret->folder);
        make_folder(ret, "XDG_RUNTIME_DIR", "run");
        make_folder(ret, "XDG_DATA_HOME", "data");
        make_folder(ret, "XDG_STATE_HOME", "state");
        (void) setenv("XDG_DATA_DIRS", "/nonexistent", 1);
        (void) setenv("HOME", ret->folder, 1);
        start_bus(ret);
}

/* READY=1 says that the brain has its name on the bus: sd_notify(3). */
void session_run_daemon(const Session *session, pid_t ret_pids[static 2]) {
        _cleanup_close_ int notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char text[64];

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", session->folder);
        (void) unlink(address.sun_path);
        if (notify_fd < 0 ||
            bind(notify_fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                fail("cannot make %s", address.sun_path);
        (void) setenv("NOTIFY_SOCKET", address.sun_path, 1);
        ret_pids[0] = session_run(session, (const char *[]){ session->keeper, NULL }, -1);
        if (recv(notify_fd, text, sizeof(text), 0) < 0)
                fail("%s does not come up; see %s/log", session->keeper, session->folder);
        ret_pids[1] = process_first_child(ret_pids[0]);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st, (void) type, (void) ftw;
        return remove(path);
}

void session_close(Session *session) {
        (void) kill(session->bus_pid, SIGTERM);
        (void) waitpid(session->bus_pid, NULL, 0);
        (void) nftw(session->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
