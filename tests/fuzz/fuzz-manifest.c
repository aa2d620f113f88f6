/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz: manifest
 *
 * Any bytes are a manifest or an error, and what the scan lets through json-c reads whole and
 * counts alike. A manifest that was read reads back from its effective form. abort() is a find.
 */

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>
#include <json-c/json_visit.h>

#include "model/json-scan.h"
#include "model/manifest.h"
#include "util/strv.h"
#include "util/utf8.h"

/* Short enough that what it grows to in its effective form is within every limit. */
#define ROUND_TRIP_BYTES_MAX 4096
#define PATH "/fuzz/org.example.App.json"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count_value(json_object *value _unused_,
                       int flags,
                       json_object *parent _unused_,
                       const char *key _unused_,
                       size_t *index _unused_,
                       void *userdata) {
        if (flags != JSON_C_VISIT_SECOND)
                ++*(size_t *) userdata;

        return JSON_C_VISIT_RETURN_CONTINUE;
}

static void check_scan(const char *text, size_t n_bytes) {
        _cleanup_(json_scan_done) JsonScan scan = { 0 };
        struct json_tokener *tokener;
        JsonScanError error = { 0 };
        json_object *root;
        size_t n = 0;
        int r;

        r = json_scan(&scan, text, n_bytes, &error);
        if (r < 0) {
                assert(r == -EBADMSG && error.message[0]);
                assert(utf8_is_valid(error.message, strlen(error.message)));
                assert(utf8_is_valid(error.pointer, strlen(error.pointer)));
                json_scan_error_done(&error);
                return;
        }

        tokener = json_tokener_new();
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        root = json_tokener_parse_ex(tokener, text, (int) n_bytes);
        assert(root && json_tokener_get_parse_end(tokener) == n_bytes);
        assert(json_c_visit(root, 0, count_value, &n) == 0 && n == scan.n_values);
        json_object_put(root);
        json_tokener_free(tokener);
}

/* All at once, since they may depend on each other. */
static void check_round_trip(const Manifest *manifest) {
        _cleanup_(manifest_freep) Manifest *again = NULL;
        _cleanup_free_ char *text = NULL;
        json_object *root = json_object_new_object(), *sidecars = json_object_new_object();
        const SidecarSpec *first = manifest->sidecars[0];
        ManifestError error = { 0 };
        int r;

        json_object_object_add(root, "manifestVersion", json_object_new_int(1));
        json_object_object_add(root, "id", json_object_new_string(manifest->id));
        if (first->base_dir)
                json_object_object_add(root, "baseDir", json_object_new_string(first->base_dir));
        for (size_t i = 0; i < manifest->n_sidecars; i++)
                json_object_object_add(sidecars, manifest->sidecars[i]->name,
                                       json_tokener_parse(manifest->sidecars[i]->effective_json));
        json_object_object_add(root, "sidecars", sidecars);
        text = strdup(json_object_to_json_string(root));
        json_object_put(root);

        r = manifest_parse(&again, PATH, text, strlen(text), &error);
        if (r < 0)
                fprintf(stderr, "%s: %s\n%s\n", error.pointer, error.message, text);
        assert(r == 0 && again->n_sidecars == manifest->n_sidecars);
        for (size_t i = 0; i < manifest->n_sidecars; i++)
                assert(streq(again->sidecars[i]->effective_json,
                             manifest->sidecars[i]->effective_json));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(manifest_freep) Manifest *manifest = NULL;
        _cleanup_free_ char *text = malloc(size > 0 ? size : 1);
        ManifestError error = { 0 };
        int r;

        /* An exact copy, so that a read beyond its end is seen. */
        memcpy(text, data, size);
        check_scan(text, size);

        r = manifest_parse(&manifest, PATH, text, size, &error);
        if (r < 0) {
                assert(r == -EBADMSG && error.message[0] && streq(error.path, PATH));
                assert(utf8_is_valid(error.message, strlen(error.message)));
                manifest_error_done(&error);
                return 0;
        }

        assert(manifest->n_sidecars > 0 && manifest->n_modes > 0);
        assert(manifest_find_mode(manifest, manifest->default_mode));
        if (size <= ROUND_TRIP_BYTES_MAX)
                check_round_trip(manifest);
        return 0;
}
