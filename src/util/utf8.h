/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * UTF-8
 *
 * Sidecars write bytes, D-Bus takes valid UTF-8 without NUL and sd_bus_message_append()
 * refuses anything else with -EINVAL: what goes to the bus is made valid here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_BYTES_MAX 4 /* of a character */

/* Strict as in RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF. */
bool utf8_is_valid(const char *bytes, size_t n_bytes);

/* Bytes of the character at the front, which is *ret; 0: there is none, and *ret is not written. */
size_t utf8_decode(const char *bytes, size_t n_bytes, uint32_t *ret);

/* A new string in which each byte that is no part of a character, and NUL, is U+FFFD. */
char *utf8_make_valid(const char *bytes, size_t n_bytes);

/*
 * In place, of valid UTF-8: control characters become "?", and what is longer than a kilobyte is
 * cut between two characters. What a stranger wrote then is one line that drives no terminal.
 * Answers text.
 */
char *utf8_make_printable(char *text);
