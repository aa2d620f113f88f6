/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Passed
 *
 * A pattern is the regular expression of a log line ("log" under "readiness"), with its bounds of
 * work, but for the whole text: a value that it would take too long to judge is not allowed.
 */

#include <string.h>

#include "model/log-pattern.h"
#include "model/passed.h"
#include "util/format.h"
#include "util/strv.h"

#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

bool passed_is_too_much(char *const *texts) {
        size_t n = 0, n_bytes = 0;

        STRV_FOREACH (text, texts) {
                n++;
                n_bytes += strlen(*text);
        }

        return n > PASSED_MAX || n_bytes > PASSED_BYTES_MAX;
}

bool passed_is_name(const char *name, size_t n_bytes) {
        return n_bytes > 0 && !strchr(DIGITS, name[0]) &&
               strspn(name, LETTERS DIGITS "_") >= n_bytes;
}

/* A pattern that is none was refused with its manifest. */
static int match_whole(const char *pattern_text, const char *text) {
        _cleanup_(log_pattern_freep) LogPattern *pattern = NULL;
        _cleanup_free_ char *message = NULL;
        int r;

        r = log_pattern_new(&pattern, pattern_text, &message);
        if (r >= 0)
                r = log_pattern_match_whole(pattern, text, strlen(text));

        return r < 0 && r != -ENOMEM ? 0 : r;
}

int passed_check_value(const PassedVariable *variable, const char *value) {
        return variable->pattern ? match_whole(variable->pattern, value) : 1;
}

#define refuse(ret_message, ...) fail_with(ret_message, -EACCES, format_text(__VA_ARGS__))

static int
check_listed(const ArgumentRule *rule, size_t position, const char *argument, char **ret_message) {
        int r;

        if (!rule->is_pattern)
                return streq(rule->text, argument)
                               ? 0
                               : refuse(ret_message, "argument %zu must be \"%s\"", position,
                                        rule->text);

        r = match_whole(rule->text, argument);
        if (r < 0)
                return r;

        return r > 0 ? 0 : refuse(ret_message, "argument %zu must match %s", position, rule->text);
}

int passed_check_arguments(const SidecarSpec *spec, char *const *arguments, char **ret_message) {
        size_t position = 0;

        if (spec->arguments == ARGUMENTS_ANY)
                return 0;

        STRV_FOREACH (argument, arguments) {
                int r;

                if (spec->arguments == ARGUMENTS_NONE)
                        return refuse(ret_message, "argument 1: its manifest allows none");
                if (position == spec->n_argument_rules)
                        return refuse(ret_message, "argument %zu: its manifest allows %zu",
                                      position + 1, spec->n_argument_rules);
                r = check_listed(&spec->argument_rules[position], position + 1, *argument,
                                 ret_message);
                if (r < 0)
                        return r;
                position++;
        }

        return 0;
}
