/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The manifest, by its corpus (tests/manifests: what is good, and what is bad with the exact
 * message), by its schema, and by what comes out. $SIDECARD_SOURCE is the source tree.
 */

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <json-c/json.h>

#include "io/manifest-file.h"
#include "model/manifest.h"
#include "test.h"
#include "util/duration.h"
#include "util/strv.h"

#define APP "org.example.App"

static char *source_path(const char *name) {
        const char *source = getenv("SIDECARD_SOURCE");
        char *path;

        ck_assert_msg(source != NULL, "run by meson, or set SIDECARD_SOURCE");
        ck_assert_int_ge(asprintf(&path, "%s/%s", source, name), 0);
        return path;
}

static char *read_file(const char *path, size_t *ret_n) {
        FILE *file = fopen(path, "re");
        char *text = calloc(1, MANIFEST_BYTES_MAX + 1);

        ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
        *ret_n = fread(text, 1, MANIFEST_BYTES_MAX, file);
        ck_assert_int_eq(fclose(file), 0);
        return text;
}

static void write_file(const char *path, const char *text) {
        FILE *file = fopen(path, "we");

        ck_assert_ptr_nonnull(file);
        ck_assert_int_ge(fputs(text, file), 0);
        ck_assert_int_eq(fclose(file), 0);
        ck_assert_int_eq(chmod(path, 0644), 0);
}

