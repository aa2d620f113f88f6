/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Keyboard
 *
 * Signals come by a descriptor, so that no handler has to restore a terminal. It cannot be
 * suspended: the shell would find the terminal as we have it.
 */

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>

#include "ctl/keyboard.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/macro.h"

/* The alternate screen and the cursor: xterm's, which all the others have. */
#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"

static int take_keys(Keyboard *keyboard) {
        struct termios raw;

        keyboard->has_keys = isatty(STDIN_FILENO);
        if (!keyboard->has_keys)
                return 0;
        if (tcgetattr(STDIN_FILENO, &keyboard->former) < 0)
                return -errno;

        raw = keyboard->former;
        raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        raw.c_cc[VSUSP] = _POSIX_VDISABLE;
        return tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0 ? -errno : 0;
}

int keyboard_init(Keyboard *ret) {
        _cleanup_(keyboard_done) Keyboard keyboard = { .signal_fd = -1 };
        sigset_t signals;
        int r;

        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGINT);
        (void) sigaddset(&signals, SIGTERM);
        (void) sigaddset(&signals, SIGHUP);
        (void) sigaddset(&signals, SIGQUIT);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        keyboard.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        if (keyboard.signal_fd < 0)
                return -errno;

        r = take_keys(&keyboard);
        if (r < 0)
                return r;

        (void) fputs(ENTER, stdout);
        (void) fflush(stdout);
        *ret = TAKE(keyboard, (Keyboard){ .signal_fd = -1 });
        return 0;
}

void keyboard_done(Keyboard *keyboard) {
        if (keyboard->signal_fd < 0)
                return;

        (void) fputs(LEAVE, stdout);
        (void) fflush(stdout);
        if (keyboard->has_keys)
                (void) tcsetattr(STDIN_FILENO, TCSANOW, &keyboard->former);
        keyboard->signal_fd = safe_close(keyboard->signal_fd);
}

/* What is read at once may be several keys; a terminal that is gone has none. */
static bool wants_to_quit(void) {
        char keys[16];
        ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

        for (ssize_t i = 0; i < n; i++)
                if (keys[i] == 'q')
                        return true;

        return n <= 0;
}

int keyboard_wait_for_quit(const Keyboard *keyboard, uint64_t timeout_usec) {
        uint64_t now = clock_monotonic_usec(), until = now + timeout_usec;
        struct pollfd polled[] = {
                { .fd = keyboard->signal_fd, .events = POLLIN },
                { .fd = keyboard->has_keys ? STDIN_FILENO : -1, .events = POLLIN },
        };

        for (; now < until; now = clock_monotonic_usec()) {
                int r = poll(polled, ELEMENTSOF(polled),
                             (int) ((until - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC));

                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r > 0 && (polled[0].revents || (polled[1].revents && wants_to_quit())))
                        return 1;
        }

        return 0;
}
