/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Log
 *
 * The supervisor's own log, a line a message on standard error, with the priority in front
 * as sd-daemon(3) describes it where the journal reads along. Only main, bus/ and core/ log
 * above debug; what lies below answers with an error instead.
 */

#include <stdbool.h>
#include <syslog.h>

#include "util/macro.h"

/* Lines above this level are dropped: LOG_ERR ... LOG_DEBUG. */
void log_set_max_level(int level);
int log_get_max_level(void);

/* -EINVAL for what is no level of syslog(3): "emerg" ... "debug". */
int log_level_from_string(const char *text);
const char *log_level_to_string(int level);

void log_at(int level, const char *format, ...) _printf_(2, 3);

#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_notice(...) log_at(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERR, __VA_ARGS__)

/* Logs the message with ": strerror" behind it and answers error: `return log_errno(r, ...)`. */
int log_errno(int level, int error, const char *format, ...) _printf_(3, 4);
#define log_error_errno(error, ...) log_errno(LOG_ERR, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_errno(LOG_WARNING, error, __VA_ARGS__)
