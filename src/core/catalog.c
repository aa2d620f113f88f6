/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Catalog
 *
 * inotify only says that there may be news; then all is read again, and what is as it was costs
 * nothing more. A package manager or an editor writes several files, or one several times: what
 * counts is what they have come to when it has been quiet for a while. Each folder is watched
 * before it is read, so that nothing is missed in between; as what is read may name more folders,
 * that is done until there are no more.
 */

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/catalog.h"
#include "core/records.h"
#include "io/manifest-file.h"
#include "io/watch.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/log.h"
#include "util/strv.h"
#include "util/xdg.h"

#define SETTLE_USEC (200 * USEC_PER_MSEC)
#define SETTLE_MAX_USEC (2 * USEC_PER_SEC) /* of news without a pause */
#define ROUNDS_MAX 3

#define FOLDER "sidecard/apps"

struct Catalog {
        Supervisor *supervisor;
        Watch *watch;
        char **watched; /* sorted */
        bool is_short;  /* not all of them are */
        sd_event_source *timer;
        uint64_t told_at; /* CLOCK_MONOTONIC, of the first news that wait; 0: there are none */
        bool is_to_load;  /* ... and they may be of manifests */
};

static int list_folders(char ***ret) {
        _cleanup_(strv_freep) char **path = NULL, **folders = NULL;
        int r;

        r = xdg_data_path(&path);
        STRV_FOREACH (dir, path)
                if (r >= 0)
                        r = strv_extendf(&folders, "%s/" FOLDER, *dir);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(folders);
        return 0;
}

int catalog_drop_ins(char **ret, const char *id) {
        _cleanup_free_ char *config = NULL;
        int r;

        r = xdg_config_home(&config);
        if (r < 0)
                return r;

        return asprintf(ret, "%s/" FOLDER "/%s.json.d", config, id) < 0 ? -ENOMEM : 0;
}

int catalog_find_manifest(char **ret, const char *id) {
        _cleanup_(strv_freep) char **folders = NULL;
        int r;

        r = list_folders(&folders);
        if (r < 0)
                return r;

        STRV_FOREACH (folder, folders) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s/%s.json", *folder, id) < 0)
                        return -ENOMEM;
                if (access(path, F_OK) < 0)
                        continue;
                *ret = TAKE_PTR(path);
                return 0;
        }

        return -ENOENT;
}

bool catalog_has_folder(const char *folder) {
        _cleanup_(strv_freep) char **folders = NULL;
        struct stat wanted, st;

        if (stat(folder, &wanted) < 0 || list_folders(&folders) < 0)
                return false;

        STRV_FOREACH (each, folders)
                if (stat(*each, &st) >= 0 && st.st_dev == wanted.st_dev &&
                    st.st_ino == wanted.st_ino)
                        return true;

        return false;
}

/* What a file may be the same as; NULL where it has to be read in any case. */
static const Manifest *manifest_in_force(const App *app) {
        const Manifest *installed = app->is_transient ? app->installed : app->manifest;

        return app->is_missing || app->is_masked || app->error.message ? NULL : installed;
}

static int load_one(Supervisor *supervisor, const char *id, const char *path) {
        _cleanup_(manifest_error_done) ManifestError error = { 0 };
        _cleanup_(manifest_freep) Manifest *manifest = NULL;
        _cleanup_free_ char *drop_ins = NULL;
        App *app = supervisor_find_app(supervisor, id);
        bool is_masked = manifest_is_masked(path);
        int r;

        r = catalog_drop_ins(&drop_ins, id);
        if (r >= 0 && !is_masked)
                r = manifest_load(&manifest, app ? manifest_in_force(app) : NULL, path, drop_ins,
                                  &error);
        /* It has gone since it was listed, of which there will be news; or it is as it was. */
        if (r == -ENOENT || r > 0)
                return 0;

        /* That it is new and what it is are one. */
        records_begin(supervisor->records);
        if (r >= 0 || r == -EBADMSG)
                r = app ? 0 : supervisor_add_new_app(supervisor, id, &app);
        if (r >= 0)
                r = free_and_strdup(&app->manifest_path, path);
        if (r >= 0 && is_masked)
                app_lose_manifest(app, true);
        else if (r >= 0)
                r = manifest ? app_take_manifest(app, TAKE_PTR(manifest))
                             : app_refuse_manifest(app, &error);
        records_commit(supervisor->records);

        return r < 0 ? log_error_errno(r, "%s cannot be put in force", path) : 0;
}

