/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fuzz: merge
 *
 * Any bytes are a manifest with drop-ins, or an error of one of them: a byte 0xFF, which no JSON
 * has, is where one ends and the next begins. A drop-in that is merged twice changes no more than
 * merged once (RFC 7396). abort() is a find.
 */

#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "model/manifest-merge.h"
#include "util/strv.h"

#define LAYERS_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths[LAYERS_MAX + 1] = { "/fuzz/org.example.App.json", "/d/1.json",
                                                   "/d/2.json", "/d/3.json", "/d/4.json" };

static size_t split(ManifestLayer *layers, const char *text, size_t n_bytes) {
        size_t n = 0;

        while (n < LAYERS_MAX) {
                const char *end = n + 1 < LAYERS_MAX ? memchr(text, 0xFF, n_bytes) : NULL;
                size_t n_here = end ? (size_t) (end - text) : n_bytes;

                layers[n] = (ManifestLayer){ paths[n], text, n_here };
                n++;
                if (!end)
                        break;
                text += n_here + 1;
                n_bytes -= n_here + 1;
        }

        return n;
}

static void check_error(const ManifestLayer *layers, size_t n_layers, const ManifestError *error) {
        bool is_one = false;

        for (size_t i = 0; i < n_layers; i++)
                is_one = is_one || streq(error->path, layers[i].path);
        assert(is_one && error->pointer && error->message[0]);
}

static void check_twice(const ManifestLayer *layers, size_t n_layers, const char *once) {
        _cleanup_(manifest_error_done) ManifestError error = { 0 };
        ManifestLayer more[LAYERS_MAX + 1];
        _cleanup_free_ char *twice = NULL;

        memcpy(more, layers, n_layers * sizeof(*layers));
        more[n_layers] = layers[n_layers - 1];
        assert(manifest_merge(&twice, more, n_layers + 1, &error) == 0);
        assert(strlen(twice) == strlen(once));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(manifest_error_done) ManifestError error = { 0 }, merge_error = { 0 };
        _cleanup_(manifest_freep) Manifest *manifest = NULL, *again = NULL;
        ManifestLayer layers[LAYERS_MAX];
        size_t n_layers = split(layers, (const char *) data, size);
        _cleanup_free_ char *text = NULL;
        int r;

        r = manifest_parse_layers(&manifest, NULL, layers, n_layers, &error);
        if (r < 0) {
                assert(r == -EBADMSG);
                check_error(layers, n_layers, &error);
        } else
                assert(manifest_parse_layers(&again, manifest, layers, n_layers, &error) == 1);

        if (manifest_merge(&text, layers, n_layers, &merge_error) >= 0 && n_layers > 1)
                check_twice(layers, n_layers, text);
        return 0;
}
