/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Machine
 *
 * Threads are summed over /proc/PID/task, since schedstat and status are of one thread each.
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/bench/machine.h"
#include "util/cgroup-dir.h"

void fail(const char *format, ...) {
        int saved = errno;
        va_list args;

        (void) fputs("bench: ", stderr);
        va_start(args, format);
        (void) vfprintf(stderr, format, args);
        va_end(args);
        (void) fprintf(stderr, " (errno %d: %s)\n", saved, strerror(saved));
        exit(EXIT_FAILURE);
}

uint64_t machine_now_nsec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * UINT64_C(1000000000) + (uint64_t) now.tv_nsec;
}

/* The number behind key; without a key the first one. */
static uint64_t read_number(int dir_fd, const char *path, const char *key) {
        char text[4096];
        const char *at = text;
        uint64_t value;

        if (kernel_file_read(dir_fd, path, text, sizeof(text)) < 0)
                fail("cannot read %s", path);
        if (key)
                at = strstr(text, key);
        if (!at || sscanf(at + (key ? strlen(key) : 0), "%" SCNu64, &value) != 1)
                fail("%s has no number", path);

        return value;
}

static uint64_t sum_of_threads(pid_t pid, const char *file, const char *key) {
        char path[64];
        uint64_t sum = 0;
        DIR *threads;

        (void) snprintf(path, sizeof(path), "/proc/%d/task", (int) pid);
        threads = opendir(path);
        if (!threads)
                fail("cannot read %s", path);

        for (struct dirent *entry; (entry = readdir(threads));) {
                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(path, sizeof(path), "%.20s/%s", entry->d_name, file);
                sum += read_number(dirfd(threads), path, key);
        }

        (void) closedir(threads);
        return sum;
}

uint64_t process_cpu_nsec(pid_t pid) {
        return sum_of_threads(pid, "schedstat", NULL);
}

uint64_t process_n_wakeups(pid_t pid) {
        return sum_of_threads(pid, "status", "\nvoluntary_ctxt_switches:");
}

uint64_t process_memory_kib(pid_t pid, const char *what) {
        char path[64], key[32];

        (void) snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int) pid);
        (void) snprintf(key, sizeof(key), "\n%s:", what);
        return read_number(AT_FDCWD, path, key);
}

pid_t process_first_child(pid_t pid) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int) pid, (int) pid);
        return (pid_t) read_number(AT_FDCWD, path, NULL);
}
