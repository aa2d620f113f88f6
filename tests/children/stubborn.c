/* SPDX-License-Identifier: MIT-0 */

/*
 * stubborn [exit]
 *
 * Leaves a grandchild in a session of its own, forked twice, that ignores SIGTERM and keeps the
 * pipe open. The main process waits for a signal, or with "exit" ends at once.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void make_grandchild(int tell_fd) {
        pid_t self;

        setsid();
        signal(SIGTERM, SIG_IGN);
        if (fork() != 0)
                _exit(0);
        self = getpid();
        if (write(tell_fd, &self, sizeof(self)) != sizeof(self))
                _exit(1);
        for (;;)
                pause();
}

int main(int argc, char **argv) {
        pid_t child, grandchild = 0;
        int ends[2];

        if (pipe(ends) < 0)
                return 1;
        child = fork();
        if (child == 0)
                make_grandchild(ends[1]);
        /* Told when the process between us is gone, so that there are two and no more. */
        waitpid(child, NULL, 0);
        if (read(ends[0], &grandchild, sizeof(grandchild)) != sizeof(grandchild))
                return 1;
        printf("grandchild %d\n", (int) grandchild);
        fflush(stdout);
        if (argc > 1 && strcmp(argv[1], "exit") == 0)
                return 0;
        for (;;)
                pause();
}
