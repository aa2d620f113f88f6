/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Containment
 *
 * cgroups(7): a process may be moved where the cgroup.procs of source, target and their common
 * ancestor can be written. All of ours lives below one directory that we made ourselves, so once
 * we have moved in, CLONE_INTO_CGROUP from supervisor/ to trees/ is always allowed.
 */

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "init/containment.h"
#include "util/cgroup-dir.h"

#define NAME_PREFIX "sidecard."
#define END_STALE_ROUNDS 100 /* of 100 ms */

/* The n-th field, counted from 0, of a line with single spaces; answers its length. */
static size_t field(const char *line, int n, const char **ret) {
        while (n-- > 0) {
                line += strcspn(line, " \n");
                line += *line == ' ';
        }
        *ret = line;
        return strcspn(line, " \n");
}

/* proc_pid_mountinfo(5): blanks and backslashes in paths are octal, \040. */
static int append_mount_path(char path[static PATH_MAX], const char *from, size_t length) {
        size_t used = strlen(path);

        for (size_t i = 0; i < length; i++) {
                if (used + 1 >= PATH_MAX)
                        return -ENAMETOOLONG;
                if (from[i] == '\\' && i + 3 < length) {
                        path[used++] = (char) ((from[i + 1] - '0') * 64 + (from[i + 2] - '0') * 8 +
                                               (from[i + 3] - '0'));
                        i += 3;
                } else
                        path[used++] = from[i];
        }
        path[used] = '\0';
        return 0;
}

/* The path of the v2 hierarchy, which is named by 0 and no controllers. */
static const char *unified_path(const char *cgroup, size_t *ret_length) {
        const char *line = strncmp(cgroup, "0::", 3) == 0 ? cgroup : strstr(cgroup, "\n0::");

        if (!line)
                return NULL;
        line = strchr(line, '/');
        *ret_length = line ? strcspn(line, "\n") : 0;
        return line;
}

int containment_parse_mount(char ret_path[static PATH_MAX],
                            const char *mountinfo,
                            const char *cgroup) {
        size_t own_length, root_length, point_length;
        const char *own = unified_path(cgroup, &own_length);
        const char *separator = strstr(mountinfo, " - ");
        const char *root, *point;
        char path[PATH_MAX] = "";
        int r;

        if (!own || !separator || strncmp(separator, " - cgroup2 ", 11) != 0)
                return -ENOENT;
        root_length = field(mountinfo, 3, &root);
        point_length = field(mountinfo, 4, &point);
        if (root_length == 1)
                root_length = 0;
        /* Seen from a cgroup namespace we may be outside of what is mounted. */
        if (own_length < root_length || strncmp(own, root, root_length) != 0 ||
            (own[root_length] != '/' && own[root_length] != '\n' && own[root_length] != '\0'))
                return -ENOENT;

        r = append_mount_path(path, point, point_length);
        if (r < 0)
                return r;
        own_length -= root_length;
        if (own_length > 1 && strlen(path) + own_length < PATH_MAX)
                (void) strncat(path, own + root_length, own_length);
        (void) stpcpy(ret_path, path);
        return 0;
}

static int find_own(char ret_path[static PATH_MAX]) {
        _cleanup_(fclosep) FILE *mounts = fopen("/proc/self/mountinfo", "re");
        _cleanup_free_ char *line = NULL;
        char cgroup[PATH_MAX];
        size_t size = 0;
        int r;

        if (!mounts)
                return -errno;
        r = kernel_file_read(AT_FDCWD, "/proc/self/cgroup", cgroup, sizeof(cgroup));
        if (r < 0)
                return r;
        while (getline(&line, &size, mounts) >= 0)
                if (containment_parse_mount(ret_path, line, cgroup) >= 0)
                        return 0;

        return -ENOENT;
}

/*
 * Started from inside a supervisor's own leaf, as when a service manager puts us where our
 * predecessor was, we would nest ever deeper: the base is then what that one had.
 */
static void leave_supervisor_leaf(char *path) {
        char *leaf = strrchr(path, '/'), *root;

        if (!leaf || strcmp(leaf, "/supervisor") != 0)
                return;
        *leaf = '\0';
        root = strrchr(path, '/');
        if (root && strncmp(root + 1, NAME_PREFIX, strlen(NAME_PREFIX)) == 0)
                *root = '\0';
        else
                *leaf = '/';
}

