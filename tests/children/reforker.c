/* SPDX-License-Identifier: MIT-0 */

/*
 * reforker WIDTH
 *
 * WIDTH lines of processes, each of which forks its successor and ends: there is never a pid to
 * kill that is not about to be replaced. The main process waits for a signal.
 *
 * A line ends by itself after a minute, longer than any test is patient: should it get away, the
 * machine is not out of pids for ever.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LIFE_S 60

static void run_for_long(void) {
        time_t end = time(NULL) + LIFE_S;

        setsid();
        signal(SIGTERM, SIG_IGN);
        while (time(NULL) < end)
                if (fork() > 0)
                        break;
        _exit(0);
}

int main(int argc, char **argv) {
        int width = argc > 1 ? atoi(argv[1]) : 1;

        signal(SIGCHLD, SIG_IGN);
        for (int i = 0; i < width; i++)
                if (fork() == 0)
                        run_for_long();
        printf("running\n");
        fflush(stdout);
        for (;;)
                pause();
}
