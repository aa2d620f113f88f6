/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a manifest says of the app as a whole, and of sidecars to each other: modes, dependencies,
 * health. What is refused is in tests/manifests/bad.
 */

#include "manifest.h"
#include "model/mode.h"
#include "util/duration.h"

static const ModeSpec *find_mode(const Manifest *manifest, const char *name) {
        const ModeSpec *mode = manifest_find_mode(manifest, name);

        ck_assert_msg(mode != NULL, "no mode %s", name);
        return mode;
}

START_TEST(modes_keep_their_order_lists_and_servers) {
        _cleanup_(manifest_freep) Manifest *manifest = load_good("org.example.Modes");
        const ModeSpec *service = find_mode(manifest, "service");

        ck_assert_uint_eq(manifest->n_modes, 4);
        ck_assert_str_eq(manifest->modes[0].name, "standalone");
        ck_assert_str_eq(manifest->modes[3].name, "connected");
        ck_assert_str_eq(manifest->default_mode, "service");

        assert_strv(service->sidecars, (const char *const[]){ "web", "worker", NULL });
        ck_assert_str_eq(service->server_url, "http://[::1]:8001/api?v=1#top");
        ck_assert_ptr_null(find_mode(manifest, "everything")->sidecars);
        ck_assert_ptr_null(find_mode(manifest, "everything")->server_url);
        ck_assert_ptr_null(manifest_find_mode(manifest, "absent"));
}
END_TEST

START_TEST(no_sidecar_is_not_the_same_as_no_list) {
        _cleanup_(manifest_freep) Manifest *manifest = load_good("org.example.Modes");
        const ModeSpec *standalone = find_mode(manifest, "standalone");

        ck_assert_ptr_nonnull(standalone->sidecars);
        ck_assert_uint_eq(strv_length(standalone->sidecars), 0);
}
END_TEST

START_TEST(m4_without_modes_there_is_one_that_wants_all) {
        static const char *const tops[] = { "", "\"modes\": {},", "\"defaultMode\": \"default\"," };

        for (size_t i = 0; i < ELEMENTSOF(tops); i++) {
                _cleanup_(manifest_freep) Manifest *manifest = NULL;
                _cleanup_free_ char *text = NULL;

                ck_assert_int_ge(asprintf(&text,
                                          "{\"manifestVersion\": 1, \"id\": \"" APP "\", %s"
                                          " \"sidecars\": {\"web\": {\"command\": [\"x\"]}}}",
                                          tops[i]),
                                 0);
                manifest = parse(text);
                ck_assert_uint_eq(manifest->n_modes, 1);
                ck_assert_str_eq(manifest->modes[0].name, "default");
                ck_assert_str_eq(manifest->default_mode, "default");
                ck_assert(mode_wants(&manifest->modes[0], "web"));
        }
}
END_TEST

START_TEST(without_a_default_the_first_mode_is_it) {
        _cleanup_(manifest_freep) Manifest *manifest =
                parse("{\"manifestVersion\": 1, \"id\": \"" APP "\","
                      " \"modes\": {\"z\": {}, \"a\": {}},"
                      " \"sidecars\": {\"web\": {\"command\": [\"x\"]}}}");

        ck_assert_str_eq(manifest->default_mode, "z");
}
END_TEST

START_TEST(dependencies_are_sorted_and_keep_their_condition) {
        _cleanup_(manifest_freep) Manifest *manifest = load_good("org.example.Modes");
        const SidecarSpec *web = find_sidecar(manifest, "web");
        const SidecarSpec *worker = find_sidecar(manifest, "worker");

        ck_assert_uint_eq(web->n_depends_on, 2);
        ck_assert_str_eq(web->depends_on[0].name, "db");
        ck_assert_int_eq(web->depends_on[0].condition, DEPENDENCY_READY);
        ck_assert_str_eq(web->depends_on[1].name, "migrate");
        ck_assert_int_eq(web->depends_on[1].condition, DEPENDENCY_COMPLETED);
        ck_assert_int_eq(worker->depends_on[0].condition, DEPENDENCY_STARTED);
        ck_assert_uint_eq(find_sidecar(manifest, "db")->n_depends_on, 0);
}
END_TEST

START_TEST(health_checks_are_what_is_written_or_the_defaults_of_the_schema) {
        _cleanup_(manifest_freep) Manifest *manifest = load_good("org.example.Modes");
        const LivenessSpec *web = &find_sidecar(manifest, "web")->liveness;
        const LivenessSpec *db = &find_sidecar(manifest, "db")->liveness;
        const LivenessSpec *plain = &find_sidecar(manifest, "plain")->liveness;

        ck_assert_int_eq(web->probe.kind, PROBE_HTTP);
        assert_strv(web->probe.paths, (const char *const[]){ "/health", "/", NULL });
        assert_strv(web->probe.headers, (const char *const[]){ "X-Name: {name}", NULL });
        ck_assert_str_eq(web->probe.port_name, "http");
        ck_assert(web->probe.alive[0].low == 200 && web->probe.alive[0].high == 200);
        ck_assert_uint_eq(web->probe.timeout_usec, USEC_PER_SEC);
        ck_assert_uint_eq(web->probe.interval_usec, 5 * USEC_PER_SEC);
        ck_assert_uint_eq(web->failures, 2);
        ck_assert(web->restart);

        ck_assert_int_eq(db->probe.kind, PROBE_TCP);
        ck_assert_uint_eq(db->probe.port_number, 7000);
        ck_assert(!db->restart);

        /* Not the path of its readiness, were there one. */
        assert_strv(plain->probe.paths, (const char *const[]){ "/health", "/docs", "/", NULL });
        ck_assert_uint_eq(plain->probe.timeout_usec, 2 * USEC_PER_SEC);
        ck_assert_uint_eq(plain->probe.interval_usec, 10 * USEC_PER_SEC);
        ck_assert_uint_eq(plain->failures, 3);
        ck_assert(!plain->restart);

        ck_assert_int_eq(find_sidecar(manifest, "worker")->liveness.probe.kind, PROBE_NONE);
}
END_TEST

