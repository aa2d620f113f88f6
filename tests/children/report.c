/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Report
 *
 * Says what a supervisor handed down to it, a line each: arguments, environment, descriptors,
 * signal mask, ignored signals, umask, directory. Then it stays until it is told to go.
 *
 *   report [ARGUMENT...]
 */

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void report_descriptors(void) {
        DIR *directory = opendir("/proc/self/fd");
        const struct dirent *entry;

        while (directory && (entry = readdir(directory))) {
                int fd = atoi(entry->d_name);
                char path[64], target[256];
                ssize_t n;

                if (entry->d_name[0] == '.' || fd == dirfd(directory))
                        continue;

                (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                n = readlink(path, target, sizeof(target) - 1);
                printf("fd %d %.*s\n", fd, n < 0 ? 0 : (int) n, target);
        }

        if (directory)
                (void) closedir(directory);
}

/* SigBlk and SigIgn, as proc(5) has them. */
static void report_signals(void) {
        FILE *status = fopen("/proc/self/status", "re");
        char line[256];

        while (status && fgets(line, sizeof(line), status))
                if (strncmp(line, "SigBlk", 6) == 0 || strncmp(line, "SigIgn", 6) == 0)
                        printf("%s", line);

        if (status)
                (void) fclose(status);
}

int main(int argc, char *argv[]) {
        char directory[4096];
        mode_t mask = umask(0);

        (void) umask(mask);
        for (int i = 1; i < argc; i++)
                printf("arg %s\n", argv[i]);
        for (char **variable = environ; *variable; variable++)
                printf("env %s\n", *variable);
        report_descriptors();
        report_signals();
        printf("umask %04o\n", (unsigned int) mask);
        printf("cwd %s\n", getcwd(directory, sizeof(directory)) ? directory : "?");
        printf("end of report\n");
        (void) fflush(stdout);

        for (;;)
                (void) pause();
}
