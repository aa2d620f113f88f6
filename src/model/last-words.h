/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * LastWords
 *
 * The one line of a dead sidecar's output that says why it died (contract section 2). Which lines
 * say so is a table, model/last-words-rules.c, that grows by a row; this module cleans the lines,
 * blanks secrets, and picks.
 *
 * It reads what a program wrote and believes it: an old error that the program lived through, and
 * that is still among its newest lines, is taken for the cause.
 */

#include "model/log-ring.h"

#define LAST_WORDS_LINES_MAX 64u /* of each stream, the newest */
#define LAST_WORDS_BYTES_MAX 512u
#define LAST_WORDS_SCAN_BYTES_MAX 2048u /* of a line, from its front; the rest is not looked at */

/*
 * What one generation wrote last: at most LAST_WORDS_LINES_MAX lines of stdout, and as many of
 * stderr, oldest first. Answers how many. Borrowed from the ring, like every LogLine.
 */
size_t
last_words_collect(LogLine ret[2 * LAST_WORDS_LINES_MAX], const LogRing *ring, uint64_t generation);

/*
 * A new string of valid UTF-8 without control characters, at most LAST_WORDS_BYTES_MAX bytes; NULL
 * where nothing was written (or memory is out). lines: oldest first; those of the supervisor are
 * skipped. secrets: tokens and values of passEnv, or NULL; each line of one becomes "***", as
 * model/secrets says. Where they are longer than SECRETS_BYTES_MAX nothing is told: NULL.
 *
 * Whatever was written, and whatever the secrets are, it takes a few milliseconds at most.
 */
char *last_words(const LogLine *lines, size_t n_lines, char *const *secrets);
