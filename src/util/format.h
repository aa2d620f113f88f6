/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Format
 *
 * Sentences and paths as they are put together. Who takes one over takes NULL too, for -ENOMEM: so
 * what fails with a message is one call.
 */

#include "util/macro.h"

/* A new string, as printf(3) has it; NULL where memory is out. */
char *format_text(const char *format, ...) _printf_(1, 2);

/* Takes the message over into *ret_message and answers error; -ENOMEM where it is NULL. */
int fail_with(char **ret_message, int error, char *message);
