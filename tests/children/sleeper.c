/* SPDX-License-Identifier: MIT-0 */

/*
 * sleeper [CODE]
 *
 * Says its pid and waits for a signal, with all dispositions as it got them; with a code it ends
 * with that instead of waiting.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
        printf("pid %d\n", (int) getpid());
        fflush(stdout);
        if (argc > 1)
                return atoi(argv[1]);
        for (;;)
                pause();
}
