/* SPDX-License-Identifier: MIT-0 */

/*
 * stamp pause|exit ID FILE
 *
 * Says when its main() began: appends a Stamp to FILE, by one write(2) so that those of many
 * processes do not mix, and then waits for a signal, or exits with 1 as one that crashes in a loop
 * does. Linked statically, since what is timed with it is the supervisor and not the loader.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/stamp.h"

#define EXIT_NOT_STAMPED 111

int main(int argc, char **argv) {
        struct timespec now;
        Stamp stamp = { 0 };
        int fd;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        if (argc != 4)
                return 2;

        stamp.nsec = (uint64_t) now.tv_sec * UINT64_C(1000000000) + (uint64_t) now.tv_nsec;
        stamp.pid = (uint32_t) getpid();
        stamp.id = (uint16_t) atoi(argv[2]);
        stamp.kind = strcmp(argv[1], "exit") == 0 ? STAMP_EXITS : STAMP_PAUSES;

        fd = open(argv[3], O_WRONLY | O_APPEND | O_CLOEXEC);
        if (fd < 0 || write(fd, &stamp, sizeof(stamp)) != sizeof(stamp))
                return EXIT_NOT_STAMPED;
        if (stamp.kind == STAMP_EXITS)
                return EXIT_FAILURE;
        for (;;)
                pause();
}