START_TEST(the_effective_text_tells_dependencies_and_health_apart) {
        static const char *const keys[] = {
                ", \"port\": 1, \"liveness\": {\"tcp\": {}}",
                ", \"port\": 1, \"liveness\": {\"http\": {}}",
                ", \"port\": 1, \"liveness\": {\"tcp\": {}, \"failures\": 4}",
                ", \"port\": 1, \"liveness\": {\"tcp\": {}, \"onFailure\": \"restart\"}",
                ", \"port\": 1, \"liveness\": {\"tcp\": {}, \"interval\": \"11s\"}",
                ", \"port\": 1",
        };
        _cleanup_(sidecar_spec_unrefp) SidecarSpec *plain = parse_sidecar("", "");
        _cleanup_(sidecar_spec_unrefp) SidecarSpec *none = parse_sidecar("", ", \"dependsOn\": {}");

        ck_assert_str_eq(plain->effective_json, none->effective_json);
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                for (size_t k = 0; k < i; k++) {
                        _cleanup_(sidecar_spec_unrefp) SidecarSpec *a = parse_sidecar("", keys[i]);
                        _cleanup_(sidecar_spec_unrefp) SidecarSpec *b = parse_sidecar("", keys[k]);

                        ck_assert_str_ne(a->effective_json, b->effective_json);
                }
}
END_TEST

START_TEST(a_server_is_a_host_and_nobodys_password) {
        static const char *const good[] = {
                "http://localhost",
                "https://example.org/",
                "HTTP://EXAMPLE.org:1/a?b#c",
                "http://127.0.0.1:65535",
                "https://[fe80::1]/x",
                "http://[::1]",
                "https://a-b_c.example.org?user@host",
                "http://example.org/@me",
        };
        static const char *const bad[] = {
                "",
                "http:",
                "http://",
                "http:///path",
                "http://?x",
                "http://:80",
                "ftp://example.org",
                "//example.org",
                "https:/example.org",
                "http://user@example.org",
                "http://:pw@example.org",
                "http://example.org:",
                "http://example.org:0",
                "http://example.org:65536",
                "http://example.org:080000",
                "http://example.org:8a",
                "http://exa mple.org",
                "http://example.org/\n",
                "http://ex\xC3\xA4mple.org",
                "http://[]",
                "http://[::1",
                "http://[::1]x",
                "http://[zz]",
                "http://a,b",
                "javascript:alert(1)",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                ck_assert_msg(!mode_check_server_url(good[i]), "%s %s", good[i],
                              mode_check_server_url(good[i]));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(mode_check_server_url(bad[i]) != NULL, "%s passed", bad[i]);
}
END_TEST

START_TEST(t1_a_stop_request_goes_to_the_port_of_the_endpoint_or_to_the_socket_of_the_probe) {
        _cleanup_(manifest_freep) Manifest *manifest = load_good("org.example.Stop");
        const SidecarSpec *web = find_sidecar(manifest, "web");
        const SidecarSpec *other = find_sidecar(manifest, "other");
        const SidecarSpec *socket = find_sidecar(manifest, "socket");

        ck_assert_int_eq(web->stop_http.kind, PROBE_HTTP);
        ck_assert_str_eq(web->stop_http.method, "POST");
        ck_assert_str_eq(web->stop_http.port_name, "http");
        assert_strv(web->stop_http.paths, (const char *const[]){ "/quit/{name}", NULL });
        assert_strv(web->stop_http.headers,
                    (const char *const[]){ "Authorization: Bearer {token}", NULL });
        ck_assert_uint_eq(web->stop_http.timeout_usec, 2 * USEC_PER_SEC);
        ck_assert_uint_eq(web->stop_timeout_usec, 3 * USEC_PER_SEC);
        ck_assert(web->token);

        ck_assert_str_eq(other->stop_http.method, "DELETE");
        ck_assert_ptr_null(other->stop_http.headers);
        ck_assert(!other->token);
        ck_assert_str_eq(socket->stop_http.unix_socket, "{runtimeDir}/s");
        ck_assert_ptr_null(socket->stop_http.port_name);
        /* Of the defaults it takes what it can, and there is nobody to ask. */
        ck_assert_int_eq(find_sidecar(manifest, "silent")->stop_http.kind, PROBE_NONE);
}
END_TEST

TEST_MAIN("manifest-app",
          NULL,
          NULL,
          modes_keep_their_order_lists_and_servers,
          no_sidecar_is_not_the_same_as_no_list,
          m4_without_modes_there_is_one_that_wants_all,
          without_a_default_the_first_mode_is_it,
          dependencies_are_sorted_and_keep_their_condition,
          health_checks_are_what_is_written_or_the_defaults_of_the_schema,
          the_effective_text_tells_dependencies_and_health_apart,
          a_server_is_a_host_and_nobodys_password,
          t1_a_stop_request_goes_to_the_port_of_the_endpoint_or_to_the_socket_of_the_probe)
