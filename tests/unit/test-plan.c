/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Dependencies, modes and plans: who belongs to a set, in which order, and what a switch does.
 * Apps are drawn as text: "web>db,cache" is a sidecar and what it depends on, "-web" has no
 * autoStart.
 */

#include <time.h>

#include "manifest.h"
#include "model/dependency.h"
#include "model/mode.h"
#include "model/plan.h"

#define SIDECARS_MAX 12

/* Not by the parser, which refuses cycles. */
static Manifest *draw(const char *text) {
        Manifest *manifest = calloc(1, sizeof(*manifest));
        _cleanup_(strv_freep) char **words = NULL;

        ck_assert_ptr_nonnull(manifest);
        ck_assert_int_eq(strv_split(&words, text, ' '), 0);
        manifest->sidecars = calloc(strv_length(words) + 1, sizeof(SidecarSpec *));
        STRV_FOREACH (word, words) {
                SidecarSpec *spec = calloc(1, sizeof(*spec));
                _cleanup_(strv_freep) char **halves = NULL, **names = NULL;

                ck_assert_int_eq(strv_split(&halves, *word, '>'), 0);
                spec->n_ref = 1;
                spec->auto_start = halves[0][0] != '-';
                spec->name = strdup(halves[0] + !spec->auto_start);
                if (halves[1])
                        ck_assert_int_eq(strv_split(&names, halves[1], ','), 0);
                spec->depends_on = calloc(strv_length(names) + 1, sizeof(Dependency));
                STRV_FOREACH (name, names)
                        spec->depends_on[spec->n_depends_on++].name = strdup(*name);
                manifest->sidecars[manifest->n_sidecars++] = spec;
        }
        return manifest;
}

static char **split(const char *text) {
        char **words = NULL;

        ck_assert_int_eq(strv_split(&words, text, ' '), 0);
        return words;
}

static void assert_words(char *const *strv, const char *text) {
        char joined[256] = "";

        STRV_FOREACH (word, strv) {
                strcat(joined, *joined ? " " : "");
                strcat(joined, *word);
        }
        ck_assert_str_eq(joined, text);
}

