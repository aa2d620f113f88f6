/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Text
 *
 * Text as a terminal shows it: how wide it is, cut to what fits. And times and sizes as people read
 * them. What would drive the terminal is made visible by util/visible.h.
 */

#include <stdint.h>

#include "util/duration.h"

#define TEXT_TIME_MAX 64

/* Columns, by the locale's LC_CTYPE. text is valid UTF-8 without control characters. */
unsigned text_width(const char *text);

/* Cuts in place so that text and the mark (of one column) behind it fit. Text that fits stays. */
int text_cut(char **text, unsigned n_columns, const char *mark);

/* "2026-11-22 11:00:34", in local time. Answers buffer. */
char *text_of_time(char buffer[static TEXT_TIME_MAX], uint64_t realtime_usec);

/* "42.1M". Answers buffer. */
char *text_of_bytes(char buffer[static TEXT_TIME_MAX], uint64_t n_bytes);

/* -EINVAL: neither a duration, which means so long ago, nor a date, nor a time of today. */
int text_parse_since(uint64_t *ret_realtime_usec, const char *text);
