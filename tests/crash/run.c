/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Run
 *
 * How all stands at the end is text without anything that differs by chance: generations are
 * counted from the first one that was told, and pids are there or not.
 */

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "patient.h"
#include "run.h"
#include "test.h"

/* Longer than a test waits for anything, so that it can say for what. */
#define TIMEOUT_S 150

static const Run *current;

static void set_crashpoint(void) {
        char value[512];

        if (current->point[0]) {
                (void) snprintf(value, sizeof(value), "%s:%u:%s/passed", current->point,
                                current->number, world->dir);
                /* world_run() would ask for it, and is not patient. */
                (void) unsetenv("SIDECARD_TEST_CONTAINMENT");
        } else
                (void) snprintf(value, sizeof(value), ":list:%s/passed", world->dir);
        world_set_environment(world, "SIDECARD_CRASHPOINT", value);
}

static uint64_t first_generation(const Told *events, size_t n_events, const char *name) {
        for (size_t i = 0; i < n_events; i++)
                if (streq(events[i].name, name) && events[i].generation > 0)
                        return events[i].generation;

        return 0;
}

static void describe(FILE *out, const char *name) {
        size_t n_events;
        const Told *events = patient_events(&n_events);
        int64_t first = (int64_t) first_generation(events, n_events, name);
        Standing s = patient_look(name);

        (void) fprintf(out,
                       "%s: %s (%s), generation %+" PRIi64 ", %s, exit code %" PRIi64
                       ", signal %" PRIi64 ", %" PRIi64 " restarts\n",
                       name, s.state, s.reason_code, s.generation - first,
                       s.main_pid > 0 ? "there" : "not there", s.exit_code, s.exit_signal,
                       s.n_restarts);
        for (size_t i = 0; i < n_events; i++)
                if (streq(events[i].name, name) && events[i].has_exit)
                        (void) fprintf(out, "  generation %+" PRIi64 " ended: code %d, signal %d\n",
                                       (int64_t) events[i].generation - first, events[i].exit_code,
                                       events[i].exit_signal);
}

/*
 * Each line of only.c is a start. How many there are differs by chance, since what is stopped at
 * once may not have come to its first line; but no generation may be there twice.
 */
static void check_starts(const char *name) {
        _cleanup_(strv_freep) char **lines = NULL;
        _cleanup_free_ char *path = NULL, *text = NULL;
        uint64_t former = 0;

        ck_assert_int_ge(asprintf(&path, "only-%s", name), 0);
        if (!world_has_file(world, path))
                return;

        text = world_read_file(world, path);
        ck_assert_msg(!strstr(text, "doubled"), "%s was there twice at a time: %s", name, text);
        ck_assert_int_ge(strv_split(&lines, text, '\n'), 0);
        STRV_FOREACH (line, lines) {
                uint64_t generation = strtoull(*line, NULL, 10);

                ck_assert_msg(!**line || generation > former, "%s was started so: %s", name, text);
                former = generation;
        }
}

static void write_to(int fd, const char *text) {
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
}

START_TEST(a_story_ends_well) {
        _cleanup_(strv_freep) char **names = NULL;
        _cleanup_free_ char *text = NULL, *passed = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(out);
        ck_assert_int_ge(strv_split(&names, current->story->sidecars, ','), 0);
        set_crashpoint();
        current->story->prepare();
        world_run(world);
        current->story->tell();
        STRV_FOREACH (name, names)
                describe(out, *name);
        world_end(world);
        STRV_FOREACH (name, names)
                check_starts(*name);
        if (current->story->check)
                current->story->check();

        ck_assert_int_eq(fclose(out), 0);
        write_to(current->end_fd, text);
        if (world_has_file(world, "passed")) {
                passed = world_read_file(world, "passed");
                write_to(current->passed_fd, passed);
        }
}
END_TEST

/* A child of ours, which is not reaped yet, so that its number is nobody else's; 0: none. */
static pid_t find_child(void) {
        char path[64];
        FILE *children;
        int pid = 0;

        (void) snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int) getpid());
        children = fopen(path, "re");
        if (!children)
                return 0;

        if (fscanf(children, "%d", &pid) != 1)
                pid = 0;
        (void) fclose(children);
        return pid;
}

/*
 * libcheck kills all of a test that has failed at once: keeper and brain too, who then cannot see
 * to it that nothing is left. As the subreaper of all we are given what is.
 */
static void end_leftovers(void) {
        pid_t pid;

        while ((pid = find_child()) > 0) {
                (void) kill(pid, SIGKILL);
                (void) waitpid(pid, NULL, 0);
        }
}

static _Noreturn void tell(const Run *run) {
        const TTest *const tests[] = { a_story_ends_well };
        int r;

        current = run;
        (void) dup2(run->output_fd, STDOUT_FILENO);
        (void) dup2(run->output_fd, STDERR_FILENO);
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
        r = test_run(run->story->name, TIMEOUT_S, world_setup, world_teardown, tests,
                     ELEMENTSOF(tests));
        end_leftovers();
        exit(r);
}

void run_begin(Run *run) {
        run->output_fd = memfd_create("output", MFD_CLOEXEC);
        run->end_fd = memfd_create("end", MFD_CLOEXEC);
        run->passed_fd = memfd_create("passed", MFD_CLOEXEC);
        run->pid = fork();
        if (run->pid == 0)
                tell(run);
}

void run_close(Run *run) {
        run->pid = 0;
        run->output_fd = safe_close(run->output_fd);
        run->end_fd = safe_close(run->end_fd);
        run->passed_fd = safe_close(run->passed_fd);
}

static char *read_whole(int fd) {
        struct stat st;
        char *text;

        if (fstat(fd, &st) < 0)
                return strdup("");
        text = calloc(1, (size_t) st.st_size + 1);
        if (text && pread(fd, text, (size_t) st.st_size, 0) < 0)
                *text = '\0';
        return text;
}

char *run_output(const Run *run) {
        return read_whole(run->output_fd);
}

char *run_end(const Run *run) {
        return read_whole(run->end_fd);
}

char *run_passed(const Run *run) {
        return read_whole(run->passed_fd);
}
