/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * sidecarctl check
 *
 * `sidecard --check` does it, so that we need no JSON parser. Plainly it takes our place; with
 * --json its lines, "file:line: /pointer: message", are read and written as objects.
 */

#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "config.h"
#include "ctl/check.h"
#include "ctl/complain.h"
#include "ctl/json-writer.h"
#include "ctl/verbs.h"
#include "util/strv.h"

#define PROGRAM "sidecard"

/* In a build tree it lies beside us. */
int check_find_program(char **ret) {
        char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *path;

        if (n < 0)
                return -errno;
        self[n] = '\0';

        if (asprintf(&path, "%.*s" PROGRAM, (int) (strrchr(self, '/') + 1 - self), self) < 0)
                return -ENOMEM;
        if (access(path, X_OK) < 0) {
                free(path);
                path = strdup(SIDECARD_LIBEXECDIR "/" PROGRAM);
                if (!path)
                        return -ENOMEM;
        }

        *ret = path;
        return 0;
}

/* more: an option, or NULL. */
static int make_argv(char ***ret, const char *program, const char *more, char *const *files) {
        _cleanup_(strv_freep) char **argv = NULL;
        int r;

        r = strv_extend(&argv, program);
        if (r >= 0)
                r = strv_extend(&argv, "--check");
        if (r >= 0 && more)
                r = strv_extend(&argv, more);
        STRV_FOREACH (file, files)
                if (r >= 0)
                        r = strv_extend(&argv, *file);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(argv);
        return 0;
}

static int complain_of_exec(const char *program, int error) {
        return complain(EXIT_FAILED, "Cannot run %s: %s (is sidecard installed whole?)", program,
                        strerror(error));
}

/* "PATH:LINE: MESSAGE", where the message may begin with "/pointer: ". Changes line. */
static void write_problem(JsonWriter *writer, char *line) {
        char *message = strstr(line, ": "), *number, *end;
        const char *pointer = "";

        if (!message)
                return;
        *message = '\0';
        message += strlen(": ");

        number = strrchr(line, ':');
        if (number)
                *number++ = '\0';

        end = *message == '/' ? strstr(message, ": ") : NULL;
        if (end) {
                *end = '\0';
                pointer = message;
                message = end + strlen(": ");
        }

        json_open(writer, '{');
        json_member(writer, "path", line);
        json_member_unsigned(writer, "line", number ? strtoul(number, NULL, 10) : 0);
        json_member(writer, "pointer", pointer);
        json_member(writer, "message", message);
        json_close(writer, '}');
}

static int write_problems(FILE *stream) {
        JsonWriter writer = { .stream = stdout };
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        ssize_t n;

        json_open(&writer, '[');
        while ((n = getline(&line, &size, stream)) >= 0) {
                line[strcspn(line, "\n")] = '\0';
                write_problem(&writer, line);
        }
        json_close(&writer, ']');
        json_end(&writer);
        return ferror(stream) ? -EIO : 0;
}

/* With that descriptor as its standard output. */
static int spawn_onto(int fd, pid_t *ret_pid, char *const *argv) {
        posix_spawn_file_actions_t actions;
        int r;

        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn(ret_pid, argv[0], &actions, NULL, argv, environ);
        (void) posix_spawn_file_actions_destroy(&actions);
        return r != 0 ? complain_of_exec(argv[0], r) : 0;
}

/* Answers the program's standard output. */
static int spawn_into_pipe(FILE **ret, pid_t *ret_pid, char *const *argv) {
        _cleanup_close_ int ours = -1, theirs = -1;
        FILE *stream;
        int ends[2], r;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        ours = ends[0];
        theirs = ends[1];

        r = spawn_onto(theirs, ret_pid, argv);
        if (r != 0)
                return r;

        stream = fdopen(ours, "r");
        if (!stream)
                return -errno;

        (void) TAKE_FD(ours);
        *ret = stream;
        return 0;
}

/* Negative errno, or the exit status. */
static int await_program(pid_t pid) {
        int status = 0;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;

        return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED;
}

static int check_as_json(char *const *argv) {
        FILE *stream = NULL;
        int r, status;
        pid_t pid;

        r = spawn_into_pipe(&stream, &pid, argv);
        if (r != 0)
                return r;

        r = write_problems(stream);
        (void) fclose(stream);
        status = await_program(pid);
        return r < 0 ? r : status;
}

int check_file(char *file) {
        char *const files[] = { file, NULL };
        _cleanup_(strv_freep) char **argv = NULL;
        _cleanup_free_ char *program = NULL;
        pid_t pid;
        int r;

        r = check_find_program(&program);
        if (r >= 0)
                r = make_argv(&argv, program, NULL, files);
        if (r >= 0)
                r = spawn_onto(STDERR_FILENO, &pid, argv);

        return r != 0 ? r : await_program(pid);
}

/* All of it: a manifest is text, and so has no NUL. */
static int read_text(char **ret, FILE *stream) {
        char *text = NULL;
        size_t size = 0;

        if (getdelim(&text, &size, '\0', stream) < 0 && ferror(stream)) {
                free(text);
                return -EIO;
        }

        *ret = text;
        return 0;
}

int check_preflight(char **ret, char *const *files) {
        _cleanup_(strv_freep) char **argv = NULL;
        _cleanup_free_ char *program = NULL;
        FILE *stream = NULL;
        pid_t pid;
        int r;

        r = check_find_program(&program);
        if (r >= 0)
                r = make_argv(&argv, program, "--preflight", files);
        if (r >= 0)
                r = spawn_into_pipe(&stream, &pid, argv);
        if (r != 0)
                return r;

        r = read_text(ret, stream);
        (void) fclose(stream);
        (void) await_program(pid);
        return r;
}

int verb_check(const Arguments *arguments) {
        _cleanup_(strv_freep) char **argv = NULL;
        _cleanup_free_ char *program = NULL;
        const char *more = arguments->verbose ? "--verbose" : NULL;
        int r;

        if (arguments->json && arguments->verbose)
                return complain(EXIT_USAGE, "check --verbose is for people: not with --json");

        r = check_find_program(&program);
        if (r >= 0)
                r = make_argv(&argv, program, more, arguments->names);
        if (r < 0)
                return r;
        if (arguments->json)
                return check_as_json(argv);

        (void) execv(program, argv);
        return complain_of_exec(program, errno);
}
