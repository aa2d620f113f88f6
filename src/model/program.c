/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Program
 *
 * The folders come from outside in: what the app says, what lies beside its manifest, what its
 * prefix holds, then $PATH. In each folder every spelling is tried, bare and with the triple that
 * Tauri puts behind the names of bundled binaries.
 */

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "model/program.h"
#include "util/strv.h"

#define BUNDLE_FOLDER "binaries/"

/* By the letter and in place, of an absolute path: "//", "." and ".." go. */
static void path_normalize(char *path) {
        const char *from = path;
        char *to = path;

        while (*from) {
                size_t n;

                from += strspn(from, "/");
                n = strcspn(from, "/");
                if (n == 2 && from[0] == '.' && from[1] == '.') {
                        while (to > path && *--to != '/')
                                ;
                } else if (n > 0 && !(n == 1 && from[0] == '.')) {
                        *to++ = '/';
                        memmove(to, from, n);
                        to += n;
                }
                from += n;
        }

        if (to == path)
                *to++ = '/';
        *to = '\0';
}

static int add_path(char ***list, const char *folder, const char *name, const char *suffix) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s%s", folder, name, suffix) < 0)
                return -ENOMEM;

        path_normalize(path);
        return strv_contains(*list, path) ? 0 : strv_consume(list, TAKE_PTR(path));
}

static int add_spelling(char ***list, const char *folder, const char *name) {
        int r;

        r = add_path(list, folder, name, "");
        return r < 0 ? r : add_path(list, folder, name, "-" SIDECARD_TRIPLE);
}

/* bundled: the name without "binaries/", or NULL where there was none. */
static int add_folder(char ***list, const char *folder, const char *name, const char *bundled) {
        int r;

        r = add_spelling(list, folder, name);
        return r < 0 || !bundled ? r : add_spelling(list, folder, bundled);
}

/* What a package of the prefix above the manifest's folder has: PREFIX/share/sidecard/apps. */
static int
add_prefix(char ***list, const SidecarSpec *spec, const char *name, const char *bundled) {
        _cleanup_(strv_freep) char **folders = NULL;
        int r;

        r = strv_extendf(&folders, "%s/../../../lib/%s", spec->manifest_dir, spec->app_id);
        if (r >= 0)
                r = strv_extendf(&folders, "%s/../../../libexec", spec->manifest_dir);
        if (r >= 0)
                r = strv_extendf(&folders, "%s/../../../bin", spec->manifest_dir);

        STRV_FOREACH (folder, folders)
                if (r >= 0)
                        r = add_folder(list, *folder, name, bundled);

        return r;
}

static int add_search_path(char ***list, const char *path, const char *name) {
        _cleanup_(strv_freep) char **folders = NULL;
        int r;

        r = strv_split(&folders, path, ':');

        /* A relative folder would mean the supervisor's own, which means nothing to an app. */
        STRV_FOREACH (folder, folders)
                if (r >= 0 && (*folder)[0] == '/')
                        r = add_spelling(list, *folder, name);

        return r;
}

int program_candidates(char ***ret,
                       const SidecarSpec *spec,
                       const char *program,
                       const char *path) {
        _cleanup_(strv_freep) char **list = NULL;
        const char *bundled = NULL, *plain;
        int r = 0;

        if (startswith(program, BUNDLE_FOLDER) && program[strlen(BUNDLE_FOLDER)])
                bundled = program + strlen(BUNDLE_FOLDER);
        plain = bundled ? bundled : program;

        if (program[0] == '/')
                r = add_spelling(&list, "", program);
        else if (program[0]) {
                if (spec->base_dir)
                        r = add_folder(&list, spec->base_dir, program, bundled);
                if (r >= 0)
                        r = add_folder(&list, spec->manifest_dir, program, bundled);
                if (r >= 0)
                        r = add_prefix(&list, spec, program, bundled);
                if (r >= 0 && path && !strchr(plain, '/'))
                        r = add_search_path(&list, path, plain);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(list);
        return 0;
}
