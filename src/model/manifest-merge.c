/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestMerge
 *
 * Only the whole is judged, so an error names a place in the whole. The file to blame is the one
 * that brought the error in: with it and those below it is there, without it it is not. That costs
 * a parse for each file, but only when something is wrong.
 */

#include <string.h>

#include "model/manifest-merge.h"
#include "model/manifest-walk.h"
#include "util/strv.h"

/* The object under that key, which is made where there is none. Borrowed. */
static json_object *reach_object(json_object *target, const char *key) {
        json_object *value = NULL;

        if (json_object_object_get_ex(target, key, &value) &&
            json_object_is_type(value, json_type_object))
                return value;

        value = json_object_new_object();
        return json_put(target, key, value) < 0 ? NULL : value;
}

/*
 * RFC 7396, section 2, of objects. An object is never shared with the patch, which stays as it is;
 * that a text nests JSON_DEPTH_MAX deep at most bounds the recursion.
 */
static int merge_object(json_object *target, json_object *patch) {
        for (struct lh_entry *entry = lh_table_head(json_object_get_object(patch)); entry;
             entry = lh_entry_next(entry)) {
                const char *key = lh_entry_k(entry);
                json_object *value = lh_entry_v(entry), *below;
                int r;

                if (!value) {
                        json_object_object_del(target, key);
                        continue;
                }
                if (json_object_is_type(value, json_type_object)) {
                        below = reach_object(target, key);
                        r = below ? merge_object(below, value) : -ENOMEM;
                } else
                        r = json_put(target, key, json_object_get(value));
                if (r < 0)
                        return r;
        }

        return 0;
}

static int layer_read(const ManifestLayer *layer,
                      JsonScan *ret_scan,
                      json_object **ret,
                      ManifestError *ret_error) {
        return manifest_read_json(layer->path, layer->text, layer->n_bytes, ret_scan, ret,
                                  ret_error);
}

static int merge_layer(json_object *whole, const ManifestLayer *layer, ManifestError *ret_error) {
        _cleanup_(json_object_putp) json_object *patch = NULL;
        _cleanup_(json_scan_done) JsonScan scan = { 0 };
        int r;

        r = layer_read(layer, &scan, &patch, ret_error);
        return r < 0 ? r : merge_object(whole, patch);
}

int manifest_merge(char **ret,
                   const ManifestLayer *layers,
                   size_t n_layers,
                   ManifestError *ret_error) {
        _cleanup_(json_object_putp) json_object *whole = NULL;
        _cleanup_(json_scan_done) JsonScan scan = { 0 };
        const char *text;
        int r;

        r = layer_read(&layers[0], &scan, &whole, ret_error);
        for (size_t i = 1; r >= 0 && i < n_layers; i++)
                r = merge_layer(whole, &layers[i], ret_error);
        if (r < 0)
                return r;

        text = json_object_to_json_string_ext(whole, JSON_C_TO_STRING_PLAIN |
                                                             JSON_C_TO_STRING_NOSLASHESCAPE);
        return text ? free_and_strdup(ret, text) : -ENOMEM;
}

/* The line of the value that the pointer names, or of the nearest one around it that is there. */
static unsigned find_line(const JsonScan *scan, const Place *place, const char *pointer) {
        for (Place item = place_first(place); *pointer && place_is_there(&item);
             place_next(&item)) {
                _cleanup_free_ char *step = NULL;

                if (place_append_step(&item, &step) < 0)
                        break;
                if (startswith(pointer, step) && strchr("/", pointer[strlen(step)]))
                        return find_line(scan, &item, pointer + strlen(step));
        }

        return scan->lines[place_number(place)];
}

static int point_at(const ManifestLayer *layer, ManifestError *error) {
        _cleanup_(json_object_putp) json_object *root = NULL;
        _cleanup_(json_scan_done) JsonScan scan = { 0 };
        ManifestError none = { 0 }; /* it was read before */
        Place document;
        int r;

        r = layer_read(layer, &scan, &root, &none);
        if (r >= 0)
                r = free_and_strdup(&error->path, layer->path);
        if (r < 0)
                return r;

        document = (Place){ .value = root };
        error->line = find_line(&scan, &document, error->pointer);
        return 0;
}

static int parse_whole(Manifest **ret,
                       const ManifestLayer *layers,
                       size_t n_layers,
                       ManifestError *ret_error) {
        _cleanup_free_ char *text = NULL;
        int r;

        if (n_layers == 1)
                return manifest_parse(ret, layers[0].path, layers[0].text, layers[0].n_bytes,
                                      ret_error);

        r = manifest_merge(&text, layers, n_layers, ret_error);
        return r < 0 ? r : manifest_parse(ret, layers[0].path, text, strlen(text), ret_error);
}

/* 1: those layers alone have the same error. */
static int has_error(const ManifestLayer *layers, size_t n_layers, const ManifestError *error) {
        _cleanup_(manifest_freep) Manifest *manifest = NULL;
        _cleanup_(manifest_error_done) ManifestError other = { 0 };
        int r;

        r = parse_whole(&manifest, layers, n_layers, &other);
        if (r != -EBADMSG)
                return r;

        return streq(error->pointer, other.pointer) && streq(error->message, other.message);
}

static int blame(const ManifestLayer *layers, size_t n_layers, ManifestError *error) {
        int r = 1;

        while (n_layers > 1) {
                r = has_error(layers, n_layers - 1, error);
                if (r <= 0)
                        break;
                n_layers--;
        }

        return r < 0 ? r : point_at(&layers[n_layers - 1], error);
}

static bool is_same(const ManifestSource *source,
                    const ManifestLayer *layers,
                    size_t n_layers,
                    const char *text,
                    size_t n_bytes) {
        if (!streq(source->path, layers[0].path) || strv_length(source->drop_ins) != n_layers - 1 ||
            source->n_bytes != n_bytes || memcmp(source->text, text, n_bytes) != 0)
                return false;

        for (size_t i = 1; i < n_layers; i++)
                if (!streq(source->drop_ins[i - 1], layers[i].path))
                        return false;

        return true;
}

static int note_drop_ins(ManifestSource *source, const ManifestLayer *layers, size_t n_layers) {
        int r = 0;

        for (size_t i = 1; r >= 0 && i < n_layers; i++)
                r = strv_extend(&source->drop_ins, layers[i].path);

        return r;
}

int manifest_parse_layers(Manifest **ret,
                          const Manifest *former,
                          const ManifestLayer *layers,
                          size_t n_layers,
                          ManifestError *ret_error) {
        _cleanup_(manifest_freep) Manifest *manifest = NULL;
        _cleanup_(manifest_error_done) ManifestError error = { 0 };
        ManifestLayer whole = layers[0];
        _cleanup_free_ char *text = NULL;
        int r = 0;

        if (n_layers > 1) {
                r = manifest_merge(&text, layers, n_layers, ret_error);
                if (r < 0)
                        return r;
                whole.text = text;
                whole.n_bytes = strlen(text);
        }
        if (former && is_same(former->source, layers, n_layers, whole.text, whole.n_bytes))
                return 1;

        r = parse_whole(&manifest, &whole, 1, &error);
        if (r >= 0)
                r = note_drop_ins(manifest->source, layers, n_layers);
        else if (r == -EBADMSG && n_layers > 1) {
                r = blame(layers, n_layers, &error);
                r = r < 0 ? r : -EBADMSG;
        }
        if (r == -EBADMSG)
                *ret_error = TAKE(error, (ManifestError){ 0 });
        if (r < 0)
                return r;

        *ret = TAKE_PTR(manifest);
        return 0;
}
