/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Limits, as the kernel gives them
 *
 * A controller is there for a leaf if each cgroup above it hands it down, and a cgroup that does
 * may have no processes of its own (cgroup-v2.rst, "No Internal Process Constraint"): the keeper
 * has moved into a leaf, but whoever else is where it was started keeps us from it. Nothing is
 * handed down that no manifest asks for, since each controller costs.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "io/kernel-limits.h"
#include "util/cgroup-dir.h"
#include "util/strv.h"

#define NUMBER_MAX 32
#define CONTROLLERS_MAX 256
#define NICE_MAX 20 /* RLIMIT_NICE counts from here: setrlimit(2) */

typedef struct CgroupLimit {
        const char *controller; /* NULL: it is none of the cgroup's */
        const char *file;
} CgroupLimit;

static const CgroupLimit cgroup_limits[_LIMIT_MAX] = {
        [LIMIT_MEMORY_MAX] = { "memory", "memory.max" },
        [LIMIT_MEMORY_HIGH] = { "memory", "memory.high" },
        [LIMIT_CPU_WEIGHT] = { "cpu", "cpu.weight" },
        [LIMIT_TASKS_MAX] = { "pids", "pids.max" },
};

bool limits_are_same_for_cgroup(const Limits *a, const Limits *b) {
        for (Limit i = 0; i < _LIMIT_MAX; i++)
                if (cgroup_limits[i].file &&
                    (limits_ask(a, i) != limits_ask(b, i) || a->values[i] != b->values[i]))
                        return false;

        return true;
}

/* Whether the list in a file, separated by spaces, has that word. */
static bool file_lists(int dir_fd, const char *path, const char *word) {
        char text[CONTROLLERS_MAX], *saved = NULL;

        if (kernel_file_read(dir_fd, path, text, sizeof(text)) < 0)
                return false;
        for (char *at = strtok_r(text, " \n", &saved); at; at = strtok_r(NULL, " \n", &saved))
                if (streq(at, word))
                        return true;

        return false;
}

/* BASE/sidecard.MARK/trees: see init/containment.h. The upper ones are to come first. */
static int hand_down(int trees_fd, const char *controller) {
        static const char *const files[] = { "../../cgroup.subtree_control",
                                             "../cgroup.subtree_control",
                                             "cgroup.subtree_control" };
        char order[NUMBER_MAX];
        int r;

        if (file_lists(trees_fd, "cgroup.subtree_control", controller))
                return 0;

        (void) snprintf(order, sizeof(order), "+%s", controller);
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                if (file_lists(trees_fd, files[i], controller))
                        continue;
                r = kernel_file_write(trees_fd, files[i], order);
                if (r < 0)
                        return r;
        }

        return 0;
}

void limits_give_cgroup(const Limits *limits, int trees_fd, int leaf_fd) {
        for (Limit i = 0; i < _LIMIT_MAX; i++) {
                const CgroupLimit *place = &cgroup_limits[i];
                char text[NUMBER_MAX];

                if (!place->file || !limits_ask(limits, i) ||
                    hand_down(trees_fd, place->controller) < 0)
                        continue;
                (void) snprintf(text, sizeof(text), "%" PRId64, limits->values[i]);
                (void) kernel_file_write(leaf_fd, place->file, text);
        }
}

/* INT64_MAX for "max". */
static int read_number(int dir_fd, const char *path, int64_t *ret) {
        char text[NUMBER_MAX];
        int r;

        r = kernel_file_read(dir_fd, path, text, sizeof(text));
        if (r < 0)
                return r;
        if (startswith(text, "max"))
                *ret = INT64_MAX;
        else if (sscanf(text, "%" SCNd64, ret) != 1)
                return -EBADMSG;
        return 0;
}

/* What a process has of a limit of its own. */
static int read_own(Limit limit, pid_t pid, int64_t *ret) {
        struct rlimit nofile;
        char path[NUMBER_MAX];
        int nice;

        switch (limit) {
        case LIMIT_OPEN_FILES:
                if (prlimit(pid, RLIMIT_NOFILE, NULL, &nofile) < 0)
                        return -errno;
                *ret = (int64_t) nofile.rlim_max;
                return 0;
        case LIMIT_NICE:
                errno = 0; /* -1 is an answer too: getpriority(2) */
                nice = getpriority(PRIO_PROCESS, (id_t) pid);
                if (errno != 0)
                        return -errno;
                *ret = nice;
                return 0;
        default:
                (void) snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int) pid);
                return read_number(AT_FDCWD, path, ret);
        }
}

/* A program may be stricter with itself, and the kernel rounds memory down to pages. */
static bool is_as_asked(Limit limit, int64_t asked, int64_t has) {
        if (limit == LIMIT_CPU_WEIGHT)
                return has == asked;
        return limit == LIMIT_OPEN_FILES ? has >= asked : has <= asked;
}

