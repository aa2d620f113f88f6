/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Visible
 *
 * What a terminal would act on, told from what it would show: ECMA-48 control characters, and the
 * bidirectional controls of Unicode (UAX #9), by which a line can be made to read as another one.
 * And the time in front of a line of log, so that it looks the same whoever prints it.
 */

#include <stdbool.h>
#include <stdint.h>

/* C0 but the tab, C1, DEL, and what turns the direction of writing or ends a line. */
bool visible_must_escape(uint32_t character);

/*
 * A new string in which C0, C1 and DEL are "\x1b", and what turns the direction of writing is
 * "\u202e". A tab stays. NULL for lack of memory.
 */
char *visible_make(const char *text);

#define VISIBLE_TIME_MAX 32

/* "Nov 22 11:00:34.123", in local time and English whatever the locale. Answers buffer. */
char *visible_log_time(char buffer[static VISIBLE_TIME_MAX], uint64_t realtime_usec);
