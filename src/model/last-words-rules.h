/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LastWordsRules
 *
 * The table by which model/last-words finds the line that says why. How to add a row stands above
 * the table.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* What is told of a line that matches. */
typedef enum Tell {
        TELL_LINE,      /* the line itself */
        TELL_STAR,      /* what the last * of its pattern stands for */
        TELL_WITH_NEXT, /* the line, and the one after it */
        TELL_OUTDENTED, /* instead of it the first line after it that is indented less */
        TELL_BLOCK_END, /* instead of it the last line of the indented block after it */
        _TELL_MAX,
        _TELL_INVALID = -EINVAL,
} Tell;

typedef struct LastWordsRule {
        const char *language;
        const char *pattern;     /* of the line */
        Tell tell;               /* TELL_LINE where nothing is said */
        const char *followed_by; /* pattern of one of the few lines after it; or NULL */
} LastWordsRule;

/* Lines that stand at the end of an output and say nothing. */
typedef struct LastWordsNoise {
        const char *language;
        const char *pattern;
        bool with_traceback; /* so are the lines of the Python traceback after it */
} LastWordsNoise;

extern const LastWordsRule last_words_rules[];
extern const size_t n_last_words_rules;

extern const LastWordsNoise last_words_noise[];
extern const size_t n_last_words_noise;
