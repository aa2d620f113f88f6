/* SPDX-License-Identifier: MIT-0 */

/*
 * only FILE PROGRAM [ARGUMENT...]
 *
 * A program that must be there once at a time. As long as it, or any child of it, is there, FILE
 * is locked; each start is a line in it: the generation, or "doubled" if it was locked already.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define EXIT_NOT_NOTED 111

int main(int argc, char *argv[]) {
        const char *generation = getenv("SIDECARD_GENERATION");
        char line[64];
        int fd, n;

        if (argc < 3 || !generation)
                return 2;

        /* Inherited by all that comes from here: the lock is gone with the last of them. */
        fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0600);
        n = snprintf(line, sizeof(line), "%s\n",
                     flock(fd, LOCK_EX | LOCK_NB) == 0 ? generation : "doubled");
        if (fd < 0 || write(fd, line, (size_t) n) != n)
                return EXIT_NOT_NOTED;

        (void) execv(argv[2], argv + 2);
        return EXIT_NOT_NOTED;
}
