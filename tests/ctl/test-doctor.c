/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <locale.h>
#include <string.h>

#include "ctl/findings.h"
#include "ctl/preflight-line.h"
#include "ctl/service-file.h"
#include "ctl/unit-state.h"
#include "ctl/usage.h"
#include "ctl/wrap.h"
#include "test.h"

#define NAME "org.sidecard.Sidecars1"

START_TEST(lines_are_broken_between_words_and_long_words_stay_whole) {
        ck_assert_uint_eq(wrap_line("", 10), 0);
        ck_assert_uint_eq(wrap_line("one two three", 13), 13);
        ck_assert_uint_eq(wrap_line("one two three", 12), 7);
        ck_assert_uint_eq(wrap_line("one two three", 7), 7);
        ck_assert_uint_eq(wrap_line("/a/very/long/path x", 5), 17);
        ck_assert_uint_eq(wrap_line("日本 日本", 9), strlen("日本 日本"));
        ck_assert_uint_eq(wrap_line("日本 日本", 8), strlen("日本"));
        ck_assert_uint_eq(wrap_line("end ", 2), 3);
}
END_TEST

static void check_file(const char *text, int expected, const char *program, bool has_unit) {
        _cleanup_(service_file_done) ServiceFile file = { 0 };

        ck_assert_int_eq(service_file_parse(&file, text, NAME), expected);
        if (program)
                ck_assert_str_eq(file.program, program);
        else
                ck_assert_ptr_null(file.program);
        ck_assert(file.has_unit == has_unit);
}

START_TEST(a_service_file_says_what_is_started) {
        check_file("[D-BUS Service]\nName=" NAME "\nExec=/a/b --c\n", 1, "/a/b", false);
        check_file("# x\n[D-BUS Service]\nExec=\"/a b\" c\nName=" NAME "\nSystemdService=s\n", 1,
                   "/a b", true);
        check_file("[D-BUS Service]\nName=" NAME "\n", 1, NULL, false);
        check_file("[D-BUS Service]\nName=org.other\nExec=/a\n", 0, NULL, false);
        check_file("[Other]\nName=" NAME "\nExec=/a\n", 0, NULL, false);
        check_file("", 0, NULL, false);
}
END_TEST

static PreflightLine parse(char buffer[static 128], const char *text) {
        (void) snprintf(buffer, 128, "%s", text);
        return preflight_line_parse(buffer);
}

START_TEST(a_preflight_line_is_taken_apart_and_what_is_strange_is_a_problem) {
        char buffer[128];
        PreflightLine line = parse(buffer, "port\ta/b\t8001\t42\tredis-server\tfixed");

        ck_assert_int_eq(line.kind, PREFLIGHT_PORT);
        ck_assert_str_eq(line.name, "a/b");
        ck_assert_uint_eq(line.port, 8001);
        ck_assert_int_eq(line.pid, 42);
        ck_assert_str_eq(line.program, "redis-server");
        ck_assert(!line.is_reassigned);
        ck_assert(parse(buffer, "port\ta/b\t1\t0\t\treassign").is_reassigned);

        line = parse(buffer, "program\ta/b\tmissing\twhat: is wrong");
        ck_assert_int_eq(line.kind, PREFLIGHT_PROGRAM_MISSING);
        ck_assert_str_eq(line.text, "what: is wrong");
        ck_assert_int_eq(parse(buffer, "program\ta/b\tfound\t/x").kind, PREFLIGHT_PROGRAM_FOUND);
        ck_assert_int_eq(parse(buffer, "manifest\ta\t/x").kind, PREFLIGHT_MANIFEST);

        ck_assert_int_eq(parse(buffer, "/x.json:3: /a: is wrong").kind, PREFLIGHT_PROBLEM);
        ck_assert_int_eq(parse(buffer, "port\tshort").kind, PREFLIGHT_PROBLEM);
        ck_assert_int_eq(parse(buffer, "program\ta/b\tmaybe\t/x").kind, PREFLIGHT_PROBLEM);
}
END_TEST

