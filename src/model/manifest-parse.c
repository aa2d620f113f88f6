/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ManifestParse
 *
 * From a text to a Manifest: the scan, json-c, and the tables of an app and of a sidecar. The
 * tables follow docs/app-1.schema.json key by key, and a test compares them; a row without a kind
 * is a key that a later version acts on. One manifest's sidecars begin as copies of one base,
 * which holds the schema's defaults and over them the file's own.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "model/manifest-kind.h"
#include "util/duration.h"
#include "util/strv.h"

#define ID_BYTES_MAX 255
#define SIDECARS_MAX 64
#define EXTENSION ".json"

#define FIELD(name) offsetof(SidecarSpec, name)

static const Row stop_rows[] = {
        { .name = "signal",
          .kind = &kind_signal,
          .offset = FIELD(stop_signal),
          .fallback = SIGTERM },
        { .name = "timeout",
          .kind = &kind_duration,
          .offset = FIELD(stop_timeout_usec),
          .least = 50 * USEC_PER_MSEC,
          .fallback = 5 * USEC_PER_SEC },
        { .name = "http", .kind = &kind_stop_http, .offset = FIELD(stop_http) },
};

static const Table stop_table = { .rows = stop_rows, .n_rows = ELEMENTSOF(stop_rows) };

static const Row log_rows[] = {
        { .name = "maxSize",
          .kind = &kind_bytes,
          .offset = FIELD(log_max_size_bytes),
          .fallback = 10 * 1024 * 1024 },
        { .name = "maxFiles",
          .kind = &kind_count,
          .offset = FIELD(log_max_files),
          .least = 1,
          .most = 100,
          .fallback = 5 },
        { .name = "journal", .kind = &kind_boolean, .offset = FIELD(log_journal) },
};

static const Table log_table = { .rows = log_rows, .n_rows = ELEMENTSOF(log_rows) };

/* What "defaults" may hold. Nothing in here may own memory: see Reader::base. */
static const Row common_rows[] = {
        { .name = "restart", .kind = &kind_restart, .offset = FIELD(restart) },
        { .name = "stop", .kind = &kind_object, .table = &stop_table },
        { .name = "startTimeout",
          .kind = &kind_duration,
          .offset = FIELD(start_timeout_usec),
          .least = 50 * USEC_PER_MSEC,
          .fallback = 30 * USEC_PER_SEC },
        { .name = "limits" },
        { .name = "log", .kind = &kind_object, .table = &log_table },
        { .name = "loadTimeout",
          .kind = &kind_duration,
          .offset = FIELD(load_timeout_usec),
          .least = 50 * USEC_PER_MSEC,
          .fallback = 10 * USEC_PER_MINUTE },
};

static const Table common_table = { .rows = common_rows, .n_rows = ELEMENTSOF(common_rows) };

/* Ports and "passEnv" come first: templates and probes refer to them. */
static const Row sidecar_rows[] = {
        { .name = "description", .kind = &kind_text, .offset = FIELD(description), .most = 256 },
        { .name = "port", .kind = &kind_port },
        { .name = "ports", .kind = &kind_ports },
        { .name = "dependsOn", .kind = &kind_depends_on },
        { .name = "passEnv", .kind = &kind_passed },
        { .name = "command", .kind = &kind_command, .is_required = true },
        { .name = "args", .kind = &kind_arguments },
        { .name = "workingDirectory",
          .kind = &kind_working_directory,
          .offset = FIELD(working_directory) },
        { .name = "env", .kind = &kind_env },
        { .name = "stdin", .kind = &kind_stdin, .offset = FIELD(stdin_is_pipe) },
        { .name = "autoStart",
          .kind = &kind_boolean,
          .offset = FIELD(auto_start),
          .fallback = true },
        { .name = "token", .kind = &kind_boolean, .offset = FIELD(token) },
        { .name = "readiness", .kind = &kind_readiness, .offset = FIELD(readiness) },
        { .name = "liveness", .kind = &kind_liveness, .offset = FIELD(liveness) },
        { .name = "watchdog",
          .kind = &kind_watchdog,
          .offset = FIELD(watchdog_usec),
          .least = 50 * USEC_PER_MSEC },
};

