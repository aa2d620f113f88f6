/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Log
 *
 * The supervisor's own log, a line a message on standard error; where that is a stream of the
 * journal (JOURNAL_STREAM, systemd.exec(5)) it is an entry with fields instead, so that one can ask
 * for one sidecar's. Only main, bus/ and core/ log above debug; what lies below answers with an
 * error instead.
 */

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "util/macro.h"

/* Lines above this level are dropped: LOG_ERR ... LOG_DEBUG. */
void log_set_max_level(int level);
int log_get_max_level(void);

/* -EINVAL for what is no level of syslog(3): "emerg" ... "debug". */
int log_level_from_string(const char *text);
const char *log_level_to_string(int level);

void log_at(int level, const char *format, ...) _printf_(2, 3);

/* What a message is about, for the journal; NULL and 0: left out. */
typedef struct LogSubject {
        const char *app;
        const char *name;
        uint64_t generation;
        const char *message_id; /* core/message-ids.h */
} LogSubject;

/* error: as log_errno() has it behind the message; 0: none. */
void log_about(const LogSubject *subject, int level, int error, const char *format, ...)
        _printf_(4, 5);

#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_notice(...) log_at(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERR, __VA_ARGS__)

/* Logs the message with ": strerror" behind it and answers error: `return log_errno(r, ...)`. */
int log_errno(int level, int error, const char *format, ...) _printf_(3, 4);
#define log_error_errno(error, ...) log_errno(LOG_ERR, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_errno(LOG_WARNING, error, __VA_ARGS__)
