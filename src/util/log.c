/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Log
 *
 * A message is formatted into one buffer and leaves by one write(2), so that lines of the
 * brain and of the keeper, which share the descriptor, never mix.
 */

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/journal.h"
#include "util/log.h"

#define LINE_MAX_BYTES 2048

static const char *const levels[] = {
        [LOG_EMERG] = "emerg", [LOG_ALERT] = "alert",     [LOG_CRIT] = "crit",
        [LOG_ERR] = "err",     [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
        [LOG_INFO] = "info",   [LOG_DEBUG] = "debug",
};

static int max_level = LOG_INFO;

void log_set_max_level(int level) {
        max_level = level;
}

int log_get_max_level(void) {
        return max_level;
}

int log_level_from_string(const char *text) {
        for (size_t i = 0; i < ELEMENTSOF(levels); i++)
                if (strcmp(levels[i], text) == 0)
                        return (int) i;

        return -EINVAL;
}

const char *log_level_to_string(int level) {
        return level >= 0 && (size_t) level < ELEMENTSOF(levels) ? levels[level] : NULL;
}

/* The journal reads priorities only from the stream it made: systemd.exec(5), JOURNAL_STREAM. */
static bool stderr_is_journal(void) {
        static int answer = -1;
        const char *text = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        if (answer < 0)
                answer = text && sscanf(text, "%llu:%llu", &device, &inode) == 2 &&
                         fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == device &&
                         st.st_ino == inode;

        return answer;
}

/*
 * Whoever reads the log may have stopped: then lines are lost, and counted, rather than waited for.
 * A pipe that poll(2) calls writable has room for PIPE_BUF bytes, more than any line has.
 */
static void write_line(const char *line, size_t n_bytes) {
        static unsigned n_lost;
        struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };

        if (poll(&out, 1, 0) != 1) {
                n_lost++;
                return;
        }

        (void) !write(STDERR_FILENO, line, n_bytes);
        if (n_lost > 0 && poll(&out, 1, 0) == 1) {
                (void) dprintf(STDERR_FILENO, "%u lines of the log were lost before this one\n",
                               n_lost);
                n_lost = 0;
        }
}

static int send_entry(const LogSubject *subject, int level, const char *line, size_t n_bytes) {
        JournalEntry entry = {
                .priority = level,
                .identifier = "sidecard",
                .message_id = subject->message_id,
                .app = subject->app,
                .name = subject->name,
                .generation = subject->generation,
                .bytes = line,
                .n_bytes = n_bytes,
        };

        return journal_send(&entry);
}

static _printf_(4, 0) void log_write(
        const LogSubject *subject, int level, int error, const char *format, va_list args) {
        char line[LINE_MAX_BYTES], *text = line;
        size_t used = 0;
        int saved = errno, n;

        /* What the journal does not take at once it may take as a line. */
        if (stderr_is_journal()) {
                used = (size_t) snprintf(line, sizeof(line), "<%d>", level);
                text = line + used;
        }

        n = vsnprintf(line + used, sizeof(line) - used, format, args);
        used = n < 0 ? used : used + (size_t) n;

        if (error != 0 && used < sizeof(line)) {
                n = snprintf(line + used, sizeof(line) - used, ": %s", strerror(abs(error)));
                used += n < 0 ? 0 : (size_t) n;
        }

        if (used > sizeof(line) - 1)
                used = sizeof(line) - 1;
        if (text == line || send_entry(subject, level, text, used - (size_t) (text - line)) < 0) {
                line[used++] = '\n';
                write_line(line, used);
        }
        errno = saved;
}

void log_at(int level, const char *format, ...) {
        va_list args;

        if (level > max_level)
                return;

        va_start(args, format);
        log_write(&(LogSubject){ 0 }, level, 0, format, args);
        va_end(args);
}

int log_errno(int level, int error, const char *format, ...) {
        va_list args;

        if (level > max_level)
                return error;

        va_start(args, format);
        log_write(&(LogSubject){ 0 }, level, error, format, args);
        va_end(args);
        return error;
}

void log_about(const LogSubject *subject, int level, int error, const char *format, ...) {
        va_list args;

        if (level > max_level)
                return;

        va_start(args, format);
        log_write(subject, level, error, format, args);
        va_end(args);
}