static const Table sidecar_table = { .rows = sidecar_rows,
                                     .n_rows = ELEMENTSOF(sidecar_rows),
                                     .also = &common_table,
                                     .allows_x = true };

/* Beside the keys of the schema, what else a start goes by. */
static int write_origin(const SidecarSpec *spec, json_object *object) {
        int r;

        r = json_put(object, "x-app", json_object_new_string(spec->app_id));
        if (r >= 0)
                r = json_put(object, "x-name", json_object_new_string(spec->name));
        if (r >= 0 && spec->base_dir)
                r = json_put(object, "x-baseDir", json_object_new_string(spec->base_dir));
        if (r >= 0)
                r = json_put(object, "x-manifestDir", json_object_new_string(spec->manifest_dir));
        return r;
}

static int spec_make_json(SidecarSpec *spec) {
        _cleanup_(json_object_putp) json_object *object = json_object_new_object();
        const char *text;
        int r;

        if (!object)
                return -ENOMEM;
        r = write_origin(spec, object);
        if (r >= 0)
                r = table_write(&sidecar_table, spec, object);
        if (r < 0)
                return r;

        text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                              JSON_C_TO_STRING_SPACED |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE);
        return text ? free_and_strdup(&spec->effective_json, text) : -ENOMEM;
}

static int spec_new(SidecarSpec **ret, const Reader *reader, const char *name) {
        _cleanup_(sidecar_spec_unrefp) SidecarSpec *spec = malloc(sizeof(*spec));

        if (!spec)
                return -ENOMEM;

        *spec = reader->base;
        spec->n_ref = 1;
        spec->source = manifest_source_ref(reader->manifest->source);
        table_fill(&sidecar_table, spec);
        if (free_and_strdup(&spec->app_id, reader->manifest->id) < 0 ||
            free_and_strdup(&spec->name, name) < 0 || free_and_strdup(&spec->description, "") < 0 ||
            free_and_strdup(&spec->base_dir, reader->base_dir) < 0 ||
            free_and_strdup(&spec->manifest_dir, reader->manifest_dir) < 0)
                return -ENOMEM;

        *ret = TAKE_PTR(spec);
        return 0;
}

static int sidecar_read(Reader *reader, const Place *place) {
        _cleanup_(sidecar_spec_unrefp) SidecarSpec *spec = NULL;
        int r;

        r = reader_check_name(reader, place);
        if (r >= 0)
                r = reader_check_type(reader, place, TYPE(object), "an object");
        if (r >= 0)
                r = spec_new(&spec, reader, place->key);
        if (r < 0)
                return r;

        reader->spec = spec;
        r = table_read(reader, place, &sidecar_table, spec);
        if (r >= 0)
                r = stop_imply(reader, place);
        reader->spec = NULL;
        if (r >= 0)
                r = probe_imply(spec);
        if (r < 0)
                return r;

        token_imply(spec);
        r = spec_make_json(spec);
        if (r < 0)
                return r;

        reader->manifest->sidecars[reader->manifest->n_sidecars++] = TAKE_PTR(spec);
        return 0;
}

static int compare_sidecars(const void *a, const void *b) {
        return strcmp((*(SidecarSpec *const *) a)->name, (*(SidecarSpec *const *) b)->name);
}

static int sidecars_read(Reader *reader, const Place *place, const Row *row, void *field) {
        Manifest *manifest = field;
        int r, n = json_object_object_length(place->value);

        if (n < 1 || n > SIDECARS_MAX)
                return reader_fail(reader, place, "\"%s\" has %d sidecars, and must have 1 to %d",
                                   row->name, n, SIDECARS_MAX);

        manifest->sidecars = calloc((size_t) n + 1, sizeof(SidecarSpec *));
        if (!manifest->sidecars)
                return -ENOMEM;

        for (Place member = place_first(place); place_is_there(&member); place_next(&member)) {
                r = sidecar_read(reader, &member);
                if (r < 0)
                        return r;
        }

        qsort(manifest->sidecars, manifest->n_sidecars, sizeof(SidecarSpec *), compare_sidecars);
        return dependencies_check(reader, place);
}

static const Kind kind_sidecars = { "an object of names and sidecars", TYPE(object), sidecars_read,
                                    NULL, NULL };