static int open_directory(int dir_fd, const char *path, int *ret) {
        int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret = fd;
        return 0;
}

static int make_directory(int dir_fd, const char *path, int *ret) {
        if (mkdirat(dir_fd, path, 0755) < 0 && errno != EEXIST)
                return -errno;
        return open_directory(dir_fd, path, ret);
}

static bool is_inside(const char *path, const char *directory) {
        size_t length = strlen(directory);

        return strncmp(path, directory, length) == 0 &&
               (path[length] == '/' || path[length] == '\0');
}

/* Kills all in a directory of ours, waits for the proof, and removes what is below it. */
static int end_stale(int dir_fd) {
        struct pollfd news = { .events = POLLPRI };
        _cleanup_close_ int events_fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        int r;

        if (events_fd < 0)
                return -errno;
        news.fd = events_fd;
        for (int i = 0; i < END_STALE_ROUNDS; i++) {
                r = cgroup_dir_event(events_fd, "populated");
                if (r < 0)
                        return r;
                if (r == 0)
                        return cgroup_dir_remove_below(dir_fd);
                r = kernel_file_write(dir_fd, "cgroup.kill", "1");
                if (r < 0)
                        return r;
                (void) poll(&news, 1, 100);
        }
        return -ETIMEDOUT;
}

/*
 * The lock is ours, so what is in there is a dead keeper's. If we have been put into its
 * supervisor/ ourselves that one stays, with us, and only the trees are ended.
 */
static int end_predecessor(int root_fd, bool inside) {
        _cleanup_close_ int trees_fd = -1;
        int r;

        if (!inside)
                return end_stale(root_fd);
        r = open_directory(root_fd, "trees", &trees_fd);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return end_stale(trees_fd);
}

static int open_base(const char *path, int *ret) {
        _cleanup_close_ int fd = -1;
        struct statfs fs;
        int r;

        r = open_directory(AT_FDCWD, path, &fd);
        if (r < 0)
                return r;
        /* Something else may be mounted over what mountinfo names. */
        if (fstatfs(fd, &fs) < 0)
                return -errno;
        if (fs.f_type != CGROUP2_SUPER_MAGIC)
                return -ENOENT;
        *ret = TAKE_FD(fd);
        return 0;
}

/* Without it, all that is lost is the sweep after a keeper that was started elsewhere. */
static void write_record(const char *record, const char *root) {
        _cleanup_close_ int fd =
                open(record, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd >= 0)
                (void) !write(fd, root, strlen(root));
}

/* The name has the mark too, but anybody can give a name. */
static int open_own_root(int base_fd, const char *name, const char *mark, int *ret) {
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        if (strncmp(name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0 ||
            strcmp(name + strlen(NAME_PREFIX), mark) != 0)
                return -ENOENT;
        r = open_directory(base_fd, name, &fd);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || cgroup_dir_has_mark(fd, mark) != 1)
                return -ENOENT;
        *ret = TAKE_FD(fd);
        return 0;
}

