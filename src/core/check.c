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

#include "core/check.h"
#include "core/preflight.h"
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

/* -EBADMSG: there is a problem, and it has been printed. */
static int check_one(const char *path, CheckMore more) {
        _cleanup_(manifest_freep) Manifest *manifest = NULL;
        _cleanup_(manifest_error_done) ManifestError error = { 0 };
        _cleanup_free_ char *absolute = NULL;
        int r;

        r = make_absolute(&absolute, path);
        if (r < 0)
                return r;

        r = manifest_load(&manifest, NULL, absolute, &error);
        if (r == -EBADMSG)
                print_error(path, &error);
        else if (r < 0 && r != -ENOMEM) {
                (void) printf("%s: %s\n", path, strerror(-r));
                return -EBADMSG;
        }
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
