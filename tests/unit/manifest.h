/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Manifest, for its tests
 *
 * Manifests from the corpus (tests/manifests), and from a line of text that must be right.
 * $SIDECARD_SOURCE is the source tree.
 */

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "model/manifest.h"
#include "test.h"
#include "util/strv.h"

#define APP "org.example.App"

static inline char *source_path(const char *name) {
        const char *source = getenv("SIDECARD_SOURCE");
        char *path;

        ck_assert_msg(source != NULL, "run by meson, or set SIDECARD_SOURCE");
        ck_assert_int_ge(asprintf(&path, "%s/%s", source, name), 0);
        return path;
}

static inline char *read_file(const char *path, size_t *ret_n) {
        FILE *file = fopen(path, "re");
        char *text = calloc(1, MANIFEST_BYTES_MAX + 1);

        ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
        *ret_n = fread(text, 1, MANIFEST_BYTES_MAX, file);
        ck_assert_int_eq(fclose(file), 0);
        return text;
}

/* The files of a folder whose names end so, and the folders with an empty suffix; sorted. */
static inline char **list_files(const char *folder, const char *suffix) {
        struct dirent **entries;
        char **names = NULL;
        int n;

        n = scandir(folder, &entries, NULL, alphasort);
        ck_assert_msg(n >= 0, "%s: %s", folder, strerror(errno));
        for (int i = 0; i < n; i++) {
                const char *name = entries[i]->d_name;
                size_t length = strlen(name);

                if (name[0] != '.' && length >= strlen(suffix) &&
                    streq(name + length - strlen(suffix), suffix))
                        ck_assert_int_eq(strv_extendf(&names, "%s/%s", folder, name), 0);
                free(entries[i]);
        }
        free(entries);
        return names;
}

/* The manifest of a text that must be right. */
static inline Manifest *parse(const char *text) {
        ManifestError error = { 0 };
        Manifest *manifest = NULL;
        int r = manifest_parse(&manifest, "/m/" APP ".json", text, strlen(text), &error);

        ck_assert_msg(r == 0, "%s: %s", error.pointer ? error.pointer : "", error.message);
        return manifest;
}

/* The one sidecar "web" of an app, with these keys beside its command. */
static inline SidecarSpec *parse_sidecar(const char *top, const char *keys) {
        _cleanup_(manifest_freep) Manifest *manifest = NULL;
        _cleanup_free_ char *text = NULL;

        ck_assert_int_ge(asprintf(&text,
                                  "{\"manifestVersion\": 1, \"id\": \"" APP "\", %s"
                                  "\"sidecars\": {\"web\": {\"command\": [\"server\"]%s}}}",
                                  top, keys),
                         0);
        manifest = parse(text);
        ck_assert_uint_eq(manifest->n_sidecars, 1);
        return sidecar_spec_ref(manifest->sidecars[0]);
}

static inline const SidecarSpec *find_sidecar(const Manifest *manifest, const char *name) {
        const SidecarSpec *spec = manifest_find_sidecar(manifest, name);

        ck_assert_msg(spec != NULL, "no sidecar %s", name);
        return spec;
}

static inline void assert_strv(char *const *strv, const char *const *expected) {
        for (size_t i = 0; i < strv_length(strv) || expected[i]; i++) {
                ck_assert_uint_lt(i, strv_length(strv));
                ck_assert_pstr_eq(strv[i], expected[i]);
        }
}

static inline Manifest *load_good(const char *id) {
        _cleanup_free_ char *name = NULL, *path = NULL;
        _cleanup_free_ char *text = NULL;
        ManifestError error = { 0 };
        Manifest *manifest = NULL;
        size_t n;

        ck_assert_int_ge(asprintf(&name, "tests/manifests/good/%s.json", id), 0);
        path = source_path(name);
        text = read_file(path, &n);
        ck_assert_int_eq(manifest_parse(&manifest, path, text, n, &error), 0);
        return manifest;
}