static int defaults_read(Reader *reader, const Place *place, const Row *row, void *field _unused_) {
        return table_read(reader, place, row->table, &reader->base);
}

static const Kind kind_defaults = { "an object", TYPE(object), defaults_read, NULL, NULL };

static int
version_read(Reader *reader, const Place *place, const Row *row _unused_, void *field _unused_) {
        int64_t version = json_object_get_int64(place->value);

        if (version == 1)
                return 0;

        return reader_fail(reader, place, "manifestVersion is %lld: only version 1 is known here",
                           (long long) version);
}

static const Kind kind_version = { "the number 1", TYPE(int), version_read, NULL, NULL };

/* The file's name without ".json", borrowed from the path. */
static const char *file_id(const Reader *reader, size_t *ret_n) {
        const char *name = strrchr(reader->path, '/') + 1;
        size_t n = strlen(name), n_extension = strlen(EXTENSION);

        *ret_n = n > n_extension && streq(name + n - n_extension, EXTENSION) ? n - n_extension : n;
        return name;
}

static int id_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        const char *id = place_string(place), *expected;
        size_t n = strlen(id), n_expected;

        if (n < 1 || n > ID_BYTES_MAX || !strchr(LOWER_CASE UPPER_CASE "_", id[0]) ||
            !text_is_of(id, LOWER_CASE UPPER_CASE DIGITS "_.-"))
                return reader_fail(reader, place,
                                   "\"%s\" is no id: take up to %d letters, digits, \"_\", \".\""
                                   " and \"-\", the first a letter or \"_\"",
                                   id, ID_BYTES_MAX);

        expected = file_id(reader, &n_expected);
        if (n != n_expected || memcmp(id, expected, n) != 0)
                return reader_fail(reader, place,
                                   "the id is \"%s\", the file's name says \"%.*s\": make them"
                                   " equal",
                                   id, (int) n_expected, expected);

        return free_and_strdup(field, id);
}

static const Kind kind_id = { "the app's desktop id, a string", TYPE(string), id_read, NULL, NULL };

static int
base_dir_read(Reader *reader, const Place *place, const Row *row _unused_, void *field _unused_) {
        if (place_string(place)[0] != '/')
                return reader_fail(reader, place, "\"%s\" is not absolute: begin it with \"/\"",
                                   place_string(place));

        return free_and_strdup(&reader->base_dir, place_string(place));
}

static const Kind kind_base_dir = { "an absolute path", TYPE(string), base_dir_read, NULL, NULL };

static int lifetime_read(Reader *reader, const Place *place, const Row *row _unused_, void *field) {
        const char *word = place_string(place);

        *(bool *) field = streq(word, "session");
        if (*(bool *) field || streq(word, "owner"))
                return 0;

        return reader_fail(reader, place, "\"%s\" is no lifetime: write \"owner\" or \"session\"",
                           word);
}

static const Kind kind_lifetime = { "\"owner\" or \"session\"", TYPE(string), lifetime_read, NULL,
                                    NULL };

/* Sidecars come before the modes, which refer to them. */
static const Row app_rows[] = {
        { .name = "$schema", .kind = &kind_ignored },
        { .name = "manifestVersion", .kind = &kind_version, .is_required = true },
        { .name = "id", .kind = &kind_id, .offset = offsetof(Manifest, id), .is_required = true },
        { .name = "name", .kind = &kind_text, .offset = offsetof(Manifest, name), .most = 128 },
        { .name = "baseDir", .kind = &kind_base_dir },
        { .name = "lifetime", .kind = &kind_lifetime, .offset = offsetof(Manifest, is_session) },
        { .name = "linger", .kind = &kind_duration, .offset = offsetof(Manifest, linger_usec) },
        { .name = "permissions" },
        { .name = "defaults", .kind = &kind_defaults, .table = &common_table },
        { .name = "sidecars", .kind = &kind_sidecars, .is_required = true },
        { .name = "modes", .kind = &kind_modes },
        { .name = "defaultMode", .kind = &kind_default_mode },
};

static const Table app_table = { .rows = app_rows,
                                 .n_rows = ELEMENTSOF(app_rows),
                                 .allows_x = true };

