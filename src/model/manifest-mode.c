/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestMode
 *
 * "modes" and "defaultMode". Both refer to names that have to be there, so they are read when the
 * sidecars are.
 */

#include <string.h>

#include "model/manifest-kind.h"
#include "model/mode.h"
#include "util/strv.h"

#define MODES_MAX 16
#define ONLY_MODE "default" /* where the file has none (contract M4) */

static int wanted_read_one(Reader *reader, const Place *place, char ***names) {
        const char *name;
        int r;

        r = reader_check_type(reader, place, TYPE(string), "the name of a sidecar");
        if (r < 0)
                return r;

        name = place_string(place);
        if (!manifest_find_sidecar(reader->manifest, name))
                return reader_fail(reader, place,
                                   "there is no sidecar \"%s\": declare it under \"sidecars\"",
                                   name);
        if (strv_contains(*names, name))
                return reader_fail(reader, place, "\"%s\" is on the list twice: take one out",
                                   name);

        return strv_extend(names, name);
}

static int wanted_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        char ***names = field;
        int r;

        /* None is not the same as no list. */
        *names = calloc(1, sizeof(char *));
        if (!*names)
                return -ENOMEM;

        for (Place item = place_first(place); place_is_there(&item); place_next(&item)) {
                r = wanted_read_one(reader, &item, names);
                if (r < 0)
                        return r;
        }

        return 0;
}

static const Kind kind_wanted = { "a list of names of sidecars", TYPE(array), wanted_read, NULL,
                                  NULL };

static int server_url_read(Reader *reader, const Place *place, const Row *row, void *field) {
        const char *problem = mode_check_server_url(place_string(place));

        /* Not quoted: there may be a password in it. */
        if (problem)
                return reader_fail(reader, place, "\"%s\" %s", row->name, problem);

        return free_and_strdup(field, place_string(place));
}

static const Kind kind_server_url = { "a URL such as \"https://example.org/api\"", TYPE(string),
                                      server_url_read, NULL, NULL };

static const Row rows[] = {
        { .name = "sidecars", .kind = &kind_wanted, .offset = offsetof(ModeSpec, sidecars) },
        { .name = "serverUrl", .kind = &kind_server_url, .offset = offsetof(ModeSpec, server_url) },
};

static const Table table = { .rows = rows, .n_rows = ELEMENTSOF(rows) };

/* The new mode belongs to the manifest from the first moment, half read or not. */
static int mode_add(Manifest *manifest, const char *name, ModeSpec **ret) {
        _cleanup_free_ char *copy = strdup(name);
        ModeSpec *grown;

        grown = reallocarray(manifest->modes, manifest->n_modes + 1, sizeof(ModeSpec));
        if (grown)
                manifest->modes = grown;
        if (!grown || !copy)
                return -ENOMEM;

        grown[manifest->n_modes] = (ModeSpec){ .name = TAKE_PTR(copy) };
        *ret = &grown[manifest->n_modes++];
        return 0;
}

static int mode_read(Reader *reader, const Place *place, Manifest *manifest) {
        ModeSpec *mode;
        int r;

        r = reader_check_name(reader, place);
        if (r >= 0)
                r = reader_check_type(reader, place, TYPE(object), "an object");
        if (r >= 0)
                r = mode_add(manifest, place->key, &mode);
        return r < 0 ? r : table_read(reader, place, &table, mode);
}

static int modes_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        int r;

        if (json_object_object_length(place->value) > MODES_MAX)
                return reader_fail(reader, place,
                                   "\"modes\" has %d modes, of at most %d: take some out",
                                   json_object_object_length(place->value), MODES_MAX);

        for (Place member = place_first(place); place_is_there(&member); place_next(&member)) {
                r = mode_read(reader, &member, field);
                if (r < 0)
                        return r;
        }

        return 0;
}

const Kind kind_modes = { "an object of names and modes", TYPE(object), modes_read, NULL, NULL };

static int
default_mode_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        Manifest *manifest = field;
        const char *name = place_string(place);

        if (!manifest_find_mode(manifest, name) &&
            (manifest->n_modes > 0 || !streq(name, ONLY_MODE)))
                return reader_fail(reader, place,
                                   "there is no mode \"%s\": declare it under \"modes\"", name);

        return free_and_strdup(&manifest->default_mode, name);
}

const Kind kind_default_mode = { "the name of a mode", TYPE(string), default_mode_read, NULL,
                                 NULL };

int modes_imply(Manifest *manifest) {
        ModeSpec *mode;
        int r;

        if (manifest->n_modes == 0) {
                r = mode_add(manifest, ONLY_MODE, &mode);
                if (r < 0)
                        return r;
        }

        return manifest->default_mode
                       ? 0
                       : free_and_strdup(&manifest->default_mode, manifest->modes[0].name);
}
