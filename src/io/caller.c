/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Caller
 *
 * Works by exclusion, and towards the stranger: a process is a host's only if each look at it
 * succeeded and found nothing. A Snap is known by the label that the kernel gave its socket, a
 * Flatpak by the /.flatpak-info that flatpak puts into its root and that it cannot take away.
 * Other containers (their namespaces) are not told apart here.
 */

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "io/caller.h"
#include "util/macro.h"
#include "util/strv.h"

#define FLATPAK_INFO_BYTES_MAX (64u * 1024u)
#define APP_ID_MAX 255u

static bool endswith(const char *text, const char *suffix) {
        size_t n = strlen(text), n_suffix = strlen(suffix);

        return n >= n_suffix && streq(text + n - n_suffix, suffix);
}

/* AppArmor's "snap.NAME.APP (MODE)". A profile that only complains confines nothing: devmode and
 * classic snaps are the user's own programs. */
static CallerKind label_classify(const char *label) {
        const char *name, *dot;

        if (!label || !startswith(label, "snap.") || endswith(label, " (complain)"))
                return CALLER_HOST;

        name = label + strlen("snap.");
        dot = strchr(name, '.');
        return dot && dot > name && dot[1] != '\0' && dot[1] != ' ' ? CALLER_SNAP : CALLER_UNKNOWN;
}

/* A pidfd is readable from the moment that its process is a zombie (pidfd_open(2)). */
static bool process_is_alive(int pidfd) {
        struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

        /* poll(2) passes over a negative descriptor and would call it alive. */
        return pidfd >= 0 && poll(&poll_fd, 1, 0) == 0;
}

static bool file_system_may_hang(const char *type) {
        return startswith(type, "fuse") || startswith(type, "nfs") || startswith(type, "9p");
}

/*
 * A line of /proc/PID/mountinfo (proc(5)): "ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS
 * [TAG...] - TYPE SOURCE OPTIONS". Blanks in names are escaped.
 */
static bool mount_is_root(const char *line, char type[static 64]) {
        char mount_point[3];
        const char *separator = strstr(line, " - ");

        return separator && sscanf(line, "%*s %*s %*s %*s %2s", mount_point) == 1 &&
               streq(mount_point, "/") && sscanf(separator, " - %63s", type) == 1;
}

/* Reads a link of /proc/PID, which names things and touches none of them. */
static bool process_link_is(pid_t pid, const char *link, const char *text) {
        char path[64], target[PATH_MAX];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, link);
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return false;

        target[n] = '\0';
        return streq(target, text);
}

/* In our own mounts "/" can only be our own root, be it a chroot or not: we are in there already.
 */
static bool process_has_our_root(pid_t pid) {
        char mounts[64];
        ssize_t n = readlink("/proc/self/ns/mnt", mounts, sizeof(mounts) - 1);

        if (n < 0)
                return false;

        mounts[n] = '\0';
        return process_link_is(pid, "ns/mnt", mounts) && process_link_is(pid, "root", "/");
}

/*
 * To open the root of a process whose file system is a program's or a server's is to wait for
 * them. 0: it is safe. Also refused is a strange root that is no mount (a chroot), since nothing
 * tells what it lies on.
 */
static int process_check_root(pid_t pid) {
        _cleanup_free_ char *line = NULL;
        char path[64], type[64];
        size_t n_line = 0;
        bool found = false, hangs = false;
        FILE *file;

        if (process_has_our_root(pid))
                return 0;

        (void) snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int) pid);
        file = fopen(path, "re");
        if (!file)
                return -errno;

        while (getline(&line, &n_line, file) >= 0)
                if (mount_is_root(line, type)) {
                        found = true;
                        hangs |= file_system_may_hang(type);
                }

        (void) fclose(file);
        return found && !hangs ? 0 : -EREMOTEIO;
}

static bool app_id_is_valid(const char *id) {
        size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789._-");

        return n > 0 && n <= APP_ID_MAX && id[n] == '\0';
}

/* GLib's key files, as far as flatpak writes them: "[Group]" and "key=value" at a line's start. */
static bool flatpak_info_names_app(char *text) {
        bool in_application = false;
        char *rest = text;

        for (char *line; (line = strsep(&rest, "\n"));) {
                if (line[0] == '[')
                        in_application = streq(line, "[Application]");
                else if (in_application && startswith(line, "name="))
                        return app_id_is_valid(line + strlen("name="));
        }

        return false;
}

static int flatpak_info_read(char **ret, int fd) {
        _cleanup_free_ char *text = NULL;
        struct stat status;
        ssize_t n;

        if (fstat(fd, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode))
                return -EBADMSG;
        if (status.st_size > (off_t) FLATPAK_INFO_BYTES_MAX)
                return -EFBIG;

        text = calloc(1, FLATPAK_INFO_BYTES_MAX + 1);
        if (!text)
                return -ENOMEM;
        n = read(fd, text, FLATPAK_INFO_BYTES_MAX);
        if (n < 0)
                return -errno;

        *ret = TAKE_PTR(text);
        return 0;
}

static CallerKind root_classify(pid_t pid) {
        _cleanup_close_ int root_fd = -1, fd = -1;
        _cleanup_free_ char *text = NULL;
        char path[64];

        if (process_check_root(pid) < 0)
                return CALLER_UNKNOWN;

        (void) snprintf(path, sizeof(path), "/proc/%d/root", (int) pid);
        root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return CALLER_UNKNOWN;

        /* Neither a link nor a pipe may lead or hold us elsewhere. */
        fd = openat(root_fd, ".flatpak-info", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? CALLER_HOST : CALLER_UNKNOWN;

        if (flatpak_info_read(&text, fd) < 0 || !flatpak_info_names_app(text))
                return CALLER_UNKNOWN;

        return CALLER_FLATPAK;
}

CallerKind caller_identify(pid_t pid, int pidfd, const char *security_label) {
        CallerKind kind = label_classify(security_label);

        if (kind == CALLER_HOST)
                kind = root_classify(pid);

        /* Last, or what was looked at may have been the next process of that pid. */
        return process_is_alive(pidfd) ? kind : CALLER_UNKNOWN;
}
