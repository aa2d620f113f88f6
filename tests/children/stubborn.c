/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Stubborn
 *
 * Leaves a grandchild that a plain kill of the main process, of its group or of its session
 * misses: it sits in a session of its own, its parent is dead, it ignores every polite signal,
 * and it keeps the pipes of the log open for ever.
 *
 *   stubborn           the main process stays, too
 *   stubborn CODE      the main process exits with CODE as soon as the grandchild stands
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void ignore_what_is_polite(void) {
        static const int polite[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE };

        for (size_t i = 0; i < sizeof(polite) / sizeof(polite[0]); i++)
                (void) signal(polite[i], SIG_IGN);
}

static _Noreturn void stay(void) {
        for (;;)
                (void) pause();
}

/* The one between us and the grandchild; its exit says that the grandchild stands. */
static _Noreturn void leave_a_grandchild(void) {
        pid_t pid;

        ignore_what_is_polite();
        if (setsid() < 0)
                _exit(EXIT_FAILURE);

        pid = fork();
        if (pid == 0)
                stay();

        printf("grandchild %d stays\n", (int) pid);
        (void) fflush(stdout);
        _exit(pid < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

int main(int argc, char *argv[]) {
        pid_t pid = fork();
        int status;

        if (pid == 0)
                leave_a_grandchild();
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
                return EXIT_FAILURE;

        printf("main process %d\n", (int) getpid());
        (void) fflush(stdout);
        if (argc > 1)
                return atoi(argv[1]);
        stay();
}
