/* SPDX-License-Identifier: MIT-0 */

/*
 * reforker WIDTH
 *
 * WIDTH lines of processes, each of which forks its successor and ends: there is never a pid to
 * kill that is not about to be replaced. The main process waits for a signal.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void run_for_ever(void) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        for (;;)
                if (fork() > 0)
                        _exit(0);
}

int main(int argc, char **argv) {
        int width = argc > 1 ? atoi(argv[1]) : 1;

        signal(SIGCHLD, SIG_IGN);
        for (int i = 0; i < width; i++)
                if (fork() == 0)
                        run_for_ever();
        printf("running\n");
        fflush(stdout);
        for (;;)
                pause();
}
