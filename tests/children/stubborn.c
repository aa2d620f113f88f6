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

static void be_the_grandchild(void) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        if (fork() != 0)
                _exit(0);
        printf("grandchild %d\n", (int) getpid());
        fflush(stdout);
        for (;;)
                pause();
}

int main(int argc, char **argv) {
        pid_t pid = fork();

        if (pid == 0)
                be_the_grandchild();
        waitpid(pid, NULL, 0);
        if (argc > 1 && strcmp(argv[1], "exit") == 0)
                return 0;
        for (;;)
                pause();
}
