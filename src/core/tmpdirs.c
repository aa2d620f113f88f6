/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * TmpDirs
 *
 * A sweep goes through all folders from the beginning, and removes so many entries a turn. There
 * is a folder for each such program that is up, and seldom another one.
 */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/supervisor.h"
#include "core/tmpdirs.h"
#include "io/program-file.h"
#include "io/remove-tree.h"
#include "util/mkdir.h"
#include "util/strv.h"

#define FOLDER "tmp"
#define ENTRIES_A_TURN 64u
#define UNPACKED_TIMES 4u /* as large as the archive */

struct TmpDirs {
        Supervisor *supervisor;
        sd_event_source *sweeper;
};

/* What the folders above an entry are named. */
typedef struct Place {
        const char *app;
        const char *name;
} Place;

static DIR *open_folder(int parent_fd, const char *name) {
        int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir)
                safe_close(fd);
        return dir;
}

/* Its name, or NULL at the end. */
static const char *next_name(DIR *dir) {
        const struct dirent *entry;

        while ((entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        return entry->d_name;

        return NULL;
}

static bool is_in_use(const TmpDirs *tmpdirs, const Place *place, const char *generation) {
        const App *app = supervisor_find_app(tmpdirs->supervisor, place->app);
        const Sidecar *s = app ? app_find(app, place->name) : NULL;

        return s && !sidecar_is_gone(s) && strtoull(generation, NULL, 10) == s->life.generation;
}

/* False: the budget is used up. */
static bool sweep_generations(const TmpDirs *tmpdirs, DIR *dir, Place place, unsigned *budget) {
        const char *generation;

        while ((generation = next_name(dir)))
                if (!is_in_use(tmpdirs, &place, generation) &&
                    remove_tree(dirfd(dir), generation, budget) == -EAGAIN)
                        return false;

        return true;
}

static bool sweep_app(const TmpDirs *tmpdirs, DIR *dir, const char *app, unsigned *budget) {
        const char *name;

        while ((name = next_name(dir))) {
                _cleanup_(closedirp) DIR *generations = open_folder(dirfd(dir), name);

                if (generations &&
                    !sweep_generations(tmpdirs, generations, (Place){ app, name }, budget))
                        return false;
                /* Succeeds only if nothing is in there. */
                (void) unlinkat(dirfd(dir), name, AT_REMOVEDIR);
        }

        return true;
}

static bool sweep(const TmpDirs *tmpdirs, unsigned budget) {
        _cleanup_(closedirp) DIR *runtime = open_folder(AT_FDCWD, tmpdirs->supervisor->runtime_dir);
        _cleanup_(closedirp) DIR *apps = runtime ? open_folder(dirfd(runtime), FOLDER) : NULL;
        const char *app;

        while (apps && (app = next_name(apps))) {
                _cleanup_(closedirp) DIR *names = open_folder(dirfd(apps), app);

                if (names && !sweep_app(tmpdirs, names, app, &budget))
                        return false;
                (void) unlinkat(dirfd(apps), app, AT_REMOVEDIR);
        }

        return true;
}

static int on_sweep(sd_event_source *source, void *userdata) {
        if (!sweep(userdata, ENTRIES_A_TURN))
                (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);

        return 0;
}

int tmpdirs_new(TmpDirs **ret, Supervisor *supervisor) {
        _cleanup_(tmpdirs_freep) TmpDirs *tmpdirs = calloc(1, sizeof(*tmpdirs));
        int r;

        if (!tmpdirs)
                return -ENOMEM;

        tmpdirs->supervisor = supervisor;
        r = sd_event_add_defer(supervisor->event, &tmpdirs->sweeper, on_sweep, tmpdirs);
        if (r >= 0)
                r = sd_event_source_set_priority(tmpdirs->sweeper, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(tmpdirs->sweeper, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(tmpdirs);
        return 0;
}

TmpDirs *tmpdirs_free(TmpDirs *tmpdirs) {
        if (!tmpdirs)
                return NULL;

        if (tmpdirs->sweeper)
                (void) sweep(tmpdirs, UINT_MAX);
        sd_event_source_disable_unref(tmpdirs->sweeper);
        free(tmpdirs);
        return NULL;
}

void tmpdirs_sweep(TmpDirs *tmpdirs) {
        (void) sd_event_source_set_enabled(tmpdirs->sweeper, SD_EVENT_ONESHOT);
}

/* The runtime directory is mostly memory, and smaller than a disk: better a leftover than a start
 * that fails for lack of room. */
static bool has_room(const char *runtime_dir, const char *program) {
        struct statvfs fs;
        struct stat st;

        return statvfs(runtime_dir, &fs) >= 0 && stat(program, &st) >= 0 &&
               fs.f_bavail * fs.f_frsize / UNPACKED_TIMES >= (uint64_t) st.st_size;
}

static bool has_own_word(const Sidecar *s) {
        const SidecarSpec *spec = s->running;

        return strv_env_get(spec->env, "TMPDIR") || strv_contains(spec->unset_env, "TMPDIR") ||
               (sidecar_spec_find_passed(spec, "TMPDIR") && strv_env_get(s->passed, "TMPDIR"));
}

int tmpdirs_set(const Sidecar *s, char ***env) {
        const char *runtime_dir = s->supervisor->runtime_dir;
        const SidecarSpec *spec = s->running;
        _cleanup_free_ char *path = NULL;
        int r;

        if (has_own_word(s) || !program_file_is_pyinstaller(s->program) ||
            !has_room(runtime_dir, s->program))
                return 0;
        if (asprintf(&path, "%s/" FOLDER "/%s/%s/%" PRIu64, runtime_dir, spec->app_id, spec->name,
                     s->life.generation) < 0)
                return -ENOMEM;

        r = mkdir_parents(path, 0700);
        return r < 0 ? r : strv_env_set(env, "TMPDIR", path);
}
