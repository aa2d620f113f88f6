/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LogPattern
 *
 * The line by which a sidecar says that it is ready ("log" under "readiness"): a regular
 * expression of PCRE2 over what programs print. Neither the pattern nor the line is trusted with
 * our time: both are bounded, and what a match may cost is counted (pcre2api(3), pcre2callout(3)).
 * No JIT: it would have us map memory that is both written and executed.
 */

#include <stddef.h>

#include "util/macro.h"

#define LOG_PATTERN_BYTES_MAX (64u * 1024u)
#define LOG_PATTERN_LINE_BYTES_MAX 2048u /* what is beyond is not looked at */

typedef struct LogPattern LogPattern;

/*
 * -EINVAL: text is no regular expression; then *ret_message says why and where, in one sentence
 * without a full stop, and is the caller's to free.
 */
int log_pattern_new(LogPattern **ret, const char *text, char **ret_message);
LogPattern *log_pattern_free(LogPattern *pattern);
DEFINE_CLEANUP(LogPattern, log_pattern_free);

/*
 * One complete line, of any bytes; those that are no UTF-8 match nothing, not even ".". 1: it
 * matches somewhere; 0: nowhere. -EOVERFLOW: to find that out takes more work than a line is
 * worth, and such a pattern is better not asked again: one that was made to be slow took a tenth
 * of a second. Sane ones take a tenth of a microsecond.
 */
int log_pattern_match(LogPattern *pattern, const char *line, size_t n_bytes);

/*
 * The same of a text that it is to match from the first byte to the last; one that is longer than
 * LOG_PATTERN_LINE_BYTES_MAX is -EOVERFLOW.
 */
int log_pattern_match_whole(LogPattern *pattern, const char *text, size_t n_bytes);
