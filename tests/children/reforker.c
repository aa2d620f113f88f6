/* SPDX-License-Identifier: MIT-0 */

/*
 * reforker WIDTH
 *
 * WIDTH lines of processes, each of which forks its successor and ends: there is never a pid to
 * kill that is not about to be replaced. The main process waits for a signal.
 *
 * Whoever fails to contain it is not to lose the machine too: a line pauses before each fork, so
 * that the dead do not fill the table of processes, and ends by itself after a minute.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LIFE_SECONDS 60

static time_t now_seconds(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec;
}

static void run_until(time_t end) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        while (now_seconds() < end) {
                usleep(500);
                if (fork() > 0)
                        _exit(0);
        }
        _exit(0);
}

int main(int argc, char **argv) {
        int width = argc > 1 ? atoi(argv[1]) : 1;
        time_t end = now_seconds() + LIFE_SECONDS;

        signal(SIGCHLD, SIG_IGN);
        for (int i = 0; i < width; i++)
                if (fork() == 0)
                        run_until(end);
        printf("running\n");
        fflush(stdout);
        for (;;)
                pause();
}