/* As limit_find_fault(). A process that has ended, or is another user's by now, is not judged. */
static int find_own_fault(const Limits *limits, Limit limit, pid_t pid, char **ret) {
        int64_t asked = limits->values[limit], has;

        *ret = NULL;
        if (pid == 0 || read_own(limit, pid, &has) < 0 || is_as_asked(limit, asked, has))
                return 0;

        return asprintf(ret, "it is %" PRId64 " instead of %" PRId64 ", the kernel gives no more",
                        has, asked) < 0
                       ? -ENOMEM
                       : 0;
}

static int find_cgroup_fault(const Limits *limits, Limit limit, int leaf_fd, char **ret) {
        int64_t asked = limits->values[limit], has;
        const CgroupLimit *place = &cgroup_limits[limit];
        int r = 0;

        *ret = NULL;
        if (leaf_fd < 0)
                r = asprintf(ret, "not in force, sidecard has no cgroup to write in");
        else if (read_number(leaf_fd, place->file, &has) < 0)
                r = asprintf(ret, "not in force, the cgroup of sidecard has no %s controller",
                             place->controller);
        else if (!is_as_asked(limit, asked, has))
                r = asprintf(ret, "not in force, the kernel refuses %" PRId64, asked);

        return r < 0 ? -ENOMEM : 0;
}

int limit_find_fault(const Limits *limits, Limit limit, int leaf_fd, pid_t pid, char **ret) {
        *ret = NULL;
        if (!limits_ask(limits, limit))
                return 0;

        return cgroup_limits[limit].file ? find_cgroup_fault(limits, limit, leaf_fd, ret)
                                         : find_own_fault(limits, limit, pid, ret);
}

/* The root of all cgroups alone has no cgroup.type, and may have processes beside children. */
static bool may_hand_down(int base_fd) {
        char text[NUMBER_MAX];

        return faccessat(base_fd, "cgroup.type", F_OK, 0) < 0 ||
               kernel_file_read(base_fd, "cgroup.procs", text, sizeof(text)) == 0;
}

bool limits_have_controller(int trees_fd, const char *controller) {
        _cleanup_close_ int base_fd = -1;

        if (file_lists(trees_fd, "cgroup.controllers", controller))
                return true;
        base_fd = openat(trees_fd, "../..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return base_fd >= 0 && file_lists(base_fd, "cgroup.controllers", controller) &&
               may_hand_down(base_fd);
}

/* Anywhere on this machine; whether it comes down to where sidecard is, it alone can tell. */
static bool machine_has_controller(const char *controller) {
        FILE *mounts = setmntent("/proc/self/mounts", "re");
        const struct mntent *mount;
        bool found = false;

        while (mounts && !found && (mount = getmntent(mounts))) {
                _cleanup_close_ int fd = -1;

                if (!streq(mount->mnt_type, "cgroup2"))
                        continue;
                fd = open(mount->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                found = fd >= 0 && file_lists(fd, "cgroup.controllers", controller);
        }

        if (mounts)
                (void) endmntent(mounts);
        return found;
}

static bool is_capable(unsigned capability) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

        return syscall(SYS_capget, &header, data) >= 0 &&
               data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

/* How far this process may go without a capability: setrlimit(2), proc_pid_oom_score_adj(5). */
static int64_t furthest(Limit limit, int64_t own) {
        struct rlimit nice;
        int64_t reach;

        if (limit != LIMIT_NICE || getrlimit(RLIMIT_NICE, &nice) < 0)
                return own;

        reach = nice.rlim_cur > 2 * NICE_MAX ? -NICE_MAX : NICE_MAX - (int64_t) nice.rlim_cur;
        return reach < own ? reach : own;
}

int limit_find_obstacle(const Limits *limits, Limit limit, char **ret) {
        unsigned capability = limit == LIMIT_NICE ? CAP_SYS_NICE : CAP_SYS_RESOURCE;
        int64_t own;
        char *text;
        int r;

        *ret = NULL;
        if (!limits_ask(limits, limit))
                return 0;
        if (cgroup_limits[limit].file) {
                if (machine_has_controller(cgroup_limits[limit].controller))
                        return 0;
                r = asprintf(&text, "cgroup v2 of this machine has no %s controller",
                             cgroup_limits[limit].controller);
        } else {
                r = read_own(limit, getpid(), &own);
                if (r < 0)
                        return r;
                own = furthest(limit, own);
                if (is_as_asked(limit, limits->values[limit], own) || is_capable(capability))
                        return 0;
                r = asprintf(&text, "this user gets no further than %" PRId64, own);
        }
        if (r < 0)
                return -ENOMEM;

        *ret = text;
        return 0;
}