START_TEST(x7_what_is_needed_comes_first_and_once) {
        static const struct {
                const char *app, *names, *closed;
        } cases[] = {
                { "a b c", "", "" },
                { "a b c", "b", "b" },
                { "a b c", "c a c", "c a" },
                { "a>b b>c c", "a", "c b a" },
                { "a>b b>c c", "c a", "c b a" },
                { "db migrate>db web>db,migrate worker>web", "worker", "db migrate web worker" },
                { "db migrate>db web>db,migrate worker>web", "web db", "db migrate web" },
                { "a>c b>c c", "b a", "c b a" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(manifest_freep) Manifest *manifest = draw(cases[i].app);
                _cleanup_(strv_freep) char **names = split(cases[i].names), **closed = NULL;

                ck_assert_int_eq(dependency_close(&closed, manifest, names), 0);
                assert_words(closed, cases[i].closed);
        }
}
END_TEST

START_TEST(a_name_that_nobody_has_closes_nothing) {
        _cleanup_(manifest_freep) Manifest *manifest = draw("a b");
        char *names[] = { (char *) "a", (char *) "z", NULL }, **closed = names;

        ck_assert_int_eq(dependency_close(&closed, manifest, names), -ENOENT);
        ck_assert_ptr_eq(closed, names);
}
END_TEST

START_TEST(a_cycle_is_told_by_the_names_along_it) {
        static const struct {
                const char *app, *cycle;
        } cases[] = {
                { "a b c", "" },
                { "a>b,c b>c c", "" },
                { "a>b,c b>d c>d d", "" },
                { "a>a", "a a" },
                { "a>b b>a", "a b a" },
                /* What leads to a cycle is no part of it. */
                { "a>b b>c c>d d>b", "b c d b" },
                { "a>b b c>d d>e e>c", "c d e c" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(manifest_freep) Manifest *manifest = draw(cases[i].app);
                _cleanup_(strv_freep) char **cycle = NULL;

                ck_assert_int_eq(dependency_find_cycle(&cycle, manifest), 0);
                ck_assert_int_eq(cycle != NULL, *cases[i].cycle != '\0');
                assert_words(cycle, cases[i].cycle);
        }
}
END_TEST

static char *service_names[] = { (char *) "web", (char *) "tool", NULL };
static char *no_names[] = { NULL };
static const ModeSpec service = { .name = (char *) "service", .sidecars = service_names };
static const ModeSpec everything = { .name = (char *) "everything" };
static const ModeSpec standalone = { .name = (char *) "standalone", .sidecars = no_names };

START_TEST(a_mode_wants_its_list_or_all) {
        ck_assert(mode_wants(&service, "web"));
        ck_assert(!mode_wants(&service, "db"));
        ck_assert(mode_wants(&everything, "db"));
        ck_assert(!mode_wants(&standalone, "web"));
}
END_TEST

START_TEST(m3_a_mode_starts_those_with_autostart_and_lets_the_others_run) {
        static const struct {
                const ModeSpec *mode;
                const char *up, *wanted;
        } cases[] = {
                { &service, "", "db web" },
                { &service, "tool", "tool db web" },
                { &service, "other", "db web" },
                { &everything, "", "db other web" },
                { &everything, "tool gone", "db other tool web" },
                { &standalone, "web tool", "" },
        };
        _cleanup_(manifest_freep) Manifest *manifest = draw("db other -tool web>db");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(strv_freep) char **up = split(cases[i].up), **wanted = NULL;

                ck_assert_int_eq(mode_wanted_up(&wanted, manifest, cases[i].mode, up), 0);
                assert_words(wanted, cases[i].wanted);
        }
}
END_TEST

/* A row in a word: "=web" is kept, "+web" started, "-web" stopped. */
static void assert_plan(const Plan *plan, const char *text) {
        static const char signs[] = { [PLAN_KEEP] = '=', [PLAN_START] = '+', [PLAN_STOP] = '-' };
        _cleanup_(strv_freep) char **words = NULL;

        for (size_t i = 0; i < plan->n_rows; i++)
                ck_assert_int_eq(strv_extendf(&words, "%c%s", signs[plan->rows[i].action],
                                              plan->rows[i].sidecar),
                                 0);
        assert_words(words, text);
}

START_TEST(m1_a_switch_stops_keeps_and_starts_in_this_order) {
        static const struct {
                const char *up, *wanted, *plan;
        } cases[] = {
                { "", "", "" },
                { "", "worker", "+db +web +worker" },
                { "worker web db", "", "-worker -web -db" },
                { "db web worker", "", "-worker -web -db" },
                { "db web", "db", "-web =db" },
                { "db", "web", "=db +web" },
                { "other", "web", "-other +db +web" },
                { "web db other", "worker", "-other =db =web +worker" },
                /* What a wanted one needs stays, whether the caller names it or not. */
                { "db web", "web", "=db =web" },
                { "gone web db", "other", "-gone -web -db +other" },
                /* What the stopped one needs but is not up is not stopped. */
                { "worker", "", "-worker" },
        };
        _cleanup_(manifest_freep) Manifest *manifest = draw("db other web>db worker>web");

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(strv_freep) char **up = split(cases[i].up);
                _cleanup_(strv_freep) char **wanted = split(cases[i].wanted);
                _cleanup_(plan_freep) Plan *plan = NULL;

                ck_assert_int_eq(plan_make(&plan, manifest, &service, up, wanted), 0);
                assert_plan(plan, cases[i].plan);
        }
}
END_TEST

START_TEST(each_row_has_a_reason) {
        _cleanup_(manifest_freep) Manifest *manifest = draw("db other web>db");
        char *up[] = { (char *) "gone", (char *) "other", (char *) "db", NULL };
        char *wanted[] = { (char *) "web", NULL };
        _cleanup_(plan_freep) Plan *plan = NULL;

        ck_assert_int_eq(plan_make(&plan, manifest, &service, up, wanted), 0);
        assert_plan(plan, "-gone -other =db +web");
        ck_assert_str_eq(plan->rows[0].reason, "the manifest does not have it any more");
        ck_assert_str_eq(plan->rows[1].reason, "mode service does not want it");
        ck_assert_str_eq(plan->rows[2].reason, "web depends on it");
        ck_assert_str_eq(plan->rows[3].reason, "mode service wants it");
}
END_TEST

