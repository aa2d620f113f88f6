/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "model/template.h"
#include "test.h"
#include "util/strv.h"

static PortSpec two_ports[] = {
        { .name = (char *) "http", .number = 8001 },
        { .name = (char *) "db" },
};
static const uint16_t port_numbers[] = { 8001, 20777 };
static const SidecarSpec with_ports = {
        .app_id = (char *) "org.example.App",
        .name = (char *) "web",
        .ports = two_ports,
        .n_ports = 2,
};
static const SidecarSpec without_ports = { .app_id = (char *) "a", .name = (char *) "b" };

START_TEST(the_url_of_a_dependency_is_filled_in_and_of_nobody_else) {
        Dependency depends_on[] = { { (char *) "cache", DEPENDENCY_STARTED },
                                    { (char *) "db", DEPENDENCY_READY } };
        char *urls[] = { (char *) "", (char *) "http://127.0.0.1:9", NULL };
        SidecarSpec spec = { .depends_on = depends_on, .n_depends_on = 2 };
        TemplateValues values = { .spec = &spec, .urls = urls };
        _cleanup_free_ char *text = NULL, *message = NULL;

        ck_assert_int_eq(template_expand(&text, "{url:db}/x{url:cache}", &values, NULL), 0);
        ck_assert_str_eq(text, "http://127.0.0.1:9/x");
        ck_assert_int_eq(template_check("{url:db}", &spec, false, NULL), 0);
        ck_assert_int_eq(template_check("{url:web}", &spec, false, &message), -EINVAL);
        ck_assert_ptr_nonnull(strstr(message, "dependsOn"));
}
END_TEST

START_TEST(names_become_values) {
        static const struct {
                const char *text, *filled;
        } cases[] = {
                { "", "" },
                { "plain", "plain" },
                { "--port={port}", "--port=8001" },
                { "{port:db}{port:http}", "207778001" },
                { "{url}/v1", "http://127.0.0.1:8001/v1" },
                { "{app}/{name}", "org.example.App/web" },
                { "{runtimeDir}:{stateDir}", "/run/me:/state" },
                { "{{port}", "{port}" },
                { "{{{port}}", "{8001}" },
                { "a } b }} c", "a } b }} c" },
                { "{{{{", "{{" },
                { "gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F" },
        };
        TemplateValues values = {
                .spec = &with_ports,
                .ports = port_numbers,
                .runtime_dir = "/run/me",
                .state_dir = "/state",
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *filled = NULL, *message = NULL;

                ck_assert_int_eq(template_expand(&filled, cases[i].text, &values, &message), 0);
                ck_assert_str_eq(filled, cases[i].filled);
                ck_assert_int_eq(template_check(cases[i].text, &with_ports, false, &message), 0);
                ck_assert_ptr_null(message);
        }
}
END_TEST

START_TEST(what_a_value_holds_is_not_filled_in_again) {
        TemplateValues values = {
                .spec = &with_ports, .ports = port_numbers, .runtime_dir = "{port}", .state_dir = ""
        };
        _cleanup_free_ char *filled = NULL, *message = NULL;

        ck_assert_int_eq(template_expand(&filled, "{runtimeDir}", &values, &message), 0);
        ck_assert_str_eq(filled, "{port}");
}
END_TEST

START_TEST(an_unknown_name_is_told_with_what_there_is) {
        static const struct {
                const SidecarSpec *spec;
                const char *text, *says;
        } cases[] = {
                { &with_ports, "{prot}", "{prot} is unknown: there are {port}, " },
                { &with_ports, "{}", "{} is unknown" },
                { &with_ports, "{PORT}", "is unknown" },
                { &with_ports, "{port }", "is unknown" },
                { &with_ports, "{app:x}", "{app:x} is unknown" },
                { &with_ports, "{tokens}", "is unknown" },
                { &with_ports, "{port", "without its }" },
                { &with_ports, "x{", "without its }" },
                { &with_ports, "{port:web}", "there is no port \"web\"" },
                { &with_ports, "{port:web}", "http, db" },
                { &with_ports, "{port:}", "there is no port \"\"" },
                { &without_ports, "{port}", "declare \"port\"" },
                { &without_ports, "{url}", "declare \"port\"" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *message = NULL;

                ck_assert_int_eq(template_check(cases[i].text, cases[i].spec, false, &message),
                                 -EINVAL);
                ck_assert_msg(strstr(message, cases[i].says), "%s: %s", cases[i].text, message);
        }
}
END_TEST

START_TEST(s6_what_a_hold_passes_on_is_filled_in_by_its_name_in_pass_env) {
        PassedVariable declared[] = { { .name = (char *) "LANG" }, { .name = (char *) "ZONE" } };
        SidecarSpec spec = { .passed = declared, .n_passed = ELEMENTSOF(declared) };
        char *passed[] = { (char *) "HOME=/root", (char *) "ZONE=eu{port}", NULL };
        TemplateValues values = { .spec = &spec, .passed = passed };
        _cleanup_free_ char *filled = NULL, *message = NULL;

        ck_assert_int_eq(template_expand(&filled, "{env:ZONE}-{env:LANG}-", &values, NULL), 0);
        ck_assert_str_eq(filled, "eu{port}--");
        ck_assert_int_eq(template_check("{env:HOME}", &spec, true, &message), -EINVAL);
        ck_assert_msg(strstr(message, "name \"HOME\" there"), "%s", message);
}
END_TEST

START_TEST(s6_a_token_goes_where_nobody_else_reads_it_and_its_file_anywhere) {
        TemplateValues values = { .spec = &with_ports, .token = "0f", .token_file = "/run/token" };
        _cleanup_free_ char *filled = NULL, *message = NULL;

        ck_assert_int_eq(template_check("{tokenFile}", &with_ports, false, &message), 0);
        ck_assert_int_eq(template_check("Bearer {token}", &with_ports, true, &message), 0);
        ck_assert_int_eq(template_check("{token}", &with_ports, false, &message), -EINVAL);
        ck_assert_msg(strstr(message, "{tokenFile}"), "%s", message);

        ck_assert_int_eq(template_expand(&filled, "{token}@{tokenFile}", &values, NULL), 0);
        ck_assert_str_eq(filled, "0f@/run/token");
}
END_TEST

START_TEST(what_a_text_mentions_is_a_name_in_braces) {
        ck_assert(template_mentions("{token}", "token"));
        ck_assert(template_mentions("{port}{token}x", "token"));
        ck_assert(template_mentions("{{{token}", "token"));
        ck_assert(!template_mentions("{{token}", "token"));
        ck_assert(!template_mentions("{tokenFile}", "token"));
        ck_assert(!template_mentions("token} {port}", "token"));
        ck_assert(!template_mentions("", "token"));
}
END_TEST

TEST_MAIN("template",
          NULL,
          NULL,
          names_become_values,
          what_a_value_holds_is_not_filled_in_again,
          an_unknown_name_is_told_with_what_there_is,
          s6_what_a_hold_passes_on_is_filled_in_by_its_name_in_pass_env,
          s6_a_token_goes_where_nobody_else_reads_it_and_its_file_anywhere,
          what_a_text_mentions_is_a_name_in_braces,
          the_url_of_a_dependency_is_filled_in_and_of_nobody_else)
