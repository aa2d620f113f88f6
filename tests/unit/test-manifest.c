/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The manifest, by its corpus (tests/manifests: what is good, and what is bad with the exact
 * message), and by what comes out of a sidecar.
 */

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "io/manifest-file.h"
#include "manifest.h"
#include "util/duration.h"
#include "util/strv.h"

static void write_file(const char *path, const char *text) {
        FILE *file = fopen(path, "we");

        ck_assert_ptr_nonnull(file);
        ck_assert_int_ge(fputs(text, file), 0);
        ck_assert_int_eq(fclose(file), 0);
        ck_assert_int_eq(chmod(path, 0644), 0);
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

/* All sidecars from their effective JSON, since they may depend on each other. */
static char *write_effective(const Manifest *manifest) {
        const char *base = manifest->sidecars[0]->base_dir;
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(out);
        fprintf(out, "{\"manifestVersion\": 1, \"id\": \"%s\", ", manifest->id);
        if (base)
                fprintf(out, "\"baseDir\": \"%s\", ", base);
        fputs("\"sidecars\": {", out);
        for (size_t i = 0; i < manifest->n_sidecars; i++)
                fprintf(out, "%s\"%s\": %s", i > 0 ? "," : "", manifest->sidecars[i]->name,
                        manifest->sidecars[i]->effective_json);
        fputs("}}", out);
        ck_assert_int_eq(fclose(out), 0);
        return text;
}

/* A manifest of these sidecars, from their effective JSON, has to give the same again. */
static void assert_reads_back(const Manifest *manifest) {
        _cleanup_(manifest_freep) Manifest *again = NULL;
        _cleanup_free_ char *text = write_effective(manifest);
        ManifestError error = { 0 };
        int r;

        r = manifest_parse(&again, manifest->source->path, text, strlen(text), &error);
        ck_assert_msg(r == 0, "%s: %s", error.pointer, error.message);
        ck_assert_uint_eq(again->n_sidecars, manifest->n_sidecars);
        for (size_t i = 0; i < manifest->n_sidecars; i++)
                ck_assert_str_eq(again->sidecars[i]->effective_json,
                                 manifest->sidecars[i]->effective_json);
}

START_TEST(good_manifests_are_read_and_their_effective_form_reads_back) {
        _cleanup_free_ char *good = source_path("tests/manifests/good");
        _cleanup_(strv_freep) char **files = list_files(good, ".json");

        ck_assert_uint_ge(strv_length(files), 4);

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
                ck_assert_str_eq(manifest->source->path, *file);
                assert_reads_back(manifest);
        }
}
END_TEST

START_TEST(what_is_written_is_what_comes_out) {
        _cleanup_(manifest_freep) Manifest *manifest = load_good("org.example.Full");
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
        _cleanup_(manifest_freep) Manifest *manifest = load_good("org.example.Full");
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
        _cleanup_(manifest_freep) Manifest *manifest = load_good("org.example.Full");
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

/* With a port that is none, tcp on the first one is what counts. */
START_TEST(tcp_is_not_implied_of_a_socket_that_is_handed_over) {
        static const char port[] = "{\"port\": \"auto\", \"socket\": true}";
        char text[256];

        for (int i = 0; i < 2; i++) {
                _cleanup_(sidecar_spec_unrefp) SidecarSpec *spec = NULL;

                (void) snprintf(text, sizeof(text), ", \"ports\": {%s\"a\": %s}",
                                i == 0 ? "" : "\"x\": 9000, ", port);
                spec = parse_sidecar("", text);
                ck_assert(spec->ports[i].is_socket && (i == 0 || !spec->ports[0].is_socket));
                ck_assert_int_eq(spec->readiness.kind, i == 0 ? PROBE_NONE : PROBE_TCP);
        }
}
END_TEST

START_TEST(defaults_hold_key_by_key_where_a_sidecar_says_nothing) {
        _cleanup_(manifest_freep) Manifest *manifest = load_good("org.example.Full");
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

        ck_assert_int_eq(manifest_load(&manifest, NULL, file, NULL, &error), answer);
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

START_TEST(limits_of_a_sidecar_go_over_the_defaults_key_by_key) {
        Manifest *manifest = parse("{\"manifestVersion\": 1, \"id\": \"" APP "\","
                                   " \"defaults\": {\"limits\": {\"nice\": 5, \"openFiles\": 64}},"
                                   " \"sidecars\": {\"web\": {\"command\": [\"a\"],"
                                   " \"limits\": {\"nice\": -3, \"memoryMax\": \"50M\"}},"
                                   " \"db\": {\"command\": [\"b\"]}}}");
        const Limits *web = &manifest_find_sidecar(manifest, "web")->limits;
        const Limits *db = &manifest_find_sidecar(manifest, "db")->limits;

        ck_assert_int_eq(web->values[LIMIT_NICE], -3);
        ck_assert_int_eq(web->values[LIMIT_OPEN_FILES], 64);
        ck_assert_int_eq(web->values[LIMIT_MEMORY_MAX], 50 << 20);
        ck_assert(!limits_ask(web, LIMIT_TASKS_MAX));
        ck_assert_int_eq(db->values[LIMIT_NICE], 5);
        ck_assert(!limits_ask(db, LIMIT_MEMORY_MAX));
        manifest_free(manifest);
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
          tcp_is_not_implied_of_a_socket_that_is_handed_over,
          defaults_hold_key_by_key_where_a_sidecar_says_nothing,
          limits_of_a_sidecar_go_over_the_defaults_key_by_key,
          a_name_is_the_id_where_there_is_none,
          equal_specs_are_equal_texts_and_others_are_not,
          a_file_of_ours_that_only_we_can_write_is_read,
          what_others_may_write_is_refused,
          what_belongs_to_somebody_else_is_refused,
          a_symbolic_link_is_refused,
          what_is_no_file_is_refused_without_waiting_for_it,
          a_huge_file_is_refused_unread,
          a_file_that_is_not_there_is_no_broken_manifest,
          a_damaged_manifest_is_read_or_refused_with_a_place_in_it)
