/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Watch
 *
 * inotify(7) watches inodes, and a path is a walk over many: each folder on the way is watched
 * for the one name that the walk takes there, through symbolic links too. So a folder that is
 * swapped for another one, a link that is turned and a folder that is made later are all seen.
 * Each folder is watched before it is looked into: what comes in between is told.
 */

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "io/watch.h"
#include "util/strv.h"

#define LINKS_MAX 40 /* as path_resolution(7) has it */

/* Nobody has to be woken for each write to a file: a writer that is done closes it. */
#define MASK_WAY (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define MASK_END (MASK_WAY | IN_CLOSE_WRITE | IN_ATTRIB)

typedef struct Folder {
        int number;   /* the watch's */
        char **names; /* that are of interest in there */
} Folder;

struct Watch {
        int fd;
        sd_event_source *source;
        Folder *folders;
        size_t n_folders;
        watch_handler_t handler;
        void *userdata;
};

static Folder *find_folder(const Watch *watch, int number) {
        for (size_t i = 0; i < watch->n_folders; i++)
                if (watch->folders[i].number == number)
                        return &watch->folders[i];

        return NULL;
}

static int reach_folder(Watch *watch, int number, Folder **ret) {
        Folder *folder = find_folder(watch, number), *grown;

        if (!folder) {
                grown = reallocarray(watch->folders, watch->n_folders + 1, sizeof(Folder));
                if (!grown)
                        return -ENOMEM;
                watch->folders = grown;
                folder = &grown[watch->n_folders++];
                *folder = (Folder){ .number = number };
        }

        *ret = folder;
        return 0;
}

/* 0: it is watched, or may not be; -ENOENT: there is no such folder, nor anything below it. */
static int watch_name(Watch *watch, const char *path, const char *name, bool is_end) {
        Folder *folder;
        int number, r;

        number = inotify_add_watch(watch->fd, path,
                                   (is_end ? MASK_END : MASK_WAY) | IN_MASK_ADD | IN_ONLYDIR);
        if (number < 0)
                return errno == ENOSPC || errno == ENOMEM ? -errno : errno == EACCES ? 0 : -ENOENT;

        r = reach_folder(watch, number, &folder);
        if (r < 0)
                return r;

        return strv_contains(folder->names, name) ? 0 : strv_extend(&folder->names, name);
}

/* Where a link at the path leads to; -ENOENT: to nothing, or it is none. */
static int read_link(char **ret, const char *path) {
        char target[PATH_MAX];
        ssize_t n = readlink(path, target, sizeof(target) - 1);

        if (n <= 0)
                return -ENOENT;

        *ret = strndup(target, (size_t) n);
        return *ret ? 0 : -ENOMEM;
}

/* What is still to be walked, from a folder on. */
typedef struct Walk {
        char *at;
        char *rest;
        unsigned n_links;
} Walk;

static void walk_done(Walk *walk) {
        free(walk->at);
        free(walk->rest);
}

/* Takes the first name off the rest; 0: there was none. */
static int take_name(Walk *walk, char **ret) {
        const char *begin = walk->rest + strspn(walk->rest, "/");
        size_t n = strcspn(begin, "/");
        char *rest;

        if (n == 0)
                return 0;

        rest = strdup(begin + n + strspn(begin + n, "/"));
        *ret = rest ? strndup(begin, n) : NULL;
        if (!*ret) {
                free(rest);
                return -ENOMEM;
        }

        free(walk->rest);
        walk->rest = rest;
        return 1;
}

static int follow(Walk *walk, const char *target) {
        char *rest;

        if (asprintf(&rest, "%s/%s", target, walk->rest) < 0)
                return -ENOMEM;

        free(walk->rest);
        walk->rest = rest;
        return *target == '/' ? free_and_strdup(&walk->at, "/") : 0;
}

