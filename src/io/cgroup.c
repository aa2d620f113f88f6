/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Cgroup
 *
 * Everything goes through a descriptor of the directory, so a path that was taken over by
 * somebody else is never followed. Sub-cgroups are looked for by cgroup.procs all the way down.
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "io/cgroup.h"
#include "util/cgroup-dir.h"
#include "util/children.h"
#include "util/strv.h"

struct Cgroup {
        int trees_fd; /* borrowed */
        int fd;
        int events_fd;
        char *leaf;
        char *path;
        char mark[CGROUP_MARK_MAX]; /* "": the kernel does not mark cgroups */
        bool was_killed;
};

static int own_path(pid_t pid, char ret[static PATH_MAX]) {
        char name[32], text[PATH_MAX];
        char *line;
        int r;

        (void) snprintf(name, sizeof(name), "/proc/%d/cgroup", (int) pid);
        r = kernel_file_read(AT_FDCWD, name, text, sizeof(text));
        if (r < 0)
                return r;
        line = startswith(text, "0::") ? text : strstr(text, "\n0::");
        line = line ? strchr(line, '/') : NULL;
        if (!line)
                return -ENODATA;
        line[strcspn(line, "\n")] = '\0';
        (void) stpcpy(ret, line);
        return 0;
}

int cgroup_path_beside_own(char **ret, const char *name) {
        char own[PATH_MAX];
        char *path;
        int r;

        r = own_path(getpid(), own);
        if (r < 0)
                return r;
        *strrchr(own, '/') = '\0';
        if (asprintf(&path, "%s/%s", own, name) < 0)
                return -ENOMEM;
        *ret = path;
        return 0;
}

