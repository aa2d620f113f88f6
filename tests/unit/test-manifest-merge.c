/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Drop-ins over a manifest: RFC 7396 as its own examples have it, and whose fault it is when the
 * whole is wrong (contract F1, F4).
 */

#include <stdio.h>
#include <string.h>

#include "model/manifest-merge.h"
#include "test.h"
#include "util/strv.h"

#define BASE "/m/org.example.App.json"

static ManifestLayer layer_of(const char *path, const char *text) {
        return (ManifestLayer){ path, text, strlen(text) };
}

/* Those of appendix A that are an object over an object: a text of ours is no other. */
START_TEST(f1_it_merges_as_the_examples_of_rfc_7396) {
        static const char *const examples[][3] = {
                { "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
                { "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
                { "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
                { "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
                { "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
                { "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
                { "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
                  "{\"a\":{\"b\":\"d\"}}" },
                { "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
                { "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
                { "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
                { "{\"a\":0.10,\"b\":1e3}", "{}", "{\"a\":0.10,\"b\":1e3}" },
                { "{\"a\":\"/\\u0001\\\"\"}", "{}", "{\"a\":\"/\\u0001\\\"\"}" },
        };

        for (size_t i = 0; i < ELEMENTSOF(examples); i++) {
                ManifestLayer layers[] = { layer_of(BASE, examples[i][0]),
                                           layer_of("/d/a.json", examples[i][1]) };
                _cleanup_(manifest_error_done) ManifestError error = { 0 };
                _cleanup_free_ char *text = NULL;

                ck_assert_int_eq(manifest_merge(&text, layers, 2, &error), 0);
                ck_assert_str_eq(text, examples[i][2]);
        }
}
END_TEST

#define MANIFEST(more)                                            \
        "{\"manifestVersion\": 1, \"id\": \"org.example.App\",\n" \
        " \"sidecars\": {\n  \"web\": {\"command\": [\"x\"]" more "\n}}}"

/* "PATH:LINE: POINTER", or "" where all is right. Freed by the caller. */
static char *fault_of(const char *base, const char *first, const char *second) {
        ManifestLayer layers[] = { layer_of(BASE, base), layer_of("/d/1.json", first),
                                   layer_of("/d/2.json", second) };
        _cleanup_(manifest_error_done) ManifestError error = { 0 };
        _cleanup_(manifest_freep) Manifest *manifest = NULL;
        char *text;
        int r;

        r = manifest_parse_layers(&manifest, NULL, layers, ELEMENTSOF(layers), &error);
        ck_assert(r == 0 || r == -EBADMSG);
        if (r == 0)
                return strdup("");

        ck_assert_int_ge(asprintf(&text, "%s:%u: %s", error.path, error.line, error.pointer), 0);
        return text;
}

START_TEST(f4_the_fault_is_of_the_file_that_brought_it_in) {
        static const struct {
                const char *base, *first, *second, *fault;
        } cases[] = {
                { MANIFEST(""), "{}", "{}", "" },
                /* No JSON at all. */
                { MANIFEST(""), "{}", "{\n\"a\" 1}", "/d/2.json:2: /a" },
                { MANIFEST(""), "[]", "{}", "/d/1.json:1: " },
                /* A value that is none. */
                { MANIFEST(",\n\"startTimeout\": \"soon\""), "{}", "{}",
                  BASE ":4: /sidecars/web/startTimeout" },
                { MANIFEST(""), "{\"sidecars\":\n{\"web\": {\n\"startTimeout\": \"soon\"}}}", "{}",
                  "/d/1.json:3: /sidecars/web/startTimeout" },
                { MANIFEST(",\n\"startTimeout\": \"soon\""),
                  "{\"sidecars\": {\"web\": {\"startTimeout\": \"1s\"}}}", "{}", "" },
                { MANIFEST(""), "{\"sidecars\": {\"web\": {\"startTimeout\": \"soon\"}}}",
                  "{\"sidecars\": {\"web\": {\n\"startTimeout\": \"later\"}}}",
                  "/d/2.json:2: /sidecars/web/startTimeout" },
                /* A later file that says something else of the same sidecar is not to blame. */
                { MANIFEST(""), "{\"sidecars\": {\n\"web\": {\n\"command\": null}}}",
                  "{\"sidecars\": {\"web\": {\"description\": \"x\"}}}",
                  "/d/1.json:2: /sidecars/web" },
                /* One that takes away what another refers to. */
                { MANIFEST(", \"env\": {\"A\": \"{url:db}\"}, \"dependsOn\": {\"db\": \"ready\"}},"
                           "\"db\": {\"command\": [\"y\"]"),
                  "{}", "{\n\"sidecars\": {\"db\": null}}",
                  "/d/2.json:2: /sidecars/web/dependsOn/db" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *fault =
                        fault_of(cases[i].base, cases[i].first, cases[i].second);

                ck_assert_msg(streq(fault, cases[i].fault), "%zu: %s, and not %s", i, fault,
                              cases[i].fault);
        }
}
END_TEST

START_TEST(the_same_files_are_told_from_others) {
        ManifestLayer layers[] = { layer_of(BASE, MANIFEST("")), layer_of("/d/1.json", "{}") };
        _cleanup_(manifest_error_done) ManifestError error = { 0 };
        _cleanup_(manifest_freep) Manifest *manifest = NULL, *other = NULL, *alone = NULL;

        ck_assert_int_eq(manifest_parse_layers(&manifest, NULL, layers, 2, &error), 0);
        ck_assert_str_eq(manifest->source->drop_ins[0], "/d/1.json");
        ck_assert_int_eq(manifest_parse_layers(&other, manifest, layers, 2, &error), 1);
        ck_assert_int_eq(manifest_parse_layers(&alone, manifest, layers, 1, &error), 0);
        ck_assert_ptr_null(alone->source->drop_ins);
        layers[1].path = "/d/2.json";
        ck_assert_int_eq(manifest_parse_layers(&other, manifest, layers, 2, &error), 0);

        /* What goes by it alone is the same in both. */
        ck_assert_str_eq(other->sidecars[0]->process_json, alone->sidecars[0]->process_json);
}
END_TEST

START_TEST(f3_what_is_only_read_or_only_decides_whether_it_starts_asks_for_no_restart) {
        ManifestLayer layers[] = { layer_of(BASE, MANIFEST("")),
                                   layer_of("/d/1.json",
                                            "{\"baseDir\": \"/opt\", \"sidecars\": {\"web\":"
                                            " {\"description\": \"x\", \"autoStart\": false}}}") };
        ManifestLayer moved = layer_of("/elsewhere/org.example.App.json", MANIFEST(""));
        _cleanup_(manifest_error_done) ManifestError error = { 0 };
        _cleanup_(manifest_freep) Manifest *before = NULL, *after = NULL, *there = NULL;

        ck_assert_int_eq(manifest_parse_layers(&before, NULL, layers, 1, &error), 0);
        ck_assert_int_eq(manifest_parse_layers(&after, NULL, layers, 2, &error), 0);
        ck_assert_int_eq(manifest_parse_layers(&there, NULL, &moved, 1, &error), 0);
        ck_assert_str_ne(before->sidecars[0]->effective_json, after->sidecars[0]->effective_json);
        ck_assert_str_eq(before->sidecars[0]->process_json, after->sidecars[0]->process_json);
        ck_assert_str_eq(before->sidecars[0]->process_json, there->sidecars[0]->process_json);
}
END_TEST

TEST_MAIN("manifest-merge",
          NULL,
          NULL,
          f1_it_merges_as_the_examples_of_rfc_7396,
          f4_the_fault_is_of_the_file_that_brought_it_in,
          the_same_files_are_told_from_others,
          f3_what_is_only_read_or_only_decides_whether_it_starts_asks_for_no_restart)