/* One name further. 0: that was the last one. */
static int walk_on(Watch *watch, Walk *walk) {
        _cleanup_free_ char *name = NULL, *below = NULL, *target = NULL;
        int r;

        r = take_name(walk, &name);
        if (r <= 0)
                return r;
        r = watch_name(watch, walk->at, name, *walk->rest == '\0');
        if (r < 0)
                return r;
        if (asprintf(&below, "%s/%s", streq(walk->at, "/") ? "" : walk->at, name) < 0)
                return -ENOMEM;

        r = read_link(&target, below);
        if (r >= 0)
                return ++walk->n_links > LINKS_MAX ? 0 : follow(walk, target) < 0 ? -ENOMEM : 1;
        if (r != -ENOENT)
                return r;

        free(walk->at);
        walk->at = TAKE_PTR(below);
        return 1;
}

static int watch_path(Watch *watch, const char *path) {
        _cleanup_(walk_done) Walk walk = { .at = strdup("/"), .rest = strdup(path) };
        int r;

        if (!walk.at || !walk.rest)
                return -ENOMEM;

        do
                r = walk_on(watch, &walk);
        while (r > 0);

        return r == -ENOENT ? 0 : r;
}

/* Those in which nothing is of interest any more. */
static void drop_folders(Watch *watch) {
        size_t n_kept = 0;

        for (size_t i = 0; i < watch->n_folders; i++)
                if (watch->folders[i].names)
                        watch->folders[n_kept++] = watch->folders[i];
                else
                        (void) inotify_rm_watch(watch->fd, watch->folders[i].number);

        watch->n_folders = n_kept;
}

int watch_set(Watch *watch, char *const *paths) {
        int r = 0;

        for (size_t i = 0; i < watch->n_folders; i++)
                watch->folders[i].names = strv_free(watch->folders[i].names);
        STRV_FOREACH (path, paths) {
                int q = watch_path(watch, *path);

                r = r < 0 ? r : q;
        }

        drop_folders(watch);
        return r;
}

static bool matches(const char *pattern, const char *name) {
        size_t n = strlen(name), n_suffix = strlen(pattern) - 1;

        if (*pattern != '*')
                return streq(pattern, name);

        return n >= n_suffix && streq(name + n - n_suffix, pattern + 1);
}

static bool is_news(const Watch *watch, const struct inotify_event *event) {
        const Folder *folder = find_folder(watch, event->wd);

        /* Of what was lost nobody knows what it was. */
        if (event->mask & (IN_Q_OVERFLOW | IN_UNMOUNT))
                return true;
        if (!folder || event->len == 0)
                return false;

        STRV_FOREACH (name, folder->names)
                if (matches(*name, event->name))
                        return true;

        return false;
}

static int
on_readable(sd_event_source *source _unused_, int fd, uint32_t events _unused_, void *userdata) {
        const Watch *watch = userdata;
        _Alignas(struct inotify_event) char buffer[16 * 1024];
        bool tell = false;
        ssize_t n;

        n = read(fd, buffer, sizeof(buffer));
        for (const char *at = buffer; n > 0 && at < buffer + n;) {
                const struct inotify_event *event = (const void *) at;

                tell = tell || is_news(watch, event);
                at += sizeof(*event) + event->len;
        }

        if (tell)
                watch->handler(watch->userdata);
        return 0;
}

int watch_new(Watch **ret, sd_event *event, watch_handler_t handler, void *userdata) {
        _cleanup_(watch_freep) Watch *watch = calloc(1, sizeof(*watch));
        int r;

        if (!watch)
                return -ENOMEM;

        watch->handler = handler;
        watch->userdata = userdata;
        watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (watch->fd < 0)
                return -errno;
        r = sd_event_add_io(event, &watch->source, watch->fd, EPOLLIN, on_readable, watch);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(watch);
        return 0;
}

Watch *watch_free(Watch *watch) {
        if (!watch)
                return NULL;

        sd_event_source_disable_unref(watch->source);
        safe_close(watch->fd);
        for (size_t i = 0; i < watch->n_folders; i++)
                strv_free(watch->folders[i].names);
        free(watch->folders);
        free(watch);
        return NULL;
}
