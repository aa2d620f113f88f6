/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * CgroupDir
 *
 * The few things that keeper and brain both do with a cgroup v2 directory: ask whether anybody is
 * in it, kill all, remove what is below it. See cgroups(7) and the kernel's cgroup-v2.rst.
 * Header only, because the keeper may include it and links nothing of ours. No allocation.
 */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "util/macro.h"

#define CGROUP_MARK_XATTR "user.sidecard.instance"
#define CGROUP_MARK_MAX 64

/* Reads a small file of the kernel whole; answers its length. The text ends in a NUL. */
static inline int kernel_file_read(int dir_fd, const char *path, char *ret_text, size_t size) {
        _cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, ret_text, size - 1);
        if (n < 0)
                return -errno;
        ret_text[n] = '\0';
        return (int) n;
}

static inline int kernel_file_write(int dir_fd, const char *path, const char *text) {
        _cleanup_close_ int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/*
 * events_fd: an open cgroup.events. Answers the value of key ("populated", "frozen"). pread(2)
 * also tells poll(2) that we have seen this state: EPOLLPRI means that there is a newer one.
 */
static inline int cgroup_dir_event(int events_fd, const char *key) {
        char text[128];
        const char *at;
        ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);

        if (n < 0)
                return -errno;
        text[n] = '\0';
        at = strstr(text, key);
        return !at ? -ENODATA : at[strlen(key)] == ' ' && at[strlen(key) + 1] == '1';
}

/* 1: it bears mark; 0: it bears none; -EPERM: it bears another, so it is somebody else's. */
static inline int cgroup_dir_has_mark(int dir_fd, const char *mark) {
        char found[CGROUP_MARK_MAX], path[32];
        ssize_t n;

        /* fgetxattr(2) refuses an O_PATH descriptor, its name in /proc does not. */
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
        n = syscall(SYS_getxattr, path, CGROUP_MARK_XATTR, found, sizeof(found));
        if (n < 0)
                return errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
        return (size_t) n == strlen(mark) && memcmp(found, mark, (size_t) n) == 0 ? 1 : -EPERM;
}

/* 0: it bears mark, or could not be marked at all; -EPERM: it is somebody else's. */
static inline int cgroup_dir_check_mark(int dir_fd, const char *mark) {
        int r = cgroup_dir_has_mark(dir_fd, mark);

        return r < 0 ? r : 0;
}

/* Marks as far as the kernel lets us: user xattrs on cgroups are there since 5.7. */
static inline void cgroup_dir_mark(int dir_fd, const char *mark) {
        char path[32];

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", dir_fd);
        (void) syscall(SYS_setxattr, path, CGROUP_MARK_XATTR, mark, strlen(mark), 0);
}

struct cgroup_dir_entry { /* linux_dirent64 of getdents64(2) */
        uint64_t inode;
        int64_t offset;
        unsigned short length;
        unsigned char type;
        char name[];
};

/* Copies the name of some directory in there; 0: there is none. */
static inline int cgroup_dir_first_child(int dir_fd, char ret_name[static NAME_MAX + 1]) {
        _Alignas(struct cgroup_dir_entry) char buffer[2048];
        const struct cgroup_dir_entry *entry;

        if (lseek(dir_fd, 0, SEEK_SET) < 0)
                return -errno;
        for (;;) {
                long n = syscall(SYS_getdents64, dir_fd, buffer, sizeof(buffer));

                if (n <= 0)
                        return n < 0 ? -errno : 0;
                for (long at = 0; at < n; at += entry->length) {
                        entry = (const struct cgroup_dir_entry *) (const void *) (buffer + at);
                        if (entry->type == DT_DIR && strcmp(entry->name, ".") != 0 &&
                            strcmp(entry->name, "..") != 0) {
                                (void) stpcpy(ret_name, entry->name);
                                return 1;
                        }
                }
        }
}

/* Removes all directories below, deepest first; -EBUSY where one of them has a process. */
static inline int cgroup_dir_remove_below(int dir_fd) {
        char name[NAME_MAX + 1];
        int r;

        /* From the top again after each: no recursion, whatever depth a payload has dug. */
        while ((r = cgroup_dir_first_child(dir_fd, name)) > 0) {
                _cleanup_close_ int parent = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
                _cleanup_close_ int child =
                        openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                char below[NAME_MAX + 1];

                if (child < 0)
                        return -errno;
                while ((r = cgroup_dir_first_child(child, below)) > 0) {
                        int next = openat(child, below,
                                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

                        if (next < 0)
                                return -errno;
                        (void) close(parent);
                        parent = child;
                        child = next;
                        (void) stpcpy(name, below);
                }
                if (r < 0)
                        return r;
                if (unlinkat(parent, name, AT_REMOVEDIR) < 0)
                        return -errno;
        }
        return r;
}