/* The files of a folder whose names end so, and the folders with an empty suffix; sorted. */
static char **list_files(const char *folder, const char *suffix) {
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
static Manifest *parse(const char *text) {
        ManifestError error = { 0 };
        Manifest *manifest = NULL;
        int r = manifest_parse(&manifest, "/m/" APP ".json", text, strlen(text), &error);

        ck_assert_msg(r == 0, "%s: %s", error.pointer ? error.pointer : "", error.message);
        return manifest;
}

/* The one sidecar "web" of an app, with these keys beside its command. */
static SidecarSpec *parse_sidecar(const char *top, const char *keys) {
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

START_TEST(each_wrong_manifest_gets_exactly_the_message_beside_it) {
        _cleanup_free_ char *bad = source_path("tests/manifests/bad");
        _cleanup_(strv_freep) char **folders = list_files(bad, "");

        ck_assert_uint_ge(strv_length(folders), 40);

        STRV_FOREACH (folder, folders) {
                _cleanup_(strv_freep) char **files = list_files(*folder, ".json");
                _cleanup_(strv_freep) char **expected = list_files(*folder, "expected");
                _cleanup_free_ char *text = NULL, *wanted = NULL, *got = NULL;
                ManifestError error = { 0 };
                Manifest *manifest = NULL;
                size_t n;
                int r;

                ck_assert_msg(strv_length(files) == 1 && strv_length(expected) == 1, "%s", *folder);
                text = read_file(files[0], &n);
                r = manifest_parse(&manifest, files[0], text, n, &error);
                ck_assert_msg(r == -EBADMSG, "%s was let through", *folder);
                ck_assert_ptr_null(manifest);
                ck_assert_str_eq(error.path, files[0]);

                ck_assert_int_ge(
                        asprintf(&got, "%u: %s: %s\n", error.line, error.pointer, error.message),
                        0);
                wanted = read_file(expected[0], &n);
                ck_assert_msg(streq(got, wanted), "%s:\n%s%s", *folder, got, wanted);
                manifest_error_done(&error);
        }
}
END_TEST

/* A manifest of this one sidecar, from its effective JSON, has to give the same again. */
static void assert_reads_back(const SidecarSpec *spec) {
        _cleanup_(manifest_freep) Manifest *manifest = NULL;
        _cleanup_free_ char *text = NULL, *path = NULL, *base = NULL;
        ManifestError error = { 0 };
        int r;

        if (spec->base_dir)
                ck_assert_int_ge(asprintf(&base, "\"baseDir\": \"%s\",", spec->base_dir), 0);
        ck_assert_int_ge(asprintf(&text,
                                  "{\"manifestVersion\": 1, \"id\": \"%s\", %s"
                                  " \"sidecars\": {\"%s\": %s}}",
                                  spec->app_id, base ? base : "", spec->name, spec->effective_json),
                         0);
        ck_assert_int_ge(asprintf(&path, "%s/%s.json", spec->manifest_dir, spec->app_id), 0);

        r = manifest_parse(&manifest, path, text, strlen(text), &error);
        ck_assert_msg(r == 0, "%s: %s", error.pointer, error.message);
        ck_assert_str_eq(manifest->sidecars[0]->effective_json, spec->effective_json);
}

START_TEST(good_manifests_are_read_and_their_effective_form_reads_back) {
        _cleanup_free_ char *good = source_path("tests/manifests/good");
        _cleanup_(strv_freep) char **files = list_files(good, ".json");

        ck_assert_uint_ge(strv_length(files), 3);

        STRV_FOREACH (file, files) {
                _cleanup_(manifest_freep) Manifest *manifest = NULL;
                _cleanup_free_ char *text = NULL;
                ManifestError error = { 0 };
                size_t n;
                int r;

                text = read_file(*file, &n);
                r = manifest_parse(&manifest, *file, text, n, &error);
                ck_assert_msg(r == 0, "%s: %u: %s: %s", *file, error.line, error.pointer,
                              error.message);
                ck_assert_str_eq(manifest->path, *file);
                for (size_t i = 0; i < manifest->n_sidecars; i++)
                        assert_reads_back(manifest->sidecars[i]);
        }
}
END_TEST

static const SidecarSpec *find_sidecar(const Manifest *manifest, const char *name) {
        for (size_t i = 0; i < manifest->n_sidecars; i++)
                if (streq(manifest->sidecars[i]->name, name))
                        return manifest->sidecars[i];

        ck_abort_msg("no sidecar %s", name);
}

static void assert_strv(char *const *strv, const char *const *expected) {
        for (size_t i = 0; i < strv_length(strv) || expected[i]; i++) {
                ck_assert_uint_lt(i, strv_length(strv));
                ck_assert_pstr_eq(strv[i], expected[i]);
        }
}

static Manifest *load_full(void) {
        _cleanup_free_ char *path = source_path("tests/manifests/good/org.example.Full.json");
        _cleanup_free_ char *text = NULL;
        ManifestError error = { 0 };
        Manifest *manifest = NULL;
        size_t n;

        text = read_file(path, &n);
        ck_assert_int_eq(manifest_parse(&manifest, path, text, n, &error), 0);
        return manifest;
}

START_TEST(what_is_written_is_what_comes_out) {
        _cleanup_(manifest_freep) Manifest *manifest = load_full();
        const SidecarSpec *web = find_sidecar(manifest, "web");
        const RestartSpec *restart = &web->restart;

        ck_assert_str_eq(manifest->id, "org.example.Full");
        ck_assert_str_eq(manifest->name, "Alles, \xC3\xA0 la carte \xF0\x9F\x8D\xB0");
        ck_assert_uint_eq(manifest->n_sidecars, 5);
        ck_assert_str_eq(manifest->sidecars[0]->name, "a.plain-one_2");
        ck_assert_str_eq(manifest->sidecars[4]->name, "web");
        ck_assert_ptr_null(manifest->sidecars[5]);

        ck_assert_str_eq(web->app_id, "org.example.Full");
        ck_assert_str_eq(web->base_dir, "/opt/full");
        ck_assert_str_eq(strrchr(web->manifest_dir, '/'), "/good");
        ck_assert_str_eq(web->description, "The server");
        assert_strv(web->command, (const char *const[]){ "binaries/web", "--port", "{port}",
                                                         "--state={stateDir}", "two words", NULL });
        assert_strv(web->env, (const char *const[]){ "BRACES={{}", "DATABASE=127.0.0.1:{port:db}",
                                                     "EMPTY=", "ZONE={app}/{name}", NULL });
        assert_strv(web->unset_env, (const char *const[]){ "LANG", NULL });
        ck_assert_str_eq(web->working_directory, "{stateDir}/web");
        ck_assert(!web->auto_start);

        ck_assert_int_eq(restart->policy, RESTART_POLICY_ALWAYS);
        ck_assert(restart->factor == 1.5 && restart->jitter == 0);
        ck_assert_uint_eq(restart->max_delay_usec, 0);
        ck_assert_uint_eq(restart->reset_after_usec, 10 * USEC_PER_SEC);
        for (int code = 0; code < 256; code++)
                ck_assert_int_eq(restart_spec_is_success(restart, code),
                                 code == 0 || code == 3 || code == 255);
        ck_assert_uint_eq(web->stop_timeout_usec, 1500 * USEC_PER_MSEC);
        ck_assert_uint_eq(web->start_timeout_usec, USEC_PER_HOUR);
        ck_assert_uint_eq(web->log_max_size_bytes, UINT64_C(3) << 30);
}
END_TEST

START_TEST(ports_keep_their_order_but_the_endpoint_is_first) {
        _cleanup_(manifest_freep) Manifest *manifest = load_full();
        const SidecarSpec *web = find_sidecar(manifest, "web");
        const SidecarSpec *implied = find_sidecar(manifest, "implied");

        ck_assert_uint_eq(web->n_ports, 3);
        ck_assert_str_eq(web->ports[0].name, "http");
        ck_assert_uint_eq(web->ports[0].number, 0);
        ck_assert_str_eq(web->ports[1].name, "db");
        ck_assert_uint_eq(web->ports[1].number, 5432);
        ck_assert(web->ports[1].reassign && !web->ports[0].reassign && !web->ports[2].reassign);
        ck_assert_str_eq(web->ports[2].name, "admin");

        ck_assert_str_eq(implied->ports[0].name, "b");
        ck_assert_str_eq(implied->ports[1].name, "a");
}
END_TEST

START_TEST(readiness_is_what_is_written_or_what_the_contract_says) {
        _cleanup_(manifest_freep) Manifest *manifest = load_full();
        _cleanup_(sidecar_spec_unrefp) SidecarSpec *plain =
                parse_sidecar("", ", \"port\": \"auto\", \"readiness\": {\"http\": {}}");
        const ProbeSpec *web = &find_sidecar(manifest, "web")->readiness;
        const ProbeSpec *implied = &find_sidecar(manifest, "implied")->readiness;
        const ProbeSpec *elsewhere = &find_sidecar(manifest, "probes-elsewhere")->readiness;

        ck_assert_int_eq(web->kind, PROBE_HTTP);
        assert_strv(web->paths, (const char *const[]){ "/health?from={app}", "/", NULL });
        assert_strv(web->headers, (const char *const[]){ "X-Name: {name}", "Accept: */*", NULL });
        ck_assert_uint_eq(web->n_alive, 3);
        ck_assert(web->alive[0].low == 200 && web->alive[0].high == 299);
        ck_assert(web->alive[1].low == 401 && web->alive[1].high == 401);
        ck_assert(web->alive[2].low == 503 && web->alive[2].high == 599);
        ck_assert_uint_eq(web->timeout_usec, 50 * USEC_PER_MSEC);
        ck_assert_uint_eq(web->interval_usec, 90 * USEC_PER_SEC);
        /* 9000 is declared, as "admin" */
        ck_assert_str_eq(web->port_name, "admin");

        ck_assert_int_eq(plain->readiness.kind, PROBE_HTTP);
        ck_assert_str_eq(plain->readiness.port_name, "http");
        assert_strv(plain->readiness.paths, (const char *const[]){ "/health", "/docs", "/", NULL });
        ck_assert_uint_eq(plain->readiness.n_alive, 1);
        ck_assert(plain->readiness.alive[0].low == 200 && plain->readiness.alive[0].high == 399);

        ck_assert_int_eq(implied->kind, PROBE_TCP);
        ck_assert_str_eq(implied->port_name, "b");
        ck_assert_int_eq(elsewhere->kind, PROBE_TCP);
        ck_assert_ptr_null(elsewhere->port_name);
        ck_assert_uint_eq(elsewhere->port_number, 7000);
        ck_assert_int_eq(find_sidecar(manifest, "a.plain-one_2")->readiness.kind, PROBE_NONE);
}
END_TEST

START_TEST(defaults_hold_key_by_key_where_a_sidecar_says_nothing) {
        _cleanup_(manifest_freep) Manifest *manifest = load_full();
        const SidecarSpec *web = find_sidecar(manifest, "web"), *db = find_sidecar(manifest, "db");

        ck_assert_int_eq(db->restart.policy, RESTART_POLICY_NO);
        ck_assert_uint_eq(db->restart.delay_usec, USEC_PER_SEC);
        ck_assert_uint_eq(web->restart.delay_usec, USEC_PER_SEC);
        ck_assert_uint_eq(web->restart.attempts, RESTART_ATTEMPTS_UNLIMITED);
        ck_assert(db->restart.factor == 2);
        ck_assert_int_eq(web->stop_signal, SIGINT);
        ck_assert_uint_eq(db->stop_timeout_usec, 5 * USEC_PER_SEC);
        ck_assert_uint_eq(db->start_timeout_usec, 2 * USEC_PER_MINUTE);
        ck_assert_uint_eq(db->log_max_size_bytes, 4096);
        ck_assert_uint_eq(web->log_max_files, 2);
}
END_TEST

START_TEST(a_name_is_the_id_where_there_is_none) {
        _cleanup_(manifest_freep) Manifest *manifest =
                parse("{\"manifestVersion\": 1, \"id\": \"" APP "\","
                      " \"sidecars\": {\"x\": {\"command\": [\"x\"]}}}");

        ck_assert_str_eq(manifest->name, APP);
        ck_assert_str_eq(manifest->sidecars[0]->description, "");
        ck_assert_ptr_null(manifest->sidecars[0]->base_dir);
        ck_assert_str_eq(manifest->sidecars[0]->manifest_dir, "/m");
        ck_assert_ptr_null(manifest->sidecars[0]->working_directory);
        ck_assert(manifest->sidecars[0]->auto_start);
}
END_TEST

START_TEST(equal_specs_are_equal_texts_and_others_are_not) {
        static const char *const same[][2] = {
                { "", "" },
                { ", \"restart\": \"on-failure\"", "" },
                { ", \"restart\": {\"delay\": \"500ms\", \"attempts\": 5}", "" },
                { ", \"env\": {\"A\": \"1\", \"B\": \"2\"}",
                  ", \"env\": {\"B\": \"2\", \"A\": \"1\"}" },
                { ", \"log\": {\"maxSize\": 10485760}", ", \"log\": {\"maxSize\": \"10240K\"}" },
                { ", \"port\": 8001", ", \"ports\": {\"http\": {\"port\": 8001}}" },
                { ", \"port\": 1, \"readiness\": {\"tcp\": {\"port\": 1}}", ", \"port\": 1" },
                { ", \"x-a\": 1", "" },
                { ", \"startTimeout\": \"90s\"", ", \"startTimeout\": \"1m30s\"" },
        };
        static const char *const others[] = {
                ", \"autoStart\": false",
                ", \"port\": 8001",
                ", \"port\": 8002",
                ", \"env\": {\"A\": \"\"}",
                ", \"env\": {\"A\": null}",
                ", \"restart\": \"no\"",
                ", \"restart\": {\"jitter\": 0.11}",
                ", \"restart\": {\"successExitCodes\": []}",
                ", \"stop\": {\"signal\": \"SIGKILL\"}",
                ", \"log\": {\"maxFiles\": 6}",
                ", \"description\": \"x\"",
                ", \"workingDirectory\": \"/\"",
        };
        _cleanup_(sidecar_spec_unrefp) SidecarSpec *plain = parse_sidecar("", "");
        _cleanup_(sidecar_spec_unrefp) SidecarSpec *based =
                parse_sidecar("\"baseDir\": \"/opt\", ", "");

        for (size_t i = 0; i < ELEMENTSOF(same); i++) {
                _cleanup_(sidecar_spec_unrefp) SidecarSpec *a = parse_sidecar("", same[i][0]);
                _cleanup_(sidecar_spec_unrefp) SidecarSpec *b = parse_sidecar("", same[i][1]);

                ck_assert_str_eq(a->effective_json, b->effective_json);
        }

        ck_assert_str_ne(based->effective_json, plain->effective_json);
        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                _cleanup_(sidecar_spec_unrefp) SidecarSpec *a = parse_sidecar("", others[i]);

                ck_assert_str_ne(a->effective_json, plain->effective_json);
        }
}
END_TEST

/*
 * The schema
 */

static json_object *schema;

/* What a "$ref" leads to, or the node itself. */
static json_object *schema_resolve(json_object *node) {
        json_object *reference, *definitions, *found;

        if (!json_object_object_get_ex(node, "$ref", &reference))
                return node;

        ck_assert(json_object_object_get_ex(schema, "$defs", &definitions));
        ck_assert(json_object_object_get_ex(
                definitions, strrchr(json_object_get_string(reference), '/') + 1, &found));
        return schema_resolve(found);
}

/* A way through the keys of a manifest; what comes down it is told of each property. */
typedef struct Way {
        const struct Way *parent;
        const char *key;
} Way;

typedef void (*property_handler_t)(const Way *way, json_object *property);

static void walk(json_object *node, const Way *way, property_handler_t handler) {
        static const char *const alternatives[] = { "allOf", "anyOf" };
        json_object *found;

        node = schema_resolve(node);
        if (!json_object_is_type(node, json_type_object))
                return;

        for (size_t i = 0; i < ELEMENTSOF(alternatives); i++)
                if (json_object_object_get_ex(node, alternatives[i], &found))
                        for (size_t k = 0; k < json_object_array_length(found); k++)
                                walk(json_object_array_get_idx(found, k), way, handler);

        if (json_object_object_get_ex(node, "additionalProperties", &found))
                walk(found, &(Way){ way, "web" }, handler);

        if (json_object_object_get_ex(node, "properties", &found))
                for (struct lh_entry *entry = lh_table_head(json_object_get_object(found)); entry;
                     entry = lh_entry_next(entry)) {
                        Way next = { way, lh_entry_k(entry) };

                        handler(&next, lh_entry_v(entry));
                        walk(lh_entry_v(entry), &next, handler);
                }
}

static void walk_schema(property_handler_t handler) {
        _cleanup_free_ char *path = source_path("docs/app-1.schema.json");

        schema = json_object_from_file(path);
        ck_assert_ptr_nonnull(schema);
        walk(schema, NULL, handler);
        json_object_put(schema);
}

/* Makes the objects on the way, where there are none, and answers the last. */
static json_object *manifest_at(json_object *root, const Way *way) {
        json_object *parent, *object;

        if (!way)
                return root;

        parent = manifest_at(root, way->parent);
        if (!json_object_object_get_ex(parent, way->key, &object) ||
            !json_object_is_type(object, json_type_object)) {
                object = json_object_new_object();
                json_object_object_add(parent, way->key, object);
        }
        return object;
}

static size_t n_acted_on, n_not_yet;

/* null is wrong for every key that is acted on, so the answer tells whether it was looked at. */
static void assert_is_known(const Way *way, json_object *property _unused_) {
        static const char minimal[] =
                "{\"manifestVersion\": 1, \"id\": \"" APP "\", \"sidecars\":"
                " {\"web\": {\"command\": [\"server\"], \"ports\": {\"web\": {\"port\": 1}}}}}";
        json_object *root = json_tokener_parse(minimal);
        ManifestError error = { 0 };
        Manifest *manifest = NULL;
        const char *text;
        int r;

        json_object_object_add(manifest_at(root, way->parent), way->key, NULL);
        text = json_object_to_json_string(root);
        r = manifest_parse(&manifest, "/m/" APP ".json", text, strlen(text), &error);

        ck_assert_msg(r == -EBADMSG, "%s is not looked at: %s", way->key, text);
        ck_assert_msg(!strstr(error.message, "unknown key"), "%s: %s", text, error.message);
        if (strstr(error.message, "not supported yet"))
                n_not_yet++;
        else {
                ck_assert_msg(strstr(error.message, "is null, and must be"), "%s: %s", text,
                              error.message);
                ck_assert_str_eq(strrchr(error.pointer, '/') + 1, way->key);
                n_acted_on++;
        }

        manifest_error_done(&error);
        json_object_put(root);
}

START_TEST(every_key_of_the_schema_is_known) {
        walk_schema(assert_is_known);
        /* Were the walk to end early, it would prove nothing. */
        ck_assert_uint_ge(n_acted_on, 40);
        ck_assert_uint_ge(n_not_yet, 40);
}
END_TEST

static json_object *effective;
static size_t n_defaults;

static json_object *effective_at(const Way *way) {
        json_object *found = NULL;

        if (!way || (way->parent && !way->parent->parent && streq(way->parent->key, "sidecars")))
                return effective;

        (void) json_object_object_get_ex(effective_at(way->parent), way->key, &found);
        return found;
}

static void assert_default(const Way *way, json_object *property) {
        json_object *wanted, *got;

        got = effective_at(way);
        if (!got || !json_object_object_get_ex(property, "default", &wanted))
                return;

        ck_assert_msg(json_object_equal(wanted, got), "%s: %s, not %s", way->key,
                      json_object_to_json_string(got), json_object_to_json_string(wanted));
        n_defaults++;
}

START_TEST(defaults_are_those_of_the_schema) {
        _cleanup_(sidecar_spec_unrefp) SidecarSpec *spec = parse_sidecar(
                "", ", \"readiness\": {\"http\": {}}, \"ports\": {\"web\": {\"port\": 1}}");

        effective = json_tokener_parse(spec->effective_json);
        walk_schema(assert_default);
        ck_assert_uint_ge(n_defaults, 15);
        json_object_put(effective);
}
END_TEST

/*
 * Files
 */

static char folder[32];
static char file[PATH_MAX], other[PATH_MAX];

static void files_setup(void) {
        strcpy(folder, "/tmp/test-manifest-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        (void) snprintf(file, sizeof(file), "%s/" APP ".json", folder);
        (void) snprintf(other, sizeof(other), "%s/other", folder);
        write_file(file, "{\"manifestVersion\": 1, \"id\": \"" APP "\","
                         " \"sidecars\": {\"x\": {\"command\": [\"x\"]}}}");
}

static void files_teardown(void) {
        (void) unlink(file);
        (void) rmdir(file);
        (void) unlink(other);
        ck_assert_int_eq(rmdir(folder), 0);
}

static void assert_load(int answer, const char *says) {
        _cleanup_(manifest_freep) Manifest *manifest = NULL;
        ManifestError error = { 0 };

        ck_assert_int_eq(manifest_load(&manifest, file, &error), answer);
        if (answer == -EBADMSG) {
                ck_assert_str_eq(error.path, file);
                ck_assert_uint_eq(error.line, 0);
                ck_assert_str_eq(error.pointer, "");
                ck_assert_msg(strstr(error.message, says), "%s", error.message);
        }
        manifest_error_done(&error);
}

START_TEST(a_file_of_ours_that_only_we_can_write_is_read) {
        assert_load(0, NULL);
        ck_assert_int_eq(chmod(file, 0444), 0);
        assert_load(0, NULL);
}
END_TEST

START_TEST(what_others_may_write_is_refused) {
        ck_assert_int_eq(chmod(file, 0664), 0);
        assert_load(-EBADMSG, "chmod go-w");
        ck_assert_int_eq(chmod(file, 0646), 0);
        assert_load(-EBADMSG, "chmod go-w");
}
END_TEST

START_TEST(what_belongs_to_somebody_else_is_refused) {
        /* Only root can give a file away. */
        if (geteuid() != 0)
                return;
        ck_assert_int_eq(chown(file, 65534, 0), 0);
        assert_load(-EBADMSG, "uid 65534");
}
END_TEST

START_TEST(a_symbolic_link_is_refused) {
        ck_assert_int_eq(rename(file, other), 0);
        ck_assert_int_eq(symlink(other, file), 0);
        assert_load(-EBADMSG, "symbolic link");
}
END_TEST

START_TEST(what_is_no_file_is_refused_without_waiting_for_it) {
        ck_assert_int_eq(unlink(file), 0);
        ck_assert_int_eq(mkfifo(file, 0600), 0);
        assert_load(-EBADMSG, "not a regular file");
        ck_assert_int_eq(unlink(file), 0);
        ck_assert_int_eq(mkdir(file, 0700), 0);
        assert_load(-EBADMSG, "not a regular file");
}
END_TEST

START_TEST(a_huge_file_is_refused_unread) {
        ck_assert_int_eq(truncate(file, MANIFEST_BYTES_MAX + 1), 0);
        assert_load(-EBADMSG, "make it smaller");
}
END_TEST

START_TEST(a_file_that_is_not_there_is_no_broken_manifest) {
        ck_assert_int_eq(unlink(file), 0);
        assert_load(-ENOENT, NULL);
}
END_TEST

/*
 * Chance
 */

START_TEST(a_damaged_manifest_is_read_or_refused_with_a_place_in_it) {
        _cleanup_free_ char *path = source_path("tests/manifests/good/org.example.Full.json");
        unsigned seed = (unsigned) time(NULL);
        _cleanup_free_ char *text = NULL;
        size_t n, n_refused = 0, n_lines = 1;

        printf("seed %u\n", seed);
        srandom(seed);
        text = read_file(path, &n);
        for (size_t i = 0; i < n; i++)
                n_lines += text[i] == '\n';

        for (int round = 0; round < 3000; round++) {
                _cleanup_(manifest_freep) Manifest *manifest = NULL;
                ManifestError error = { 0 };
                size_t at = (size_t) random() % n;
                char kept = text[at];
                int r;

                text[at] = (char) random();
                r = manifest_parse(&manifest, path, text, n, &error);
                if (r < 0) {
                        ck_assert_int_eq(r, -EBADMSG);
                        ck_assert_uint_ge(error.line, 1);
                        ck_assert_uint_le(error.line, n_lines + 1);
                        ck_assert(error.pointer[0] == '\0' || error.pointer[0] == '/');
                        ck_assert_uint_gt(strlen(error.message), 0);
                        n_refused++;
                }
                manifest_error_done(&error);
                text[at] = kept;
        }

        ck_assert_uint_gt(n_refused, 100);
}
END_TEST

TEST_MAIN("manifest",
          files_setup,
          files_teardown,
          each_wrong_manifest_gets_exactly_the_message_beside_it,
          good_manifests_are_read_and_their_effective_form_reads_back,
          what_is_written_is_what_comes_out,
          ports_keep_their_order_but_the_endpoint_is_first,
          readiness_is_what_is_written_or_what_the_contract_says,
          defaults_hold_key_by_key_where_a_sidecar_says_nothing,
          a_name_is_the_id_where_there_is_none,
          equal_specs_are_equal_texts_and_others_are_not,
          every_key_of_the_schema_is_known,
          defaults_are_those_of_the_schema,
          a_file_of_ours_that_only_we_can_write_is_read,
          what_others_may_write_is_refused,
          what_belongs_to_somebody_else_is_refused,
          a_symbolic_link_is_refused,
          what_is_no_file_is_refused_without_waiting_for_it,
          a_huge_file_is_refused_unread,
          a_file_that_is_not_there_is_no_broken_manifest,
          a_damaged_manifest_is_read_or_refused_with_a_place_in_it)
