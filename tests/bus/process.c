/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Process
 *
 * A failure in here is a failure of the test, told by ck_assert: no caller has to look.
 */

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "process.h"
#include "util/clock.h"
#include "util/strv.h"

extern char **environ;

static _Noreturn void child_exec(const ProcessSpec *spec, pid_t parent) {
        sigset_t none;

        /* A parent that died before prctl(2) sends nothing any more. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(126);

        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        if (spec->output_fd > 0)
                (void) dup2(spec->output_fd, STDOUT_FILENO);
        if (spec->error_fd > 0)
                (void) dup2(spec->error_fd, STDERR_FILENO);

        (void) execvpe(spec->argv[0], (char *const *) spec->argv,
                       spec->envp ? spec->envp : environ);
        _exit(127);
}

Process process_spawn(const ProcessSpec *spec) {
        pid_t parent = getpid();
        Process process;

        process.pid = fork();
        ck_assert_int_ge(process.pid, 0);
        if (process.pid == 0)
                child_exec(spec, parent);

        process.pidfd = process_open(process.pid);
        return process;
}

int process_reap(Process *process) {
        int status;

        ck_assert_int_eq(waitpid(process->pid, &status, 0), process->pid);
        process->pidfd = safe_close(process->pidfd);
        process->pid = 0;
        return status;
}

int process_run(const char *const argv[], char *const envp[], char **ret_output) {
        _cleanup_close_ int read_end = -1;
        _cleanup_free_ char *output = calloc(1, 1);
        ProcessSpec spec = { .argv = argv, .envp = envp };
        size_t size = 0;
        ssize_t n;
        Process process;
        int ends[2], status;

        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        read_end = ends[0];
        spec.output_fd = spec.error_fd = ends[1];
        process = process_spawn(&spec);
        (void) close(ends[1]);

        do {
                output = realloc(output, size + 4096);
                ck_assert_ptr_nonnull(output);
                n = read(read_end, output + size, 4095);
                ck_assert_int_ge(n, 0);
                size += (size_t) n;
                output[size] = '\0';
        } while (n > 0);

        status = process_reap(&process);
        *ret_output = TAKE_PTR(output);
        return status;
}

int process_open(pid_t pid) {
        int pidfd = pidfd_open(pid, 0);

        ck_assert_msg(pidfd >= 0, "pid %d: %s", (int) pid, strerror(errno));
        return pidfd;
}

void process_signal(int pidfd, int signal_number) {
        ck_assert_int_eq(pidfd_send_signal(pidfd, signal_number, NULL, 0), 0);
}

bool process_is_gone(int pidfd, uint64_t timeout_usec) {
        struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

        return TEMP_FAILURE_RETRY(poll(&poll_fd, 1, (int) (timeout_usec / 1000))) > 0;
}

/* Of the kernel's include/linux/sched.h; proc(5) has it in field 9 of stat. */
#define PF_EXITING 0x4u

bool process_has_ended(int pidfd) {
        char path[64], line[256];
        unsigned flags = PF_EXITING;
        int pid = -1;
        FILE *file;

        (void) snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        while (fgets(line, sizeof(line), file))
                (void) sscanf(line, "Pid: %d", &pid);
        (void) fclose(file);

        /* -1: it has been reaped, as it may be from here on too. */
        (void) snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        file = pid > 0 ? fopen(path, "re") : NULL;
        if (file) {
                (void) fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %u", &flags);
                (void) fclose(file);
        }
        return flags & PF_EXITING || process_is_gone(pidfd, 0);
}

static bool has_mark(pid_t pid, const char *mark) {
        char path[64], text[65536];
        _cleanup_close_ int fd = -1;
        size_t size = 0;
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/environ", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return false;

        while (size < sizeof(text) - 1 && (n = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
                size += (size_t) n;

        return memmem(text, size, mark, strlen(mark) + 1) != NULL;
}

static bool is_in_folder(pid_t pid, const char *folder) {
        char path[64], target[PATH_MAX];
        size_t length = strlen(folder);
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/cwd", (int) pid);
        n = readlink(path, target, sizeof(target) - 1);
        return n >= (ssize_t) length && strncmp(target, folder, length) == 0;
}

size_t processes_find(const char *mark, const char *folder, pid_t *ret, size_t max) {
        DIR *proc = opendir("/proc");
        const struct dirent *entry;
        size_t n = 0;

        ck_assert_ptr_nonnull(proc);
        while (n < max && (entry = readdir(proc))) {
                pid_t pid = (pid_t) atoi(entry->d_name);

                if (pid > 0 && (has_mark(pid, mark) || is_in_folder(pid, folder)))
                        ret[n++] = pid;
        }

        (void) closedir(proc);
        return n;
}

/* Field 5 of mountinfo is the mount point, and behind the dash is the type: proc(5). */
static bool find_cgroup_mount(char ret_point[static 256]) {
        FILE *mounts = fopen("/proc/self/mountinfo", "re");
        char line[1024];
        bool is_found = false;

        ck_assert_ptr_nonnull(mounts);
        while (!is_found && fgets(line, sizeof(line), mounts))
                is_found = strstr(line, " - cgroup2 ") &&
                           sscanf(line, "%*s %*s %*s %*s %255s", ret_point) == 1;
        (void) fclose(mounts);
        return is_found;
}

char *process_cgroup(pid_t pid) {
        char path[64], point[256], line[1024], *text = NULL;
        FILE *cgroups;

        (void) snprintf(path, sizeof(path), "/proc/%d/cgroup", (int) pid);
        cgroups = fopen(path, "re");
        while (!text && cgroups && fgets(line, sizeof(line), cgroups))
                if (startswith(line, "0::") && find_cgroup_mount(point)) {
                        line[strcspn(line, "\n")] = '\0';
                        ck_assert_int_ge(asprintf(&text, "%s%s", point, line + 3), 0);
                }

        if (cgroups)
                (void) fclose(cgroups);
        return text;
}

bool processes_are_gone(const char *mark, const char *folder, uint64_t timeout_usec) {
        uint64_t deadline = clock_monotonic_usec() + timeout_usec;
        pid_t pid;

        while (processes_find(mark, folder, &pid, 1) > 0) {
                _cleanup_close_ int pidfd = pidfd_open(pid, 0);
                uint64_t now = clock_monotonic_usec();

                /* Between the look and pidfd_open(2) the pid may have changed hands. */
                if (pidfd < 0 || (!has_mark(pid, mark) && !is_in_folder(pid, folder)))
                        continue;
                if (now >= deadline || !process_is_gone(pidfd, deadline - now))
                        return false;
        }

        return true;
}
