/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Instance
 *
 * The lock has to end with the keeper, and a child that has not come to its exec yet, or is frozen
 * before that, must not have a part in it: the next keeper would take itself for the second. Such
 * a child may share the keeper's open files, and even its table of descriptors (init/spawn.c),
 * whose locks those of fcntl(2) are. So it is a lock of the open file, and that is kept open by
 * nothing but a mapping that children do not inherit.
 */

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "init/instance.h"
#include "util/fnv.h"
#include "util/macro.h"

#define ADDRESS_MAX 512

static uint64_t hash_text(const char *text) {
        return fnv_hash(FNV_BEGIN, text, strlen(text));
}

static int hex_digit(char c) {
        return isdigit((unsigned char) c) ? c - '0' : tolower((unsigned char) c) - 'a' + 10;
}

/* One key=value of an address, with the %xx of the D-Bus specification undone. */
static void append_unescaped(char *target, size_t size, const char *from, size_t length) {
        size_t used = strlen(target);

        for (size_t i = 0; i < length && used + 1 < size; i++) {
                char c = from[i];

                if (c == '%' && i + 2 < length && isxdigit((unsigned char) from[i + 1]) &&
                    isxdigit((unsigned char) from[i + 2])) {
                        c = (char) (hex_digit(from[i + 1]) * 16 + hex_digit(from[i + 2]));
                        i += 2;
                }
                target[used++] = c;
        }
        target[used] = '\0';
}

/* The keys that say where a bus is, over all transports of the D-Bus specification. */
static bool says_where(const char *pair) {
        static const char *const keys[] = { "path=",   "abstract=", "host=", "port=",
                                            "family=", "cid=",      "argv" };

        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                if (strncmp(pair, keys[i], strlen(keys[i])) == 0)
                        return true;

        return false;
}

static void canonical_address(char ret[static ADDRESS_MAX], const char *address) {
        size_t transport = strcspn(address, ":;");
        const char *end = address + strcspn(address, ";");

        ret[0] = '\0';
        append_unescaped(ret, ADDRESS_MAX, address, transport);
        for (const char *pair = address + transport; pair < end && *pair != '\0';) {
                size_t length;

                pair++; /* the colon or comma before it */
                length = strcspn(pair, ",;");
                if (says_where(pair)) {
                        append_unescaped(ret, ADDRESS_MAX, ":", 1);
                        append_unescaped(ret, ADDRESS_MAX, pair, length);
                }
                pair += length;
        }
}

void instance_folder(char ret[static INSTANCE_FOLDER_MAX],
                     const char *runtime_directory,
                     const char *address) {
        char usual[ADDRESS_MAX], canonical[ADDRESS_MAX];

        (void) snprintf(usual, sizeof(usual), "unix:path=%s/bus", runtime_directory);
        canonical_address(canonical, address && *address ? address : usual);
        if (strcmp(canonical, usual) == 0)
                (void) snprintf(ret, INSTANCE_FOLDER_MAX, "sidecard");
        else
                (void) snprintf(ret, INSTANCE_FOLDER_MAX, "sidecard-%016llx",
                                (unsigned long long) hash_text(canonical));
}

static int open_directory(const char *path, int *ret_fd, struct stat *ret_stat) {
        _cleanup_close_ int fd = -1;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ELOOP ? -ENOTDIR : -errno;
        if (fstat(fd, ret_stat) < 0)
                return -errno;
        if (ret_stat->st_uid != geteuid())
                return -EPERM;
        if ((ret_stat->st_mode & 0777) != 0700 && fchmod(fd, 0700) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static pid_t read_holder(int fd) {
        char text[16] = "";

        return pread(fd, text, sizeof(text) - 1, 0) < 0 ? 0 : (pid_t) strtol(text, NULL, 10);
}

static int bind_to_this_process(int fd) {
        void *page = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE, fd, 0);

        if (page == MAP_FAILED || madvise(page, 1, MADV_DONTFORK) < 0)
                return -errno;
        return ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int) getpid()) < 0 ? -errno : 0;
}

/* 1: *ret_holder has it. */
static int take_lock(int directory_fd, pid_t *ret_holder) {
        _cleanup_close_ int fd =
                openat(directory_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) >= 0)
                return bind_to_this_process(fd);
        if (errno != EWOULDBLOCK)
                return -errno;
        *ret_holder = read_holder(fd);
        return 1;
}

int instance_open(Instance *ret,
                  const char *runtime_directory,
                  const char *address,
                  pid_t *ret_holder) {
        _cleanup_close_ int directory_fd = -1;
        struct stat st;
        uint64_t mark;
        int r;

        instance_folder(ret->folder, runtime_directory, address);
        r = snprintf(ret->directory, PATH_MAX, "%s/%s", runtime_directory, ret->folder);
        if (r >= PATH_MAX)
                return -ENAMETOOLONG;
        r = open_directory(ret->directory, &directory_fd, &st);
        if (r < 0)
                return r;
        /* The device too: the same path in two containers is two supervisors. */
        mark = fnv_hash(hash_text(ret->directory), &st.st_dev, sizeof(st.st_dev));
        (void) snprintf(ret->mark, sizeof(ret->mark), "%016llx", (unsigned long long) mark);
        return take_lock(directory_fd, ret_holder);
}
