/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Findings
 *
 * What doctor has looked at: how it is, and where it is not well what to do. On a terminal long
 * lines are broken between words, never cut: half a remedy is none.
 */

#include <stdio.h>

#include "ctl/screen.h"
#include "util/format.h"
#include "util/macro.h"

typedef enum FindingLevel {
        FINDING_OK,
        FINDING_WARNING, /* it works, but not as well as it could, or may not for long */
        FINDING_PROBLEM,
        _FINDING_LEVEL_MAX,
        _FINDING_LEVEL_INVALID = -EINVAL,
} FindingLevel;

typedef struct Finding {
        FindingLevel level;
        const char *subject; /* a word; borrowed for ever */
        char *text;
        char *remedy; /* or NULL */
} Finding;

typedef struct Findings { /* all zero at first */
        Finding *items;
        size_t n_items;
        int error; /* -ENOMEM: not all that was found is here */
} Findings;

void findings_done(Findings *findings);

/* The text is taken over; NULL: there was no memory for it. */
void findings_add_text(Findings *findings, FindingLevel level, const char *subject, char *text);
#define findings_add(findings, level, subject, ...) \
        findings_add_text(findings, level, subject, format_text(__VA_ARGS__))

/* What to do about the last one that was added. */
void findings_advise_text(Findings *findings, char *text);
#define findings_advise(findings, ...) findings_advise_text(findings, format_text(__VA_ARGS__))

size_t findings_count(const Findings *findings, FindingLevel level);

/* Negative errno alone. */
int findings_print(const Findings *findings, const Screen *screen);

/* An array of objects with "result", "subject", "text" and, where there is one, "remedy". */
void findings_write(const Findings *findings, FILE *stream);