static int open_leaf(Cgroup *cgroup) {
        cgroup->fd = openat(cgroup->trees_fd, cgroup->leaf,
                            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (cgroup->fd < 0)
                return -errno;
        cgroup->events_fd = openat(cgroup->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        return cgroup->events_fd < 0 ? -errno : 0;
}

/* Of an old one nobody knows what was done to it. */
static int make_leaf(Cgroup *cgroup) {
        int r;

        if (mkdirat(cgroup->trees_fd, cgroup->leaf, 0755) >= 0)
                return open_leaf(cgroup);
        if (errno != EEXIST)
                return -errno;
        r = open_leaf(cgroup);
        if (r >= 0)
                r = cgroup_remove(cgroup);
        cgroup->fd = safe_close(cgroup->fd);
        cgroup->events_fd = safe_close(cgroup->events_fd);
        if (r < 0)
                return r;
        if (mkdirat(cgroup->trees_fd, cgroup->leaf, 0755) < 0)
                return -errno;
        return open_leaf(cgroup);
}

/* Our mark is the keeper's; where there is none the kernel cannot do it. */
static void read_mark(Cgroup *cgroup) {
        (void) fgetxattr(cgroup->trees_fd, CGROUP_MARK_XATTR, cgroup->mark, CGROUP_MARK_MAX - 1);
}

static void set_mark(const Cgroup *cgroup) {
        if (cgroup->mark[0] != '\0')
                cgroup_dir_mark(cgroup->fd, cgroup->mark);
}

static int check_mark(const Cgroup *cgroup) {
        return cgroup->mark[0] == '\0' ? 0 : cgroup_dir_check_mark(cgroup->fd, cgroup->mark);
}

/* It has no directory yet. */
static int name_leaf(Cgroup **ret, int trees_fd, const char *trees_path, const char *leaf) {
        _cleanup_(cgroup_freep) Cgroup *cgroup = calloc(1, sizeof(*cgroup));

        if (!cgroup)
                return -ENOMEM;
        cgroup->trees_fd = trees_fd;
        cgroup->fd = cgroup->events_fd = -1;
        if (asprintf(&cgroup->path, "%s/%s", trees_path, leaf) < 0)
                return -ENOMEM;
        cgroup->leaf = strdup(leaf);
        if (!cgroup->leaf)
                return -ENOMEM;
        *ret = TAKE_PTR(cgroup);
        return 0;
}

int cgroup_new(Cgroup **ret, int trees_fd, const char *trees_path, const char *leaf) {
        _cleanup_(cgroup_freep) Cgroup *cgroup = NULL;
        int r;

        r = name_leaf(&cgroup, trees_fd, trees_path, leaf);
        if (r >= 0)
                r = make_leaf(cgroup);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(cgroup);
        return 0;
}

int cgroup_open(Cgroup **ret, int trees_fd, const char *trees_path, const char *leaf) {
        _cleanup_(cgroup_freep) Cgroup *cgroup = NULL;
        int r;

        r = name_leaf(&cgroup, trees_fd, trees_path, leaf);
        if (r >= 0)
                r = open_leaf(cgroup);
        if (r < 0)
                return r;
        read_mark(cgroup);
        r = cgroup->mark[0] == '\0' ? 1 : cgroup_dir_has_mark(cgroup->fd, cgroup->mark);
        if (r < 0)
                return r;
        /* The earlier brain may have died before it came to this. */
        if (r == 0)
                set_mark(cgroup);
        cgroup->was_killed = true; /* maybe: nobody knows any more */
        *ret = TAKE_PTR(cgroup);
        return 0;
}

int cgroup_find_leaf(int trees_fd, const char *prefix, char ret_leaf[static NAME_MAX + 1]) {
        /* Not a dup(2): the position in the directory is to be the copy's own. */
        int fd = openat(trees_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        if (!dir) {
                safe_close(fd);
                return -errno;
        }
        while ((entry = readdir(dir)))
                if (entry->d_type == DT_DIR && startswith(entry->d_name, prefix)) {
                        (void) stpcpy(ret_leaf, entry->d_name);
                        return 0;
                }

        return -ENOENT;
}

void cgroup_mark(Cgroup *cgroup) {
        if (cgroup->mark[0] != '\0')
                return;

        read_mark(cgroup);
        set_mark(cgroup);
}

Cgroup *cgroup_free(Cgroup *cgroup) {
        if (!cgroup)
                return NULL;

        safe_close(cgroup->fd);
        safe_close(cgroup->events_fd);
        free(cgroup->leaf);
        free(cgroup->path);
        free(cgroup);
        return NULL;
}

int cgroup_remove(Cgroup *cgroup) {
        int r;

        r = cgroup_dir_remove_below(cgroup->fd);
        if (r < 0)
                return r;
        return unlinkat(cgroup->trees_fd, cgroup->leaf, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int cgroup_fd(const Cgroup *cgroup) {
        return cgroup->fd;
}

int cgroup_events_fd(const Cgroup *cgroup) {
        return cgroup->events_fd;
}

const char *cgroup_path(const Cgroup *cgroup) {
        return cgroup->path;
}

int cgroup_is_populated(const Cgroup *cgroup) {
        return cgroup_dir_event(cgroup->events_fd, "populated");
}

uint64_t cgroup_count_oom_kills(const Cgroup *cgroup) {
        uint64_t n = 0;

        (void) cgroup_read_number(cgroup, "memory.events", "oom_kill ", &n);
        return n;
}

/*
 * Linux 6.14 and later (seen on 6.18) kill at birth whoever is cloned into a cgroup that was ever
 * killed, if the parent's own was not: fork compares the two kill counters as if they were one.
 */
bool cgroup_is_pristine(const Cgroup *cgroup) {
        char controllers[64];
        struct stat st;

        /* A directory without directories has the two links of its own name and its dot. */
        return !cgroup->was_killed && cgroup_count_oom_kills(cgroup) == 0 &&
               cgroup_is_populated(cgroup) == 0 &&
               cgroup_dir_event(cgroup->events_fd, "frozen") == 0 && fstat(cgroup->fd, &st) >= 0 &&
               st.st_nlink == 2 &&
               kernel_file_read(cgroup->fd, "cgroup.subtree_control", controllers,
                                sizeof(controllers)) >= 0 &&
               (controllers[0] == '\0' || controllers[0] == '\n');
}

bool cgroup_has(const Cgroup *cgroup, pid_t pid) {
        size_t length = strlen(cgroup->path);
        char path[PATH_MAX];

        return own_path(pid, path) >= 0 && startswith(path, cgroup->path) &&
               (path[length] == '\0' || path[length] == '/');
}

int cgroup_kill(Cgroup *cgroup) {
        int r = check_mark(cgroup);

        if (r < 0)
                return r;
        if (cgroup_has(cgroup, getpid()) || cgroup_has(cgroup, getppid()))
                return -EPERM;
        cgroup->was_killed = true;
        return kernel_file_write(cgroup->fd, "cgroup.kill", "1");
}

/* Takes fd over. A threaded sub-cgroup has no cgroup.procs to read: its domain has them. */
static int add_processes(int fd, PidList *list) {
        _cleanup_(closedirp) DIR *dir = fdopendir(fd);
        const struct dirent *entry;
        int r;

        if (!dir) {
                safe_close(fd);
                return -ENOMEM;
        }
        r = pids_read(fd, "cgroup.procs", pid_list_add, list);
        while (r != -ENOMEM && (entry = readdir(dir))) {
                int below;

                if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
                        continue;
                below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (below >= 0)
                        r = add_processes(below, list);
        }
        return r == -ENOMEM ? r : 0;
}

int cgroup_list_pids(const Cgroup *cgroup, PidList *list) {
        /* Not a dup(2): the position in the directory is to be the copy's own. */
        int fd = openat(cgroup->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : add_processes(fd, list);
}

int cgroup_read_number(const Cgroup *cgroup, const char *file, const char *key, uint64_t *ret) {
        char text[1024];
        const char *at = text;

        if (kernel_file_read(cgroup->fd, file, text, sizeof(text)) < 0)
                return -ENODATA;
        if (key) {
                at = strstr(text, key);
                at = at && (at == text || at[-1] == '\n') ? at + strlen(key) : "";
        }
        return sscanf(at, "%" SCNu64, ret) == 1 ? 0 : -ENODATA;
}
