/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/probe-round.h"
#include "test.h"

static const StatusRange alive[] = { { 200, 399 } };

/* Plays answers to as many paths: a status, or one of these. */
enum {
        REFUSED = -1,
        NONE = -2
};

static ProbeStep play(ProbeRound *round, const int *answers, size_t n_answers) {
        ProbeStep step = PROBE_STEP_ASK;

        for (size_t i = 0; i < n_answers; i++) {
                ck_assert_msg(step == PROBE_STEP_ASK, "answer %zu was not asked for", i);
                ck_assert_uint_eq(round->path, i);
                if (answers[i] == REFUSED)
                        step = probe_round_note(round, PROBE_ANSWER_REFUSED, 0);
                else if (answers[i] == NONE)
                        step = probe_round_note(round, PROBE_ANSWER_NONE, 0);
                else
                        step = probe_round_note(round, PROBE_ANSWER_STATUS, (unsigned) answers[i]);
        }

        return step;
}

START_TEST(three_paths_are_judged_as_rule_R2_says) {
        static const struct {
                int answers[3];
                size_t n_answers; /* less than 3: no further path is asked */
                ProbeStep step;
                int path_index;
                unsigned status;
        } cases[] = {
                { { 200 }, 1, PROBE_STEP_ALIVE, 0, 200 },
                { { 204 }, 1, PROBE_STEP_ALIVE, 0, 204 },
                { { 302 }, 1, PROBE_STEP_ALIVE, 0, 302 },
                { { 399 }, 1, PROBE_STEP_ALIVE, 0, 399 },
                { { 404, 200 }, 2, PROBE_STEP_ALIVE, 1, 200 },
                { { 405, 501, 307 }, 3, PROBE_STEP_ALIVE, 2, 307 },
                { { 404, 405, 501 }, 3, PROBE_STEP_DEAD, 0, 404 },
                { { REFUSED }, 1, PROBE_STEP_DEAD, -1, 0 },
                { { 404, REFUSED }, 2, PROBE_STEP_DEAD, -1, 0 },
                { { 500 }, 1, PROBE_STEP_DEAD, 0, 500 },
                { { 404, 502 }, 2, PROBE_STEP_DEAD, 1, 502 },
                { { 503 }, 1, PROBE_STEP_LOADING, 0, 503 },
                { { 404, 503 }, 2, PROBE_STEP_LOADING, 1, 503 },
                { { 400 }, 1, PROBE_STEP_DEAD, 0, 400 },
                { { 401 }, 1, PROBE_STEP_DEAD, 0, 401 },
                { { 999 }, 1, PROBE_STEP_DEAD, 0, 999 },
                { { NONE, 200 }, 2, PROBE_STEP_ALIVE, 1, 200 },
                { { NONE, NONE, 200 }, 3, PROBE_STEP_ALIVE, 2, 200 },
                { { NONE, NONE, NONE }, 3, PROBE_STEP_DEAD, -1, 0 },
                { { NONE, 404, NONE }, 3, PROBE_STEP_DEAD, 1, 404 },
                { { NONE, 500 }, 2, PROBE_STEP_DEAD, 1, 500 },
                { { NONE, REFUSED }, 2, PROBE_STEP_DEAD, -1, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ProbeRound round = probe_round(3, alive, ELEMENTSOF(alive));

                ck_assert_msg(play(&round, cases[i].answers, cases[i].n_answers) == cases[i].step,
                              "case %zu", i);
                ck_assert_int_eq(round.path_index, cases[i].path_index);
                ck_assert_uint_eq(round.status, cases[i].status);
        }
}
END_TEST

START_TEST(a_remembered_path_is_the_only_one_asked) {
        static const struct {
                int answer;
                ProbeStep step;
                int path_index;
        } cases[] = {
                { 200, PROBE_STEP_ALIVE, 0 },
                { 404, PROBE_STEP_DEAD, 0 },
                { 503, PROBE_STEP_LOADING, 0 },
                { NONE, PROBE_STEP_DEAD, -1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ProbeRound round = probe_round(1, alive, ELEMENTSOF(alive));

                ck_assert_int_eq(play(&round, &cases[i].answer, 1), cases[i].step);
                ck_assert_int_eq(round.path_index, cases[i].path_index);
        }
}
END_TEST

START_TEST(the_ranges_of_the_manifest_come_first) {
        static const StatusRange odd[] = { { 200, 204 }, { 404, 404 }, { 503, 503 } };
        static const struct {
                int answer;
                ProbeStep step;
        } cases[] = {
                { 204, PROBE_STEP_ALIVE }, { 404, PROBE_STEP_ALIVE }, { 503, PROBE_STEP_ALIVE },
                { 205, PROBE_STEP_DEAD },  { 302, PROBE_STEP_DEAD },  { 405, PROBE_STEP_ASK },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                ProbeRound round = probe_round(2, odd, ELEMENTSOF(odd));

                ck_assert_int_eq(play(&round, &cases[i].answer, 1), cases[i].step);
        }
}
END_TEST

TEST_MAIN("probe-round",
          NULL,
          NULL,
          three_paths_are_judged_as_rule_R2_says,
          a_remembered_path_is_the_only_one_asked,
          the_ranges_of_the_manifest_come_first)