START_TEST(a_plan_for_what_nobody_has_is_no_plan) {
        _cleanup_(manifest_freep) Manifest *manifest = draw("a");
        char *wanted[] = { (char *) "z", NULL };
        Plan *plan = NULL;

        ck_assert_int_eq(plan_make(&plan, manifest, &service, NULL, wanted), -ENOENT);
        ck_assert_ptr_null(plan);
}
END_TEST

START_TEST(actions_are_three_words) {
        ck_assert_str_eq(plan_action_to_string(PLAN_KEEP), "keep");
        ck_assert_str_eq(plan_action_to_string(PLAN_START), "start");
        ck_assert_str_eq(plan_action_to_string(PLAN_STOP), "stop");
}
END_TEST

/* Each depends on some of those before it, under names in no order. */
static Manifest *roll_app(void) {
        char text[1024] = "";
        size_t n = 1 + (size_t) random() % SIDECARS_MAX;
        unsigned twist = (unsigned) random() % SIDECARS_MAX;

        for (size_t i = 0; i < n; i++) {
                const char *mark = ">";

                sprintf(text + strlen(text), " %c", 'a' + (int) (i ^ twist));
                for (size_t k = 0; k < i; k++)
                        if (random() % 3 == 0) {
                                sprintf(text + strlen(text), "%s%c", mark, 'a' + (int) (k ^ twist));
                                mark = ",";
                        }
        }
        return draw(text);
}

static char **roll_names(const Manifest *manifest) {
        char **names = NULL;

        for (size_t i = 0; i < manifest->n_sidecars; i++)
                if (random() % 2 == 0)
                        ck_assert_int_eq(strv_extend(&names, manifest->sidecars[i]->name), 0);
        return names;
}

/* Does the rows and objects where, in the middle, something up lacks what it needs. */
static void follow(const Plan *plan, const Manifest *manifest, char *const *up) {
        bool is_up[256] = { false };

        STRV_FOREACH (name, up)
                is_up[(unsigned char) **name] = true;

        for (size_t i = 0; i < plan->n_rows; i++) {
                const PlanRow *row = &plan->rows[i];
                const SidecarSpec *spec = find_sidecar(manifest, row->sidecar);
                unsigned char self = (unsigned char) *row->sidecar;

                ck_assert_int_eq(is_up[self], row->action != PLAN_START);
                is_up[self] = row->action != PLAN_STOP;
                for (size_t k = 0; row->action == PLAN_START && k < spec->n_depends_on; k++)
                        ck_assert(is_up[(unsigned char) *spec->depends_on[k].name]);
                for (size_t k = 0; row->action == PLAN_STOP && k < manifest->n_sidecars; k++) {
                        const SidecarSpec *other = manifest->sidecars[k];

                        ck_assert(!is_up[(unsigned char) *other->name] ||
                                  !sidecar_spec_find_dependency(other, row->sidecar));
                }
        }
}

START_TEST(no_random_switch_takes_away_what_is_needed) {
        unsigned seed = (unsigned) time(NULL);

        printf("seed %u\n", seed);
        srandom(seed);
        for (int round = 0; round < 3000; round++) {
                _cleanup_(manifest_freep) Manifest *manifest = roll_app();
                _cleanup_(strv_freep) char **some = roll_names(manifest), **up = NULL;
                _cleanup_(strv_freep) char **wanted = roll_names(manifest);
                _cleanup_(strv_freep) char **cycle = NULL;
                _cleanup_(plan_freep) Plan *plan = NULL;

                ck_assert_int_eq(dependency_find_cycle(&cycle, manifest), 0);
                ck_assert_ptr_null(cycle);
                ck_assert_int_eq(dependency_close(&up, manifest, some), 0);
                ck_assert_int_eq(plan_make(&plan, manifest, &service, up, wanted), 0);
                follow(plan, manifest, up);
        }
}
END_TEST

TEST_MAIN("plan",
          NULL,
          NULL,
          x7_what_is_needed_comes_first_and_once,
          a_name_that_nobody_has_closes_nothing,
          a_cycle_is_told_by_the_names_along_it,
          a_mode_wants_its_list_or_all,
          m3_a_mode_starts_those_with_autostart_and_lets_the_others_run,
          m1_a_switch_stops_keeps_and_starts_in_this_order,
          each_row_has_a_reason,
          a_plan_for_what_nobody_has_is_no_plan,
          actions_are_three_words,
          no_random_switch_takes_away_what_is_needed)