static int load_folder(Supervisor *supervisor, const char *folder, char ***seen) {
        DIR *dir = opendir(folder);
        int r = 0;

        if (!dir)
                return 0;

        for (struct dirent *entry; r != -ENOMEM && (entry = readdir(dir));) {
                _cleanup_free_ char *id = NULL, *path = NULL;

                if (!manifest_is_name(entry->d_name))
                        continue;
                id = strndup(entry->d_name, strlen(entry->d_name) - strlen(".json"));
                if (!id || asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
                        r = -ENOMEM;
                else if (!strv_contains(*seen, id)) {
                        r = strv_extend(seen, id);
                        if (r >= 0)
                                r = load_one(supervisor, id, path);
                }
        }

        (void) closedir(dir);
        return r == -ENOMEM ? r : 0;
}

static int load_all(Supervisor *supervisor) {
        _cleanup_(strv_freep) char **folders = NULL, **seen = NULL;
        int r;

        r = list_folders(&folders);
        STRV_FOREACH (folder, folders)
                if (r >= 0)
                        r = load_folder(supervisor, *folder, &seen);
        if (r < 0)
                return r;

        for (size_t i = 0; i < supervisor->n_apps; i++)
                if (!strv_contains(seen, supervisor->apps[i]->id))
                        app_lose_manifest(supervisor->apps[i], false);
        return 0;
}

/* A thousand sidecars have many places where their programs might be. */
typedef struct Paths {
        char **items;
        size_t n_items, n_allocated;
} Paths;

static void paths_done(Paths *paths) {
        for (size_t i = 0; i < paths->n_items; i++)
                free(paths->items[i]);
        free(paths->items);
}

/* Takes the path over. */
static int add_path(Paths *paths, char *path) {
        if (path && paths->n_items + 1 >= paths->n_allocated) {
                size_t n = 2 * paths->n_allocated + 64;
                char **grown = reallocarray(paths->items, n, sizeof(char *));

                if (!grown)
                        path = (free(path), NULL);
                else {
                        paths->items = grown;
                        paths->n_allocated = n;
                }
        }
        if (!path)
                return -ENOMEM;

        paths->items[paths->n_items++] = path;
        paths->items[paths->n_items] = NULL;
        return 0;
}

static int add_files_of(Paths *paths, const char *folder) {
        char *path;

        return asprintf(&path, "%s/*.json", folder) < 0 ? -ENOMEM : add_path(paths, path);
}

static int add_programs(Paths *paths, const Sidecar *sidecar) {
        _cleanup_free_ char **programs = NULL;
        int r;

        r = sidecar_list_programs(sidecar, &programs);
        if (r < 0)
                return r;

        for (char **path = programs; path && *path; path++) {
                int q = add_path(paths, *path);

                r = r < 0 ? r : q;
        }

        return r;
}

static int add_app(Paths *paths, const App *app) {
        _cleanup_free_ char *drop_ins = NULL;
        int r;

        r = catalog_drop_ins(&drop_ins, app->id);
        if (r >= 0)
                r = add_files_of(paths, drop_ins);
        for (size_t i = 0; r >= 0 && i < app->n_sidecars; i++)
                r = add_programs(paths, app->sidecars[i]);

        return r;
}

static int compare_paths(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static void make_unique(Paths *paths) {
        size_t n_kept = 0;

        qsort(paths->items, paths->n_items, sizeof(char *), compare_paths);
        for (size_t i = 0; i < paths->n_items; i++)
                if (n_kept > 0 && streq(paths->items[n_kept - 1], paths->items[i]))
                        free(paths->items[i]);
                else
                        paths->items[n_kept++] = paths->items[i];

        paths->n_items = n_kept;
        paths->items[n_kept] = NULL;
}

static int list_paths(const Supervisor *supervisor, Paths *paths) {
        _cleanup_(strv_freep) char **folders = NULL;
        int r;

        r = list_folders(&folders);
        STRV_FOREACH (folder, folders)
                if (r >= 0)
                        r = add_files_of(paths, *folder);
        for (size_t i = 0; r >= 0 && i < supervisor->n_apps; i++)
                r = add_app(paths, supervisor->apps[i]);
        if (r >= 0)
                make_unique(paths);

        return r;
}

/* Positive: there are others than before. */
static int watch_all(Catalog *catalog) {
        _cleanup_(paths_done) Paths paths = { 0 };
        bool is_other;
        int r;

        r = list_paths(catalog->supervisor, &paths);
        if (r < 0)
                return r;

        is_other = !strv_equal(paths.items, catalog->watched);
        /* In any case: the folders above may be others. */
        r = watch_set(catalog->watch, paths.items);
        if (r < 0 && !catalog->is_short)
                (void) log_warning_errno(r, "Not all changes of manifests and programs will be "
                                            "noticed (see fs.inotify in sysctl)");
        catalog->is_short = r < 0;
        strv_free(catalog->watched);
        catalog->watched = paths.items;
        paths = (Paths){ 0 };
        return is_other;
}

static void check_programs(const Supervisor *supervisor) {
        for (size_t i = 0; i < supervisor->n_apps; i++)
                app_check_programs(supervisor->apps[i]);
}

static void settle(Catalog *catalog) {
        uint64_t now = clock_monotonic_usec(), until = now + SETTLE_USEC;

        if (catalog->told_at == 0)
                catalog->told_at = now;
        if (until > catalog->told_at + SETTLE_MAX_USEC)
                until = catalog->told_at + SETTLE_MAX_USEC;

        (void) sd_event_source_set_time(catalog->timer, until);
        (void) sd_event_source_set_enabled(catalog->timer, SD_EVENT_ONESHOT);
}

static void on_news(void *userdata) {
        Catalog *catalog = userdata;

        catalog->is_to_load = true;
        settle(catalog);
}

/* Before the first load nothing is watched, nor is it in safe mode. */
void catalog_note_program(Catalog *catalog) {
        if (catalog->watched)
                settle(catalog);
}

int supervisor_load(Supervisor *supervisor) {
        Catalog *catalog = supervisor->catalog;
        int r;

        if (supervisor->shutting_down)
                return 0;

        catalog->is_to_load = false;
        catalog->told_at = 0;
        r = watch_all(catalog);
        for (unsigned i = 0; r >= 0 && i < ROUNDS_MAX; i++) {
                r = load_all(supervisor);
                if (r >= 0)
                        r = watch_all(catalog);
                if (r <= 0)
                        break;
        }
        if (r > 0)
                on_news(catalog);
        if (r < 0)
                return r;

        check_programs(supervisor);
        supervisor_collect(supervisor);
        return 0;
}

static int on_settled(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        Catalog *catalog = userdata;
        int r;

        catalog->told_at = 0;
        if (catalog->is_to_load)
                r = supervisor_load(catalog->supervisor);
        else {
                r = watch_all(catalog);
                check_programs(catalog->supervisor);
        }
        if (r < 0) {
                (void) log_warning_errno(r, "Cannot look what has changed, trying again");
                on_news(catalog);
        }

        return 0;
}

int catalog_new(Catalog **ret, Supervisor *supervisor) {
        _cleanup_(catalog_freep) Catalog *catalog = calloc(1, sizeof(*catalog));
        int r;

        if (!catalog)
                return -ENOMEM;

        catalog->supervisor = supervisor;
        r = watch_new(&catalog->watch, supervisor->event, on_news, catalog);
        if (r >= 0)
                r = sd_event_add_time(supervisor->event, &catalog->timer, CLOCK_MONOTONIC, 0, 0,
                                      on_settled, catalog);
        if (r >= 0)
                r = sd_event_source_set_enabled(catalog->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(catalog);
        return 0;
}

Catalog *catalog_free(Catalog *catalog) {
        if (!catalog)
                return NULL;

        sd_event_source_disable_unref(catalog->timer);
        watch_free(catalog->watch);
        strv_free(catalog->watched);
        free(catalog);
        return NULL;
}
