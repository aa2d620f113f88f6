/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The validator beside the schema, key by key: each is known, and each default is the same.
 * tests/manifests/agree.py compares what the two say of whole manifests.
 */

#include <json-c/json.h>

#include "manifest.h"

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
        ck_assert_uint_ge(n_acted_on + n_not_yet, 90);
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
        _cleanup_(sidecar_spec_unrefp) SidecarSpec *spec =
                parse_sidecar("", ", \"readiness\": {\"http\": {}}, \"liveness\": {\"http\": {}},"
                                  " \"ports\": {\"web\": {\"port\": 1}}");

        effective = json_tokener_parse(spec->effective_json);
        walk_schema(assert_default);
        ck_assert_uint_ge(n_defaults, 20);
        json_object_put(effective);
}
END_TEST

TEST_MAIN("manifest-schema",
          NULL,
          NULL,
          every_key_of_the_schema_is_known,
          defaults_are_those_of_the_schema)