static void check_unit(const char *load,
                       const char *active,
                       bool is_needed,
                       FindingLevel level,
                       const char *remedy) {
        _cleanup_(findings_done) Findings findings = { 0 };
        UnitState state = { (char *) load, (char *) active, (char *) "enabled" };

        unit_state_judge(&state, is_needed, &findings);
        ck_assert_uint_eq(findings.n_items, 1);
        ck_assert_int_eq(findings.items[0].level, level);
        if (remedy)
                ck_assert_ptr_nonnull(strstr(findings.items[0].remedy, remedy));
        else
                ck_assert_ptr_null(findings.items[0].remedy);
}

START_TEST(a_unit_that_cannot_be_started_is_a_problem_while_it_is_needed) {
        check_unit("loaded", "active", false, FINDING_OK, NULL);
        check_unit("loaded", "inactive", true, FINDING_OK, NULL);
        check_unit("masked", "inactive", true, FINDING_PROBLEM, "unmask sidecard.service");
        check_unit("masked", "inactive", false, FINDING_WARNING, "unmask");
        check_unit("not-found", "inactive", true, FINDING_PROBLEM, "daemon-reload");
        check_unit("loaded", "failed", true, FINDING_PROBLEM, "reset-failed");
        check_unit("bad-setting", "inactive", true, FINDING_PROBLEM, "systemctl --user status");
}
END_TEST

START_TEST(findings_are_json_with_a_remedy_where_there_is_one) {
        _cleanup_(findings_done) Findings findings = { 0 };
        _cleanup_free_ char *text = NULL;
        size_t n_bytes;
        FILE *stream;

        findings_add(&findings, FINDING_OK, "bus", "it %s", "answers");
        findings_add(&findings, FINDING_PROBLEM, "unit", "\"masked\"");
        findings_advise(&findings, "unmask %d", 1);
        ck_assert_uint_eq(findings_count(&findings, FINDING_PROBLEM), 1);
        ck_assert_uint_eq(findings_count(&findings, FINDING_WARNING), 0);

        stream = open_memstream(&text, &n_bytes);
        ck_assert_ptr_nonnull(stream);
        findings_write(&findings, stream);
        (void) fclose(stream);
        ck_assert_str_eq(text, "[{\"result\":\"ok\",\"subject\":\"bus\",\"text\":\"it answers\"},"
                               "{\"result\":\"problem\",\"subject\":\"unit\",\"text\":\"\\\"masked"
                               "\\\"\",\"remedy\":\"unmask 1\"}]\n");
}
END_TEST

static Usage usage_of(const char *name, uint64_t cpu_nsec, uint64_t memory_bytes) {
        return (Usage){ .app = (char *) "a",
                        .name = (char *) name,
                        .path = (char *) name,
                        .cpu_nsec = cpu_nsec,
                        .memory_bytes = memory_bytes };
}

START_TEST(who_uses_most_is_first_and_what_began_anew_has_used_nothing) {
        const uint64_t second = UINT64_C(1000000000);
        Usage former[] = { usage_of("anew", 9 * second, 1), usage_of("busy", second, 1),
                           usage_of("unknown", UINT64_MAX, 1) };
        Usage items[] = { usage_of("new", 5 * second, 7),
                          usage_of("unknown", UINT64_MAX, UINT64_MAX), usage_of("anew", second, 9),
                          usage_of("busy", 2 * second, 1) };
        Sample before = { former, ELEMENTSOF(former), 1000000 };
        Sample sample = { items, ELEMENTSOF(items), 3000000 };

        sample_compare(&sample, &before);
        sample_sort(&sample);
        ck_assert_str_eq(items[0].name, "busy");
        ck_assert_double_eq_tol(items[0].cpu_percent, 50, 0.001);
        ck_assert_str_eq(items[1].name, "anew");
        ck_assert_double_eq_tol(items[1].cpu_percent, 0, 0.001);
        ck_assert_str_eq(items[2].name, "new");
        ck_assert_str_eq(items[3].name, "unknown");
}
END_TEST

static void set_up(void) {
        ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
}

TEST_MAIN("doctor",
          set_up,
          NULL,
          lines_are_broken_between_words_and_long_words_stay_whole,
          a_service_file_says_what_is_started,
          a_preflight_line_is_taken_apart_and_what_is_strange_is_a_problem,
          a_unit_that_cannot_be_started_is_a_problem_while_it_is_needed,
          findings_are_json_with_a_remedy_where_there_is_one,
          who_uses_most_is_first_and_what_began_anew_has_used_nothing)
