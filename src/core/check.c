/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Check
 *
 * The parser stops at the first thing that is wrong with a file, so there is one problem a file;
 * the other files are checked all the same.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/catalog.h"
#include "core/check.h"
#include "core/preflight.h"
#include "io/kernel-limits.h"
#include "io/manifest-file.h"
#include "model/restart.h"
#include "util/journal.h"
#include "util/log.h"
#include "util/strv.h"

/* The parser wants to know the folder that programs are looked for from. */
static int make_absolute(char **ret, const char *path) {
        _cleanup_free_ char *folder = NULL;
        char *absolute;

        if (path[0] == '/') {
                absolute = strdup(path);
                if (!absolute)
                        return -ENOMEM;
                *ret = absolute;
                return 0;
        }

        folder = get_current_dir_name();
        if (!folder)
                return -errno;
        if (asprintf(&absolute, "%s/%s", folder, path) < 0)
                return -ENOMEM;

        *ret = absolute;
        return 0;
}

/* A problem with the file as a whole has no line, and one with the document no pointer. */
static void print_error(const char *path, const ManifestError *error) {
        (void) printf("%s:", path);
        if (error->line > 0)
                (void) printf("%u:", error->line);
        if (*error->pointer)
                (void) printf(" %s:", error->pointer);
        (void) printf(" %s\n", error->message);
}

static int print_schedules(const Manifest *manifest) {
        for (size_t i = 0; i < manifest->n_sidecars; i++) {
                const SidecarSpec *spec = manifest->sidecars[i];
                _cleanup_free_ char *schedule = restart_describe(&spec->restart);

                if (!schedule)
                        return -ENOMEM;
                (void) printf("%s: %s\n", spec->name, schedule);
                if (spec->log_journal && !journal_is_there())
                        (void) printf("%s: there is no journal here for its lines\n", spec->name);
        }

        return 0;
}

/* ID of FOLDER/ID.json and of FOLDER/ID.json.d; -ENOENT: the last name is none such. */
static int take_id(char **ret, const char *path, size_t n, const char *extension) {
        size_t n_extension = strlen(extension), begin = n;

        while (begin > 0 && path[begin - 1] != '/')
                begin--;
        if (n - begin <= n_extension || memcmp(path + n - n_extension, extension, n_extension) != 0)
                return -ENOENT;

        *ret = strndup(path + begin, n - begin - n_extension);
        return *ret ? 0 : -ENOMEM;
}

/* Where the daemon would read it, with the drop-ins over it; a drop-in with what is below it. */
static int load(Manifest **ret, const char *path, ManifestError *ret_error) {
        size_t n_folder = (size_t) (strrchr(path, '/') - path);
        _cleanup_free_ char *folder = strndup(path, n_folder), *id = NULL, *manifest = NULL,
                            *drop_ins = NULL;
        int r;

        if (!folder)
                return -ENOMEM;
        r = take_id(&id, path, n_folder, ".json.d");
        if (r >= 0)
                r = catalog_find_manifest(&manifest, id);
        if (r >= 0)
                return manifest_load(ret, NULL, manifest, folder, ret_error);
        if (r != -ENOENT || id)
                return r;

        r = catalog_has_folder(folder) ? take_id(&id, path, strlen(path), ".json") : -ENOENT;
        if (r >= 0)
                r = catalog_drop_ins(&drop_ins, id);
        if (r < 0 && r != -ENOENT)
                return r;

        return manifest_load(ret, NULL, path, drop_ins, ret_error);
}

/* No fault of the manifest's: it may be meant for another machine. */
static int print_obstacles(const char *path, const SidecarSpec *spec) {
        for (Limit i = 0; i < _LIMIT_MAX; i++) {
                _cleanup_free_ char *obstacle = NULL;
                int r;

                r = limit_find_obstacle(&spec->limits, i, &obstacle);
                if (r < 0)
                        return r;
                if (obstacle)
                        (void) printf("%s: /sidecars/%s/limits/%s: not to be had here: %s\n", path,
                                      spec->name, limit_to_string(i), obstacle);
        }

        return 0;
}

/* -EBADMSG: there is a problem, and it has been printed. */
static int check_one(const char *path, CheckMore more) {
        _cleanup_(manifest_freep) Manifest *manifest = NULL;
        _cleanup_(manifest_error_done) ManifestError error = { 0 };
        _cleanup_free_ char *absolute = NULL;
        int r;

        r = make_absolute(&absolute, path);
        if (r < 0)
                return r;

        r = load(&manifest, absolute, &error);
        if (r == -EBADMSG)
                print_error(streq(error.path, absolute) ? path : error.path, &error);
        else if (r == -ENOENT && access(absolute, F_OK) >= 0) {
                (void) printf("%s: a drop-in of an app that has no manifest\n", path);
                return -EBADMSG;
        } else if (r < 0 && r != -ENOMEM) {
                (void) printf("%s: %s\n", path, strerror(-r));
                return -EBADMSG;
        }
        /* A preflight tells problems, and doctor looks at what the machine has by itself. */
        for (size_t i = 0; r >= 0 && more != CHECK_MORE_PREFLIGHT && i < manifest->n_sidecars; i++)
                r = print_obstacles(path, manifest->sidecars[i]);
        if (r < 0)
                return r;

        switch (more) {

        case CHECK_MORE_SCHEDULES:
                return print_schedules(manifest);

        case CHECK_MORE_PREFLIGHT:
                return preflight_print(manifest, path);

        default:
                return 0;
        }
}

int check_manifests(char *const *paths, CheckMore more) {
        int result = 0, r;

        STRV_FOREACH (path, paths) {
                r = check_one(*path, more);
                if (r < 0 && r != -EBADMSG)
                        return log_error_errno(r, "Cannot check %s", *path);
                if (r < 0)
                        result = r;
        }

        return fflush(stdout) < 0 ? log_error_errno(-errno, "Cannot write") : result;
}
