/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bootloader
 *
 * Two processes for one program, as PyInstaller's one-file bootloader makes them: the first
 * unpacks into a directory _MEIxxxxxx under TMPDIR, forks the program, forwards SIGTERM to it,
 * and takes the directory away after its end. It tells two ways of stopping apart: a SIGTERM to
 * the main process alone leaves nothing behind, a SIGKILL leaves the directory and, where only
 * the main process is looked at, the program too.
 *
 * Says both on stdout: "worker PID" and "directory PATH".
 *
 *   bootloader [PROGRAM [ARGUMENT...]]     without a program the second process only stays
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/macro.h"

static volatile sig_atomic_t program_pid;

static void forward(int signal_number) {
        if (program_pid > 0)
                (void) kill(program_pid, signal_number);
}

static _Noreturn void be_the_program(char *argv[]) {
        if (argv[0])
                (void) execvp(argv[0], argv);

        while (!argv[0])
                (void) pause();
        _exit(127);
}

static int wait_for_program(void) {
        int status;

        while (waitpid(program_pid, &status, 0) < 0)
                if (errno != EINTR)
                        return EXIT_FAILURE;

        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc _unused_, char *argv[]) {
        const struct sigaction action = { .sa_handler = forward };
        const char *parent = getenv("TMPDIR");
        sigset_t term, before;
        char directory[4096];
        int status;

        (void) snprintf(directory, sizeof(directory), "%s/_MEIXXXXXX", parent ? parent : "/tmp");
        if (!mkdtemp(directory))
                return EXIT_FAILURE;

        /* Until the pid is known a SIGTERM has nobody to go to. */
        (void) sigemptyset(&term);
        (void) sigaddset(&term, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &term, &before);
        (void) sigaction(SIGTERM, &action, NULL);

        program_pid = fork();
        if (program_pid == 0) {
                (void) signal(SIGTERM, SIG_DFL);
                (void) sigprocmask(SIG_SETMASK, &before, NULL);
                be_the_program(argv + 1);
        }
        (void) sigprocmask(SIG_SETMASK, &before, NULL);

        printf("worker %d\ndirectory %s\n", (int) program_pid, directory);
        (void) fflush(stdout);
        status = program_pid < 0 ? EXIT_FAILURE : wait_for_program();
        (void) rmdir(directory);
        return status;
}