/* Before all else: the keys of another version are not ours to judge. */
static int check_version(Reader *reader, const Place *document) {
        Place version;

        if (!place_find(document, "manifestVersion", &version) ||
            !json_object_is_type(version.value, json_type_int))
                return 0;

        return version_read(reader, &version, NULL, NULL);
}

static int document_read(Reader *reader, json_object *root) {
        Manifest *manifest = reader->manifest;
        const Place document = { .value = root };
        int r;

        table_fill(&common_table, &reader->base);
        r = check_version(reader, &document);
        if (r >= 0)
                r = table_read(reader, &document, &app_table, manifest);
        if (r >= 0)
                r = modes_imply(manifest);
        if (r < 0)
                return r;

        return manifest->name ? 0 : free_and_strdup(&manifest->name, manifest->id);
}

/* What the scan lets through json-c takes, whole; else one of the two is wrong. */
static int json_read(Reader *reader, const char *text, size_t n_bytes, json_object **ret) {
        struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
        _cleanup_(json_object_putp) json_object *root = NULL;
        enum json_tokener_error error;
        bool is_whole;

        if (!tokener)
                return -ENOMEM;

        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        root = json_tokener_parse_ex(tokener, text, (int) n_bytes);
        error = json_tokener_get_error(tokener);
        is_whole = json_tokener_get_parse_end(tokener) == n_bytes;
        json_tokener_free(tokener);

        if (error != json_tokener_success || !is_whole)
                return reader_fail(reader, NULL,
                                   "json-c refuses what the scan let through (%s): report it",
                                   is_whole ? json_tokener_error_desc(error) : "trailing text");

        *ret = TAKE_PTR(root);
        return 0;
}

static int reader_run(Reader *reader, const char *text, size_t n_bytes) {
        _cleanup_(json_object_putp) json_object *root = NULL;
        int r;

        r = json_read(reader, text, n_bytes, &root);
        return r < 0 ? r : document_read(reader, root);
}

static int
scan(JsonScan *ret, const char *path, const char *text, size_t n_bytes, ManifestError *ret_error) {
        _cleanup_free_ char *copy = strdup(path);
        JsonScanError error = { 0 };
        int r;

        if (!copy)
                return -ENOMEM;
        r = json_scan(ret, text, n_bytes, &error);
        if (r == -EBADMSG)
                *ret_error = (ManifestError){
                        .path = TAKE_PTR(copy),
                        .line = error.line,
                        .pointer = TAKE_PTR(error.pointer),
                        .message = TAKE_PTR(error.message),
                };
        return r;
}

static ManifestSource *source_new(const char *path, const char *text, size_t n_bytes) {
        _cleanup_(manifest_source_unrefp) ManifestSource *source = calloc(1, sizeof(*source));

        if (!source)
                return NULL;
        source->n_ref = 1;
        source->path = strdup(path);
        source->text = malloc(n_bytes + 1);
        if (!source->path || !source->text)
                return NULL;

        memcpy(source->text, text, n_bytes);
        source->text[n_bytes] = '\0';
        source->n_bytes = n_bytes;
        return TAKE_PTR(source);
}

int manifest_parse(Manifest **ret,
                   const char *path,
                   const char *text,
                   size_t n_bytes,
                   ManifestError *ret_error) {
        _cleanup_(manifest_freep) Manifest *manifest = NULL;
        _cleanup_(json_scan_done) JsonScan lines = { 0 };
        _cleanup_free_ char *folder = NULL;
        Reader reader = { .path = path, .scan = &lines, .error = ret_error };
        const char *slash = strrchr(path, '/');
        int r;

        if (path[0] != '/')
                return -EINVAL;

        manifest = calloc(1, sizeof(*manifest));
        folder = slash == path ? strdup("/") : strndup(path, (size_t) (slash - path));
        if (!manifest || !folder)
                return -ENOMEM;
        manifest->source = source_new(path, text, n_bytes);
        if (!manifest->source)
                return -ENOMEM;

        r = scan(&lines, path, text, n_bytes, ret_error);
        if (r < 0)
                return r;

        reader.manifest = manifest;
        reader.manifest_dir = folder;
        r = reader_run(&reader, text, n_bytes);
        free(reader.base_dir);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(manifest);
        return 0;
}
