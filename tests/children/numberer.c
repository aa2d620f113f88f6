/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * numberer FILE
 *
 * Numbers its lines on stdout and on stderr from 1 on, at random and with random pauses, and takes
 * commands by signal (tests/numbered.h). As the first and the last act of its life it says so in
 * FILE, by one write(2) each, so that whoever reads it knows which lives there were, whether two
 * of them were ever there at a time, and how much each has written:
 *
 *   start GENERATION PID USEC
 *   quiet GENERATION PID USEC STDOUT-LINES STDERR-LINES
 *   end GENERATION PID USEC told|asked CODE STDOUT-LINES STDERR-LINES
 *
 * An end that is missing means that it was killed.
 */

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/numbered.h"
#include "util/clock.h"
#include "util/macro.h"

#define LINES_BETWEEN_COMMANDS 8 /* of a flood */
#define LONGEST_PAUSE_MSEC 40

static uint64_t generation;
static uint64_t n_lines[2]; /* stdout, stderr */
static size_t n_flood_bytes;
static NumbererPace pace = NUMBERER_SLOW;
static int stamps_fd;

static void write_all(int fd, const char *text, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, text, size);

                if (n <= 0)
                        _exit(NUMBERER_CODE_BROKEN);
                text += n;
                size -= (size_t) n;
        }
}

_printf_(2, 3) static void stamp(const char *word, const char *format, ...) {
        char text[256];
        va_list arguments;
        size_t n;

        n = (size_t) snprintf(text, sizeof(text), "%s %" PRIu64 " %d %" PRIu64, word, generation,
                              (int) getpid(), clock_monotonic_usec());
        va_start(arguments, format);
        n += (size_t) vsnprintf(text + n, sizeof(text) - n, format, arguments);
        va_end(arguments);
        write_all(stamps_fd, text, n);
}

static _Noreturn void end(const char *why, int code) {
        stamp("end", " %s %d %" PRIu64 " %" PRIu64 "\n", why, code, n_lines[0], n_lines[1]);
        _exit(code);
}

static void write_line(void) {
        int stream = random() % 2;
        char line[NUMBERED_LINE_MAX];
        size_t size;

        size = numbered_line_make(line, stream, generation, ++n_lines[stream]);
        write_all(stream == 0 ? STDOUT_FILENO : STDERR_FILENO, line, size);
        n_flood_bytes += size;
        if (pace == NUMBERER_FLOOD && n_flood_bytes >= NUMBERER_FLOOD_BYTES)
                pace = NUMBERER_SLOW;
}

static void set_pace(NumbererPace wanted) {
        pace = wanted;
        n_flood_bytes = 0;
        if (pace == NUMBERER_QUIET)
                stamp("quiet", " %" PRIu64 " %" PRIu64 "\n", n_lines[0], n_lines[1]);
}

/* Waits for as long as the pace says. */
static void take_command(const sigset_t *commands) {
        struct timespec pause = { 0 };
        siginfo_t info;
        int command;

        if (pace == NUMBERER_SLOW)
                pause.tv_nsec = random() % LONGEST_PAUSE_MSEC * 1000 * 1000;
        command = pace == NUMBERER_QUIET ? sigwaitinfo(commands, &info)
                                         : sigtimedwait(commands, &info, &pause);

        if (command == SIGTERM)
                end("asked", NUMBERER_CODE_ASKED);
        if (command == NUMBERER_EXIT)
                end("told", info.si_value.sival_int);
        if (command == NUMBERER_PACE)
                set_pace((NumbererPace) info.si_value.sival_int);
}

int main(int argc, char *argv[]) {
        const char *number = getenv("SIDECARD_GENERATION");
        sigset_t commands;

        /* First: a start that was said is followed by an end, unless by SIGKILL. */
        (void) sigemptyset(&commands);
        (void) sigaddset(&commands, SIGTERM);
        (void) sigaddset(&commands, NUMBERER_EXIT);
        (void) sigaddset(&commands, NUMBERER_PACE);
        (void) sigprocmask(SIG_BLOCK, &commands, NULL);

        if (argc != 2 || !number)
                return 2;
        generation = strtoull(number, NULL, 10);
        srandom((unsigned int) getpid());
        stamps_fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        stamp("start", "\n");

        for (;;) {
                take_command(&commands);
                for (int i = 0; i < (pace == NUMBERER_FLOOD ? LINES_BETWEEN_COMMANDS : 1); i++)
                        if (pace != NUMBERER_QUIET)
                                write_line();
        }
}
