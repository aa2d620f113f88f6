/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keyboard
 *
 * A terminal that a program has to itself: single keys, a screen of its own, and all as it was
 * afterwards, also when a signal ends it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

typedef struct Keyboard {
        int signal_fd; /* -1: nothing was taken over */
        bool has_keys; /* standard input is a terminal */
        struct termios former;
} Keyboard;

/* Standard output is a terminal. */
int keyboard_init(Keyboard *ret);
void keyboard_done(Keyboard *keyboard);

/* Waits that long; 1: it is to end, by the key q or a signal. */
int keyboard_wait_for_quit(const Keyboard *keyboard, uint64_t timeout_usec);
