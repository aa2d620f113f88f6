/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Wrap
 *
 * Where a line of text is broken so that it fits. A word that is wider than the line, such as a
 * path, stays whole: whoever wants to copy it wants all of it.
 */

#include <stddef.h>

/*
 * How many bytes of text are its first line: up to a space, none at its end, or all. At least one
 * word, and 0 for "" alone. text as text_width() takes it.
 */
size_t wrap_line(const char *text, unsigned n_columns);