int containment_sweep(const char *record, const char *mark) {
        _cleanup_close_ int base_fd = -1, root_fd = -1;
        char root[PATH_MAX], own[PATH_MAX], *name;
        int r;

        r = kernel_file_read(AT_FDCWD, record, root, sizeof(root));
        if (r >= 0)
                r = find_own(own);
        name = r < 0 ? NULL : strrchr(root, '/');
        if (!name || is_inside(own, root))
                return r == -ENOENT ? 0 : r;
        *name++ = '\0';
        r = open_base(root, &base_fd);
        if (r >= 0)
                r = open_own_root(base_fd, name, mark, &root_fd);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = end_stale(root_fd);
        if (r < 0)
                return r;
        return unlinkat(base_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* supervisor/ and trees/; without cgroup.kill (5.14) guardians are the better containment. */
static int fill_root(Containment *containment, int *ret_supervisor_fd) {
        int r;

        r = make_directory(containment->root_fd, "trees", &containment->trees_fd);
        if (r < 0)
                return r;
        if (faccessat(containment->trees_fd, "cgroup.kill", W_OK, 0) < 0)
                return -errno;
        containment->events_fd =
                openat(containment->trees_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        if (containment->events_fd < 0)
                return -errno;
        return make_directory(containment->root_fd, "supervisor", ret_supervisor_fd);
}

static void close_all(Containment *containment) {
        containment->base_fd = safe_close(containment->base_fd);
        containment->root_fd = safe_close(containment->root_fd);
        containment->trees_fd = safe_close(containment->trees_fd);
        containment->events_fd = safe_close(containment->events_fd);
}

int containment_open(Containment *ret, const char *record, const char *mark) {
        _cleanup_(close_all) Containment new = CONTAINMENT_NONE;
        _cleanup_close_ int supervisor_fd = -1;
        char own[PATH_MAX];
        size_t length;
        bool inside;
        int r;

        r = find_own(own);
        if (r < 0)
                return r;
        (void) stpcpy(new.trees, own);
        leave_supervisor_leaf(new.trees);
        r = open_base(new.trees, &new.base_fd);
        if (r < 0)
                return r;
        (void) snprintf(new.name, sizeof(new.name), NAME_PREFIX "%s", mark);
        length = strlen(new.trees) + 1 + strlen(new.name);
        if (length + sizeof("/trees") > PATH_MAX)
                return -ENAMETOOLONG;
        (void) strcat(strcat(new.trees, "/"), new.name);
        inside = is_inside(own, new.trees);

        r = make_directory(new.base_fd, new.name, &new.root_fd);
        if (r >= 0)
                r = cgroup_dir_check_mark(new.root_fd, mark);
        if (r >= 0)
                r = end_predecessor(new.root_fd, inside);
        if (r < 0)
                return r;

        cgroup_dir_mark(new.root_fd, mark);
        write_record(record, new.trees);
        (void) stpcpy(new.trees + length, "/trees");
        r = fill_root(&new, &supervisor_fd);
        if (r >= 0)
                r = kernel_file_write(supervisor_fd, "cgroup.procs", "0");
        if (r < 0)
                return r;

        cgroup_dir_mark(new.trees_fd, mark);
        *ret = new;
        new = (Containment) CONTAINMENT_NONE;
        return 0;
}

int containment_kill(const Containment *containment) {
        return kernel_file_write(containment->trees_fd, "cgroup.kill", "1");
}

bool containment_is_populated(const Containment *containment) {
        return cgroup_dir_event(containment->events_fd, "populated") > 0;
}

bool containment_has(const Containment *containment, pid_t pid) {
        char path[32], within[64], text[PATH_MAX];

        (void) snprintf(path, sizeof(path), "/proc/%d/cgroup", (int) pid);
        (void) snprintf(within, sizeof(within), "/%s/trees/", containment->name);
        return kernel_file_read(AT_FDCWD, path, text, sizeof(text)) >= 0 && strstr(text, within);
}

/*
 * Whoever hands controllers down may have no processes of its own: what the brain has turned on
 * (io/kernel-limits.c) is turned off again, from below. The root of all cgroups may, and others
 * rely on what it hands down.
 */
static void take_controllers_back(const Containment *containment) {
        static const char *const orders[] = { "-memory", "-cpu", "-pids" };
        const int fds[] = { containment->trees_fd, containment->root_fd, containment->base_fd };

        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                for (size_t k = 0; k < ELEMENTSOF(orders); k++)
                        (void) kernel_file_write(fds[i], "cgroup.subtree_control", orders[k]);
}

/* Back up, where it was started. */
static int leave(const Containment *containment) {
        int r = kernel_file_write(containment->base_fd, "cgroup.procs", "0");

        if (r != -EBUSY)
                return r;
        (void) cgroup_dir_remove_below(containment->trees_fd);
        take_controllers_back(containment);
        return kernel_file_write(containment->base_fd, "cgroup.procs", "0");
}

void containment_close(Containment *containment, const char *record) {
        if (containment->root_fd >= 0 && leave(containment) >= 0 &&
            cgroup_dir_remove_below(containment->root_fd) >= 0 &&
            unlinkat(containment->base_fd, containment->name, AT_REMOVEDIR) >= 0)
                (void) unlink(record);
        close_all(containment);
}
