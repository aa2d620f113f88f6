/* SPDX-License-Identifier: MIT-0 */

/*
 * stubborn [CODE]
 *
 * Leaves a grandchild that a plain kill of the main process, of its group or of its session
 * misses: it sits in a session of its own, its parent is dead, it ignores every polite signal,
 * and it keeps the pipes of the log open for ever. The main process stays too, or exits with CODE
 * as soon as the grandchild stands.
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

/* The one between us and the grandchild: it tells its pid and goes. */
static _Noreturn void leave_a_grandchild(int tell_fd) {
        pid_t pid;

        ignore_what_is_polite();
        if (setsid() < 0)
                _exit(EXIT_FAILURE);

        pid = fork();
        if (pid == 0)
                stay();

        _exit(write(tell_fd, &pid, sizeof(pid)) == sizeof(pid) ? EXIT_SUCCESS : EXIT_FAILURE);
}

int main(int argc, char *argv[]) {
        pid_t pid, grandchild = 0;
        int ends[2];

        if (pipe(ends) < 0)
                return EXIT_FAILURE;
        pid = fork();
        if (pid == 0)
                leave_a_grandchild(ends[1]);

        /* Told only when the process between us is gone: from then on there are two, and no more.
         */
        if (pid < 0 || waitpid(pid, NULL, 0) < 0 ||
            read(ends[0], &grandchild, sizeof(grandchild)) != sizeof(grandchild))
                return EXIT_FAILURE;

        printf("grandchild %d stays\nmain process %d\n", (int) grandchild, (int) getpid());
        (void) fflush(stdout);
        if (argc > 1)
                return atoi(argv[1]);
        stay();
}
