/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Child
 *
 * A program that a test runs beside itself and listens to, a line at a time. It is killed with
 * the test, whatever becomes of that.
 */

#include <check.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/macro.h"

typedef struct Child {
        pid_t pid;
        FILE *lines; /* its stdout */
} Child;

static inline Child child_run(const char *const argv[]) {
        int fds[2];
        Child child;

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        child.pid = fork();
        ck_assert_int_ge(child.pid, 0);
        if (child.pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) dup2(fds[1], STDOUT_FILENO);
                (void) execv(argv[0], (char *const *) (uintptr_t) argv);
                _exit(127);
        }

        close(fds[1]);
        child.lines = fdopen(fds[0], "r");
        ck_assert_ptr_nonnull(child.lines);
        /* Or a line that was read ahead would not make the pipe readable. */
        setvbuf(child.lines, NULL, _IONBF, 0);
        return child;
}

/* Waits for the next line, and answers it without its end. */
static inline char *child_read_line(Child *child, char *line, size_t n_line) {
        ck_assert_msg(fgets(line, (int) n_line, child->lines), "the child said nothing more");
        line[strcspn(line, "\n")] = '\0';
        return line;
}

static inline void child_end(Child *child) {
        if (child->pid <= 0)
                return;

        (void) kill(child->pid, SIGKILL);
        (void) waitpid(child->pid, NULL, 0);
        (void) fclose(child->lines);
        *child = (Child){ 0 };
}

/* One of tests/children, beside this very program in the build directory. */
static inline char *child_path(char path[static PATH_MAX], const char *name) {
        char self[PATH_MAX] = "";

        ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
        (void) snprintf(path, PATH_MAX, "%.3000s/../children/%s", dirname(self), name);
        return path;
}
