/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * PortInWords
 *
 * Whether last words say that a port was taken, and which one: so that whoever has it can be
 * looked for.
 */

#include <stdbool.h>
#include <stdint.h>

bool words_say_port_in_use(const char *words);

/* The number that looks most like a port in there; 0: none does. */
uint16_t words_find_port(const char *words);
