/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Test
 *
 * The only place that knows libcheck's dance of Suite, TCase and SRunner. A test program is a
 * list of START_TEST functions and one TEST_MAIN() or TEST_MAIN_TIMEOUT() with their names.
 */

#include <check.h>
#include <stdlib.h>

#include "util/macro.h"

static inline int test_run(const char *name,
                           double timeout_s,
                           SFun setup,
                           SFun teardown,
                           const TTest *const *tests,
                           size_t n_tests) {
        TCase *tcase = tcase_create(name);
        Suite *suite = suite_create(name);
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, timeout_s);
        if (setup || teardown)
                tcase_add_checked_fixture(tcase, setup, teardown);
        for (size_t i = 0; i < n_tests; i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* setup and teardown may be NULL; they run in the process of each test. */
#define TEST_MAIN_TIMEOUT(name, timeout_s, setup, teardown, ...)                             \
        int main(void) {                                                                     \
                const TTest *const tests[] = { __VA_ARGS__ };                                \
                return test_run(name, timeout_s, setup, teardown, tests, ELEMENTSOF(tests)); \
        }

/* A minute is for a machine that does something else; no test needs it. */
#define TEST_MAIN(name, setup, teardown, ...) \
        TEST_MAIN_TIMEOUT(name, 60, setup, teardown, __VA_ARGS__)
