/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Processes
 *
 * proc_pid_task(5): children is a list of each thread, of what that thread has forked.
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "io/processes.h"
#include "util/cgroup-dir.h"
#include "util/children.h"

#define CHAIN_MAX 4096 /* a chain of parents that was read while it changed may not end */

void pid_list_done(PidList *list) {
        free(list->pids);
        *list = (PidList){ 0 };
}

int pid_list_add(pid_t pid, void *userdata) {
        PidList *list = userdata;

        /* Room doubles whenever the number is a power of two. */
        if ((list->n & (list->n - 1)) == 0) {
                size_t room = list->n == 0 ? 1 : 2 * list->n;
                pid_t *pids = reallocarray(list->pids, room, sizeof(pid_t));

                if (!pids)
                        return -ENOMEM;
                list->pids = pids;
        }
        list->pids[list->n++] = pid;
        return 0;
}

/* A process that has gone meanwhile has no children. */
static int add_children(PidList *list, pid_t parent) {
        _cleanup_(closedirp) DIR *threads = NULL;
        const struct dirent *thread;
        char path[64];
        int r = 0;

        (void) snprintf(path, sizeof(path), "/proc/%d/task", (int) parent);
        threads = opendir(path);
        while (threads && r != -ENOMEM && (thread = readdir(threads))) {
                if (thread->d_name[0] == '.')
                        continue;
                (void) snprintf(path, sizeof(path), "%.20s/children", thread->d_name);
                r = pids_read(dirfd(threads), path, pid_list_add, list);
        }
        return r == -ENOMEM ? r : 0;
}

int pid_list_add_descendants(PidList *list, pid_t ancestor) {
        size_t next = list->n;
        int r = add_children(list, ancestor);

        while (r >= 0 && next < list->n)
                r = add_children(list, list->pids[next++]);
        return r;
}

/* proc_pid_stat(5): the name may hold anything, so the fields are counted from its last bracket. */
static pid_t parent_of(pid_t pid) {
        char path[32], text[512];
        const char *after;
        int parent;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        if (kernel_file_read(AT_FDCWD, path, text, sizeof(text)) < 0)
                return 0;
        after = strrchr(text, ')');
        return after && sscanf(after + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

bool process_descends_from(pid_t pid, pid_t ancestor) {
        for (int i = 0; i < CHAIN_MAX && pid > 0; i++) {
                pid = parent_of(pid);
                if (pid == ancestor)
                        return true;
        }
        return false;
}

int pidfd_signal(int pidfd, int signal) {
        return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int pidfd_signal_and_continue(int pidfd, int signal) {
        int r = pidfd_signal(pidfd, signal);

        if (r >= 0)
                (void) pidfd_signal(pidfd, SIGCONT);
        return r;
}

int pid_list_signal(const PidList *list,
                    int signal,
                    bool (*belongs)(pid_t pid, void *userdata),
                    void *userdata) {
        int result = 0;

        for (size_t i = 0; i < list->n; i++) {
                _cleanup_close_ int pidfd = (int) syscall(SYS_pidfd_open, list->pids[i], 0);
                int r;

                if (pidfd < 0 || !belongs(list->pids[i], userdata))
                        continue;
                r = pidfd_signal_and_continue(pidfd, signal);
                if (r < 0 && r != -ESRCH)
                        result = r;
        }
        return result;
}
